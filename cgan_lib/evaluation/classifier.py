"""The classifier that reads generated images: shipped for MNIST, trained on first use for other data sets."""

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cgan_lib.checkpoint import write_atomically
from cgan_lib.data import ImageData, batches, load
from cgan_lib.paths import home, make_folder
from cgan_lib.weights import state_to_store

SIZE = 28  # images are read at 28×28, whatever their size
SHIPPED = Path(__file__).parent
BATCH = 128  # of a large data set; a small one is read in at least 40 batches an epoch
EPOCHS = 8
LEAST_STEPS = 120


class Classifier(nn.Module):
    """Images in [-1, 1] (N, C, H, W) → features (N, 128); `logits` turns these into scores of the classes."""

    num_features = 128

    def __init__(self, num_classes: int = 10, channels: int = 1):
        super().__init__()

        def block(c_in: int, c_out: int, stride: int) -> list[nn.Module]:
            return [nn.Conv2d(c_in, c_out, 3, stride, padding=1), nn.BatchNorm2d(c_out), nn.ReLU()]

        self.backbone = nn.Sequential(
            *block(channels, 32, stride=1),  # (N, 32, 28, 28)
            *block(32, 32, stride=2),  # (N, 32, 14, 14)
            *block(32, 64, stride=1),  # (N, 64, 14, 14)
            *block(64, 64, stride=2),  # (N, 64, 7, 7)
            nn.Flatten(),
            nn.Dropout(0.3),
            nn.Linear(64 * 7 * 7, self.num_features),
            nn.ReLU(),
        )
        self.logits = nn.Linear(self.num_features, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[-1] != SIZE:
            x = F.interpolate(x, size=(SIZE, SIZE), mode="bicubic", antialias=True).clamp(-1, 1)
        return self.backbone(x)


def classifier(dataset: str = "mnist") -> Classifier:
    """The classifier of a data set, in evaluation mode: shipped, or trained now and kept in `data/classifiers/`."""
    from safetensors.torch import load_file

    name = f"{dataset}.safetensors"
    kept = home() / "data" / "classifiers" / name
    for path in (SHIPPED / name, kept):
        if path.is_file():
            state = load_file(path)
            network = Classifier(len(state["logits.weight"]), state["backbone.0.weight"].shape[1])
            network.load_state_dict(state)
            return network.eval()
    print(f"Training a classifier of {dataset}, once …")
    data = load(dataset)
    network = train_classifier(data)
    save_classifier(network, kept.with_name(f"{data.name}.safetensors"))  # offline, that of the digits that stood in
    return network


def train_classifier(data: ImageData, seed: int = 1) -> Classifier:
    """A classifier trained on real images (28×28), each batch moved by up to two pixels."""
    batch_size = max(1, min(BATCH, len(data) // 40))
    steps = max(EPOCHS * len(data) // batch_size, LEAST_STEPS)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = Classifier(data.num_classes, data.channels)
        optimizer = torch.optim.AdamW(network.parameters())
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, steps)
        for _, (images, labels) in zip(range(steps), batches(data, batch_size, seed), strict=False):
            shift = torch.randint(-2, 3, (2,)).tolist()
            logits = network.logits(network(images.roll(shift, (2, 3))))
            optimizer.zero_grad()
            F.cross_entropy(logits, labels).backward()
            optimizer.step()
            schedule.step()
    return network.eval()


def save_classifier(network: Classifier, path: Path, *, half: bool = False) -> None:
    """Write the weights as safetensors; `half`: as float16."""
    from safetensors.torch import save

    make_folder(path.parent)
    write_atomically(path, save(state_to_store(network, half)))
