"""What a run leaves behind, read by TensorBoard's own reader and by an image library."""

import io
from contextlib import closing

import numpy as np
import pytest
import torch
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
from tensorboard.summary.writer import event_file_writer
from torch import nn

from cgan_lib import generate, load_generator, open_run
from cgan_lib.data import ImageData
from cgan_lib.files import png
from cgan_lib.runs.logbook import Logbook, read_scalars
from cgan_lib.runs.tensorboard_layout import DESCRIPTIONS, tag_of
from cgan_lib.sampling import real_grid, tile

CURVES = {
    "loss/G",
    "loss/D",
    "probability/D(x)",
    "probability/D(G(z))",
    "gradient_norm/G",
    "gradient_norm/D",
    "learning_rate/G",
    "learning_rate/D",
    "images_per_second",
}
SCORES = {"score/fid", "score/precision", "score/recall", "score/coverage", "score/as_requested"}


def reader(folder):
    events = EventAccumulator(str(folder), size_guidance={"scalars": 0, "images": 0})
    events.Reload()
    return events


def raw_events(folder):
    return [event for path in sorted(folder.glob("events.*")) for event in EventFileLoader(str(path)).Load()]


def pixels(picture):
    """A picture uint8 (3,H,W) in the layout of image files."""
    return picture.permute(1, 2, 0).numpy()


def test_curves_have_a_point_at_every_rhythm_and_hold_what_their_names_say(finished):
    events, curves = reader(finished.folder), finished.history()
    signs = {name for name in curves if name.startswith("vitals/")}
    assert set(curves) - signs == CURVES | SCORES
    assert {tag for tag in DESCRIPTIONS if tag.startswith("vitals/")} == signs
    assert set(events.Tags()["scalars"]) == {tag_of(name) for name in curves}
    for name, (steps, values) in curves.items():
        if name in signs:
            assert steps.tolist() in ([0, 20, 40], [20, 40])  # some need two steps before
        else:
            assert steps.tolist() == ([20, 40] if name in SCORES else list(range(5, 41, 5)))
        assert values.tolist() == [point.value for point in events.Scalars(tag_of(name))]
        assert np.isfinite(values).all()
    assert curves["learning_rate/G"][1] == pytest.approx([finished.recipe.lr] * 8)
    assert (curves["images_per_second"][1] > 0).all()
    assert (curves["score/fid"][1] > 0).all()
    limits = {"probability/D(x)": 1, "probability/D(G(z))": 1, "score/precision": 1, "score/recall": 1}
    for name, limit in (limits | {"score/coverage": 1, "score/as_requested": 100}).items():
        assert ((curves[name][1] >= 0) & (curves[name][1] <= limit)).all()


def test_grids_are_in_tensorboard_as_fake_and_real(finished, digits):
    events = reader(finished.folder)
    assert sorted(events.Tags()["images"]) == ["samples/fake", "samples/real"]
    for kind in ("fake", "real"):
        images = events.Images(f"samples/{kind}")
        assert [image.step for image in images] == [0, 20, 40]
        last = images[-1].encoded_image_string
        picture = np.asarray(Image.open(io.BytesIO(last)))
        large = np.asarray(Image.open(finished.pictures / f"{kind}_images_steps_000040.png"))
        assert np.array_equal(picture, large[::2, ::2])
    assert np.array_equal(picture, pixels(tile(real_grid(digits, seed=40))))


def test_there_is_one_graph_of_both_networks(finished):
    graphs = [event.graph_def for event in raw_events(finished.folder) if event.graph_def]
    assert len(graphs) == 1
    assert reader(finished.folder).Tags()["graph"]
    assert b"generator" in graphs[0]
    assert b"discriminator" in graphs[0]


def test_drawing_the_graph_moves_nothing(finished, digits, home):
    generator, discriminator = finished.recipe.build()
    before = [buffer.clone() for buffer in (*generator.buffers(), *discriminator.buffers())]
    generator.train()
    discriminator.eval()
    logbook = Logbook(home / "logs" / "a" / "b" / "c", home / "pictures", finished.recipe, digits, step=0)
    logbook.graph(generator, discriminator)
    logbook.close()
    assert (generator.training, discriminator.training) == (True, False)
    after = [*generator.buffers(), *discriminator.buffers()]
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_png_grids_have_ten_columns_a_row_for_each_class_and_double_size(finished):
    names = {path.name for path in finished.pictures.iterdir()}
    assert names == {f"{kind}_images_steps_0000{step}.png" for kind in ("fake", "real") for step in ("00", "20", "40")}
    for path in finished.pictures.iterdir():
        with Image.open(path) as image:
            assert (image.size, image.mode, image.format) == ((2 * (10 * 30 + 2),) * 2, "RGB", "PNG")


def test_grids_of_four_classes_in_colour_have_four_rows(finished, home):
    class Colours(nn.Module):
        def __init__(self):
            super().__init__()
            self.config = dict(num_classes=4, latent_dim=finished.recipe.latent_dim)
            self.shift = nn.Parameter(torch.zeros(1))

        def forward(self, z, labels):
            return (labels.view(-1, 1, 1, 1) / 2 - 1 + self.shift).expand(-1, 3, 12, 12)

    images = torch.zeros(8, 3, 12, 12, dtype=torch.uint8)
    data = ImageData("colours", images, torch.arange(8) % 4, tuple("abcd"))
    logbook = Logbook(home / "logs" / "a" / "b" / "c", home / "pictures", finished.recipe, data, step=0)
    path, fake = logbook.grids(7, Colours())
    logbook.close()
    assert path.name == "fake_images_steps_000007.png"
    assert fake.shape == (40, 3, 12, 12)
    with Image.open(path) as image:
        assert image.size == (2 * (10 * 14 + 2), 2 * (4 * 14 + 2))


def test_saved_latents_and_labels_draw_exactly_the_last_grid_again(finished):
    z = torch.from_numpy(np.load(finished.folder / "z_eval.npy"))
    labels = torch.from_numpy(np.load(finished.folder / "labels_eval.npy"))
    last = finished.pictures / "fake_images_steps_000040.png"
    assert finished.grids[-1] == last
    for generator in (
        finished.generator,
        open_run(finished.folder).generator,
        load_generator(finished.folder / "generator.safetensors"),
    ):
        assert png(tile(generate(generator, labels, z=z))) == last.read_bytes()
    assert all(torch.equal(a, b) for a, b in zip(finished.fixed_inputs(), (z, labels), strict=True))


@pytest.mark.parametrize("resumed_at", [0, 10])
def test_points_after_the_step_where_a_run_resumes_are_dropped(home, finished, digits, resumed_at, monkeypatch):
    """The first process wrote on beyond its checkpoint, or died before there was any."""
    # files of one process and second would be read in the order of their numbers as text: 10 before 9
    monkeypatch.setattr(event_file_writer, "_global_uid", event_file_writer.AtomicCounter(9))
    folder = home / "logs" / "a" / "b" / "c"
    for start, values in ((0, range(1, 26)), (resumed_at, range(101 + resumed_at, 131))):
        logbook = Logbook(folder, home / "pictures", finished.recipe, digits, step=start)
        for value in values:
            logbook.scalars(value % 100, {"loss/G": value})
        logbook.close()
    steps, values = read_scalars(folder)["loss/G"]
    assert steps.tolist() == list(range(1, 31))
    assert values.tolist() == [*range(1, resumed_at + 1), *range(101 + resumed_at, 131)]


def test_a_run_of_before_whose_curves_were_tags_goes_on_in_the_same_curves(home, finished, digits, monkeypatch):
    folder = home / "logs" / "a" / "b" / "c"
    with monkeypatch.context() as before:
        before.setattr("cgan_lib.runs.logbook.tag_of", lambda name: name)
        with closing(Logbook(folder, home / "pictures", finished.recipe, digits, step=0)) as logbook:
            for step in range(1, 9):
                logbook.scalars(step, {"gradient_norm/G": step, "probability/D(x)": step})
    with closing(Logbook(folder, home / "pictures", finished.recipe, digits, step=6)) as logbook:
        for step in (7, 8):
            logbook.scalars(step, {"gradient_norm/G": -step, "probability/D(x)": -step})
    curves = read_scalars(folder)
    assert curves.keys() == {"gradient_norm/G", "probability/D(x)"}
    for steps, values in curves.values():
        assert steps.tolist() == list(range(1, 9))
        assert values.tolist() == [1, 2, 3, 4, 5, 6, -7, -8]
