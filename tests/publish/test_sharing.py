"""A generator published in the way of Hugging Face comes back with the same bits, and says what it is."""

import copy
import json
import pickle
import re
from itertools import permutations
from pathlib import Path

import huggingface_hub
import pytest
import torch
from huggingface_hub import ModelCard, PyTorchModelHubMixin
from safetensors.torch import load_file
from test_weights import SMALL, build, same_pixels
from torch.optim.swa_utils import AveragedModel

import cgan_lib.sharing
import cgan_lib.weights
from cgan_lib import UserError, generate, load_generator
from cgan_lib.data import DATASETS
from cgan_lib.models import MODELS, BCEGenerator
from cgan_lib.models.layers import ConditionalGenerator
from cgan_lib.publish.folder import export
from cgan_lib.sharing import family_of

FILES = {"README.md", "config.json", "model.safetensors", "samples.png"}
OTHER = dict(latent_dim=6, num_classes=10, channels=1, image_size=16, embed_dim=4, base_channels=8)


def names(folder):
    return {path.name for path in folder.iterdir()}


def same_bits(one, other):
    mine, theirs = one.state_dict(), other.state_dict()
    return list(mine) == list(theirs) and all(torch.equal(mine[name], theirs[name]) for name in mine)


@pytest.fixture(params=MODELS)
def model(request):
    return request.param


@pytest.fixture
def generator(model):
    return build(model, **SMALL)


@pytest.fixture
def folder(tmp_path):
    """A small generator of the family `bce`, published."""
    build("bce", **SMALL).save_pretrained(tmp_path / "bce")
    return tmp_path / "bce"


@pytest.fixture
def no_network(monkeypatch):
    """Fails when anything is asked of the hub."""

    def ask(*arguments, **options):
        raise AssertionError(f"the hub was asked for {arguments} {options}")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", ask)
    monkeypatch.setattr("huggingface_hub.hub_mixin.hf_hub_download", ask)


# --- there and back


@pytest.mark.parametrize("config", [SMALL, OTHER], ids=["colour", "grey"])
def test_every_family_comes_back_with_the_same_bits(model, config, tmp_path, no_network):
    generator = build(model, **config)
    assert isinstance(generator, PyTorchModelHubMixin)
    assert generator.save_pretrained(tmp_path / "new" / "folder") is None
    assert names(tmp_path / "new") == {"folder"}
    assert names(tmp_path / "new" / "folder") == FILES
    assert json.loads((tmp_path / "new" / "folder" / "config.json").read_text()) == config
    for loaded in (
        type(generator).from_pretrained(tmp_path / "new" / "folder"),
        type(generator).from_pretrained(str(tmp_path / "new" / "folder")),
        ConditionalGenerator.from_pretrained(tmp_path / "new" / "folder"),
        load_generator(tmp_path / "new" / "folder"),
    ):
        assert type(loaded) is type(generator)
        assert loaded.config == config
        assert not loaded.training
        assert same_bits(loaded, generator)
        assert same_pixels(loaded, generator)


def test_a_half_grown_generator_comes_back_half_grown(tmp_path):
    generator = build("growing", **SMALL)
    generator.grow(0.25)
    generator.save_pretrained(tmp_path / "half")
    assert type(generator).from_pretrained(tmp_path / "half").growth == 0.25


def test_arguments_given_without_their_names_are_written_with_them(model, tmp_path):
    MODELS[model].generator(*SMALL.values()).save_pretrained(tmp_path / "out")
    assert json.loads((tmp_path / "out" / "config.json").read_text()) == SMALL


def test_what_comes_back_can_be_published_again(folder, tmp_path):
    BCEGenerator.from_pretrained(folder).save_pretrained(tmp_path / "again")
    assert load_file(tmp_path / "again" / "model.safetensors").keys() == load_file(folder / "model.safetensors").keys()
    for name in ("README.md", "config.json", "samples.png"):
        assert (tmp_path / "again" / name).read_bytes() == (folder / name).read_bytes(), name


def test_a_folder_of_export_is_read_as_well(finished, tmp_path, no_network):
    from test_hub import SCORES

    export(finished, tmp_path / "out", scores=SCORES)
    assert same_bits(BCEGenerator.from_pretrained(tmp_path / "out"), finished.generator)


def test_the_generator_stays_as_it_was(generator, tmp_path):
    generator.train()
    before = copy.deepcopy(generator.state_dict())
    generator.save_pretrained(tmp_path / "out")
    assert generator.training
    assert all(torch.equal(before[name], tensor) for name, tensor in generator.state_dict().items())


def test_being_shareable_changes_nothing_else(generator):
    for other in (copy.deepcopy(generator), pickle.loads(pickle.dumps(generator)), AveragedModel(generator).module):
        assert same_bits(other, generator)
        assert other.config == generator.config == SMALL
        assert same_pixels(other, generator)
    with torch.device("meta"):
        assert list(type(generator)(**SMALL).state_dict()) == list(generator.state_dict())
    assert {name.split(".")[0] for name, _ in generator.named_parameters()} <= set(dict(generator.named_children()))


# --- the card


def test_the_card_says_what_it_draws_and_what_it_is_made_of(generator, model, tmp_path):
    generator.save_pretrained(tmp_path / "out", model_card_kwargs={"license": "cc-by-4.0", "dataset": "digits"})
    card = ModelCard.load(tmp_path / "out" / "README.md")
    assert card.data.license == "cc-by-4.0"
    assert card.data.library_name == "cgan_lib"
    assert card.data.datasets == ["digits"]
    assert {"gan", "conditional-gan", "pytorch_model_hub_mixin"} <= set(card.data.tags)
    rows = dict(re.findall(r"^\| ([\w `]+) \| (.+) \|$", card.text, re.MULTILINE))
    assert f"`{type(generator).__name__}`, the family `{model}`" in rows["generator"]
    assert f"{sum(p.numel() for p in generator.parameters()):,} parameters" in rows["generator"]
    assert {argument: int(rows[f"`{argument}`"]) for argument in SMALL} == SMALL
    assert rows["licence"] == "cc-by-4.0"
    assert "3×32×32 numbers in [-1, 1]" in card.text
    assert "More Information Needed" not in card.content
    mentioned = set(re.findall(r"[\w.]+\.(?:png|json|safetensors)\b", card.text))
    assert mentioned == FILES - {"README.md"}


def test_the_card_names_the_classes_of_a_known_data_set(tmp_path):
    build("bce", **OTHER).save_pretrained(tmp_path / "out", model_card_kwargs={"dataset": "fashion_mnist"})
    card = (tmp_path / "out" / "README.md").read_text()
    assert all(f"{label} {name}" in card for label, name in enumerate(DATASETS["fashion_mnist"][1]))
    assert "trained on fashion_mnist alone" in card


def test_without_being_told_the_card_claims_neither_a_licence_nor_a_data_set(folder):
    card = ModelCard.load(folder / "README.md")
    assert card.data.license == "unknown"
    assert card.data.datasets is None
    assert "| licence | not stated |" in card.text


@pytest.mark.parametrize("number", [0, 1])
def test_the_examples_of_the_card_run(generator, tmp_path, number):
    generator.save_pretrained(tmp_path / "out")
    examples = re.findall(r"```python\n(.*?)```", (tmp_path / "out" / "README.md").read_text(), re.DOTALL)
    assert len(examples) == 2
    space = {}
    exec(examples[number].replace("path/of/this/folder", str(tmp_path / "out")), space)
    assert torch.equal(space["images"], generate(generator, [0, 0, 1]))


# --- the hub


@pytest.fixture
def hub(monkeypatch):
    """What was published where: a list of (name, folder's files → content)."""
    published = []

    class Api:
        def __init__(self, token=None):
            pass

        def create_repo(self, repo_id, **_):
            return type("Url", (), {"repo_id": repo_id})

        def upload_folder(self, *, repo_id, folder_path, **_):
            published.append((repo_id, {path.name: path.read_bytes() for path in folder_path.iterdir()}))
            return f"https://huggingface.co/{repo_id}/commit/1"

    monkeypatch.setattr("huggingface_hub.hub_mixin.HfApi", Api)
    return published


def test_what_is_published_is_the_folder_with_its_card(folder, hub, tmp_path):
    card = {"license": "mit"}
    generator = BCEGenerator.from_pretrained(folder)
    assert generator.push_to_hub("me/gan", model_card_kwargs=card) == "https://huggingface.co/me/gan/commit/1"
    generator.save_pretrained(tmp_path / "here", push_to_hub=True, repo_id="me/other", model_card_kwargs=card)
    generator.save_pretrained(tmp_path / "third", push_to_hub=True, model_card_kwargs=card)
    assert [name for name, _ in hub] == ["me/gan", "me/other", "third"]
    for _, files in hub:
        assert files.keys() == FILES
        assert b"license: mit" in files["README.md"]
        assert b"BCEGenerator.from_pretrained" in files["README.md"]
        assert files["config.json"] == (folder / "config.json").read_bytes()
        (tmp_path / "model.safetensors").write_bytes(files["model.safetensors"])
        assert same_bits(load_generator(tmp_path / "model.safetensors"), generator)


def test_a_name_on_the_hub_is_fetched_with_what_was_said(folder, monkeypatch):
    asked = []

    def download(name, **options):
        asked.append((name, options))
        return str(folder)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    for name in ("owner/name", "hf://owner/name"):
        loaded = BCEGenerator.from_pretrained(name, revision="v1", token="t", cache_dir="c", local_files_only=True)
        assert same_bits(loaded, load_generator(folder))
    for name, options in asked:
        assert name == "owner/name"
        assert {options[key] for key in ("revision", "token", "cache_dir")} == {"v1", "t", "c"}
        assert options["local_files_only"] is True
        assert "*.safetensors" in options["allow_patterns"]


@pytest.mark.parametrize("error", [OSError("no network\nat all"), ValueError("Repository Not Found")])
def test_a_repository_that_cannot_be_fetched_is_an_error_that_says_so(monkeypatch, error):
    def download(*_, **__):
        raise error

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    with pytest.raises(
        UserError, match=r"^owner/nme is neither a folder here nor could it be fetched .*check"
    ) as raised:
        BCEGenerator.from_pretrained("owner/nme")
    assert "\n" not in str(raised.value)


def test_what_cannot_be_published_is_an_error_that_says_so(folder, monkeypatch):
    def refuse(*_, **__):
        raise OSError("401 Client Error")

    monkeypatch.setattr("huggingface_hub.hub_mixin.HfApi.create_repo", refuse)
    with pytest.raises(UserError, match=r"me/gan could not be published \(401 Client Error\): .*hf auth login"):
        BCEGenerator.from_pretrained(folder).push_to_hub("me/gan")


# --- mistakes


def test_a_mistyped_folder_is_not_looked_up_on_the_hub(folder, tmp_path, monkeypatch, no_network):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "logs").mkdir()
    sources = [
        tmp_path / "a" / "b",
        folder.with_name("bec"),
        "bcex",
        "logs/bce",
        "./bce/x",
        "a/b/c",
        "~/gan",
        "/ecb",
        Path("owner/name"),
    ]
    for source in sources:
        with pytest.raises(UserError, match=r"^there is no folder .*: check the path"):
            BCEGenerator.from_pretrained(source)


@pytest.mark.parametrize("source", ["relativistic", "model.safetensors"])
def test_what_load_generator_reads_is_pointed_at_it(folder, source, no_network):
    with pytest.raises(UserError, match="load_generator reads"):
        BCEGenerator.from_pretrained(folder / source if source.endswith("s") else source)


def test_a_generator_of_another_family_is_refused_by_every_family(tmp_path, no_network):
    generators = {model: build(model, **OTHER) for model in MODELS}
    for model, generator in generators.items():
        generator.save_pretrained(tmp_path / model)
    for one, other in permutations(MODELS, 2):
        mine, its = type(generators[one]).__name__, type(generators[other]).__name__
        with pytest.raises(UserError, match=rf"holds a {its}, no {mine}: use {its}.from_pretrained"):
            type(generators[one]).from_pretrained(tmp_path / other)


@pytest.mark.parametrize("content", ["something", "a file"])
def test_what_is_there_already_is_refused_and_not_touched(folder, tmp_path, contents, content):
    target = tmp_path / "there"
    if content == "a file":
        target.write_text("mine")
    else:
        target.mkdir()
        (target / "README.md").write_text("mine")
    before = contents(tmp_path)
    with pytest.raises(UserError, match="there exists: name a new or an empty folder, nothing is overwritten"):
        BCEGenerator.from_pretrained(folder).save_pretrained(target)
    assert contents(tmp_path) == before


def test_an_empty_folder_is_filled(folder, tmp_path):
    (tmp_path / "empty").mkdir()
    BCEGenerator.from_pretrained(folder).save_pretrained(tmp_path / "empty")
    assert names(tmp_path / "empty") == FILES


@pytest.mark.parametrize("what", ["_card", "family_of"])
@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_failure_midway_leaves_nothing(folder, tmp_path, monkeypatch, what, error):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(cgan_lib.sharing, what, fail)
    (tmp_path / "out").mkdir()
    with pytest.raises(error):
        BCEGenerator.from_pretrained(folder).save_pretrained(tmp_path / "out" / "folder")
    assert names(tmp_path / "out") == set()


def test_a_configuration_that_says_otherwise_is_reported_and_overruled(folder):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"latent_dim": 99}))
    with pytest.warns(UserWarning, match=r"config.json says latent_dim=99 \(is 7\): the tensors of model.safetensors"):
        loaded = BCEGenerator.from_pretrained(folder)
    assert loaded.config == SMALL


@pytest.mark.parametrize("content", ["{", "[1, 2]", "\udcff"])
def test_a_damaged_configuration_is_an_error_that_names_it(folder, content):
    (folder / "config.json").write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(UserError, match=r"config.json of .*bce cannot be read"):
        BCEGenerator.from_pretrained(folder)


def test_damaged_weights_are_an_error_that_names_them(folder):
    (folder / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(UserError, match=r"model.safetensors is damaged"):
        BCEGenerator.from_pretrained(folder)


def test_a_generator_that_nothing_could_read_back_is_not_written(tmp_path):
    class Mine(BCEGenerator):
        pass

    with pytest.raises(UserError, match=r"Mine is no family known here.*add it to MODELS"):
        Mine(**SMALL).save_pretrained(tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert family_of(BCEGenerator) == "bce"
