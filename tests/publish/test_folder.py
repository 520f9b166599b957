"""A published folder is whole or not there, says what it draws, and draws the same with the library and without it."""

import ast
import builtins
import copy
import html
import inspect
import json
import os
import pickle
import re
import subprocess
import sys
import warnings
from dataclasses import replace
from difflib import ndiff
from itertools import permutations

import numpy as np
import pytest
import torch
from huggingface_hub import ModelCard, PyTorchModelHubMixin
from markdown_it import MarkdownIt
from PIL import Image
from torch.optim.swa_utils import AveragedModel
from weights.test_weights import SMALL, build, same_pixels

from cgan_lib import RECIPES, Run, UserError, evaluate, export, generate, get_recipe, load_generator, open_run
from cgan_lib.attributes import joint_names
from cgan_lib.data import DATASETS, to_uint8
from cgan_lib.evaluation import Scores
from cgan_lib.models import MODELS, BCEGenerator, Family
from cgan_lib.publish import architecture, publish
from cgan_lib.publish import folder as publisher
from cgan_lib.runs import open_source
from cgan_lib.runs.about import about, write_about
from cgan_lib.sampling import grid_inputs, tile
from cgan_lib.training import Trainer

CLOTHES = DATASETS["fashion_mnist"][1]
OTHER = dict(latent_dim=6, num_classes=10, channels=1, image_size=16, embed_dim=4, base_channels=8)
HUB_FILES = {"README.md", "config.json", "model.safetensors"}
FILES = {*HUB_FILES, "digits_cgan_generator.pth", "cgan_architecture.py", "samples.png"}
SCORES = Scores(
    dataset="digits",
    **dict(count=2345, real_count=2345, seeds=1, classifier="0123456789ab", classifier_accuracy=99.0),
    **dict(fid=12.3, kid=0.12, inception_score=8.76, precision=0.81, recall=0.72, density=0.63, coverage=0.54),
    **dict(as_requested=91.26, worst_class=82.34, diversity=0.734, least_diverse=0.614),
    **dict(as_requested_by_class=(), fid_by_class=(), diversity_by_class=(), confusion=()),
)
SCORES = replace(SCORES, real=replace(SCORES, as_requested=99.17, worst_class=98.7))
RECIPE_OF = {recipe.model: recipe for recipe in RECIPES.values()}


def names(folder):
    return {path.name for path in folder.iterdir()}


def same_bits(one, other):
    mine, theirs = one.state_dict(), other.state_dict()
    return list(mine) == list(theirs) and all(torch.equal(mine[name], theirs[name]) for name in mine)


def run_of(model, folder, **changes):
    """A run of a family, without training."""
    recipe = RECIPE_OF[model].replace(base_channels=8, base_channels_d=8, dataset="digits", **changes)
    generator = build(model, **recipe.build()[0].config)
    generator.dataset = "digits"
    return Run(folder, recipe, generator, step=1234, seconds=56.7)


def examples(folder):
    """The Python examples of a model card: with the library, and without it."""
    return re.findall(r"```python\n(.*?)```", (folder / "README.md").read_text(), re.DOTALL)


def rows(folder):
    """The table of a model card."""
    return dict(re.findall(r"^\| ([\w ]+) \| (.+) \|$", (folder / "README.md").read_text(), re.MULTILINE))


@pytest.fixture
def published(finished, tmp_path):
    return publish(finished, tmp_path / "new" / "folder", scores=SCORES)


@pytest.fixture
def clothes():
    """A generator that knows what it draws."""
    generator = build("bce", **OTHER)
    generator.dataset, generator.class_names = "fashion_mnist", CLOTHES
    return generator


# --- the files


def test_six_files_are_there_and_nothing_else_beside_them(published):
    assert names(published) == FILES
    assert names(published.parent) == {"folder"}


@pytest.mark.parametrize("source", [".", "model.safetensors", "digits_cgan_generator.pth"])
def test_the_library_draws_the_same_pixels_from_the_folder_and_from_both_weight_files(published, finished, source):
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # the configuration agrees with the tensors
        assert same_pixels(load_generator(published / source), finished.generator)
        (published / "model.safetensors").unlink()
        assert same_pixels(load_generator(published), finished.generator)


def test_a_run_is_published_by_its_folder_as_well(published, finished, tmp_path):
    other = export("logs/digits/bce/ci", tmp_path / "other", scores=SCORES)  # `publish` under its former name
    for name in FILES - {"model.safetensors", "digits_cgan_generator.pth"}:
        assert (other / name).read_bytes() == (published / name).read_bytes(), name
    assert same_bits(load_generator(other), load_generator(published))


def test_one_configuration_holds_the_arguments_and_what_is_drawn(published, finished):
    about = {"class": "BCEGenerator", "dataset": "digits", "class_names": list("0123456789")}
    assert json.loads((published / "config.json").read_text()) == finished.generator.config | about


def test_the_samples_are_ten_images_of_each_class_from_the_latents_of_the_runs_grids(published, finished):
    z, labels = finished.fixed_inputs()
    expected = tile(generate(finished.generator, labels, z=z)).permute(1, 2, 0)
    with Image.open(published / "samples.png") as picture:
        assert np.array_equal(np.asarray(picture)[::2, ::2], expected)


@pytest.mark.parametrize("name", ["fashion_mnist_cgan_generator.pth", "model.safetensors"])
def test_a_weight_file_knows_its_data_set_and_its_classes_away_from_its_folder(clothes, tmp_path, name):
    folder = publish(clothes, tmp_path / "out")
    loaded = load_generator((folder / name).rename(tmp_path / name))
    assert (loaded.dataset, loaded.class_names) == ("fashion_mnist", CLOTHES)
    assert same_bits(loaded, clothes)


@pytest.mark.parametrize("noted", [1, [], {}, {"": 1}, {"": {"about": 1}}, {"": {"about": "{"}}, {"": {"about": "[]"}}])
def test_what_a_state_dict_says_beside_its_tensors_is_read_with_care(clothes, tmp_path, noted):
    state = clothes.state_dict()
    state._metadata = noted
    torch.save(state, tmp_path / "state.pth")
    assert same_bits(load_generator(tmp_path / "state.pth"), clothes)


def test_what_comes_back_knows_its_data_set_and_its_classes(clothes, tmp_path):
    folder = publish(clothes, tmp_path / "out")
    assert names(folder) == FILES - {"digits_cgan_generator.pth"} | {"fashion_mnist_cgan_generator.pth"}
    for loaded in (
        load_generator(folder),
        load_generator(folder / "model.safetensors"),
        BCEGenerator.from_pretrained(folder),
        load_generator(publish(load_generator(folder), tmp_path / "again")),
    ):
        assert (loaded.dataset, loaded.class_names) == ("fashion_mnist", CLOTHES)
        assert same_bits(loaded, clothes)


def test_a_generator_in_training_and_that_of_a_run_know_what_they_draw(finished, digits, tiny):
    clothes = replace(digits, name="clothes", class_names=CLOTHES)
    trainer = Trainer(get_recipe("bce", **tiny), clothes)
    for generator in (trainer.generator, trainer.averaged):
        assert (generator.dataset, generator.class_names) == ("clothes", CLOTHES)
    write_about(finished.folder, about("ci", clothes))  # as if it had been a run on clothes
    run = open_run(finished.folder)
    for generator in (run.generator, run.last_generator(), open_source(finished.folder).generator):
        assert (generator.dataset, generator.class_names) == ("digits", CLOTHES)


def test_the_name_of_a_data_set_leads_nowhere_else(clothes, tmp_path):
    clothes.dataset = "../../mine"
    folder = publish(clothes, tmp_path / "out" / "folder")
    assert names(tmp_path) == {"out"}
    assert len(names(folder)) == len(FILES)


# --- the card


def test_the_card_has_the_numbers_that_were_measured(published, finished):
    said = rows(published)
    assert said["as requested"].startswith("91.3% of 2,345 images")
    assert said["as requested"].endswith("right on 99.2% of real images")
    assert said["worst class"] == "82.3%"
    assert said["diversity within a class"] == "0.73 of real images (least diverse class: 0.61)"
    assert said["classes"] == ", ".join("0123456789")
    assert said["training"].startswith(f"40 steps of 8 images, {finished.seconds:.0f} s; loss bce, lr 0.001")
    assert f"{sum(p.numel() for p in finished.generator.parameters()):,} parameters" in said["generator"]
    assert "EMA" in said["weights"]


def test_the_card_says_where_the_weights_are_from(tmp_path):
    for changes, said in ((dict(ema=0.0), "of the last step"), (dict(ema=0.0, ema_power=3), "average (EMA)")):
        folder = publish(run_of("bce", tmp_path, **changes), tmp_path / said, scores=SCORES)
        assert rows(folder)["weights"].startswith(said)


def test_without_scores_a_run_is_measured_now_and_a_bare_generator_is_not(finished, tmp_path, monkeypatch):
    said, scores = rows(publish(finished, tmp_path / "run")), evaluate(finished.generator, "digits")
    assert said["as requested"].startswith(f"{scores.as_requested:.1f}% of 200 images")
    assert said["as requested"].endswith(f"right on {scores.real.as_requested:.1f}% of real images")
    monkeypatch.delattr(publisher, "evaluate")
    assert "as requested" not in rows(publish(finished.generator, tmp_path / "bare"))
    assert "worst class" in rows(publish(finished.generator, tmp_path / "scored", scores=SCORES))


def test_a_card_holds_names_in_any_script_and_with_any_sign(tmp_path):
    generator = build("bce", **SMALL)
    names = ["a | `b`", "<img src=x> *[]($x)", "می\u200cخواهم", "👩\u200d🚀 'quoted\""]
    generator.draws("it's: [mine] | {x}", names)
    publish(generator, tmp_path / "out")
    assert ModelCard.load(tmp_path / "out" / "README.md").data.datasets is None  # no name that the hub would take
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    shown = MarkdownIt("commonmark").enable("table").render(card.split("---", 2)[2])
    text = html.unescape(re.sub("<span dir=.auto.>|</span>", "", shown))
    assert f"<td>0 {names[0]}, 1 {names[1]}, 2 {names[2]}, 3 {names[3]}</td>" in text
    assert "was trained on it's: [mine] | {x} alone" in text
    assert "<img src=x" not in shown
    assert shown.count('<span dir="auto">') == 2  # those that run the other way cannot turn round their neighbours
    first = examples(tmp_path / "out")[0].splitlines()[3]
    assert ast.literal_eval(first.split(" = ")[1]) == (names[0], names[3])
    loaded = load_generator(tmp_path / "out")
    assert (loaded.dataset, loaded.class_names) == (generator.dataset, tuple(names))


@pytest.mark.parametrize("write", [publish, BCEGenerator.save_pretrained])
def test_a_card_names_the_classes_and_points_at_files_that_are_there(clothes, tmp_path, write):
    write(clothes, tmp_path / "out")
    card = ModelCard.load(tmp_path / "out" / "README.md")
    assert card.data.library_name == "cgan_lib"
    assert card.data.datasets == ["fashion_mnist"]
    assert card.data.license == "unknown"
    assert {"gan", "conditional-gan", "pytorch_model_hub_mixin"} <= set(card.data.tags)
    assert "8 bag, 9 boot" in rows(tmp_path / "out")["classes"]
    assert "1×16×16 numbers in [-1, 1]" in card.text
    assert "trained on fashion_mnist alone" in card.text
    assert "More Information Needed" not in card.content
    mentioned = set(re.findall(r"[\w.]+\.(?:png|pth|json|safetensors|py)\b", card.text))
    assert mentioned <= names(tmp_path / "out")


def test_both_ways_to_write_end_in_the_same_configuration_and_card(clothes, tmp_path):
    publish(clothes, tmp_path / "ours")
    clothes.save_pretrained(tmp_path / "theirs")
    assert names(tmp_path / "theirs") == HUB_FILES
    ours, theirs = ((tmp_path / name / "README.md").read_text().splitlines() for name in ("ours", "theirs"))
    assert not [line for line in ndiff(theirs, ours) if line.startswith("-")]  # `publish` only adds what it adds
    assert (tmp_path / "ours" / "config.json").read_bytes() == (tmp_path / "theirs" / "config.json").read_bytes()


@pytest.mark.parametrize("classes", [1, 3, 10])
def test_the_example_with_the_library_runs_for_any_number_of_classes(tmp_path, classes):
    generator, space = build("bce", **OTHER | {"num_classes": classes}), {}
    folder = publish(generator, tmp_path / "out")
    exec(examples(folder)[0].replace("path/of/this/folder", str(folder)), space)
    assert torch.equal(space["images"], generate(generator, [0, 0, classes - 1]))


def coloured(model="bce"):
    """A generator of ten digits in three colours, and in the other language."""
    generator = build(model, **OTHER | dict(num_classes=30, channels=3, attributes=[10, 3]))
    values = {"digit": [*"0123456789"], "צבע": ["red", "ירוק", "it's | blue"]}
    generator.draws("coloured_digits", joint_names(values), values)
    return generator


def test_attributes_are_in_every_file_of_a_folder_and_in_its_examples(tmp_path):
    generator, space = coloured(), {}
    folder = publish(generator, tmp_path / "out")
    said = rows(folder)
    assert said["digit"] == "0, 1, 2, 3, 4, 5, 6, 7, 8, 9"
    assert said["classes"].startswith("30: digit × ")
    assert "2 it's &#124; blue |" in (folder / "README.md").read_text(encoding="utf-8")
    assert json.loads((folder / "config.json").read_text())["attribute_names"] == generator.attribute_names
    for file in (folder, folder / "model.safetensors", folder / "coloured_digits_cgan_generator.pth"):
        assert load_generator(file).attribute_names == generator.attribute_names
    ours, theirs = examples(folder)
    exec(ours.replace("path/of/this/folder", str(folder)), space)
    assert torch.equal(space["images"], generate(generator, [0, 0, 29]))
    (folder / "example.py").write_text(theirs)
    torch.save(grid_inputs(30, 6), folder / "inputs.pt")
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, "-I", "-c", STRANGER, str(folder)], env=environment, check=True)
    z, labels = grid_inputs(30, 6)
    assert torch.equal(to_uint8(torch.load(folder / "outputs.pt")["ours"]), generate(generator, labels, z=z))


def test_the_samples_of_many_classes_are_of_a_hundred_of_them(tmp_path):
    folder = publish(build("bce", **OTHER | dict(num_classes=1000)), tmp_path / "out")
    with Image.open(folder / "samples.png") as picture:
        assert picture.height == 2 * (100 * 18 + 2)


# --- without the library

STRANGER = """
import os, sys
import torch

sys.modules["cgan_lib"] = None  # as if they were not installed
sys.modules["huggingface_hub"] = None
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
        folder = publish(runs[model], place / model, scores=SCORES)
        (folder / "example.py").write_text(examples(folder)[1])
        torch.save(grid_inputs(10, runs[model].recipe.latent_dim, seed=5), folder / "inputs.pt")
    folders = [str(place / model) for model in MODELS]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-I", "-c", STRANGER, *folders], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return {model: (runs[model], torch.load(place / model / "outputs.pt")) for model in MODELS}


@pytest.mark.parametrize("model", MODELS)
def test_without_the_library_the_folder_draws_the_same_pixels_and_the_example_of_the_card_runs(strangers, model):
    run, images = strangers[model]
    z, labels = grid_inputs(10, run.recipe.latent_dim, seed=5)
    assert torch.equal(to_uint8(images["ours"]), generate(run.generator, labels, z=z))
    size = run.recipe.image_size
    assert images["example"].shape == (3, 1, size, size)
    assert images["example"].abs().max() <= 1
    assert not torch.equal(images["example"][0], images["example"][1])  # two latents


@pytest.mark.parametrize("model", MODELS)
def test_the_architecture_needs_torch_alone_and_refuses_what_the_library_refuses(model):
    source = architecture(model)
    imported = re.findall(r"^(?:import|from) ([\w.]+)", source, re.MULTILINE)
    assert {name.split(".")[0] for name in imported} - set(sys.stdlib_module_names) == {"torch"}
    assert source.startswith(f'"""The generator {MODELS[model].generator.__name__} of cgan_lib')
    space = {"__name__": "cgan_architecture"}
    exec(source, space)
    with pytest.raises(space["UserError"], match="base_channels 3 must be a multiple"):
        space[MODELS[model].generator.__name__](base_channels=3)


@pytest.mark.parametrize("model", MODELS)
def test_the_architecture_is_all_that_the_generator_needs_and_nothing_else(model):
    tree, generator = ast.parse(architecture(model)), MODELS[model].generator
    parts = [*ast.walk(tree)]
    named = [part for part in parts if isinstance(part, ast.Name)]
    read = {part.id for part in named if isinstance(part.ctx, ast.Load)}
    made = {part.id for part in named if isinstance(part.ctx, ast.Store)}
    made |= {part.arg for part in parts if isinstance(part, ast.arg)}
    made |= {part.name for part in parts if isinstance(part, ast.ExceptHandler)}
    aliases = [alias.asname or alias.name for part in parts if hasattr(part, "names") for alias in part.names]
    at_top = [node.name for node in tree.body if isinstance(node, (ast.FunctionDef, ast.ClassDef))]
    assert read - made - {*aliases, *at_top} <= {*dir(builtins), "__file__"}
    assert {*at_top} - read == {generator.__name__}
    assert {*aliases} <= read
    assert len(at_top + aliases) == len({*at_top, *aliases})  # each once
    assert inspect.getsource(generator) in architecture(model)  # with its comments


def test_of_a_generator_from_elsewhere_the_architecture_is_that_of_its_base(monkeypatch):
    mine = type("Mine", (BCEGenerator,), {"__module__": "__main__"})
    monkeypatch.setitem(MODELS, "mine", Family(mine, MODELS["bce"].discriminator))
    assert architecture("mine") == architecture("bce")


# --- in the way of Hugging Face


@pytest.mark.parametrize("config", [SMALL, OTHER], ids=["colour", "grey"])
@pytest.mark.parametrize("model", MODELS)
def test_every_family_comes_back_with_the_same_bits(model, config, tmp_path):
    generator = build(model, **config)
    if model == "growing":
        generator.grow(0.25)
    assert isinstance(generator, PyTorchModelHubMixin)
    generator.save_pretrained(tmp_path / "theirs")
    publish(generator, tmp_path / "ours")
    for loaded in (
        type(generator).from_pretrained(tmp_path / "theirs"),
        type(generator).from_pretrained(str(tmp_path / "ours")),
        load_generator(tmp_path / "theirs"),
        load_generator(tmp_path / "ours"),
    ):
        assert type(loaded) is type(generator)
        assert loaded.config == config
        assert not loaded.training
        assert same_bits(loaded, generator)
        assert same_pixels(loaded, generator)


def test_arguments_given_without_their_names_are_written_with_them(tmp_path):
    for model, family in MODELS.items():
        family.generator(*SMALL.values()).save_pretrained(tmp_path / model)
        assert SMALL.items() <= json.loads((tmp_path / model / "config.json").read_text()).items()


@pytest.mark.parametrize("model", MODELS)
def test_being_shareable_changes_nothing_else(model):
    generator = build(model, **SMALL)
    for other in (copy.deepcopy(generator), pickle.loads(pickle.dumps(generator)), AveragedModel(generator).module):
        assert same_bits(other, generator)
        assert other.describe() == generator.describe()
        assert same_pixels(other, generator)
    assert {name.split(".")[0] for name, _ in generator.named_parameters()} <= set(dict(generator.named_children()))


def test_what_is_pushed_to_the_hub_is_what_is_saved(clothes, tmp_path, monkeypatch):
    pushed = {}

    class Api:
        def __init__(self, token=None):
            pass

        def create_repo(self, repo_id, **_):
            return type("Url", (), {"repo_id": repo_id})

        def upload_folder(self, *, repo_id, folder_path, **_):
            pushed[repo_id] = {path.name: path.read_bytes() for path in folder_path.iterdir()}
            return f"https://huggingface.co/{repo_id}/commit/1"

    monkeypatch.setattr("huggingface_hub.hub_mixin.HfApi", Api)
    card = {"license": "mit"}
    assert clothes.push_to_hub("me/gan", model_card_kwargs=card) == "https://huggingface.co/me/gan/commit/1"
    clothes.save_pretrained(tmp_path / "here", push_to_hub=True, repo_id="me/other", model_card_kwargs=card)
    saved = {path.name: path.read_bytes() for path in (tmp_path / "here").iterdir()}
    assert pushed == {"me/gan": saved, "me/other": saved}
    assert saved.keys() == HUB_FILES
    assert ModelCard.load(tmp_path / "here" / "README.md").data.license == "mit"
    assert rows(tmp_path / "here")["licence"] == "mit"


def test_a_generator_of_another_family_is_refused_by_every_family(tmp_path):
    for model in MODELS:
        build(model, **OTHER).save_pretrained(tmp_path / model)
    for one, other in permutations(MODELS, 2):
        mine, its = MODELS[one].generator, MODELS[other].generator.__name__
        with pytest.raises(UserError, match=rf"holds a {its}, no {mine.__name__}: use {its}.from_pretrained"):
            mine.from_pretrained(tmp_path / other)


def test_a_configuration_that_says_otherwise_never_gives_another_generator(clothes, tmp_path):
    clothes.save_pretrained(tmp_path / "out")
    path = tmp_path / "out" / "config.json"
    said = json.loads(path.read_text())
    for wrong in ({"latent_dim": 99}, {"class": "DropoutGenerator"}):
        path.write_text(json.dumps(said | wrong))
        with pytest.warns(UserWarning, match="config.json says .* the tensors of model.safetensors were believed"):
            assert same_bits(load_generator(tmp_path / "out"), clothes)
        with pytest.raises(UserError, match="load_generator"):
            BCEGenerator.from_pretrained(tmp_path / "out")
    path.write_text(json.dumps(said | {"latent_dim": 60_000, "base_channels": 1_024}))  # 4 GB
    with pytest.raises(UserError, match=r"asks for 9[\d,]+ numbers, but the file has [\d,]+ bytes: load_generator"):
        BCEGenerator.from_pretrained(tmp_path / "out")
    path.write_text(json.dumps({**said, "num_classes": 9, "class_names": CLOTHES[:9]}))
    with pytest.raises(UserError, match=r"do not fit its config\.json and BCEGenerator: load_generator"):
        BCEGenerator.from_pretrained(tmp_path / "out")


@pytest.mark.parametrize("content", [b"{", b"[1, 2]", b"\xff"])
def test_a_damaged_configuration_is_reported(clothes, tmp_path, content):
    clothes.save_pretrained(tmp_path / "out")
    (tmp_path / "out" / "config.json").write_bytes(content)
    with pytest.warns(UserWarning, match="the configuration in config.json cannot be read"):
        assert same_bits(load_generator(tmp_path / "out"), clothes)
    with pytest.raises((ValueError, AttributeError)):  # the mixin's own
        BCEGenerator.from_pretrained(tmp_path / "out")


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
        publish(finished, target)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("what", ["save_generator", "architecture", "png", "write_atomically"])
@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_failure_midway_leaves_neither_the_folder_nor_a_part_of_it(finished, tmp_path, monkeypatch, what, error):
    def fail(*_, **__):
        raise error

    (tmp_path / "out").mkdir()
    (tmp_path / "out" / ".folder.partial").mkdir()  # of a process that was killed
    (tmp_path / "out" / ".folder.partial" / "half.pth").write_text("half")
    with monkeypatch.context() as patch:
        patch.setattr(publisher, what, fail)
        with pytest.raises(error):
            publish(finished.generator, tmp_path / "out" / "folder")
    assert names(tmp_path / "out") <= {".folder.partial"}  # untouched, or gone
    assert names(publish(finished.generator, tmp_path / "out" / "folder")) == FILES
    assert names(tmp_path / "out") == {"folder"}


def test_what_cannot_be_published_is_an_error_that_says_why(finished, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write to"):
        publish(finished.generator, tmp_path / "file" / "folder")
    with pytest.raises(UserError, match="is no run folder"):
        publish(tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("training", [True, False])
def test_publishing_leaves_the_generator_as_it_is(clothes, tmp_path, training):
    before = copy.deepcopy(clothes.train(training))
    publish(clothes, tmp_path / "out")
    clothes.save_pretrained(tmp_path / "theirs")
    assert clothes.training is training
    assert same_bits(clothes, before)
    assert clothes.describe() == before.describe()
