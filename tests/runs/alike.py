"""Whether two networks, checkpoints or runs are the same, bit for bit."""

from pathlib import Path

import torch

from cgan_lib.runs.checkpoint import checkpoints


def newest_state(folder: Path) -> dict:
    """The newest checkpoint of a run, without the one thing that depends on the clock."""
    state = torch.load(checkpoints(folder / "checkpoints")[-1], weights_only=True)
    del state["seconds"]
    return state


def assert_identical(one, other, where="state"):
    """Every tensor and number, bit for bit."""
    assert type(one) is type(other), where
    if isinstance(one, torch.Tensor):
        assert one.dtype == other.dtype, where
        assert torch.equal(one, other), where
    elif isinstance(one, dict):
        assert one.keys() == other.keys(), where
        for key in one:
            assert_identical(one[key], other[key], f"{where}.{key}")
    elif isinstance(one, list | tuple):
        assert len(one) == len(other), where
        for index, pair in enumerate(zip(one, other, strict=True)):
            assert_identical(*pair, f"{where}.{index}")
    else:
        assert one == other, where


def same_weights(one, other) -> bool:
    """Whether two networks hold the same numbers."""
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)
