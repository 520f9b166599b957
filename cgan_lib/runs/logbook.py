"""What a run leaves behind to look at: TensorBoard curves and grids, PNG grids, and reading them back."""

import time
import warnings
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from cgan_lib.data import ImageData
from cgan_lib.files import png, write_atomically
from cgan_lib.models.layers import ConditionalGenerator
from cgan_lib.paths import make_folder
from cgan_lib.recipes import Recipe
from cgan_lib.sampling import generate, grid_inputs, real_grid, tile

# Metrics that TensorBoard's HPARAMS tab shows for each run
HPARAM_METRICS = (
    *("score/fid", "score/coverage", "score/as_requested"),
    *("loss/G", "loss/D", "gradient_norm/G", "gradient_norm/D", "images_per_second"),
)


class Logbook:
    """Writes one run: scalars, graph and hyper-parameters to `folder`, grids to `folder/fake`, `/real` and PNG files.

    `step` is where the run stands: points that an interrupted run wrote after it are dropped by TensorBoard, so that
    a curve has neither doubled nor missing steps.
    """

    def __init__(self, folder: Path, pictures: Path, recipe: Recipe, data: ImageData, step: int):
        from torch.utils.tensorboard import SummaryWriter

        make_folder(folder)
        _let_a_second_begin(folder)
        self.pictures = make_folder(pictures)
        self.recipe, self.data = recipe, data
        self.z, self.labels = grid_inputs(data.num_classes, recipe.latent_dim, recipe.seed)
        self.writer, self.fake, self.real = (
            SummaryWriter(str(place), purge_step=step + 1 if step else 0)
            for place in (folder, folder / "fake", folder / "real")
        )
        if step == 0:
            np.save(folder / "z_eval.npy", self.z.numpy())
            np.save(folder / "labels_eval.npy", self.labels.numpy())
            self._write_hparams()

    def scalars(self, step: int, values: dict[str, float]) -> None:
        """Add one point to each curve."""
        for name, value in values.items():
            self.writer.add_scalar(name, value, step)

    def grids(self, step: int, generator: ConditionalGenerator) -> tuple[Path, Tensor]:
        """Write fakes of the fixed latents and as many reals to TensorBoard and PNG; returns the fakes' PNG and images.

        Row r shows class r, column c the latent c: the same place in every picture of the run.
        """
        fake = generate(generator, self.labels, z=self.z)
        real = real_grid(self.data, seed=step)
        for kind, writer, images in (("real", self.real, real), ("fake", self.fake, fake)):
            picture = tile(images)
            writer.add_image("samples", picture, step)
            path = self.pictures / f"{kind}_images_steps_{step:06d}.png"
            write_atomically(path, png(picture))
        return path, fake

    def graph(self, generator: ConditionalGenerator, discriminator: nn.Module) -> None:
        """Add the graph of D(G(z, labels), labels) to TensorBoard, once a run."""

        class Game(nn.Module):
            def __init__(self):
                super().__init__()
                self.generator, self.discriminator = generator, discriminator

            def forward(self, z: Tensor, labels: Tensor) -> Tensor:
                return self.discriminator(self.generator(z, labels), labels)

        device = next(generator.parameters()).device
        modes = generator.training, discriminator.training
        game = Game().eval()  # tracing must not move BatchNorm statistics
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # about torch.jit.trace, which add_graph still uses
            self.writer.add_graph(game, (self.z[:2].to(device), self.labels[:2].to(device)))
        generator.train(modes[0])
        discriminator.train(modes[1])

    def flush(self) -> None:
        """Force everything written so far to the disk."""
        for writer in (self.writer, self.fake, self.real):
            writer.flush()

    def close(self) -> None:
        """Flush and close the files."""
        for writer in (self.writer, self.fake, self.real):
            writer.close()

    def _write_hparams(self) -> None:
        from torch.utils.tensorboard.summary import hparams

        values = {k: v for k, v in asdict(self.recipe).items() if v is not None}
        # not add_hparams: it would start a second run, and a second point at step 0
        for summary in hparams(values, dict.fromkeys(HPARAM_METRICS, 0)):
            self.writer._get_file_writer().add_summary(summary)


def _let_a_second_begin(folder: Path) -> None:
    """TensorBoard reads event files in the order of their names, which begin with the second when they were opened.

    Within one second the order is that of the process numbers, as text: a file of the run before could come after ours,
    and what follows its end would be dropped.
    """
    taken = {path.name.split(".")[3] for path in folder.rglob("events.out.tfevents.*")}
    while f"{int(time.time()):010d}" in taken:
        time.sleep(0.01)


def read_scalars(folder: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """The curves of a run: name → (steps int64, values float64), read from its TensorBoard files."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder), size_guidance={"scalars": 0, "images": 1, "graph": 0, "tensors": 1})
    events.Reload()
    curves: dict[str, Any] = {}
    for name in events.Tags()["scalars"]:
        points = events.Scalars(name)
        curves[name] = (np.array([p.step for p in points]), np.array([p.value for p in points]))
    return curves
