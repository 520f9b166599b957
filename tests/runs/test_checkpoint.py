"""Checkpoints survive a crash at any moment; damage is told from trouble that passes, and trouble changes nothing."""

import errno
import os
import random
import warnings
from pathlib import Path

import pytest
import torch

from cgan_lib import UserError
from cgan_lib.runs.checkpoint import checkpoints, load_newest, save_checkpoint


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def two(tmp_path):
    """A folder with the checkpoints of steps 1 and 2."""
    for step in (1, 2):
        save_checkpoint(tmp_path, {"step": step, "weights": torch.arange(500.0)}, step)
    return tmp_path


def test_without_a_checkpoint_there_is_none(tmp_path):
    assert load_newest(tmp_path / "nowhere") is None
    (tmp_path / ".step_00000003.pt.7-ab.partial").write_bytes(b"half written by a killed process")
    assert checkpoints(tmp_path) == []
    assert load_newest(tmp_path) is None


def test_only_the_newest_two_are_kept(tmp_path):
    folder = tmp_path / "new" / "folder"
    for step in (9, 10, 99_999_999, 100_000_000):  # as text the last would come first
        save_checkpoint(folder, {"step": step}, step)
    assert [path.name for path in checkpoints(folder)] == ["step_99999999.pt", "step_100000000.pt"]
    assert names(folder) == ["step_100000000.pt", "step_99999999.pt"]
    assert load_newest(folder) == {"step": 100_000_000}


def test_files_that_a_person_keeps_are_neither_deleted_nor_taken_for_a_checkpoint(two):
    own = [
        "step_00000001.pt.bak",
        "step_00000100_keep.pt",
        "step_7.pt",
        "step_best.pt",
        "step_x00000009.pt",
        "step_٠٠٠٠٠١٠٠.pt",
    ]
    for name in own:
        (two / name).write_bytes((two / "step_00000001.pt").read_bytes())
    save_checkpoint(two, {"step": 3}, 3)
    assert names(two) == sorted([*own, "step_00000002.pt", "step_00000003.pt"])
    assert load_newest(two) == {"step": 3}


def test_a_checkpoint_is_an_archive_that_pytorch_reads_itself(two):
    state = torch.load(two / "step_00000002.pt", weights_only=True)
    assert state["step"] == 2
    assert torch.equal(state["weights"], torch.arange(500.0))


def flipped(content: bytes, position: int) -> bytes:
    """The content with one bit changed."""
    changed = bytearray(content)
    changed[position // 8] ^= 1 << position % 8
    return bytes(changed)


def zeroed(content: bytes, start: int, length: int = 64) -> bytes:
    return content[:start] + bytes(len(content[start : start + length])) + content[start + length :]


def damages(content: bytes, rng: random.Random):
    """Damaged versions of a file."""
    yield from (content[: len(content) // 2], content[:-1], b"", bytes(len(content)), content[10:], content + b"\0")
    yield from (b"not a checkpoint\n", rng.randbytes(64), b"\x80\x02" + rng.randbytes(64))
    yield content.replace(b"weights", b"weightz")  # the name of a key
    yield from (flipped(content, rng.randrange(8 * len(content))) for _ in range(150))
    yield from (flipped(content, 8 * len(content) - 1 - bit) for bit in range(0, 8 * 64, 5))  # the seal, what it ends
    blocks = (zeroed(content, rng.randrange(len(content))) for _ in range(40))
    yield from (block for block in blocks if block != content)


def test_whatever_is_damaged_the_checkpoint_before_is_taken_with_a_warning(two):
    newest = two / "step_00000002.pt"
    for number, damaged in enumerate(damages(newest.read_bytes(), random.Random(3))):
        newest.write_bytes(damaged)
        with pytest.warns(UserWarning, match=r"step_00000002\.pt is damaged .*falling back to the one before"):
            assert load_newest(two)["step"] == 1, number
    assert number > 200
    assert names(two) == ["step_00000001.pt", "step_00000002.pt"]  # to look at a run changes nothing


def test_a_damaged_checkpoint_set_aside_is_not_stumbled_over_again(two):
    (two / "step_00000002.pt").write_bytes(b"")
    with pytest.warns(UserWarning, match="is damaged"):
        load_newest(two, set_damaged_aside=True)
    assert names(two) == ["step_00000001.pt", "step_00000002.damaged"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert load_newest(two)["step"] == 1


def test_checkpoints_from_before_they_had_a_seal_load_and_their_parts_are_checked(two):
    newest = two / "step_00000002.pt"
    torch.save({"step": 5, "weights": torch.arange(500.0)}, newest)
    content = newest.read_bytes()
    assert load_newest(two)["step"] == 5
    start = content.index(torch.arange(500.0).numpy().tobytes())
    rng = random.Random(4)
    for damaged in (
        content.replace(b"weights", b"weightz"),
        *(flipped(content, 8 * start + rng.randrange(8 * 2000)) for _ in range(30)),
    ):
        newest.write_bytes(damaged)
        with pytest.warns(UserWarning, match=r"step_00000002\.pt is damaged \(the checksum of .* does not fit\)"):
            assert load_newest(two)["step"] == 1


@pytest.mark.parametrize("aside", [False, True])
def test_when_all_are_damaged_it_is_refused_and_nothing_is_touched(two, contents, aside):
    for path in checkpoints(two):
        path.write_bytes(path.read_bytes()[:-9])
    before = contents(two)
    for _ in range(2):
        with (
            pytest.warns(UserWarning, match="is damaged"),
            pytest.raises(UserError, match=r"every checkpoint in .+ is damaged: .* another run name to start anew"),
        ):
            load_newest(two, set_damaged_aside=aside)
    assert contents(two) == before


def raising(error):
    def fail(*_, **__):
        raise error

    return fail


@pytest.mark.parametrize(
    ("where", "name", "error", "message"),
    [
        (Path, "read_bytes", OSError(errno.EIO, os.strerror(errno.EIO)), "Input/output error"),
        (Path, "read_bytes", OSError(errno.EMFILE, os.strerror(errno.EMFILE)), "Too many open files"),
        (Path, "read_bytes", MemoryError(), "MemoryError"),
        (torch, "load", MemoryError(), "MemoryError"),
        (torch, "load", RuntimeError("DefaultCPUAllocator: can't allocate memory"), "can't allocate memory"),
    ],
)
def test_trouble_that_may_pass_is_raised_and_no_checkpoint_is_touched(
    two, monkeypatch, contents, where, name, error, message
):
    before = contents(two)
    with monkeypatch.context() as patch:
        patch.setattr(where, name, raising(error))
        with pytest.raises(UserError, match=rf"step_00000002\.pt cannot be read \(.*{message}"):
            load_newest(two, set_damaged_aside=True)
    assert contents(two) == before
    assert load_newest(two)["step"] == 2
