"""What the families share: ways to turn a label into something a convolution can read, and shape checks.

A label is one integer; an image is a map of numbers. Three ways to join them:

    vector   Embedding(num_classes, E)          (N,) → (N, E)          joined to z               generator
    plane    Embedding → H·W numbers            (N,) → (N, 1, H, W)    one more image channel    discriminator
    map      Embedding → h·w numbers, h < H     (N,) → (N, 1, h, w)    one more feature channel  generator
"""

from collections.abc import Sequence
from contextlib import suppress
from math import isqrt, prod
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cgan_lib.errors import UserError, printable, shown
from cgan_lib.models.limits import check_attributes, check_config, check_finite, check_stored
from cgan_lib.parallel import drawn, size

try:
    from huggingface_hub import ModelCard, PyTorchModelHubMixin
except ImportError:  # a generator draws without it; only `save_pretrained` and its like are missing then

    class PyTorchModelHubMixin:  # type: ignore[no-redef]  # mypy knows no optional packages
        def __init_subclass__(cls, **options: Any) -> None:
            super().__init_subclass__()


QUIET = 0.35  # standard deviation of embeddings that leave room for z
LONGEST_NAME = 100  # of a data set or a class, in letters
LEAK = 0.2  # slope of LeakyReLU for negative inputs, in all families (Radford et al. 2016)


class DenseToMaps(nn.Linear):
    """Vectors (N, features) → maps (N, channels, side, side), in the channels-last memory that convolutions like."""

    def __init__(self, features: int, channels: int, side: int):
        super().__init__(features, channels * side * side)
        self.shape = (channels, side, side)

    def forward(self, x: Tensor) -> Tensor:
        maps = super().forward(x).unflatten(1, self.shape)  # (N, channels·side·side) → (N, channels, side, side)
        return maps.contiguous(memory_format=torch.channels_last)


class FlattenPixels(nn.Module):
    """(N, C, H, W) → (N, H·W·C): in the order in which channels-last memory lies, so that nothing is copied."""

    def forward(self, x: Tensor) -> Tensor:
        return x.permute(0, 2, 3, 1).flatten(1)


class Dropout(nn.Module):
    """`nn.Dropout` with a cheaper mask on CPUs: a byte of randomness for each number, so p is a multiple of 1/256."""

    def __init__(self, p: float):
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        dropped = min(round(256 * self.p), 255)  # of 256 byte values; something is always kept
        if not self.training or dropped == 0:
            return x
        if x.device.type != "cpu" and size() == 1:
            return F.dropout(x, self.p)  # in one go
        if x.device.type != "cpu":
            return x * drawn(lambda n: F.dropout(x.new_ones(n, *x.shape[1:]), self.p), len(x))
        keep = drawn(lambda n: _random_bytes(n, x[0].numel()), len(x)) >= dropped
        if x.ndim == 4:  # laid out as x is
            n, c, h, w = x.shape
            mask = keep.view(n, h, w, c).permute(0, 3, 1, 2)
        else:
            mask = keep.view(x.shape)
        return x * mask * (256 / (256 - dropped))


def _random_bytes(rows: int, columns: int) -> Tensor:
    words = torch.empty(-(-rows * columns // 8), dtype=torch.int64).random_(-(2**63), None)  # 8 random bytes each
    return words.view(torch.uint8)[: rows * columns].view(rows, columns)


class _Clamp(torch.autograd.Function):
    @staticmethod
    def forward(context, x: Tensor) -> Tensor:
        context.save_for_backward(x)
        return x.clamp(-1, 1)

    @staticmethod
    def backward(context, gradient: Tensor) -> Tensor:
        (x,) = context.saved_tensors
        # A step goes against the gradient: below -1 a negative one leads back inside, above 1 a positive one
        return gradient.where(((x >= -1) | (gradient < 0)) & ((x <= 1) | (gradient > 0)), 0)


class Clamp(nn.Module):
    """Cut to [-1, 1], but let through every gradient that leads back inside.

    tanh goes flat where a pixel is black, so that a generator without norm layers, once it draws all black, is stuck.
    """

    def forward(self, x: Tensor) -> Tensor:
        return _Clamp.apply(x)


class ConditionalGenerator(
    nn.Module,
    PyTorchModelHubMixin,
    library_name="cgan_lib",
    pipeline_tag="unconditional-image-generation",
    tags=["gan", "conditional-gan", "pytorch"],
):
    """Base of all generators: knows what it was made with, and what it draws.

    `save_pretrained`, `from_pretrained` and `push_to_hub` are those of Hugging Face's `PyTorchModelHubMixin`.
    """

    config: dict[str, Any]
    """the constructor arguments"""
    attribute_names: dict[str, list[str]]
    """where a class is made of several attributes: what each is called, and its values"""
    dataset: str
    """the name of the data set that it was trained on; empty when that is not known"""
    mixes: bool = True
    """whether class weights may be mixtures of classes"""

    def __init__(
        self,
        latent_dim: int,
        num_classes: int,
        channels: int,
        image_size: int,
        embed_dim: int,
        base_channels: int,
        attributes: Sequence[int] = (),
        divisor: int = 4,
    ):
        super().__init__()
        sizes = dict(latent_dim=latent_dim, num_classes=num_classes, channels=channels, image_size=image_size)
        check_config(sizes)
        if type(base_channels) is int and (base_channels < divisor or base_channels % divisor):
            width = f"base_channels {shown(base_channels, 20)}"
            raise UserError(f"{width} must be a multiple of {divisor}: the next layers have a part of it.")
        self.config = dict(check_config(sizes | dict(embed_dim=embed_dim, base_channels=base_channels)))
        if attributes:
            self.config["attributes"] = check_attributes(attributes, num_classes)
        self.dataset, self.class_names = "", tuple(map(str, range(num_classes)))
        self.attribute_names = {}

    @property
    def class_names(self) -> tuple[str, ...]:
        """One for each label; the numbers where they are not known. `UserError` when as many are not given."""
        return self._class_names

    @class_names.setter
    def class_names(self, names: Sequence[str]) -> None:
        given = len(names) if isinstance(names, (list, tuple)) else 0
        if given != self.config["num_classes"]:
            raise UserError(f"{given} names for {self.config['num_classes']} classes: give one for each.")
        self._class_names = tuple(printable(str(name))[:LONGEST_NAME] for name in names)

    def draws(self, dataset: Any, class_names: Any, attribute_names: Any = None) -> None:
        """Take over what a description in a file says that it draws, as far as that can be."""
        self.dataset = printable(str(dataset or ""))[:LONGEST_NAME]
        with suppress(UserError):  # of another length, or no list
            self.class_names = class_names
        with suppress(AttributeError, TypeError):  # no dict of lists
            named = {printable(str(k))[:LONGEST_NAME]: [*map(printable, v)] for k, v in attribute_names.items()}
            if [*map(len, named.values())] == self.config.get("attributes"):
                self.attribute_names = named

    @staticmethod
    def infer_config(state: dict[str, Tensor]) -> dict[str, Any]:
        """The constructor arguments that a state dict of this family was made with, read off its shapes."""
        raise NotImplementedError

    def describe(self) -> dict[str, Any]:
        """What the weights alone do not say, as `config.json` holds it: constructor arguments, class, what it draws."""
        about = {"class": type(self).__name__, "dataset": self.dataset, "class_names": list(self.class_names)}
        names = {"attribute_names": self.attribute_names} if self.attribute_names else {}
        return {**self.config, **about, **names}

    def generate_model_card(self, **facts: Any) -> "ModelCard":
        """The README of a published folder, from the template `card.md.jinja`; `facts` may name a `license`.

        Others are those that `cgan_lib.publish` knows: `title`, `rows`, `weights_file`.
        """
        template = Path(__file__).with_name("card.md.jinja").read_text(encoding="utf-8")
        facts = {**self.describe(), "parameters": sum(p.numel() for p in self.parameters()), **facts}
        return ModelCard.from_template(self._hub_mixin_info.model_card_data, template_str=template, **facts)

    def _save_pretrained(self, save_directory: Path) -> None:
        check_finite(self)
        self._hub_mixin_config = self.describe()  # becomes config.json
        super()._save_pretrained(save_directory)

    @classmethod
    def _from_pretrained(cls, *, config: dict[str, Any] | None = None, **options: Any) -> "ConditionalGenerator":
        said = config or {}
        if said.get("class", cls.__name__) != cls.__name__:
            raise UserError(
                f"{options['model_id']} holds a {said['class']}, no {cls.__name__}: "
                f"use {said['class']}.from_pretrained, or load_generator, which takes any family."
            )
        if (weights := Path(options["model_id"]) / "model.safetensors").is_file():
            check_stored(cls, said, weights)
        for name in ("class", "dataset", "class_names", "attribute_names"):  # or a constructor might be given them
            options.pop(name, None)
        try:
            generator = super()._from_pretrained(**{"strict": True} | options)
        except RuntimeError as error:  # names or shapes of some other network
            raise UserError(
                f"the weights of {options['model_id']} do not fit its config.json and {cls.__name__}: "
                "load_generator takes any family, by its tensors."
            ) from error
        generator.draws(said.get("dataset"), said.get("class_names"), said.get("attribute_names"))
        return generator.eval()  # older huggingface_hub leaves it in training mode


def config_of(
    state: dict[str, Tensor], dense: str, base_channels: int, channels: int, stages: int = 2
) -> dict[str, Any]:
    """Constructor arguments of a generator whose layer `dense` turns `z` and a label vector into the first map.

    Which is doubled in so many `stages`.
    """
    classes, embed_dim = classes_of(state, "label_embedding"), state["label_embedding.weight"].shape[1]
    rows, columns = state[f"{dense}.weight"].shape  # (base_channels · side · side, latent_dim + embed_dim)
    return dict(
        **classes,
        latent_dim=columns - embed_dim,
        channels=channels,
        image_size=2**stages * isqrt(rows // base_channels),
        embed_dim=embed_dim,
        base_channels=base_channels,
    )


def classes_of(state: dict[str, Tensor], embedding: str) -> dict[str, Any]:
    """`num_classes` of a generator, and its `attributes` if it has any, read off its `ClassEmbedding`."""
    if (sizes := state.get(f"{embedding}.attributes")) is None:
        return {"num_classes": len(state[f"{embedding}.weight"])}
    attributes = [int(size) for size in sizes.tolist()]
    return {"num_classes": prod(attributes), "attributes": attributes}


def check_image(x: Tensor, channels: int, image_size: int) -> None:
    """Raise `UserError` unless `x` is (N, channels, image_size, image_size)."""
    if x.shape[1:] != (channels, image_size, image_size):
        raise UserError(
            f"this discriminator reads (N, {channels}, {image_size}, {image_size}), got {tuple(x.shape)}: "
            f"load the data with image_size={image_size}, or build the recipe with the size and channels of your "
            "images."
        )


def upsample(c_in: int, c_out: int) -> nn.ConvTranspose2d:
    """(N, c_in, H, W) → (N, c_out, 2H, 2W)."""
    return nn.ConvTranspose2d(c_in, c_out, kernel_size=4, stride=2, padding=1)


def downsample(c_in: int, c_out: int) -> nn.Conv2d:
    """(N, c_in, H, W) → (N, c_out, H/2, W/2)."""
    return nn.Conv2d(c_in, c_out, kernel_size=4, stride=2, padding=1)


def dcgan_init(network: nn.Module) -> None:
    """Convolution weights from N(0, 0.02), biases zero, scales of norm layers from N(1, 0.02) (Radford et al. 2016).

    And small embeddings, as in `quiet_labels_init`: without BatchNorm nothing else keeps the label from drowning `z`.
    """
    for layer in network.modules():
        if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)):
            nn.init.normal_(layer.weight, std=0.02)
        elif isinstance(layer, (nn.BatchNorm2d, nn.InstanceNorm2d)) and layer.affine:
            nn.init.normal_(layer.weight, mean=1, std=0.02)
        elif isinstance(layer, nn.Embedding):
            nn.init.normal_(layer.weight, std=QUIET)
        if isinstance(bias := getattr(layer, "bias", None), Tensor):
            nn.init.zeros_(bias)


def quiet_labels_init(network: nn.Module) -> None:
    """Glorot-uniform weights, zero biases, and embeddings small enough that `z` is heard beside the label at first.

    With PyTorch's N(0, 1) embeddings a generator can please a discriminator without BatchNorm by ten pictures, one
    for each label. (Glorot & Bengio 2010; small embeddings are the default of Keras, where such models come from.)
    """
    for layer in network.modules():
        if isinstance(layer, (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)):
            nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        elif isinstance(layer, nn.Embedding):
            nn.init.normal_(layer.weight, std=QUIET)
