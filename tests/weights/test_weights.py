"""Weight files: ours come back pixel by pixel, those of others are recognised, and none of them is trusted."""

import inspect
import json
import pickle
import sys
from pathlib import Path

import huggingface_hub
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn
from torch.optim.swa_utils import AveragedModel

from cgan_lib import RECIPES, UserError, generate, load_generator, open_run, pretrained, train
from cgan_lib.evaluation import load_classifier
from cgan_lib.evaluation.classifier import SHIPPED, read
from cgan_lib.models import FORMER_NAMES, MODELS, Family
from cgan_lib.publish import export_onnx, publish
from cgan_lib.runs.checkpoint import checkpoints
from cgan_lib.weights import CONFIG_FILES, PREFERRED, PRETRAINED, SUFFIXES, facts, places, save_generator

HUGE = 10**9
SMALL = dict(latent_dim=7, num_classes=4, channels=3, image_size=32, embed_dim=5, base_channels=8)
# The public folder of the bce family: its constructor arguments, under the names that its authors gave them
VIOLETA = dict(noise_dim=100, num_classes=10, img_size=28)
PROJECTION = dict(latent_dim=64, embed_dim=32, base_channels_g=16, base_channels_d=48, feature_dim=96, num_classes=10)


def build(model, seed=0, **config):
    """A generator none of whose numbers is trivial: a pass in training mode has moved the BatchNorm statistics."""
    torch.manual_seed(seed)
    network = MODELS[model].generator(**config)
    with torch.no_grad():
        network(torch.randn(8, network.config["latent_dim"]), torch.arange(8) % network.config["num_classes"])
    return network.eval()


def same_pixels(one, other):
    labels = list(range(one.config["num_classes"]))
    return torch.equal(generate(one, labels), generate(other, labels))


@pytest.fixture(params=MODELS)
def model(request):
    return request.param


@pytest.fixture
def generator(model):
    return build(model, **SMALL)


@pytest.fixture
def weights():
    """A state dict of `bce`, small."""
    return build("bce", **SMALL).state_dict()


# --- ours


def test_saved_and_loaded_a_generator_is_the_same_and_knows_what_it_draws(generator, tmp_path):
    generator.dataset, generator.class_names = "fashion", ("coat", "bag", "靴", "hat")
    if growing := hasattr(generator, "grow"):
        generator.grow(0.25)
    loaded = load_generator(save_generator(generator, tmp_path / "new" / "weights.safetensors"))
    assert type(loaded) is type(generator)
    assert loaded.describe() == generator.describe() == SMALL | loaded.describe()
    assert (loaded.dataset, loaded.class_names) == ("fashion", ("coat", "bag", "靴", "hat"))
    assert not loaded.training
    assert not growing or loaded.growth == 0.25
    assert same_pixels(loaded, generator)


@pytest.mark.parametrize("suffix", [".pth", ".pt", ".bin", ".safetensors"])
def test_a_state_dict_without_a_description_loads_by_its_shapes(generator, tmp_path, suffix):
    path = tmp_path / f"weights{suffix}"
    (save_file if suffix == ".safetensors" else torch.save)(generator.state_dict(), path)
    loaded = load_generator(path)
    assert loaded.config == SMALL
    assert (loaded.dataset, loaded.class_names) == ("", tuple("0123"))
    assert same_pixels(loaded, generator)


def test_half_precision_takes_half_the_room_and_draws_nearly_the_same(generator, tmp_path):
    whole = save_generator(generator, tmp_path / "whole.safetensors")
    half = save_generator(generator, tmp_path / "half.safetensors", half=True)
    headers = [int.from_bytes(path.read_bytes()[:8], "little") for path in (whole, half)]
    sizes = [path.stat().st_size - header for path, header in zip((whole, half), headers, strict=True)]
    assert sizes[1] / sizes[0] == pytest.approx(0.5, abs=0.02)
    loaded = load_generator(half)
    assert {p.dtype for p in loaded.parameters()} == {torch.float32}
    images = [generate(network, [0, 1, 2, 3]).int() for network in (generator, loaded)]
    assert (images[0] - images[1]).abs().max() <= 2


def test_a_file_says_what_it_holds(generator, model, tmp_path):
    said = facts(save_generator(generator, tmp_path / "weights.safetensors", steps=300, seconds=2.5, by="us"))
    assert json.loads(said.pop("config")) == generator.describe()
    assert said == dict(model=model, steps="300", seconds="2.5", by="us")


def test_a_generator_that_nothing_could_read_back_is_not_written(tmp_path):
    class Mine(MODELS["bce"].generator):
        pass

    with pytest.raises(UserError, match=r"Mine is no family known here.*add it to MODELS"):
        save_generator(Mine(**SMALL), tmp_path / "weights.safetensors")
    assert not list(tmp_path.iterdir())


def test_names_of_classes_are_as_many_as_the_classes(generator):
    with pytest.raises(UserError, match="3 names for 4 classes"):
        generator.class_names = ("coat", "bag", "boot")


def test_the_newest_checkpoint_of_a_run_loads_with_its_averaged_weights(finished):
    loaded = load_generator(checkpoints(finished.folder / "checkpoints")[-1])
    assert same_pixels(loaded, finished.generator)
    assert not same_pixels(loaded, finished.last_generator())


@pytest.mark.parametrize("name", {r.model: name for name, r in RECIPES.items() if not r.averages}.values())
def test_a_checkpoint_without_an_average_gives_the_generator_and_never_the_discriminator(name, tiny):
    run = train(name, steps=2, **tiny)
    loaded = load_generator(checkpoints(run.folder / "checkpoints")[-1])
    assert type(loaded) is type(run.generator)
    assert same_pixels(loaded, run.generator)


def test_a_run_folder_gives_the_generator_that_draws_its_samples(finished):
    assert same_pixels(load_generator(finished.folder), finished.generator)
    assert same_pixels(load_generator("logs/digits/bce/ci"), open_run(finished.folder).generator)  # as `short` prints


# --- two families whose tensors have the same names and shapes


@pytest.fixture
def silu(monkeypatch):
    """A generator of the family `silu`: that of `bce`, with another activation."""

    class SiluGenerator(MODELS["bce"].generator):
        def __init__(self, **config):
            super().__init__(**config)
            self.conv_blocks[3] = nn.SiLU()

    monkeypatch.setitem(MODELS, "silu", Family(SiluGenerator, MODELS["bce"].discriminator))
    return build("silu", **SMALL)


def test_a_generator_is_loaded_as_the_family_that_its_file_declares(silu, tmp_path):
    silu.save_pretrained(tmp_path / "folder")  # config.json declares it; the metadata of save_generator do it too
    assert same_pixels(type(silu).from_pretrained(tmp_path / "folder"), silu)
    for source in (tmp_path / "folder", save_generator(silu, tmp_path / "silu.safetensors")):
        loaded = load_generator(source)
        assert type(loaded) is type(silu)
        assert same_pixels(loaded, silu)
    bce = build("bce", **SMALL)
    assert type(load_generator(save_generator(bce, tmp_path / "bce.safetensors"))) is type(bce)


def test_where_nothing_is_declared_the_choice_is_left_to_who_asks(silu, tmp_path):
    torch.save(silu.state_dict(), tmp_path / "weights.pth")
    with pytest.raises(UserError, match=r"fit several families, bce, silu, .*load_generator\(.*, model='bce'\)"):
        load_generator(tmp_path / "weights.pth")
    assert same_pixels(load_generator(tmp_path / "weights.pth", model="silu"), silu)
    assert type(load_generator(tmp_path / "weights.pth", model="bce")) is MODELS["bce"].generator


def test_a_family_that_does_not_fit_or_is_not_known_cannot_be_asked_for(weights, tmp_path):
    torch.save(weights, tmp_path / "weights.pth")
    with pytest.raises(UserError, match="holds no dropout generator: its tensors are those of bce"):
        load_generator(tmp_path / "weights.pth", model="dropout")
    with pytest.raises(UserError, match="unknown model 'bec': did you mean 'bce'"):
        load_generator(tmp_path / "weights.pth", model="bec")


# --- several generators in one file, and files that lie beside their description


def test_of_several_generators_the_one_that_was_taken_is_named(weights, tmp_path):
    other = build("bce", seed=1, **SMALL).state_dict()
    torch.save({"netG_best": other, "netG": weights}, tmp_path / "weights.pth")
    with pytest.warns(UserWarning, match=r"several generators \(netG_best, netG\): netG_best was taken") as caught:
        load_generator(tmp_path / "weights.pth")
    assert caught[0].filename == __file__


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "pack",
    [
        lambda ours, other: {"generator": ours, "also": ours},
        lambda ours, other: {"schema": {"x": torch.ones(1)}, "netG": other, "netG_ema": ours},
        lambda ours, other: {"generator": other, "genEMA": ours},
        lambda ours, other: (ours, {"step": 3}),
        lambda ours, other: {"networks": [ours], "losses": [0.5]},
        lambda ours, other: {0: ours},
        lambda ours, other: {n.replace("blocks.", "blocks._fsdp_wrapped_module."): t for n, t in ours.items()},
        lambda ours, other: {n: t for n, t in ours.items() if "num_batches" not in n},
        lambda ours, other: {n: t.float() for n, t in ours.items()},
    ],
    ids=["the same twice", "ema", "EMA", "tuple", "list", "number", "fsdp", "no counters", "counters of another kind"],
)
def test_packings_of_others_give_the_generator_without_a_word(weights, tmp_path, pack):
    torch.save(pack(weights, build("bce", seed=1, **SMALL).state_dict()), tmp_path / "weights.pth")
    assert same_pixels(load_generator(tmp_path / "weights.pth"), build("bce", **SMALL))


def test_averaged_is_a_word_of_its_own(weights, tmp_path):
    torch.save(
        {"state": {"schema": build("bce", seed=1, **SMALL).state_dict()}, "G": weights}, tmp_path / "weights.pth"
    )
    with pytest.warns(UserWarning, match="several generators"):
        assert same_pixels(load_generator(tmp_path / "weights.pth"), build("bce", **SMALL))


def test_a_weight_file_knows_what_it_draws_by_the_configuration_beside_it(tmp_path):
    generator = build("bce", **SMALL)
    generator.draws("letters", list("abcd"))
    publish(generator, tmp_path / "folder")
    file = tmp_path / "folder" / "letters_cgan_generator.pth"
    assert load_generator(file).describe() == generator.describe()
    torch.save(build("bce", **{**SMALL, "latent_dim": 9}).state_dict(), file)  # what lies beside it is of another one
    assert load_generator(file).dataset == ""


def test_a_checkpoint_knows_what_it_draws(finished):
    loaded = load_generator(checkpoints(finished.folder / "checkpoints")[-1])
    assert loaded.describe() == finished.generator.describe()


def test_a_file_is_written_under_a_name_by_which_it_can_be_read(generator, tmp_path):
    assert same_pixels(load_generator(save_generator(generator, str(tmp_path / "a.safetensors"))), generator)
    with pytest.raises(UserError, match=r"must end in \.safetensors"):
        save_generator(generator, tmp_path / "a.pth")


# --- folders of others


@pytest.fixture(scope="module")
def violeta():
    """The generator that the public folder holds, which has the default sizes, with other weights."""
    return build("bce")


@pytest.fixture(scope="module")
def projection():
    return build("projection", latent_dim=64, embed_dim=32, base_channels=16)


@pytest.fixture
def write_folder(tmp_path):
    """A function: write a folder of `files`, name → what to save, and a configuration as text, if any."""

    def write(config=None, name="generator_config.json", **files) -> Path:
        folder = tmp_path / "published"
        folder.mkdir()
        for file, content in files.items():
            torch.save(content, folder / file)
        if config is not None:
            (folder / name).write_bytes(config if isinstance(config, bytes) else config.encode())
        return folder

    return write


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("config", [None, json.dumps(VIOLETA), "{}", '{"framework": "pytorch"}'])
def test_a_folder_like_the_public_one_loads_with_or_without_its_configuration(violeta, write_folder, config):
    folder = write_folder(config, **{"mnist_cgan_generator.pth": violeta.state_dict()})
    (folder / "architecture.py").write_text("raise SystemExit('read, never run')")
    assert same_pixels(load_generator(folder), violeta)
    assert same_pixels(load_generator(str(folder / "mnist_cgan_generator.pth")), violeta)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("config", [None, json.dumps(PROJECTION)])
def test_what_a_configuration_leaves_out_is_inferred(projection, write_folder, config):
    loaded = load_generator(write_folder(config, **{"best_generator.pth": projection.state_dict()}))
    assert loaded.config == projection.config
    assert same_pixels(loaded, projection)


@pytest.mark.parametrize("name", CONFIG_FILES)
@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (dict(noise_dim=50), r"latent_dim=50 \(is 64\)"),
        (dict(base_channels_g=384), r"base_channels=384 \(is 16\)"),
        (dict(embed_dim="32"), r"embed_dim='32' \(is 32\)"),
        (dict(arguments=dict(latent_dim=50)), r"latent_dim=50 \(is 64\)"),
        (dict(image_size=64, num_classes=9), r"num_classes=9 \(is 10\), image_size=64 \(is 28\)"),
        ({"class": "BCEGenerator"}, r"class='BCEGenerator' \(is 'ProjectionGenerator'\)"),
        (dict(model="stylegan"), r"model='stylegan' \(is 'projection'\)"),
        (dict(class_names=["coat", "bag"]), r"class_names=\['coat', 'bag'\] \(is \['0', .*\]\)"),
        (dict(class_names=7), r"class_names=7 \(is .*\)"),
    ],
    ids=str,
)
def test_a_configuration_that_says_otherwise_is_reported_and_overruled(
    projection, write_folder, tmp_path, name, wrong, message
):
    folder = write_folder(json.dumps(PROJECTION | wrong), name, **{"best_generator.pth": projection.state_dict()})
    expected = rf"^{name} says {message}: the tensors of best_generator\.pth were believed\.$"
    with pytest.warns(UserWarning, match=expected) as caught:
        loaded = load_generator(folder)
    assert caught[0].filename == __file__  # the line that loads
    assert loaded.describe() == projection.describe()
    assert same_pixels(loaded, projection)


UNREADABLE = ["{", "", "[1]", "3", "null", '"text"', '{"arguments": 3}', '{"arguments": [1]}', b"\xff\xfe"]


@pytest.mark.parametrize("config", UNREADABLE, ids=repr)
def test_a_configuration_that_cannot_be_read_is_reported_and_done_without(projection, write_folder, config):
    folder = write_folder(config, **{"best_generator.pth": projection.state_dict()})
    with pytest.warns(
        UserWarning, match=r"generator_config\.json cannot be read: the tensors of best_generator\.pth were believed"
    ):
        loaded = load_generator(folder)
    assert same_pixels(loaded, projection)


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        (dict(config=json.dumps({**SMALL, "latent_dim": "many"})), r"latent_dim='many' \(is 7\)"),
        (dict(config=json.dumps({**SMALL, "image_size": 30})), r"image_size=30 \(is 32\)"),
        (dict(model="stylegan"), r"model='stylegan' \(is 'bce'\)"),
        (dict(config="{"), "cannot be read"),
        (dict(config="[1]"), "cannot be read"),
    ],
)
def test_descriptions_inside_the_file_that_do_not_fit_are_reported_too(tmp_path, weights, metadata, message):
    save_file(weights, tmp_path / "weights.safetensors", metadata)
    with pytest.warns(UserWarning, match=message):
        assert load_generator(tmp_path / "weights.safetensors").config == SMALL


@pytest.mark.filterwarnings("error")
def test_what_else_a_file_says_about_itself_does_not_matter(tmp_path, weights):
    save_file(weights, tmp_path / "weights.safetensors", dict(by="us", config=json.dumps({**SMALL, "depth": 3})))
    assert load_generator(tmp_path / "weights.safetensors").config == SMALL


def test_of_several_files_in_a_folder_the_best_known_name_is_read(tmp_path):
    for seed, name in enumerate(PREFERRED):
        state = build("bce", seed, **SMALL).state_dict()
        (save_file if name.endswith(".safetensors") else torch.save)(state, tmp_path / name)
    torch.save({"something": "else"}, tmp_path / "another.pt")
    for seed, name in enumerate(PREFERRED):
        assert same_pixels(load_generator(tmp_path), build("bce", seed, **SMALL))
        (tmp_path / name).unlink()


@pytest.mark.parametrize("name", ["my weights.bin", "G.pt", "kmnist_cgan_generator.pth"])
def test_the_only_weight_file_of_a_folder_is_read_whatever_its_name(write_folder, weights, name):
    folder = write_folder(**{name: weights})
    (folder / "README.md").write_text("# A generator")
    assert load_generator(folder).config == SMALL


def test_a_folder_that_leaves_a_choice_or_none_is_an_error_that_lists_what_is_there(write_folder, weights):
    folder = write_folder(**{"a.pth": weights, "b.pt": weights})
    with pytest.raises(UserError, match=r"should hold model\.safetensors or one .*\(found: a\.pth, b\.pt\): name"):
        load_generator(folder)
    for path in folder.iterdir():
        path.unlink()
    with pytest.raises(UserError, match=r"\(found: none\)"):
        load_generator(folder)


# --- training checkpoints of others


def wrapped(state):
    """As saved from inside `DataParallel` or `DistributedDataParallel`."""
    return {f"module.{name}": tensor for name, tensor in state.items()}


@pytest.fixture
def checkpoint(generator, model):
    """What training scripts save: all networks, an optimiser that has worked, numbers and names."""
    discriminator = MODELS[model].discriminator(num_classes=4, channels=3, image_size=32, base_channels=8)
    optimizer = torch.optim.Adam(generator.parameters())
    generator(torch.randn(2, 7), torch.tensor([0, 1])).sum().backward()
    before = {name: tensor.clone() for name, tensor in generator.state_dict().items()}
    optimizer.step()
    return {
        "epoch": 3,
        "args": {"lr": 1e-3, "dataset": "mnist"},
        "best": [torch.ones(1), 2.5],
        "discriminator": discriminator.state_dict(),
        "generator": before,
        "optimizer": optimizer.state_dict(),
        "scaler": {},
    }


def test_a_training_checkpoint_gives_its_generator(checkpoint, tmp_path):
    expected = checkpoint["generator"]
    for saved in (checkpoint, checkpoint | {"generator": wrapped(expected)}):
        torch.save(saved, tmp_path / "checkpoint.pt")
        loaded = load_generator(tmp_path / "checkpoint.pt").state_dict()
        assert all(torch.equal(loaded[name], tensor) for name, tensor in expected.items())


def prefixed(state, *prefixes):
    return {"".join(prefixes) + name: tensor for name, tensor in state.items()}


WORLD = {
    "DataParallel": lambda w: wrapped(w),
    "compiled": lambda w: prefixed(w, "_orig_mod."),
    "compiled, then wrapped twice": lambda w: prefixed(w, "module.", "module.", "_orig_mod."),
    "wrapped, then compiled": lambda w: prefixed(w, "_orig_mod.", "module."),
    "a part compiled": lambda w: {name.replace("conv_blocks.", "conv_blocks._orig_mod."): t for name, t in w.items()},
    "Lightning": lambda w: {
        "epoch": 3,
        "pytorch-lightning_version": "2.4.0",
        "state_dict": prefixed(w, "generator.") | prefixed(nn.Conv2d(1, 1, 1).state_dict(), "discriminator."),
        "optimizer_states": [{"state": {0: {"exp_avg": torch.ones(2)}}}],
    },
    "Lightning of wrapped": lambda w: {"state_dict": prefixed(w, "model.", "module.", "netG.", "_orig_mod.")},
    "nested twice": lambda w: {"state": {"generator": w, "discriminator": {"generator": torch.ones(2)}}},
    "averaged around wrapped": lambda w: {"n_averaged": torch.tensor(3), **prefixed(w, "module.", "module.")},
    "averaged inside Lightning": lambda w: {
        "state_dict": {"G.n_averaged": torch.tensor(3), **prefixed(w, "G.module."), "D.weight": torch.ones(2)}
    },
}


@pytest.mark.parametrize("suffix", [".ckpt", ".pkl", ".pth.tar", ".PTH"])
@pytest.mark.parametrize("pack", WORLD.values(), ids=WORLD)
def test_state_dicts_are_found_however_the_world_packs_them(weights, tmp_path, pack, suffix):
    torch.save(pack(weights), tmp_path / f"weights{suffix}")
    for source in (tmp_path / f"weights{suffix}", tmp_path):
        loaded = load_generator(source).state_dict()
        assert all(torch.equal(loaded[name], tensor) for name, tensor in weights.items())


def test_loading_leaves_the_random_state_as_it_was(weights, tmp_path):
    torch.save(weights, tmp_path / "weights.pth")
    before = torch.get_rng_state()
    load_generator(tmp_path / "weights.pth")
    load_generator(tmp_path / "weights.pth", module=MODELS["bce"].generator(**SMALL).eval())
    torch.set_rng_state(before)
    load_generator(tmp_path / "weights.pth")
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_neither_read_nor_written(generator, tmp_path, bad):
    name, weight = next(generator.named_parameters())
    weight.data.view(-1)[-1] = bad
    torch.save(generator.state_dict(), tmp_path / "weights.pth")
    for use in (
        lambda: load_generator(tmp_path / "weights.pth"),
        lambda: save_generator(generator, tmp_path / "weights.safetensors"),
        lambda: publish(generator, tmp_path / "folder"),
        lambda: generator.save_pretrained(tmp_path / "folder"),
        lambda: export_onnx(generator, tmp_path / "g.onnx"),
    ):
        with pytest.raises(UserError, match=rf"'{name}' holds numbers that are NaN or infinite"):
            use()
    assert not list(tmp_path.rglob("*.onnx")) + list(tmp_path.rglob("*.safetensors"))


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        *(("num_classes", 10_001), ("channels", 17), ("image_size", 1_028), ("latent_dim", 0), ("embed_dim", -3)),
        *(("num_classes", 2.5), ("latent_dim", "many"), ("channels", True), ("latent_dim", None)),
        *(("image_size", 10**5_000), ("base_channels", 10**5_000)),
    ],
    ids=lambda value: "huge" if isinstance(value, int) and value > HUGE else str(value),
)
def test_sizes_have_limits_in_every_family(model, argument, value):
    with pytest.raises(UserError, match=rf"{argument} .* must be a whole number|{argument} .* does not fit"):
        MODELS[model].generator(**SMALL | {argument: value})


@pytest.mark.parametrize("name", ["ema", "generator_ema", "G_EMA", "averaged"])
@pytest.mark.parametrize("first", [True, False])
def test_averaged_weights_go_before_those_of_the_last_step(weights, tmp_path, name, first):
    average = build("bce", seed=1, **SMALL)
    for state in (average.state_dict(), AveragedModel(average).state_dict()):  # the latter is PyTorch's own
        parts = {"generator": weights, name: state}
        torch.save(dict(reversed(parts.items())) if first else parts, tmp_path / "checkpoint.pt")
        assert same_pixels(load_generator(tmp_path / "checkpoint.pt"), average)


def test_averaged_weights_of_something_else_do_not_stand_in_the_way(weights, tmp_path):
    torch.save({"ema_discriminator": nn.Linear(2, 2).state_dict(), "generator": weights}, tmp_path / "checkpoint.pt")
    assert load_generator(tmp_path / "checkpoint.pt").config == SMALL


# --- files that are refused


UNKNOWN, NO_FIT, NONE = (
    "none of the families bce, .*module=MyGenerator",
    "looks like a bce generator but does not fit",
    "no state dict",
)
FOREIGN = {
    "another network": (lambda w: nn.Linear(3, 3).state_dict(), UNKNOWN),
    "a discriminator": (lambda w: MODELS["bce"].discriminator().state_dict(), "is no generator known here"),
    "many names too many": (
        lambda w: w | {f"more{n}": torch.ones(1) for n in range(5)},
        r"5 are unknown \(more0, more1, more2, …\)",
    ),
    "a training checkpoint of another network": (lambda w: {"net": nn.Linear(3, 3).state_dict(), "step": 3}, UNKNOWN),
    "a shape that does not fit": (lambda w: w | {"conv_blocks.2.weight": torch.ones(3)}, NO_FIT),
    "a flat embedding": (lambda w: w | {"label_embedding.weight": torch.ones(20)}, NO_FIT),
    "an empty weight": (lambda w: w | {"conv_blocks.0.weight": torch.ones(0)}, NO_FIT),
    "a size of 30": (lambda w: w | {"projection.0.weight": torch.ones(8 * 49 + 100, 12)}, NO_FIT),
    "numbers": (lambda w: {"generator": 7, "step": 3}, NONE),
    "nothing inside": (lambda w: {"generator": {}, "step": 3}, NONE),
    "a list": (lambda w: list(w.values()), NONE),
    "nothing": (lambda w: {}, NONE),
    "a tensor": (lambda w: torch.ones(3), NONE),
}


@pytest.mark.parametrize(("change", "message"), FOREIGN.values(), ids=FOREIGN)
def test_foreign_weight_files_are_an_error_that_says_what_is_wrong(tmp_path, weights, change, message):
    torch.save(change(weights), tmp_path / "weights.pth")
    with pytest.raises(UserError, match=message):
        load_generator(tmp_path / "weights.pth")


def test_the_error_names_the_closest_family_and_what_differs(generator, model, tmp_path):
    state = generator.state_dict()
    last = list(state)[-1]
    state["renamed"] = state.pop(last)
    torch.save(state, tmp_path / "weights.pth")
    expected = rf"family is {model}, but 1 names are missing \({last}\) and 1 are unknown \(renamed\): convert"
    with pytest.raises(UserError, match=expected):
        load_generator(tmp_path / "weights.pth")


class Bomb:
    """Unpickled, it writes a file: what a hostile weight file could do."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return Path.write_text, (self.path, "executed")


@pytest.mark.parametrize("suffix", [".pth", ".pt", ".bin", ".safetensors"])
@pytest.mark.parametrize("save", [lambda bomb, path: path.write_bytes(pickle.dumps(bomb)), torch.save])
def test_code_in_a_weight_file_is_not_executed(tmp_path, weights, suffix, save):
    mark = tmp_path / "executed"
    path = tmp_path / f"weights{suffix}"
    save({**weights, "extra": Bomb(mark)}, path)
    if suffix != ".safetensors" and save is torch.save:
        torch.load(path, weights_only=False)
        assert mark.exists()  # it is a bomb indeed
        mark.unlink()
    with pytest.raises(UserError, match=str(path)):
        load_generator(path)
    with pytest.raises(UserError, match=str(tmp_path)):
        load_generator(tmp_path)  # nor when it is found in a folder
    assert not mark.exists()


DAMAGES = {
    "truncated": lambda content: content[: len(content) // 2],
    "empty": lambda content: b"",
    "zeros": lambda content: bytes(len(content)),
    "text": lambda content: b"not a checkpoint\n",
    "first bytes lost": lambda content: content[10:],
}


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_damaged_weight_files_are_an_error_that_names_them(tmp_path, weights, suffix, damage):
    path = tmp_path / f"weights{suffix}"
    (save_file if suffix == ".safetensors" else torch.save)(weights, path)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(UserError, match=str(path)):
        load_generator(path)


@pytest.mark.parametrize("read", [load_generator, facts])
def test_paths_that_are_no_weight_file_are_an_error(tmp_path, read):
    (tmp_path / "weights.txt").write_text("text")
    for path, message in (
        (tmp_path / "nowhere.pth", "there is no weight file .*nowhere"),
        ("nowhere", "there is no weight file nowhere"),
        (tmp_path, r"found: none|is no weight file"),
        (tmp_path / "weights.txt", r"expected one of \.safetensors, \.pth, \.pt, \.bin"),
    ):
        with pytest.raises(UserError, match=message):
            read(path)


# --- the Hugging Face hub


@pytest.fixture
def hub(monkeypatch):
    """A function: have `huggingface_hub.snapshot_download` be `download`."""
    return lambda download: monkeypatch.setattr(huggingface_hub, "snapshot_download", download)


def test_a_repository_on_the_hub_loads_like_its_folder_without_what_is_not_needed(hub, violeta, write_folder):
    folder, asked = write_folder(json.dumps(VIOLETA), **{"mnist_cgan_generator.pth": violeta.state_dict()}), []
    signature = inspect.signature(huggingface_hub.snapshot_download)

    def download(*arguments, **options):
        asked.append(signature.bind(*arguments, **options).arguments)
        return str(folder)

    hub(download)
    assert same_pixels(load_generator("hf://VioletaR/cgan-mnist"), violeta)
    assert asked[0]["repo_id"] == "VioletaR/cgan-mnist"
    fetched, left = ["a.pth", "a.safetensors", "config.json", "generator_config.json"], ["a.py", "a.png", "a.h5"]
    patterns = asked[0]["allow_patterns"]
    assert [name for name in fetched + left if any(Path(name).match(pattern) for pattern in patterns)] == fetched


@pytest.mark.parametrize("error", [OSError("no network\nat all"), ValueError("Repository Not Found"), KeyError()])
def test_a_repository_that_cannot_be_fetched_says_what_to_do(hub, error):
    def download(repo_id, **options):
        raise error

    hub(download)
    with pytest.raises(UserError, match=r"^hf://owner/nme could not be fetched \(.*\): check the name") as raised:
        load_generator("hf://owner/nme")
    assert "\n" not in str(raised.value)


def test_without_the_package_of_the_hub_the_error_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(UserError, match="huggingface_hub"):
        load_generator("hf://owner/name")


# --- generators that come with the library


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    """Two generators shipped with the library, `small` and `other`, and no more."""
    monkeypatch.setattr(places, "PRETRAINED", tmp_path / "shelf")
    networks = {"small": build("bce", **SMALL), "other": build("projection", **SMALL)}
    for name, network in networks.items():
        save_generator(network, tmp_path / "shelf" / f"{name}.safetensors", steps=7)
    return networks


def test_shipped_generators_load_by_name(shelf):
    assert pretrained() == ["other", "small"]
    for name, network in shelf.items():
        assert same_pixels(load_generator(name), network)
        assert facts(name)["steps"] == "7"


@pytest.mark.parametrize("opened", [load_generator, open_run])
@pytest.mark.parametrize("path", [None, 5, ["bce"]])
def test_what_is_no_path_is_refused(opened, path):
    with pytest.raises(UserError, match="is no path: name a file or a folder, in quotes"):
        opened(path)


def test_a_mistyped_name_lists_what_is_shipped(shelf):
    with pytest.raises(UserError, match=r"there is no weight file smal: check the path\. Shipped: other, small\."):
        load_generator("smal")


def test_four_generators_and_a_classifier_are_shipped_and_small():
    assert pretrained() == ["bce", "dcgan64", "projection", "relativistic"]
    files = [*PRETRAINED.iterdir(), SHIPPED / "mnist.safetensors"]
    assert sum(path.stat().st_size for path in files) <= 15e6


@pytest.mark.parametrize("name", pretrained())
def test_a_shipped_generator_is_in_half_precision_and_says_what_it_cost(name):
    with safe_open(PRETRAINED / f"{name}.safetensors", framework="pt") as file:
        dtypes = {file.get_tensor(key).dtype for key in file.keys()}  # noqa: SIM118
    assert {dtype for dtype in dtypes if dtype.is_floating_point} == {torch.float16}
    said = facts(name)
    assert FORMER_NAMES.get(said["model"], said["model"]) in MODELS
    assert int(said["steps"]) > 0
    assert float(said["seconds"]) > 0


@pytest.mark.parametrize("name", pretrained())
def test_a_shipped_generator_draws_ten_different_digits_that_can_be_read(name):
    generator = load_generator(name)
    images = generate(generator, list(range(10)))
    assert len(images.flatten(1).unique(dim=0)) == 10
    labels = torch.arange(10).repeat(10)
    _, logits = read(load_classifier("mnist"), generate(generator, labels))
    assert (logits.argmax(1) == labels).float().mean() > 0.8


@pytest.mark.filterwarnings("error")
def test_what_was_saved_under_a_former_name_of_its_family_is_read_without_a_word(tmp_path):
    generator = build("dcgan", **SMALL)
    metadata = {"model": "dcgan64", "config": json.dumps(generator.describe() | {"class": "DCGAN64Generator"})}
    save_file(generator.state_dict(), tmp_path / "former.safetensors", metadata=metadata)
    assert same_pixels(generator, load_generator(tmp_path / "former.safetensors"))
