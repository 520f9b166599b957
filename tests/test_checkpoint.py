"""Checkpoints survive a crash; weight files are read without trusting them."""

import errno
import json
import os
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from cgan_lib import UserError, generate, load_generator
from cgan_lib.checkpoint import (
    WEIGHT_SUFFIXES,
    checkpoints,
    load_newest,
    save_checkpoint,
    save_generator,
    write_atomically,
)
from cgan_lib.models import MODELS

SMALL = dict(latent_dim=7, num_classes=4, channels=3, image_size=32, embed_dim=5, base_channels=8)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture(params=MODELS)
def model(request):
    return request.param


@pytest.fixture
def generator(model):
    torch.manual_seed(0)
    return MODELS[model].generator(**SMALL).eval()


@pytest.fixture
def weights():
    """A state dict of `bce`, small."""
    return MODELS["bce"].generator(**SMALL).state_dict()


# --- checkpoints


@pytest.mark.parametrize("function", ["replace", "fsync"])
def test_a_write_that_fails_leaves_the_old_file_whole_and_no_partial_one(tmp_path, monkeypatch, function):
    write_atomically(tmp_path / "file", b"old")

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, function, full)
        with pytest.raises(UserError, match=r"cannot write .*file \(No space left on device\)"):
            write_atomically(tmp_path / "file", b"new")
    assert (tmp_path / "file").read_bytes() == b"old"
    assert names(tmp_path) == ["file"]
    write_atomically(tmp_path / "file", b"new")
    assert (tmp_path / "file").read_bytes() == b"new"


def test_the_content_is_on_the_disk_before_it_takes_the_place_of_the_old(tmp_path, monkeypatch):
    calls = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda file: (calls.append(os.fstat(file).st_size), fsync(file)))
    monkeypatch.setattr(os, "replace", lambda *names: (calls.append("replace"), replace(*names)))
    write_atomically(tmp_path / "file", b"12345")
    assert calls == [5, "replace"]


def test_a_file_half_written_by_a_killed_process_is_no_checkpoint_and_is_overwritten(tmp_path):
    (tmp_path / ".step_00000003.pt.partial").write_bytes(b"half")
    assert checkpoints(tmp_path) == []
    assert load_newest(tmp_path) is None
    save_checkpoint(tmp_path, {"step": 3}, 3)
    assert names(tmp_path) == ["step_00000003.pt"]


def test_only_the_newest_two_are_kept(tmp_path):
    for step in (9, 10, 100, 1000):
        save_checkpoint(tmp_path / "new" / "folder", {"step": step}, step)
    assert names(tmp_path / "new" / "folder") == ["step_00000100.pt", "step_00001000.pt"]
    assert load_newest(tmp_path / "new" / "folder") == {"step": 1000}


DAMAGES = {
    "truncated": lambda content: content[: len(content) // 2],
    "empty": lambda content: b"",
    "zeros": lambda content: bytes(len(content)),
    "text": lambda content: b"not a checkpoint\n",
    "first bytes lost": lambda content: content[10:],
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_newest_checkpoint_falls_back_to_the_one_before_with_a_warning(tmp_path, damage):
    for step in (1, 2):
        path = save_checkpoint(tmp_path, {"step": step, "weights": torch.ones(1000)}, step)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.warns(UserWarning, match=r"step_00000002\.pt is damaged .*falling back to the one before"):
        assert load_newest(tmp_path)["step"] == 1
    assert load_newest(tmp_path)["step"] == 1  # and is not stumbled over again: no warning


def test_any_bytes_in_place_of_a_checkpoint_are_taken_for_damage(tmp_path):
    noise = torch.Generator().manual_seed(0)
    for step in range(200):
        content = torch.randint(256, (64,), dtype=torch.uint8, generator=noise).numpy().tobytes()
        (tmp_path / "step_00000001.pt").write_bytes((b"\x80\x02" if step % 2 else b"") + content)
        with pytest.warns(UserWarning, match="is damaged"):
            assert load_newest(tmp_path) is None


def test_without_any_readable_checkpoint_there_is_none(tmp_path):
    assert load_newest(tmp_path / "nowhere") is None
    for step in (1, 2):
        save_checkpoint(tmp_path, {"step": step}, step).write_bytes(b"")
    with pytest.warns(UserWarning, match="is damaged"):
        assert load_newest(tmp_path) is None


# --- weight files


def test_saved_and_loaded_a_generator_draws_the_same_pixels(generator, model, tmp_path):
    path = save_generator(generator, tmp_path / "new" / "weights.safetensors", model)
    loaded = load_generator(path)
    assert type(loaded) is type(generator)
    assert loaded.config == SMALL
    assert not loaded.training
    assert torch.equal(generate(loaded, [0, 1, 2, 3]), generate(generator, [0, 1, 2, 3]))


@pytest.mark.parametrize("suffix", [".pth", ".pt", ".bin", ".safetensors"])
def test_a_state_dict_without_a_description_loads_by_its_shapes(generator, tmp_path, suffix):
    path = tmp_path / f"weights{suffix}"
    (save_file if suffix == ".safetensors" else torch.save)(generator.state_dict(), path)
    loaded = load_generator(path)
    assert loaded.config == SMALL
    assert torch.equal(generate(loaded, [0, 1, 2, 3]), generate(generator, [0, 1, 2, 3]))


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
    assert not mark.exists()


@pytest.mark.parametrize("suffix", WEIGHT_SUFFIXES)
@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_damaged_weight_files_are_an_error_that_names_them(tmp_path, weights, suffix, damage):
    path = tmp_path / f"weights{suffix}"
    (save_file if suffix == ".safetensors" else torch.save)(weights, path)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(UserError, match=str(path)):
        load_generator(path)


def without(state, name):
    return {key: value for key, value in state.items() if key != name}


FOREIGN = {
    "another network": (lambda w: torch.nn.Linear(3, 3).state_dict(), "no generator known here"),
    "a discriminator": (lambda w: MODELS["bce"].discriminator().state_dict(), "no generator known here"),
    "a name missing": (lambda w: without(w, "conv_blocks.4.bias"), r"closest, bce, differs in 1 names .*4\.bias"),
    "a name too many": (lambda w: w | {"more": torch.ones(1)}, r"closest, bce, differs in 1 names .*more"),
    "a shape that does not fit": (lambda w: w | {"conv_blocks.2.weight": torch.ones(3)}, "does not fit it"),
    "a flat embedding": (lambda w: w | {"label_embedding.weight": torch.ones(20)}, "does not fit it"),
    "an empty weight": (lambda w: w | {"conv_blocks.0.weight": torch.ones(0)}, "does not fit it"),
    "a size of 30": (lambda w: w | {"projection.0.weight": torch.ones(8 * 49 + 100, 12)}, "does not fit it"),
    "a training checkpoint": (lambda w: {"generator": w, "step": 3}, "holds no state dict"),
    "a list": (lambda w: list(w.values()), "holds no state dict"),
    "nothing": (lambda w: {}, "holds no state dict"),
    "a tensor": (lambda w: torch.ones(3), "holds no state dict"),
}


@pytest.mark.parametrize(("change", "message"), FOREIGN.values(), ids=FOREIGN)
def test_foreign_weight_files_are_an_error_that_says_what_is_wrong(tmp_path, weights, change, message):
    torch.save(change(weights), tmp_path / "weights.pth")
    with pytest.raises(UserError, match=message):
        load_generator(tmp_path / "weights.pth")


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        (dict(model="stylegan"), "a generator 'stylegan', which this version does not know"),
        (dict(model="spatial", config=json.dumps(SMALL)), "looks like a spatial generator but does not fit"),
        (dict(model="bce", config="{"), "does not fit"),
        (dict(model="bce", config="[1]"), "does not fit"),
        (dict(model="bce", config=json.dumps({**SMALL, "depth": 3})), "does not fit"),
        (dict(model="bce", config=json.dumps({**SMALL, "latent_dim": "many"})), "does not fit"),
        (dict(model="bce", config=json.dumps({**SMALL, "image_size": 30})), "does not fit"),
    ],
)
def test_descriptions_that_do_not_fit_the_weights_are_an_error(tmp_path, weights, metadata, message):
    save_file(weights, tmp_path / "weights.safetensors", metadata)
    with pytest.raises(UserError, match=message):
        load_generator(tmp_path / "weights.safetensors")


def test_paths_that_are_no_weight_file_are_an_error(tmp_path):
    (tmp_path / "weights.txt").write_text("text")
    for path, message in (
        (tmp_path / "nowhere.pth", "there is no weight file"),
        (tmp_path, "is a folder"),
        (tmp_path / "weights.txt", "expected one of .safetensors, .pth, .pt, .bin"),
    ):
        with pytest.raises(UserError, match=message):
            load_generator(path)
