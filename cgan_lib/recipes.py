"""The recipes: five published systems, each with our settings and with its own, and what became of them.

The two differ in nothing but the settings beside each other below; what is not published is ours, as noted.
"""

from typing import Any

from cgan_lib.data import check_dataset
from cgan_lib.errors import unknown
from cgan_lib.recipe import (
    CI_STEPS,
    FRESH_SEEDS,
    LENGTH_FIELDS,
    PROFILES,
    QUICK_SAMPLES,
    SAMPLES,
    SEEDS,
    TRIALS,
    Precision,
    Recipe,
    check_profile,
    current_profile,
)

__all__ = [
    "CI_STEPS",
    "FRESH_SEEDS",
    "LENGTH_FIELDS",
    "PROFILES",
    "QUICK_SAMPLES",
    "RECIPES",
    "SAMPLES",
    "SEEDS",
    "TRIALS",
    "Precision",
    "Recipe",
    "check_profile",
    "current_profile",
    "get_recipe",
]


def _system(name: str, *, both: dict[str, Any], published: dict[str, Any], ours: dict[str, Any]) -> list[Recipe]:
    """A system with settings for quality per second, under its name; and as it was published."""
    return [Recipe(name, **both, **ours), Recipe(f"{name}_published", **both, **published)]


_ALL = [
    # Public weights VioletaR/cgan-mnist. The width of its discriminator is not published: 32 → 64 is ours.
    *_system(
        "bce",
        both=dict(model="bce", epochs=50, demo_steps=3200),
        published=dict(batch_size=32, lr=1.12e-4, beta1=0.037),
        ours=dict(batch_size=64, lr=1e-3, beta1=0.5, ema=0.998),
    ),
    # DCGAN with dropout in the discriminator. Its widths are not published: 256 → 64 and 32 → 64 are ours.
    *_system(
        "dropout",
        both=dict(model="dropout", embed_dim=50, base_channels=256, dropout=0.3, seed=504, epochs=30, demo_steps=1300),
        published=dict(batch_size=128, lr=2e-4),
        ours=dict(batch_size=32, lr=5e-4, lr_d=1e-3, ema=0.998),
    ),
    # Spatial label map, global max pooling. Dropout 0.4, the widths and the optimiser are not published: ours.
    *_system(
        "spatial",
        both=dict(model="spatial", embed_dim=50, dropout=0.4, epochs=3, demo_steps=1874),
        published=dict(batch_size=128, lr=2e-4),
        ours=dict(batch_size=64, lr=1e-3, ema=0.998),
    ),
    # DCGAN with InstanceNorm at 64×64. Its widths are not published: the DCGAN paper's, 512 → 64 and 64 → 512.
    *_system(
        "dcgan64",
        both=dict(model="dcgan", image_size=64, embed_dim=100, epochs=30, demo_steps=2400),
        published=dict(base_channels=512, base_channels_d=64, dropout=0.5, batch_size=128, lr=2e-4, beta1=0.5),
        ours=dict(
            base_channels=128,
            base_channels_d=16,
            dropout=0.3,
            batch_size=64,
            lr=1e-3,
            lr_halved_at=500,  # at a constant rate the networks begin to swing, and the generator loses kinds of digits
            beta1=0.0,
            ema=0.998,
        ),
    ),
    # Projection discriminator. The widths of its discriminator, lr and betas are not published: ours.
    *_system(
        "projection",
        both=dict(model="projection", loss="hinge", embed_dim=100, beta1=0.0, beta2=0.9, epochs=30, demo_steps=2000),
        published=dict(base_channels=384, base_channels_d=64, feature_dim=256, batch_size=128, lr=2e-4, ema=0.999),
        ours=dict(base_channels=128, base_channels_d=16, feature_dim=128, batch_size=64, lr=1e-3, ema=0.998),
    ),
    # Not one of the five: loss and penalties of R3GAN (Huang et al. 2024) on small networks without norm layers.
    Recipe(
        name="relativistic",
        model="residual",
        loss="relativistic",
        penalty_weight=0.3,
        penalty_every=8,
        embed_dim=100,
        base_channels=64,
        base_channels_d=16,
        batch_size=64,
        lr=2e-3,
        lr_halved_at=500,
        beta1=0.0,
        beta2=0.99,
        ema=0.999,
        demo_steps=2000,
    ),
    # Made for one thing: the fewest seconds to good digits (benchmarks/time_to_quality.py)
    Recipe(
        name="speedrun",
        model="subpixel",
        loss="relativistic",
        penalty_weight=0.3,
        penalty_every=8,
        auxiliary=1.0,
        latent_dim=24,
        embed_dim=32,
        base_channels=64,
        base_channels_d=16,
        batch_size=64,
        lr=3e-3,
        lr_to_zero=True,
        beta1=0.0,
        beta2=0.99,
        ema_power=10.0,
        epochs=9,
        demo_steps=2000,
    ),
]
RECIPES: dict[str, Recipe] = {recipe.name: recipe for recipe in _ALL}
# Progressive growing of `dcgan64`: 16×16, then 32×32 and 64×64, each faded in (Karras et al. 2018)
RECIPES["dcgan64_progressive"] = RECIPES["dcgan64"].replace(
    name="dcgan64_progressive", model="growing", grow_every=300, grid_every=300, demo_steps=1600
)


def get_recipe(name: str, **changes: Any) -> Recipe:
    """A named recipe, with some fields changed; `UserError` suggests the nearest name."""
    if name not in RECIPES:
        raise unknown("recipe", name, RECIPES)
    if isinstance(dataset := changes.get("dataset"), str):
        check_dataset(dataset)
    return RECIPES[name].replace(**changes)
