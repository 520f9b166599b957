"""A recipe: everything that defines a run, as one frozen dataclass; and profiles, which say how long it takes."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, asdict, fields
from dataclasses import replace as dataclass_replace
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_type_hints

import torch
from pydantic import BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic.dataclasses import dataclass
from pydantic.functional_validators import ModelWrapValidatorHandler
from pydantic_core import ErrorDetails
from torch import nn

from cgan_lib.augment import check_augment
from cgan_lib.errors import UserError, shown, unknown
from cgan_lib.losses import LOSSES
from cgan_lib.models import FORMER_NAMES, MODELS, Family
from cgan_lib.models.layers import ConditionalGenerator
from cgan_lib.models.traits import has_batch_norm
from cgan_lib.paths import check_name

Precision = Literal["auto", "bf16", "fp16", "fp32"]
PROFILES = ("ci", "demo", "full")
CI_STEPS = 40
SAMPLES = {"ci": 200, "demo": 2000, "full": 10_000}  # images in a measurement
QUICK_SAMPLES = {"ci": 100, "demo": 1000, "full": 2000}  # the same while a recipe trains
SEEDS = {"ci": 1, "demo": 1, "full": 3}  # times that they are made and measured
TRIALS = {"ci": 3, "demo": 12, "full": 40}  # of a search
FRESH_SEEDS = {"ci": 1, "demo": 3, "full": 3}  # with which its winner has to prove itself
# These say how long a run is and how often it reports: they may change when a run is continued.
LENGTH_FIELDS = ("steps", "demo_steps", "epochs", "log_every", "grid_every", "save_every")

MORE_THAN_0 = Field(gt=0)
AT_LEAST_0 = Field(ge=0)
FRACTION = Field(ge=0, lt=1)
KINDS = {"int_type": "a whole number", "float_type": "a number", "finite_number": "a finite number"}
WORDS = {"gt": "more than", "ge": "at least", "lt": "below"}


def one_of(kind: str, known: Any, former: Mapping[str, str] | None = None) -> BeforeValidator:
    """A check for a field: its value is registered in `known`, now or later; else the nearest is suggested.

    `former`: names of before → those of today.
    """

    def check(name: Any) -> Any:
        if isinstance(name, str) and former:
            name = former.get(name, name)
        if not isinstance(name, str) or name not in known:
            raise unknown(kind, name, known)
        return name

    return BeforeValidator(check)


def _folder_name(name: str) -> str:
    if not isinstance(name, str) or not name.replace("_", "").replace("-", "").isalnum():
        raise UserError(f"name {name!r} names a folder: use letters, digits, - and _.")
    return check_name("name", name)


def _dataset_name(name: str) -> str:
    """`name` itself: whether there are such data is asked when they are loaded, since a run may come from elsewhere."""
    if not isinstance(name, (str, Path)) or not str(name).strip():
        raise UserError(f"dataset={shown(name)} must be a name, such as mnist, or a path, in quotes.")
    return str(name)


def _flag(name: str) -> BeforeValidator:
    def check(value: bool) -> bool:
        if not isinstance(value, bool):
            raise UserError(f"{name}={shown(value)} must be True or False.")
        return value

    return BeforeValidator(check)


@dataclass(frozen=True, config=ConfigDict(strict=True, allow_inf_nan=False, extra="forbid"))
class Recipe:
    """Everything that defines a run. Make variants with `recipe.replace(lr=1e-3)`; `UserError` for a bad value."""

    name: Annotated[str, BeforeValidator(_folder_name)]
    """what this recipe is called; its runs lie in logs/<dataset>/<name>/"""
    model: Annotated[str, one_of("model", MODELS, FORMER_NAMES)]
    """the two networks: a name in cgan_lib.models.MODELS"""
    _: KW_ONLY
    dataset: Annotated[str, BeforeValidator(_dataset_name)] = "mnist"
    """a name that `load_data` knows, such as mnist or cifar10, or the path of a folder with a folder for each class"""
    image_size: Annotated[int, MORE_THAN_0] = 28
    """height and width in pixels; data are resized to it"""
    latent_dim: Annotated[int, MORE_THAN_0] = 100
    """length of z"""
    embed_dim: Annotated[int, MORE_THAN_0] = 20
    """length of the generator's label embedding"""
    base_channels: Annotated[int, MORE_THAN_0] = 128
    """widest feature map of the generator"""
    base_channels_d: Annotated[int, MORE_THAN_0] = 32
    """narrowest feature map of the discriminator"""
    feature_dim: Annotated[int | None, MORE_THAN_0] = None
    """features that a projection discriminator compares with the class; default: the model's own"""
    dropout: Annotated[float, FRACTION] = 0.0
    """dropout probability in the discriminator"""
    loss: Annotated[str, one_of("loss", LOSSES)] = "bce"
    """a name in cgan_lib.losses.LOSSES"""
    penalty_weight: Annotated[float | None, AT_LEAST_0] = None
    """weight of the discriminator's gradient penalty, in losses that have one; default: the loss's own"""
    auxiliary: Annotated[float, AT_LEAST_0] = 0.0
    """weight of a cross-entropy that the discriminator pays for the classes of reals, in families that have a head"""
    penalty_every: Annotated[int, MORE_THAN_0] = 1
    """steps between two penalties; each then counts as many times"""
    batch_size: Annotated[int, MORE_THAN_0] = 128
    """images in a step"""
    lr: Annotated[float, MORE_THAN_0] = 2e-4
    """Adam's learning rate"""
    lr_d: Annotated[float | None, MORE_THAN_0] = None
    """the discriminator's own learning rate (two time scales, TTUR); default: lr"""
    lr_halved_at: Annotated[int, AT_LEAST_0] = 0
    """step at which the learning rates have fallen to a half, as 1 / (1 + step / lr_halved_at); 0: they stay"""
    lr_to_zero: Annotated[bool, _flag("lr_to_zero")] = False
    """the learning rates fall in a straight line, to zero at the end of the run; default: they stay"""
    n_dis: Annotated[int, MORE_THAN_0] = 1
    """steps of the discriminator for one of the generator"""
    beta1: Annotated[float, FRACTION] = 0.5
    """Adam's momentum"""
    beta2: Annotated[float, FRACTION] = 0.999
    """Adam's decay of the squared gradient"""
    ema: Annotated[float, FRACTION] = 0.0
    """decay of the averaged generator, which makes the samples; 0: no average"""
    ema_power: Annotated[float, AT_LEAST_0] = 0.0
    """in place of a decay: the weights of step t count as t to this power, so that the average grows with the run"""
    grow_every: Annotated[int, AT_LEAST_0] = 0
    """steps at each image size while a growing model grows; 0: whole from the start"""
    augment: Annotated[str, BeforeValidator(check_augment)] = ""
    """what the discriminator's view is changed by, for small data sets: translation, colour, cutout, joined by +"""
    balanced: Annotated[bool, _flag("balanced")] = False
    """each class is seen equally often, however rare; default: as often as it occurs"""
    precision: Annotated[Precision, one_of("precision", get_args(Precision))] = "auto"
    """auto: bf16 where the hardware does it natively, fp16 with loss scaling on older GPUs, else fp32"""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """of the weights, the shuffling, z and the labels of the fakes"""
    epochs: Annotated[int, MORE_THAN_0] = 30
    """length in the profile `full`, in passes over the training images"""
    demo_steps: Annotated[int, MORE_THAN_0] = 2000
    """length in the profile `demo`, in steps"""
    steps: Annotated[int | None, AT_LEAST_0] = None
    """length in steps, whatever the profile"""
    log_every: Annotated[int, MORE_THAN_0] = 10
    """steps between two points of every curve"""
    grid_every: Annotated[int, MORE_THAN_0] = 500
    """steps between two sample grids"""
    save_every: Annotated[int, MORE_THAN_0] = 500
    """steps between two checkpoints"""

    @model_validator(mode="wrap")
    @classmethod
    def _in_our_words(cls, values: Any, check: ModelWrapValidatorHandler["Recipe"]) -> "Recipe":
        try:
            return check(values)
        except ValidationError as error:
            raise UserError(" ".join(map(_explain, error.errors()))) from None

    def __post_init__(self) -> None:
        """What fields must be to each other."""
        family, loss = MODELS[self.model], LOSSES[self.loss]
        if self.batch_size < 2:
            raise UserError(
                f"batch_size={self.batch_size} must be at least 2: BatchNorm compares the images of a batch."
            )
        if self.feature_dim is not None and "feature_dim" not in family.options:
            raise UserError(f"the discriminator of {self.model} has no feature_dim: leave it out.")
        if self.auxiliary and "auxiliary" not in family.options:
            raise UserError(f"the discriminator of {self.model} has no auxiliary classifier: leave auxiliary=0.")
        if self.lr_to_zero and self.lr_halved_at:
            raise UserError("lr_to_zero and lr_halved_at are two ways to let the learning rates fall: choose one.")
        if self.ema and self.ema_power:
            raise UserError("ema and ema_power are two ways to average the generator: choose one.")
        if self.grow_every and not family.grows:
            raise UserError(f"the networks of {self.model} do not grow: leave grow_every=0, or take model growing.")
        if self.penalty_weight is not None and loss.penalty is None:
            raise UserError(f"the loss {self.loss} has no gradient penalty: leave penalty_weight out.")
        if loss.penalty and self.weight_of_penalty and _normalises_batches(family):
            able = ", ".join(name for name, other in MODELS.items() if not _normalises_batches(other))
            raise UserError(
                f"the gradient penalty of {self.loss} looks at one image, but BatchNorm in the discriminator of "
                f"{self.model} mixes in the others: take a model without it ({able}), or penalty_weight=0."
            )

    @property
    def averages(self) -> bool:
        """Whether an average of the generator makes the samples."""
        return bool(self.ema or self.ema_power)

    @property
    def weight_of_penalty(self) -> float:
        """`penalty_weight`, or the loss's own; 0 for a loss without a gradient penalty."""
        return LOSSES[self.loss].penalty_weight if self.penalty_weight is None else self.penalty_weight

    def replace(self, **changes: Any) -> "Recipe":
        """A copy with some fields changed; `UserError` for an unknown field (suggests the nearest) or a bad value."""
        return dataclass_replace(self, **changes)

    def length(self, profile: str, num_images: int) -> int:
        """The steps that a run takes: `steps` when set, else what the profile says."""
        if self.steps is not None:
            return self.steps
        full = self.epochs * (num_images // self.batch_size)
        return {"ci": CI_STEPS, "demo": self.demo_steps, "full": full}[check_profile(profile)]

    def build(
        self, num_classes: int = 10, channels: int = 1, attributes: Sequence[int] = ()
    ) -> tuple[ConditionalGenerator, nn.Module]:
        """The generator and the discriminator, with random weights from `seed`, on the CPU."""
        family = MODELS[self.model]
        shape: dict[str, Any] = dict(num_classes=num_classes, channels=channels, image_size=self.image_size)
        shape |= {"attributes": attributes} if attributes else {}
        chosen = {name: value for name in family.options if (value := getattr(self, name)) is not None}
        chosen |= {"auxiliary": bool(self.auxiliary)} if "auxiliary" in family.options else {}
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


def _explain(error: ErrorDetails) -> str:
    """What pydantic finds wrong with a field, in one sentence: its name, the value given, what it must be."""
    name, hints = str(error["loc"][0]), get_type_hints(Recipe, include_extras=True)
    if name not in hints:
        return str(unknown("field of a recipe", name, [field.name for field in fields(Recipe)]))
    if error["type"] == "missing":
        return f"a recipe needs a {name}: Recipe(name, model, ...)."
    (bounds,) = hints[name].__metadata__
    limits = [f"{WORDS[word]} {limit}" for bound in bounds.metadata for word, limit in asdict(bound).items()]
    kind = [KINDS[error["type"]]] if error["type"] in KINDS else []
    return f"{name}={error['input']!r} must be {', '.join(kind + limits)}."


@cache
def _normalises_batches(family: Family) -> bool:
    """Whether the discriminator normalises over the batch, so that its slope at one image depends on the others.

    A penalty on that slope is then none on any image (Gulrajani et al. 2017, section 4).
    """
    with torch.random.fork_rng(devices=[]):  # on the CPU: loading PyTorch's meta device would take a second
        return has_batch_norm(family.discriminator(base_channels=8))


def current_profile() -> str:
    """The profile in force: `$CGAN_PROFILE`, or `demo`."""
    return check_profile(os.environ.get("CGAN_PROFILE") or "demo")


def check_profile(profile: str) -> str:
    """`profile` itself, or a `UserError` when there is no such profile."""
    if profile not in PROFILES:
        raise unknown("profile", profile, PROFILES)
    return profile
