"""A published folder is whole or not there, and draws the same pixels with the library and without it."""

import json
import os
import re
import subprocess
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import cgan_lib.publish.folder
from cgan_lib import RECIPES, Run, UserError, evaluate, export, generate, load_generator
from cgan_lib.data import DATASETS, to_uint8
from cgan_lib.evaluation import Scores
from cgan_lib.models import MODELS
from cgan_lib.sampling import grid_inputs, tile

FILES = {
    *("model.safetensors", "digits_cgan_generator.pth", "generator_config.json"),
    *("cgan_architecture.py", "README.md", "samples.png"),
}
SCORES = Scores(
    **dict(count=2345, real_count=2345, seeds=1, classifier="0123456789ab"),
    **dict(fid=12.3, kid=0.12, inception_score=8.76, precision=0.81, recall=0.72, density=0.63, coverage=0.54),
    **dict(as_requested=91.26, worst_class=82.34, diversity=0.734, least_diverse=0.614),
    **dict(as_requested_by_class=(), fid_by_class=(), diversity_by_class=(), confusion=()),
)
SCORES = replace(SCORES, real=replace(SCORES, as_requested=99.17, worst_class=98.7))
RECIPE_OF = {recipe.model: recipe for recipe in RECIPES.values()}


def names(folder):
    return {path.name for path in folder.iterdir()}


def run_of(model, folder, **changes):
    """A run of a family, without training: a pass in training mode has moved the BatchNorm statistics."""
    recipe = RECIPE_OF[model].replace(base_channels=8, base_channels_d=8, **dict(dataset="digits") | changes)
    generator, _ = recipe.build()
    with torch.no_grad():
        generator(*grid_inputs(10, recipe.latent_dim))
    return Run(folder, recipe, generator.eval(), step=1234, seconds=56.7)


def code_blocks(folder):
    """The Python examples of a model card: with the library, and without it."""
    return re.findall(r"```python\n(.*?)```", (folder / "README.md").read_text(), re.DOTALL)


@pytest.fixture
def exported(finished, tmp_path):
    return export(finished, tmp_path / "new" / "folder", scores=SCORES)


# --- the files


def test_six_files_are_there_and_nothing_else_beside_them(exported):
    assert names(exported) == FILES
    assert names(exported.parent) == {"folder"}


@pytest.mark.parametrize("source", [".", "model.safetensors", "digits_cgan_generator.pth"])
def test_the_library_draws_the_same_pixels_from_the_folder_and_from_both_weight_files(exported, finished, source):
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # the configuration agrees with the tensors
        loaded = load_generator(exported / source)
    z, labels = finished.fixed_inputs()
    assert torch.equal(generate(loaded, labels, z=z), generate(finished.generator, labels, z=z))


def test_without_the_safetensors_the_folder_still_loads(exported, finished):
    (exported / "model.safetensors").unlink()
    assert torch.equal(generate(load_generator(exported), [7, 3]), generate(finished.generator, [7, 3]))


def test_a_run_is_exported_by_its_folder_as_well(exported, finished, tmp_path):
    other = export("logs/digits/bce/ci", tmp_path / "other", scores=SCORES)
    for name in FILES - {"model.safetensors", "digits_cgan_generator.pth"}:
        assert (other / name).read_bytes() == (exported / name).read_bytes(), name
    assert torch.equal(generate(load_generator(other), [7, 3]), generate(load_generator(exported), [7, 3]))


def test_the_configuration_names_the_class_and_its_arguments(exported, finished):
    config = json.loads((exported / "generator_config.json").read_text())
    assert config == {
        "model": "bce",
        "class": "BCEGenerator",
        "dataset": "digits",
        "arguments": finished.generator.config,
    }


def test_the_samples_are_ten_images_of_each_class_from_the_latents_of_the_runs_grids(exported, finished):
    z, labels = finished.fixed_inputs()
    expected = tile(generate(finished.generator, labels, z=z)).permute(1, 2, 0)
    with Image.open(exported / "samples.png") as picture:
        assert np.array_equal(np.asarray(picture)[::2, ::2], expected)


def test_a_data_set_with_names_gives_its_name_to_the_file_and_its_classes_to_the_card(tmp_path):
    folder = export(run_of("bce", tmp_path, dataset="fashion_mnist"), tmp_path / "out", scores=SCORES)
    assert (folder / "fashion_mnist_cgan_generator.pth").is_file()
    card = (folder / "README.md").read_text()
    assert all(name in card for name in DATASETS["fashion_mnist"][1])
    assert "fashion_mnist_cgan_generator.pth" in code_blocks(folder)[1]


# --- the card


def test_the_card_has_the_numbers_that_were_measured(exported, finished):
    rows = dict(re.findall(r"^\| ([\w ]+) \| (.+) \|$", (exported / "README.md").read_text(), re.MULTILINE))
    assert rows["as requested"].startswith("91.3% of 2,345 images")
    assert rows["as requested"].endswith("right on 99.2% of real images")
    assert rows["worst class"] == "82.3%"
    assert rows["diversity within a class"] == "0.73 of real images (least diverse class: 0.61)"
    assert rows["classes"] == ", ".join("0123456789")
    assert rows["training"].startswith(f"40 steps of 8 images, {finished.seconds:.0f} s; loss bce, lr 0.001")
    assert f"{sum(p.numel() for p in finished.generator.parameters()):,} parameters" in rows["generator"]
    assert "EMA" in rows["weights"]


def test_the_card_says_where_weights_without_an_average_are_from(tmp_path):
    folder = export(run_of("bce", tmp_path, ema=0.0), tmp_path / "out", scores=SCORES)
    assert "| weights | of the last step |" in (folder / "README.md").read_text()


def test_the_card_points_at_files_that_are_there(exported):
    card = (exported / "README.md").read_text()
    assert card.startswith("---\n")
    mentioned = set(re.findall(r"[\w.]+\.(?:png|pth|json|safetensors|py)\b", card))
    assert mentioned >= {"samples.png", "cgan_architecture.py"}
    assert mentioned <= FILES


def test_without_scores_the_generator_is_measured_now(finished, tmp_path):
    card = (export(finished, tmp_path / "out") / "README.md").read_text()
    scores = evaluate(finished.generator, "digits")
    assert f"| as requested | {scores.as_requested:.1f}% of 200 images" in card
    assert f"right on {scores.real.as_requested:.1f}% of real images" in card
    assert f"| diversity within a class | {scores.diversity:.2f} of real" in card


def test_the_example_with_the_library_runs(exported):
    space = {}
    exec(code_blocks(exported)[0].replace("path/of/this/folder", str(exported)), space)
    assert space["images"].shape == (3, 1, 28, 28)


# --- without the library

STRANGER = """
import os, sys
import torch

sys.modules["cgan_lib"] = None  # as if it were not installed
torch.set_num_threads(1)
for folder in sys.argv[1:]:
    os.chdir(folder)
    sys.path.insert(0, folder)
    space = {}
    exec(open("example.py").read(), space)  # the code block of the card
    with torch.inference_mode():
        space["its own"] = space["generator"](*torch.load("inputs.pt"))
    torch.save({"example": space["images"], "ours": space["its own"]}, "outputs.pt")
    sys.path.remove(folder)
    del sys.modules["cgan_architecture"]
assert not [name for name in sys.modules if name.startswith("cgan_lib.")]
"""


@pytest.fixture(scope="module")
def strangers(tmp_path_factory):
    """For each family: the run, and what a process without cgan_lib drew in its folder."""
    place, runs = tmp_path_factory.mktemp("strangers"), {}
    for model in MODELS:
        runs[model] = run_of(model, place)
        folder = export(runs[model], place / model, scores=SCORES)
        (folder / "example.py").write_text(code_blocks(folder)[1])
        torch.save(grid_inputs(10, runs[model].recipe.latent_dim, seed=5), folder / "inputs.pt")
    folders = [str(place / model) for model in MODELS]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-I", "-c", STRANGER, *folders], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return {model: (runs[model], torch.load(place / model / "outputs.pt")) for model in MODELS}


@pytest.mark.parametrize("model", MODELS)
def test_without_the_library_the_folder_draws_the_same_pixels(strangers, model):
    run, drawn = strangers[model]
    z, labels = grid_inputs(10, run.recipe.latent_dim, seed=5)
    assert torch.equal(to_uint8(drawn["ours"]), generate(run.generator, labels, z=z))


@pytest.mark.parametrize("model", MODELS)
def test_the_example_without_the_library_runs_as_it_stands_in_the_card(strangers, model):
    run, drawn = strangers[model]
    size = run.recipe.image_size
    assert drawn["example"].shape == (3, 1, size, size)
    assert drawn["example"].abs().max() <= 1
    assert not torch.equal(drawn["example"][0], drawn["example"][1])  # two latents


@pytest.mark.parametrize("model", MODELS)
def test_the_architecture_imports_nothing_but_torch_and_the_standard_library(model):
    source = cgan_lib.publish.folder.architecture(model)
    imported = re.findall(r"^\s*(?:import|from) ([\w.]+)", source, re.MULTILINE)
    assert {name.split(".")[0] for name in imported} - set(sys.stdlib_module_names) == {"torch"}
    assert source.count('"""') % 2 == 0
    assert source.startswith(f'"""The generator {MODELS[model].generator.__name__} of cgan_lib')


@pytest.mark.parametrize("model", MODELS)
def test_the_architecture_refuses_what_the_library_refuses(model):
    space = {"__name__": "cgan_architecture"}
    exec(cgan_lib.publish.folder.architecture(model), space)
    with pytest.raises(space["UserError"], match=r"image_size 30 .*multiple of 4"):
        space[MODELS[model].generator.__name__](image_size=30)


# --- refusals and failures


@pytest.mark.parametrize("content", ["nothing", "something", "a file"])
def test_what_is_there_already_is_refused_and_not_touched(finished, tmp_path, contents, content):
    target = tmp_path / "there"
    if content == "a file":
        target.write_text("mine")
    else:
        target.mkdir()
    if content == "something":
        (target / "README.md").write_text("mine")
    before = contents(tmp_path)
    with pytest.raises(UserError, match="there exists: name a new folder, nothing is overwritten"):
        export(finished, target, scores=SCORES)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("what", ["save_generator", "architecture", "png", "_card"])
@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, UserError])
def test_a_failure_midway_leaves_neither_the_folder_nor_a_part_of_it(finished, tmp_path, monkeypatch, what, error):
    def fail(*_, **__):
        raise error

    (tmp_path / "out").mkdir()
    with monkeypatch.context() as patch:
        patch.setattr(cgan_lib.publish.folder, what, fail)
        with pytest.raises(error):
            export(finished, tmp_path / "out" / "folder", scores=SCORES)
    assert names(tmp_path / "out") == set()
    assert names(export(finished, tmp_path / "out" / "folder", scores=SCORES)) == FILES


def test_what_a_killed_export_left_is_not_published(finished, tmp_path):
    (tmp_path / ".out.partial").mkdir()
    (tmp_path / ".out.partial" / "mnist_cgan_generator.pth").write_text("half")
    assert names(export(finished, tmp_path / "out", scores=SCORES)) == FILES


def test_a_place_that_cannot_be_written_to_is_named(finished, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write to"):
        export(finished, Path(tmp_path / "file" / "folder"), scores=SCORES)


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"is no run folder"):
        export(tmp_path, tmp_path / "out", scores=SCORES)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("training", [True, False])
def test_exporting_leaves_the_generator_of_the_run_as_it_is(tmp_path, training):
    run = run_of("bce", tmp_path)
    run.generator.train(training)
    before = {name: tensor.clone() for name, tensor in run.generator.state_dict().items()}
    export(run, tmp_path / "out", scores=SCORES)
    assert run.generator.training is training
    assert all(torch.equal(before[name], tensor) for name, tensor in run.generator.state_dict().items())
