"""What a run leaves behind to look at: TensorBoard curves and grids, PNG grids, and reading them back."""

import io
import warnings
from contextlib import ExitStack, closing
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
from cgan_lib.runs.events import EventFile
from cgan_lib.sampling import generate, grid_inputs, real_grid, tile

# Metrics that TensorBoard's HPARAMS tab shows for each run
HPARAM_METRICS = (
    *("score/fid", "score/coverage", "score/as_requested"),
    *("loss/G", "loss/D", "gradient_norm/G", "gradient_norm/D", "images_per_second"),
)


class Logbook:
    """Writes one run: scalars, graph and hyper-parameters to `folder`, grids to `folder/fake`, `/real` and PNG files.

    `step` is where the run stands. `UserError` when the disk takes no more: the run then goes on from its checkpoint.
    """

    def __init__(self, folder: Path, pictures: Path, recipe: Recipe, data: ImageData, step: int):
        self.pictures = make_folder(pictures)
        self.recipe, self.data = recipe, data
        self.z, self.labels = grid_inputs(data.num_classes, recipe.latent_dim, recipe.seed)
        with ExitStack() as opened:
            self.curves, self.fake, self.real = (
                opened.enter_context(closing(EventFile(place, step)))
                for place in (folder, folder / "fake", folder / "real")
            )
            if step == 0:
                _save_array(folder / "z_eval.npy", self.z)
                _save_array(folder / "labels_eval.npy", self.labels)
                self._write_hparams()
            self._opened = opened.pop_all()

    def scalars(self, step: int, values: dict[str, float]) -> None:
        """Add one point to each curve."""
        from tensorboard.compat.proto.summary_pb2 import Summary

        points = [Summary.Value(tag=name, simple_value=value) for name, value in values.items()]
        self.curves.add(step, summary=Summary(value=points))

    def grids(self, step: int, generator: ConditionalGenerator) -> tuple[Path, Tensor]:
        """Write fakes of the fixed latents and as many reals to TensorBoard and PNG; returns the fakes' PNG and images.

        Row r shows class r, column c the latent c: the same place in every picture of the run.
        """
        fake = generate(generator, self.labels, z=self.z)
        real = real_grid(self.data, seed=step)
        for kind, file, images in (("real", self.real, real), ("fake", self.fake, fake)):
            picture = tile(images)
            file.add(step, summary=_image_summary("samples", picture))
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
        self.curves.add(0, graph_def=graph.SerializeToString())

    def close(self) -> None:
        """Close the files."""
        self._opened.close()

    def _write_hparams(self) -> None:
        from torch.utils.tensorboard.summary import hparams

        values = {k: v for k, v in asdict(self.recipe).items() if v is not None}
        for summary in hparams(values, dict.fromkeys(HPARAM_METRICS, 0)):
            self.curves.add(0, summary=summary)


def _image_summary(tag: str, picture: Tensor) -> Any:
    """A picture uint8 (3,H,W) as TensorBoard holds it."""
    from tensorboard.compat.proto.summary_pb2 import Summary

    _, height, width = picture.shape
    image = Summary.Image(height=height, width=width, colorspace=3, encoded_image_string=png(picture, scale=1))
    return Summary(value=[Summary.Value(tag=tag, image=image)])


def _save_array(path: Path, tensor: Tensor) -> None:
    buffer = io.BytesIO()
    np.save(buffer, tensor.numpy())
    write_atomically(path, buffer.getbuffer())


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
