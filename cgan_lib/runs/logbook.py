"""What a run leaves behind to look at: TensorBoard curves and grids, PNG grids, and reading them back."""

import io
import time
import warnings
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from cgan_lib.data import ImageData
from cgan_lib.files import png, write_atomically
from cgan_lib.losses import LOSSES
from cgan_lib.models.layers import ConditionalGenerator
from cgan_lib.paths import make_folder
from cgan_lib.recipes import Recipe
from cgan_lib.runs.events import EventFile
from cgan_lib.runs.tensorboard_layout import described, experiment, layout, name_of, session_end, session_start, tag_of
from cgan_lib.sampling import generate, grid_inputs, real_grid, tile


class Logbook:
    """Writes one run: curves, grids, graph and hyper-parameters to TensorBoard's file in `folder`, grids to PNG files.

    All are in one file, so that TensorBoard counts the run once.
    `step` is where the run stands. `UserError` when the disk takes no more: the run then goes on from its checkpoint.
    """

    def __init__(self, folder: Path, pictures: Path, recipe: Recipe, data: ImageData, step: int):
        self.pictures = make_folder(pictures)
        self.recipe, self.data = recipe, data
        self.z, self.labels = grid_inputs(data.num_classes, recipe.latent_dim, recipe.seed)
        self._described: set[str] = set()
        with ExitStack() as unless_ready:
            self.events = unless_ready.enter_context(closing(EventFile(folder, step)))
            if step == 0:
                _save_array(folder / "z_eval.npy", self.z)
                _save_array(folder / "labels_eval.npy", self.labels)
                self._lay_out()
            unless_ready.pop_all()

    def scalars(self, step: int, values: dict[str, float]) -> None:
        """Add one point to each curve."""
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.plugins.scalar import metadata

        points = [Summary.Value(tag=tag_of(name), simple_value=value) for name, value in values.items()]
        for point in points:
            self._describe(point, metadata, "DATA_CLASS_SCALAR")
        self.events.add(step, summary=Summary(value=points))

    def grids(self, step: int, generator: ConditionalGenerator) -> tuple[Path, Tensor]:
        """Write fakes of the fixed latents and as many reals to TensorBoard and PNG; returns the fakes' PNG and images.

        Row r shows class r, column c the latent c: the same place in every picture of the run.
        """
        fake = generate(generator, self.labels, z=self.z)
        real = real_grid(self.data, seed=step)
        for kind, images in (("real", real), ("fake", fake)):
            picture = tile(images)
            self._add_picture(step, f"samples/{kind}", picture)
            path = self.pictures / f"{kind}_images_steps_{step:06d}.png"
            write_atomically(path, png(picture))
        return path, fake

    def graph(self, generator: ConditionalGenerator, discriminator: nn.Module) -> None:
        """Add the graph of D(G(z, labels), labels) to TensorBoard, once a run."""
        from torch.utils.tensorboard._pytorch_graph import graph as graph_of  # what `SummaryWriter.add_graph` calls

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
            warnings.simplefilter("ignore")  # about torch.jit.trace, which it still uses
            graph, _ = graph_of(game, (self.z[:2].to(device), self.labels[:2].to(device)))
        generator.train(modes[0])
        discriminator.train(modes[1])
        self.events.add(0, graph_def=graph.SerializeToString())

    def close(self) -> None:
        """Close the file."""
        self.events.close()

    def finished(self, step: int) -> None:
        """Note that the run has come to its end."""
        self.events.add(step, summary=session_end(time.time()))

    def _lay_out(self) -> None:
        """What TensorBoard keeps as it has first read it: which curves share a chart, and the hyper-parameters."""
        for summary in (
            layout(LOSSES[self.recipe.loss].probabilities),
            experiment(self.recipe),
            session_start(self.recipe, time.time()),
        ):
            self.events.add(0, summary=summary)

    def _add_picture(self, step: int, tag: str, picture: Tensor) -> None:
        """Add a picture uint8 (3,H,W)."""
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.plugins.image import metadata

        _, height, width = picture.shape
        image = Summary.Image(height=height, width=width, colorspace=3, encoded_image_string=png(picture, scale=1))
        value = Summary.Value(tag=tag, image=image)
        self._describe(value, metadata, "DATA_CLASS_BLOB_SEQUENCE")
        self.events.add(step, summary=Summary(value=[value]))

    def _describe(self, value: Any, plugin: Any, data_class: str) -> None:
        """Say what a tag means where this file has it for the first time: TensorBoard reads it there alone."""
        if value.tag not in self._described:
            self._described.add(value.tag)
            value.metadata.CopyFrom(described(value.tag, plugin, data_class))


def _save_array(path: Path, tensor: Tensor) -> None:
    buffer = io.BytesIO()
    np.save(buffer, tensor.numpy())
    write_atomically(path, buffer.getbuffer())


def read_scalars(folder: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """The curves of a run: name → (steps int64, values float64), read from its TensorBoard files."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder), size_guidance={"scalars": 0, "images": 1, "graph": 0, "tensors": 1})
    events.Reload()
    points: dict[str, list[Any]] = {}
    for tag in sorted(events.Tags()["scalars"]):  # what an older version wrote of a curve comes before the rest
        points.setdefault(name_of(tag), []).extend(events.Scalars(tag))
    return {
        name: (np.array([p.step for p in each]), np.array([p.value for p in each])) for name, each in points.items()
    }
