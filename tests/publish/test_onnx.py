"""An ONNX file draws what its generator draws, or is not there."""

import json
import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from weights.test_weights import SMALL, build

from cgan_lib import RECIPES, UserError, load_generator, pretrained
from cgan_lib.models import MODELS
from cgan_lib.publish import export_onnx
from cgan_lib.publish import onnx as converter
from cgan_lib.sampling import blend, latents
from cgan_lib.studio.latent import Direction, directions

onnxruntime = pytest.importorskip("onnxruntime", reason="pip install onnx onnxruntime")
onnx = pytest.importorskip("onnx", reason="pip install onnx onnxruntime")


def names(folder):
    return {path.name for path in folder.iterdir()}


def metadata(path):
    return {prop.key: prop.value for prop in onnx.load(path).metadata_props}


def drawer(path):
    """A function that draws with an ONNX file: z (N, latent_dim), class weights (N, num_classes) → images."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])

    def draw(z, class_weights):
        (images,) = session.run(["images"], {"z": z.numpy(), "class_weights": class_weights.numpy()})
        return torch.from_numpy(images)

    return draw


def difference(generator, draw, weights, seed=0):
    z = latents(len(weights), generator.config["latent_dim"], seed)
    with torch.inference_mode():
        return (draw(z, weights) - generator(z, weights)).abs().max().item()


# --- every family


@pytest.mark.parametrize("model", MODELS)
def test_every_family_makes_the_same_images_for_classes_mixtures_and_any_count(model, tmp_path):
    generator = build(model, **SMALL)
    path = export_onnx(generator, tmp_path / "new" / "g.onnx")
    assert path == tmp_path / "new" / "g.onnx"
    assert names(tmp_path / "new") == {"g.onnx"}
    draw = drawer(path)
    for count in (1, 3, 16):
        assert difference(generator, draw, torch.eye(4).repeat(4, 1)[:count], seed=count) < 1e-4
        assert difference(generator, draw, torch.rand(count, 4).softmax(1), seed=count) < 1e-4
    z = latents(4, 7)
    with torch.inference_mode():  # one-hot rows are ordinary labels
        assert (draw(z, torch.eye(4)) - generator(z, torch.arange(4))).abs().max() < 1e-4


@pytest.mark.parametrize("recipe", ["dcgan64", "relativistic"])
def test_full_size_networks_are_exported(recipe, tmp_path):
    generator, _ = RECIPES[recipe].build()
    draw = drawer(export_onnx(generator.eval(), tmp_path / "g.onnx"))
    assert difference(generator, draw, torch.eye(10)) < 1e-4


@pytest.mark.parametrize("growth", [0, 0.25, 1.5])
def test_a_generator_is_exported_as_far_as_it_has_grown(growth, tmp_path):
    generator = build("growing", **SMALL)
    generator.grow(growth)
    draw = drawer(export_onnx(generator, tmp_path / "g.onnx"))
    assert difference(generator, draw, torch.eye(4)) < 1e-4


def test_shipped_generators_mix_classes(tmp_path):
    generator = load_generator(pretrained()[-1])
    draw = drawer(export_onnx(generator, tmp_path / "g.onnx"))
    weights = blend(3, 8, torch.linspace(0, 1, 5))
    assert difference(generator, draw, weights) < 1e-4
    images = draw(latents(1, 100).repeat(5, 1), weights)
    assert images.abs().max() <= 1
    assert len(images.flatten(1).unique(dim=0)) == 5


# --- the file


def test_the_file_says_what_it_is_and_what_it_draws(tmp_path):
    generator = build("bce", **SMALL)
    generator.dataset, generator.class_names = "fashion", ("coat", "bag", "靴", "hat")
    found = [Direction(F.normalize(torch.arange(7.0), dim=0), 0.25, "bolder"), *directions(generator, 1)]
    path = export_onnx(generator, tmp_path / "g.onnx", name="mine", directions=found)
    said = metadata(path)
    assert (said["name"], said["dataset"]) == ("mine", "fashion")
    assert json.loads(said["config"]) == SMALL
    assert json.loads(said["class_names"]) == ["coat", "bag", "靴", "hat"]
    assert json.loads(said["attribute_names"]) == {}
    first, second = json.loads(said["directions"])
    assert first["label"] == "1 · bolder · 25.0%"
    assert torch.equal(torch.tensor(first["vector"]), found[0].vector)
    assert second["label"] == found[1].label(2)
    graph = onnx.load(path).graph
    shapes = {
        tensor.name: [dim.dim_param or dim.dim_value for dim in tensor.type.tensor_type.shape.dim]
        for tensor in (*graph.input, *graph.output)
    }
    assert shapes["z"] == ["N", 7]
    assert shapes["class_weights"] == ["N", 4]
    assert shapes["images"][0] == "N"


def test_without_names_the_classes_are_numbered(tmp_path):
    said = metadata(export_onnx(build("bce", **SMALL), tmp_path / "g.onnx"))
    assert said["name"] == "BCEGenerator"
    assert json.loads(said["class_names"]) == ["0", "1", "2", "3"]
    assert json.loads(said["directions"]) == []


@pytest.mark.parametrize("training", [True, False])
def test_the_generator_stays_as_it_was(tmp_path, training):
    generator = build("bce", **SMALL).train(training)
    before = {name: tensor.clone() for name, tensor in generator.state_dict().items()}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        export_onnx(generator, tmp_path / "g.onnx")
    assert generator.training is training
    assert all(torch.equal(before[name], tensor) for name, tensor in generator.state_dict().items())
    assert difference(generator.eval(), drawer(tmp_path / "g.onnx"), torch.eye(4)) < 1e-4


def test_a_file_that_is_there_is_replaced_whole(tmp_path):
    path = tmp_path / "g.onnx"
    export_onnx(build("bce", seed=1, **SMALL), path)
    generator = build("bce", seed=2, **SMALL)
    assert difference(generator, drawer(path), torch.eye(4)) > 1e-2
    export_onnx(generator, path)
    assert difference(generator, drawer(path), torch.eye(4)) < 1e-4


# --- what is wrong is refused


class Wrong(nn.Module):
    """A generator and what is done to its images."""

    def __init__(self, inner, change):
        super().__init__()
        self.inner, self.change, self.config, self.mixes = inner, change, inner.config, True

    def forward(self, z, labels):
        return self.change(self.inner(z, labels))


WRONG = {
    "brighter": lambda images: images + 1e-3,
    "one pixel": lambda images: images + 2e-4 * F.pad(torch.ones(1, 1), (3, 28, 9, 22)),
    "not a number": lambda images: images / images.new_zeros(()) * 0,
    "another shape": lambda images: images[:, :1],
    "a dimension more": lambda images: images[None],
    "another order": lambda images: images.flip(0) + 0,
    "one for all": lambda images: images.mean(0, keepdim=True).expand_as(images),
}


@pytest.mark.parametrize("there", [True, False])
@pytest.mark.parametrize("change", WRONG.values(), ids=WRONG)
def test_a_file_that_draws_other_images_is_not_written(tmp_path, monkeypatch, change, there):
    path = tmp_path / "g.onnx"
    if there:
        path.write_text("the one before")
    convert = converter._convert
    monkeypatch.setattr(converter, "_convert", lambda generator: convert(Wrong(generator, change).eval()))
    with pytest.raises(UserError, match=r"would draw other images .*nothing was written"):
        export_onnx(build("bce", **SMALL), path)
    assert names(tmp_path) == ({"g.onnx"} if there else set())
    assert not there or path.read_text() == "the one before"


def test_a_file_of_one_size_is_not_written(tmp_path, monkeypatch):
    """As if the number of images had been taken for a constant."""
    export = torch.onnx.export
    monkeypatch.setattr(torch.onnx, "export", lambda *a, dynamic_axes, **options: export(*a, **options))
    with pytest.raises(UserError, match="onnxruntime cannot run the ONNX file"):
        export_onnx(build("bce", **SMALL), tmp_path / "g.onnx")
    assert names(tmp_path) == set()


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_failure_leaves_no_file(tmp_path, monkeypatch, error):
    def fail(*_):
        raise error

    monkeypatch.setattr(converter, "_difference", fail)
    with pytest.raises(error):
        export_onnx(build("bce", **SMALL), tmp_path / "g.onnx")
    assert names(tmp_path) == set()


def test_another_ending_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"g\.pt must end in \.onnx"):
        export_onnx(build("bce", **SMALL), tmp_path / "g.pt")


@pytest.mark.parametrize("package", ["onnx", "onnxruntime"])
def test_a_missing_package_is_named_with_what_to_do(tmp_path, monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(UserError, match=rf'^{package} is missing: pip install "cgan_lib\[onnx\]"'):
        export_onnx(build("bce", **SMALL), tmp_path / "g.onnx")
    assert names(tmp_path) == set()


QUIET = """
import sys
from cgan_lib import load_generator
from cgan_lib.publish import export_onnx
export_onnx(load_generator("bce"), sys.argv[1])
"""


def test_nothing_is_written_into_the_home_folder(tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    environment = {**os.environ, "HOME": str(home), "USERPROFILE": str(home)}
    environment = {name: value for name, value in environment.items() if not name.startswith(("XDG_", "ORT_"))}
    command = [sys.executable, "-c", QUIET, str(tmp_path / "g.onnx")]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "g.onnx").exists()
    assert list(home.rglob("*")) == []
