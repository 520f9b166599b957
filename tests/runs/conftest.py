"""What the tests of runs share: something that happens in the middle of a training."""

import pytest

from cgan_lib.training import Trainer


@pytest.fixture
def at_step(monkeypatch):
    """A function: have something happen once, in step `n` of whatever is trained next."""

    def arrange(n, happen):
        real_step, to_do = Trainer.train_step, [happen]

        def step(trainer, *arguments):
            metrics = real_step(trainer, *arguments)
            if trainer.step == n and to_do:
                to_do.pop()()
            return metrics

        monkeypatch.setattr(Trainer, "train_step", step)

    return arrange
