"""Recipes: everything that defines a run, as one frozen dataclass; and profiles, which say how long it takes."""

import os
from dataclasses import asdict, dataclass, fields
from dataclasses import replace as dataclass_replace
from typing import Any, Literal

import torch
from torch import nn

from cgan_lib.data import DATASETS
from cgan_lib.errors import UserError, unknown
from cgan_lib.losses import LOSSES
from cgan_lib.models import MODELS

Precision = Literal["auto", "bf16", "fp16", "fp32"]
PROFILES = ("ci", "demo", "full")
CI_STEPS = 40
SAMPLES = {"ci": 200, "demo": 2000, "full": 10_000}  # images that a measurement draws
QUICK_SAMPLES = {"ci": 100, "demo": 1000, "full": 2000}  # the same while a recipe trains
SEEDS = {"ci": 1, "demo": 1, "full": 3}  # times that it draws them
MORE_THAN_ZERO = 5e-324  # the smallest positive float
MAY_BE_ZERO = ("beta1", "beta2", "ema", "dropout", "seed", "steps", "penalty_weight", "grow_every", "lr_halved_at")
# These say how long a run is and how often it reports: they may change when a run is continued.
LENGTH_FIELDS = ("steps", "demo_steps", "epochs", "log_every", "grid_every", "save_every")


@dataclass(frozen=True)
class Recipe:
    """Everything that defines a run. Make variants with `recipe.replace(lr=1e-3)`."""

    name: str
    """what this recipe is called; its runs lie in logs/<dataset>/<name>/"""
    model: str
    """the two networks: a name in cgan_lib.models.MODELS"""
    dataset: str = "mnist"
    """mnist, fashion_mnist, kmnist or digits"""
    image_size: int = 28
    """height and width in pixels; data are resized to it"""
    latent_dim: int = 100
    """length of z"""
    embed_dim: int = 20
    """length of the generator's label embedding"""
    base_channels: int = 128
    """widest feature map of the generator"""
    base_channels_d: int = 32
    """narrowest feature map of the discriminator"""
    feature_dim: int | None = None
    """features that a projection discriminator compares with the class; default: the model's own"""
    dropout: float = 0.0
    """dropout probability in the discriminator"""
    loss: str = "bce"
    """a name in cgan_lib.losses.LOSSES"""
    penalty_weight: float | None = None
    """weight of the discriminator's gradient penalty, in losses that have one; default: the loss's own"""
    penalty_every: int = 1
    """steps between two penalties; each then counts as many times"""
    batch_size: int = 128
    """images in a step"""
    lr: float = 2e-4
    """Adam's learning rate"""
    lr_d: float | None = None
    """the discriminator's own learning rate (two time scales, TTUR); default: lr"""
    lr_halved_at: int = 0
    """step at which the learning rates have fallen to a half, as 1 / (1 + step / lr_halved_at); 0: they stay"""
    n_dis: int = 1
    """steps of the discriminator for one of the generator"""
    beta1: float = 0.5
    """Adam's momentum"""
    beta2: float = 0.999
    """Adam's decay of the squared gradient"""
    ema: float = 0.0
    """decay of the averaged generator that draws the samples; 0: no average"""
    grow_every: int = 0
    """steps at each image size while a growing model grows; 0: whole from the start"""
    precision: Precision = "auto"
    """auto: bf16 where the hardware does it natively, fp16 with loss scaling on older GPUs, else fp32"""
    seed: int = 0
    """of the weights, the shuffling, z and the labels of the fakes"""
    epochs: int = 30
    """length in the profile `full`, in passes over the training images"""
    demo_steps: int = 2000
    """length in the profile `demo`, in steps"""
    steps: int | None = None
    """length in steps, whatever the profile"""
    log_every: int = 10
    """steps between two points of every curve"""
    grid_every: int = 500
    """steps between two sample grids"""
    save_every: int = 500
    """steps between two checkpoints"""

    def __post_init__(self):
        for kind, name, known in (
            ("model", self.model, MODELS),
            ("data set", self.dataset, DATASETS),
            ("loss", self.loss, LOSSES),
            ("precision", self.precision, Precision.__args__),
        ):
            if name not in known:
                raise unknown(kind, name, known)
        if not isinstance(self.name, str) or not self.name.replace("_", "").replace("-", "").isalnum():
            raise UserError(f"name {self.name!r} names a folder: use letters, digits, - and _.")
        for field in fields(self):
            self._check_number(field.name, field.type, getattr(self, field.name))
        family = MODELS[self.model]
        if self.feature_dim is not None and "feature_dim" not in family.options:
            raise UserError(f"the discriminator of {self.model} has no feature_dim: leave it out.")
        if self.grow_every and not family.grows:
            raise UserError(f"the networks of {self.model} do not grow: leave grow_every=0, or take model growing.")
        if self.penalty_weight is not None and LOSSES[self.loss].penalty is None:
            raise UserError(f"the loss {self.loss} has no gradient penalty: leave penalty_weight out.")

    def _check_number(self, name: str, kind: Any, value: Any) -> None:
        if kind not in (int, float, int | None, float | None) or (value is None and kind in (int | None, float | None)):
            return
        whole = kind in (int, int | None)
        if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)):
            raise UserError(f"{name}={value!r} must be a {'whole ' if whole else ''}number.")
        if name == "batch_size" and value < 2:
            raise UserError(f"batch_size={value!r} must be at least 2: BatchNorm compares the images of a batch.")
        least = 0 if name in MAY_BE_ZERO else MORE_THAN_ZERO
        below = {"beta1": 1, "beta2": 1, "ema": 1, "dropout": 1, "seed": 2**32}.get(name, float("inf"))
        if not least <= value < below:  # NaN is refused here too
            limits = ("at least 0" if least == 0 else "more than 0") + (
                "" if below == float("inf") else f", below {below}"
            )
            raise UserError(f"{name}={value!r} must be {limits}.")

    def replace(self, **changes: Any) -> "Recipe":
        """A copy with some fields changed; `UserError` for an unknown field (suggests the nearest) or a bad value."""
        known = [field.name for field in fields(self)]
        for name in changes:
            if name not in known:
                raise unknown("field of a recipe", name, known)
        return dataclass_replace(self, **changes)

    def length(self, profile: str, num_images: int) -> int:
        """The steps that a run takes: `steps` when set, else what the profile says."""
        if self.steps is not None:
            return self.steps
        full = self.epochs * (num_images // self.batch_size)
        return {"ci": CI_STEPS, "demo": self.demo_steps, "full": full}[check_profile(profile)]

    def build(self, num_classes: int = 10, channels: int = 1) -> tuple[nn.Module, nn.Module]:
        """The generator and the discriminator, with weights drawn from `seed`, on the CPU."""
        family = MODELS[self.model]
        shape = dict(num_classes=num_classes, channels=channels, image_size=self.image_size)
        chosen = {name: value for name in family.options if (value := getattr(self, name)) is not None}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            generator = family.generator(
                latent_dim=self.latent_dim, embed_dim=self.embed_dim, base_channels=self.base_channels, **shape
            )
            discriminator = family.discriminator(
                base_channels=self.base_channels_d, dropout=self.dropout, **chosen, **shape
            )
        return generator, discriminator

    def differences(self, other: "Recipe") -> dict[str, tuple[Any, Any]]:
        """The fields that make `other` a different run: name → (here, there). Length and rhythm do not count."""
        here, there = asdict(self), asdict(other)
        return {k: (here[k], there[k]) for k in here if k not in LENGTH_FIELDS and here[k] != there[k]}


def current_profile() -> str:
    """The profile in force: `$CGAN_PROFILE`, or `demo`."""
    return check_profile(os.environ.get("CGAN_PROFILE") or "demo")


def check_profile(profile: str) -> str:
    """`profile` itself, or a `UserError` when there is no such profile."""
    if profile not in PROFILES:
        raise unknown("profile", profile, PROFILES)
    return profile


def get_recipe(name: str, **changes: Any) -> Recipe:
    """A named recipe, with some fields changed; `UserError` suggests the nearest name."""
    if name not in RECIPES:
        raise unknown("recipe", name, RECIPES)
    return RECIPES[name].replace(**changes)


def _pair(published: Recipe, **tuned: Any) -> list[Recipe]:
    """A system as published (gaps filled as noted), and ours: its networks, with settings for quality per second."""
    return [published.replace(name=published.name, **tuned), published.replace(name=f"{published.name}_published")]


RECIPES: dict[str, Recipe] = {
    recipe.name: recipe
    for pair in (
        # Public weights VioletaR/cgan-mnist. The width of its discriminator is not published: 32 → 64 is ours.
        _pair(
            Recipe("bce", "bce", batch_size=32, lr=1.12e-4, beta1=0.037, epochs=50, demo_steps=3200),
            batch_size=64,
            lr=1e-3,
            beta1=0.5,
            ema=0.998,
        ),
        # DCGAN with dropout in the discriminator. Its widths are not published: 256 → 64 and 32 → 64 are ours.
        _pair(
            Recipe(
                "dropout", "dropout", embed_dim=50, base_channels=256, dropout=0.3, seed=504, epochs=30, demo_steps=1300
            ),
            batch_size=32,
            lr=5e-4,
            lr_d=1e-3,
            ema=0.998,
        ),
        # Spatial label map, global max pooling. Dropout 0.4, the widths and the optimiser are not published: ours.
        _pair(
            Recipe("spatial", "spatial", embed_dim=50, dropout=0.4, epochs=3, demo_steps=1874),
            batch_size=64,
            lr=1e-3,
            ema=0.998,
        ),
        # DCGAN with InstanceNorm at 64×64. Its widths are not published: the DCGAN paper's, 512 → 64 and 64 → 512.
        _pair(
            Recipe(
                "dcgan64",
                "dcgan64",
                image_size=64,
                embed_dim=100,
                base_channels=512,
                base_channels_d=64,
                dropout=0.5,
                epochs=30,
                demo_steps=2400,
            ),
            base_channels=128,
            base_channels_d=16,
            dropout=0.3,
            batch_size=64,
            lr=1e-3,
            beta1=0.0,
            ema=0.998,
        ),
        # Projection discriminator. The widths of its discriminator, lr and betas are not published: ours.
        _pair(
            Recipe(
                "projection",
                "projection",
                loss="hinge",
                embed_dim=100,
                base_channels=384,
                base_channels_d=64,
                feature_dim=256,
                beta1=0.0,
                beta2=0.9,
                ema=0.999,
                epochs=30,
                demo_steps=2000,
            ),
            base_channels=128,
            base_channels_d=16,
            feature_dim=128,
            batch_size=64,
            lr=1e-3,
            ema=0.998,
        ),
        # Not one of the five: loss and penalties of R3GAN (Huang et al. 2024) on small networks without norm layers.
        [
            Recipe(
                "relativistic",
                "residual",
                loss="relativistic",
                embed_dim=100,
                base_channels=64,
                base_channels_d=16,
                batch_size=64,
                lr=2e-3,
                lr_halved_at=500,
                beta1=0.0,
                beta2=0.99,
                penalty_weight=0.3,
                penalty_every=8,
                ema=0.999,
                demo_steps=2000,
            )
        ],
    )
    for recipe in pair
}
# Progressive growing of `dcgan64`: 16×16, then 32×32 and 64×64, each faded in (Karras et al. 2018)
RECIPES["dcgan64_progressive"] = RECIPES["dcgan64"].replace(
    name="dcgan64_progressive", model="growing", grow_every=300, grid_every=300, demo_steps=1600
)
