"""Checkpoints survive a crash at any moment."""

import errno
import os
import warnings

import pytest
import torch

from cgan_lib import UserError
from cgan_lib.files import write_atomically
from cgan_lib.runs.checkpoint import checkpoints, load_newest, save_checkpoint


def names(folder):
    return sorted(path.name for path in folder.iterdir())


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
    for aside in (False, True):
        with pytest.warns(UserWarning, match=r"step_00000002\.pt is damaged .*falling back to the one before"):
            assert load_newest(tmp_path, set_damaged_aside=aside)["step"] == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert load_newest(tmp_path)["step"] == 1  # set aside, it is not stumbled over again
    assert names(tmp_path) == ["step_00000001.pt", "step_00000002.damaged"]


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
