"""The classifier that reads images: shipped for MNIST and the embedded digits, else trained on first use."""

import copy
import hashlib
from collections.abc import Sequence
from functools import lru_cache
from math import isqrt, prod
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm.auto import tqdm

from cgan_lib.attributes import split_labels
from cgan_lib.data import DATASETS, MADE, ImageData, batches, load_data, made, to_unit
from cgan_lib.devices import AUTOCAST, pick_precision
from cgan_lib.files import write_atomically
from cgan_lib.paths import home, make_folder
from cgan_lib.weights import state_to_store

SIZE = 28  # at which the images of built-in sets are read, whatever their size
LARGER = 32  # at which other pictures are, unless they are smaller
SHIPPED = Path(__file__).parent
BATCH = 128  # of a large data set; a small one is read in at least 40 batches an epoch
EPOCHS = 8
LEAST_STEPS = 600
READ_AT_ONCE = 100  # what lies between the layers stays in the cache: three times as fast on a CPU as 500
ENOUGH = 500  # images that tell whether a classifier can read a data set
READABLE = 90.0  # percent: a classifier that reads fewer right was made for other images


class ClassLogits(nn.Linear):
    """Features (N, F) → a score for each class (N, num_classes).

    With `attributes` the score of a class is the sum of one for each attribute: a red 7 can be read where only other
    red digits and other 7s were seen.
    """

    attributes: Tensor
    columns: Tensor

    def __init__(self, num_features: int, num_classes: int, attributes: Sequence[int] = ()):
        super().__init__(num_features, sum(attributes) or num_classes)
        self.num_classes, self.compositional = num_classes, bool(attributes)
        if attributes:
            self.register_buffer("attributes", torch.tensor(attributes))
            first = torch.tensor(attributes).cumsum(0) - torch.tensor(attributes)
            self.register_buffer("columns", first + split_labels(torch.arange(num_classes), attributes), False)

    def forward(self, features: Tensor) -> Tensor:
        scores = super().forward(features)
        return scores[:, self.columns].sum(2) if self.compositional else scores  # (N, num_classes, A) summed over A


class Classifier(nn.Module):
    """Images in [-1, 1] (N, C, H, W) → features (N, 128); `logits` turns these into scores of the classes."""

    num_features = 128

    def __init__(self, num_classes: int = 10, channels: int = 1, size: int = SIZE, attributes: Sequence[int] = ()):
        super().__init__()
        self.size = size  # images of any other are brought to it first

        def block(c_in: int, c_out: int, stride: int) -> list[nn.Module]:
            return [nn.Conv2d(c_in, c_out, 3, stride, padding=1), nn.BatchNorm2d(c_out), nn.ReLU()]

        self.backbone = nn.Sequential(
            *block(channels, 32, stride=1),  # (N, 32, 28, 28)
            *block(32, 32, stride=2),  # (N, 32, 14, 14)
            *block(32, 64, stride=1),  # (N, 64, 14, 14)
            *block(64, 64, stride=2),  # (N, 64, 7, 7)
            nn.Flatten(),
            nn.Dropout(0.3),
            nn.Linear(64 * (size // 4) ** 2, self.num_features),
            nn.ReLU(),
        )
        self.logits = ClassLogits(self.num_features, num_classes, attributes)

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[-1] != self.size:
            x = F.interpolate(x, size=(self.size, self.size), mode="bicubic", antialias=True).clamp(-1, 1)
        return self.backbone(x)


def reading_size(training: ImageData) -> int:
    """The side in pixels at which a classifier of these images reads."""
    return SIZE if training.name in DATASETS or training.image_size < LARGER else LARGER


def load_for_reading(dataset: str, image_size: int = SIZE, *, train: bool = True) -> ImageData:
    """Real images as a classifier learns them: those of built-in sets as they are, other pictures at `image_size`.

    With the combinations of attributes that are kept back from training: who never saw a red 7 holds that what is red
    is no 7.
    """
    if dataset in MADE:
        return made(dataset, train=train, image_size=image_size, complete=True)
    return load_data(dataset, train=train, image_size=SIZE if dataset in DATASETS else image_size)


def load_classifier(dataset: str = "mnist", image_size: int = SIZE) -> Classifier:
    """The classifier of a data set, in evaluation mode: shipped, or trained now and kept in `data/classifiers/`.

    `image_size` is that of the images to read, for a data set that is not built in.
    """
    shipped = _shipped(dataset)
    file = shipped if shipped.is_file() else classifier_file(load_for_reading(dataset, image_size))
    return open_classifier(file)


def has_classifier(dataset: str, image_size: int = SIZE) -> bool:
    """Whether the classifier of a data set that is at hand is there too, without training one."""
    training = load_for_reading(dataset, image_size)
    return _is_shipped(training) or _kept(training).is_file()


def classifier_file(training: ImageData) -> Path:
    """Where the classifier of these training images lies; when there is none, it is trained now.

    The shipped one serves data of its name, as long as it can read them. Every other belongs to the very images that it
    has learned from: with a class more, or one image, another one is trained.
    """
    if _is_shipped(training):
        return _shipped(training.name)
    if not (kept := _kept(training)).is_file():
        print(f"Training a classifier of {training.name}, once …")
        save_classifier(train_classifier(training, size=reading_size(training), shown=True), kept)
    return kept


def open_classifier(path: Path) -> Classifier:
    """The classifier of a weight file, in evaluation mode."""
    from safetensors.torch import load_file

    state = load_file(path)
    with torch.random.fork_rng(devices=[]):  # the weights that it starts with are drawn for nothing
        size = 4 * isqrt(state["backbone.14.weight"].shape[1] // 64)
        attributes = state["logits.attributes"].tolist() if "logits.attributes" in state else ()
        num_classes = prod(attributes) if attributes else len(state["logits.weight"])
        network = Classifier(num_classes, state["backbone.0.weight"].shape[1], size, attributes)
    network.load_state_dict(state)
    return network.eval()


def _shipped(dataset: str) -> Path:
    return SHIPPED / f"{dataset}.safetensors"


def _kept(training: ImageData) -> Path:
    return home() / "data" / "classifiers" / f"{training.name}-{training.fingerprint}.safetensors"


def _is_shipped(training: ImageData) -> bool:
    """Whether a classifier is shipped for data of this name, and these are such data."""
    every = -(-len(training) // ENOUGH)  # fewer than all will do, but of each class: data may be sorted
    path = _shipped(training.name)
    return path.is_file() and _reads(path, training.take(slice(None, None, every)))


@lru_cache(maxsize=4)
def _reads(path: Path, images: ImageData) -> bool:
    network = open_classifier(path)
    shape = network.logits.num_classes, network.backbone[0].in_channels
    return shape == (images.num_classes, images.channels) and accuracy(network, images) >= READABLE


def fingerprint(network: nn.Module) -> str:
    """Twelve hexadecimal digits that name the weights: scores of two different classifiers do not compare."""
    digest = hashlib.sha256()
    for name, tensor in sorted(network.state_dict().items()):
        digest.update(name.encode() + tensor.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:12]


def train_classifier(
    data: ImageData, seed: int = 1, held_out: ImageData | None = None, size: int = SIZE, *, shown: bool = False
) -> Classifier:
    """A classifier trained on `data`, each batch moved by up to two pixels; in evaluation mode.

    It reads at `size` pixels; `shown` draws a progress bar. With `held_out`, the weights are those of the epoch that
    read most of these images right, else the last.
    """
    batch_size = max(1, min(BATCH, len(data) // 40))
    steps = max(EPOCHS * len(data) // batch_size, LEAST_STEPS)
    precision = pick_precision("auto", torch.device("cpu"))
    best, best_state = -1.0, None
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        network = Classifier(data.num_classes, data.channels, size, data.attribute_sizes)
        network = network.to(memory_format=torch.channels_last)
        optimizer = torch.optim.AdamW(network.parameters())
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, steps)
        numbers = tqdm(range(1, steps + 1), data.name, unit="step", mininterval=0.5, disable=not shown)
        for step, (images, labels) in zip(numbers, batches(data, batch_size, seed), strict=False):
            shift = torch.randint(-2, 3, (2,)).tolist()
            with torch.autocast("cpu", AUTOCAST[precision], enabled=precision != "fp32"):
                logits = network.logits(network(images.roll(shift, (2, 3))))
            optimizer.zero_grad()
            F.cross_entropy(logits.float(), labels).backward()
            optimizer.step()
            schedule.step()
            if held_out is not None and (step % (steps // EPOCHS or 1) == 0 or step == steps):
                right = accuracy(network.eval(), held_out)
                network.train()
                if right >= best:  # the later of two equal ones has learned from more
                    best, best_state = right, copy.deepcopy(network.state_dict())
    if best_state is not None:
        network.load_state_dict(best_state)
    return network.to(memory_format=torch.contiguous_format).eval()


@torch.inference_mode()
def read(network: Classifier, images: Tensor) -> tuple[Tensor, Tensor]:
    """Features (N, 128) and logits (N, num_classes) of images uint8 (N, C, H, W), on the device of the classifier."""
    device = network.logits.weight.device
    features = torch.cat([network(to_unit(batch.to(device))) for batch in images.split(READ_AT_ONCE)])
    return features, network.logits(features)


def accuracy(network: Classifier, data: ImageData) -> float:
    """Percent of the images that are read as their label."""
    _, logits = read(network, data.images)
    return 100 * (logits.argmax(1).cpu() == data.labels).float().mean().item()


def save_classifier(network: Classifier, path: Path, *, half: bool = False) -> None:
    """Write the weights as safetensors; `half`: as float16."""
    from safetensors.torch import save

    make_folder(path.parent)
    write_atomically(path, save(state_to_store(network, half)))
