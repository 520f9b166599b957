"""The stop button in a cell that takes long: what runs there ends with KeyboardInterrupt, whatever it is."""

import signal

import pytest
import torch
from torch.nn.modules.module import register_module_forward_hook

from cgan_lib import evaluate, load, load_generator
from cgan_lib.course.exercises.verdict import judge
from cgan_lib.evaluation.classifier import train_classifier
from cgan_lib.studio.latent import find_latent


def check_network(network):
    """As the checks of exercises do: it runs what a learner wrote, and says what it raised."""
    return str(network(torch.zeros(1, 100), torch.tensor([3])))


LONG = {
    "evaluate": lambda: evaluate(load_generator("bce"), "digits"),
    "find_latent": lambda: find_latent(load_generator("bce"), torch.zeros(1, 28, 28, dtype=torch.uint8), 3),
    "train_classifier": lambda: train_classifier(load("digits")),
    "a check": lambda: judge(lambda: check_network(load_generator("bce")), ["a network"]),
}


@pytest.mark.parametrize("name", sorted(LONG))
def test_a_stop_in_the_middle_is_not_swallowed(name):
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    hook = register_module_forward_hook(lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        with pytest.raises(KeyboardInterrupt):
            LONG[name]()
    finally:
        hook.remove()
        signal.signal(signal.SIGINT, before)
