"""A shelf of weight files, and a studio for them."""

import pytest
from networks import small

from cgan_lib import load_generator
from cgan_lib.studio.widgets import Model, Studio
from cgan_lib.weights import save_generator


@pytest.fixture
def shelf(home) -> list[str]:
    """Weight files in the home: two that go together, and others that cannot be beside these, each in its way."""
    kinds = dict(one={}, two=dict(seed=1), long=dict(latent_dim=9), few=dict(num_classes=4), short=dict(latent_dim=3))
    for name, changes in kinds.items():
        generator = small(**changes)
        generator.draws("mnist" if generator.config["num_classes"] == 10 else "", generator.class_names)
        save_generator(generator, home / f"{name}.safetensors")
    (home / "damaged.safetensors").write_bytes(b"no weights")
    return [f"{name}.safetensors" for name in (*kinds, "damaged")]


@pytest.fixture
def studio(shelf) -> Studio:
    return Studio(Model(shelf[0], load_generator(shelf[0])), shelf)
