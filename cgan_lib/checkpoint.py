"""Checkpoints that survive a kill at any moment, and weight files that can be given away."""

import io
import json
import os
import pickle
import warnings
from pathlib import Path

import torch
from torch import Tensor, nn

from cgan_lib.errors import UserError
from cgan_lib.models import MODELS
from cgan_lib.paths import make_folder, short

KEEP = 2  # the newest checkpoint and, should it be damaged, the one before
WEIGHT_SUFFIXES = (".safetensors", ".pth", ".pt", ".bin")


def save_checkpoint(folder: Path, state: dict, step: int) -> Path:
    """Write `step_<step>.pt` so that it is there whole or not at all, and drop all but the newest two."""
    make_folder(folder)
    target = folder / f"step_{step:08d}.pt"
    buffer = io.BytesIO()
    torch.save(state, buffer)
    write_atomically(target, buffer.getbuffer())
    for old in checkpoints(folder)[:-KEEP]:
        old.unlink()
    return target


def checkpoints(folder: Path) -> list[Path]:
    """The complete checkpoints of a folder, oldest first."""
    return sorted(folder.glob("step_*.pt"))


def load_newest(folder: Path, *, set_damaged_aside: bool = False) -> dict | None:
    """The newest readable checkpoint, on the CPU; None when there is none. A damaged one is skipped with a warning.

    `set_damaged_aside` renames damaged ones, so that they are not counted among those to keep.
    """
    for path in reversed(checkpoints(folder)):
        try:
            return torch.load(path, map_location="cpu", weights_only=True)
        except (FileNotFoundError, MemoryError, PermissionError):
            raise  # says nothing about the file
        except Exception as error:  # a damaged file can raise almost anything
            warnings.warn(
                f"{short(path)} is damaged ({_first_line(error)}): falling back to the one before, if there is one.",
                stacklevel=2,
            )
            if set_damaged_aside:
                path.rename(path.with_suffix(".damaged"))
    return None


def save_generator(generator: nn.Module, path: Path, model: str) -> Path:
    """Write the generator's weights with its family and constructor arguments, as safetensors."""
    from safetensors.torch import save

    state = {name: tensor.detach().cpu().contiguous() for name, tensor in generator.state_dict().items()}
    content = save(state, metadata={"model": model, "config": json.dumps(generator.config)})
    make_folder(path.parent)
    write_atomically(path, content)
    return path


def load_generator(path: str | Path, device: str | torch.device = "cpu") -> nn.Module:
    """The generator in a weight file (`.safetensors`, or a PyTorch state dict), ready to sample.

    Family and constructor arguments come from the file when it names them, else from the shapes of its tensors, so
    that `mnist_cgan_generator.pth` of `VioletaR/cgan-mnist` loads as it is. `UserError` for anything else.
    """
    path = Path(path)
    if path.is_dir():
        raise UserError(f"{path} is a folder: name a weight file, or a run folder with recipe.json.")
    if not path.is_file():
        raise UserError(f"there is no weight file {path}: check the path.")
    state, metadata = _read_weights(path)
    model = metadata.get("model") or _recognise(state, path)
    if model not in MODELS:
        raise UserError(f"{path} holds a generator {model!r}, which this version does not know: update cgan_lib.")
    family = MODELS[model].generator
    try:
        config = json.loads(metadata["config"]) if "config" in metadata else family.infer_config(state)
        generator = family(**config)
        generator.load_state_dict(state)
    except (UserError, RuntimeError, TypeError, ValueError, ArithmeticError, LookupError) as error:
        raise UserError(
            f"{path} looks like a {model} generator but does not fit it ({_first_line(error)}): export it again."
        ) from error
    return generator.to(device).eval()


def _read_weights(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The state dict and metadata of a weight file, without ever running code that it holds."""
    if path.suffix not in WEIGHT_SUFFIXES:
        raise UserError(f"{path} is no weight file: expected one of {', '.join(WEIGHT_SUFFIXES)}.")
    try:
        if path.suffix == ".safetensors":
            from safetensors import safe_open

            with safe_open(path, framework="pt") as file:
                return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118
        state = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise UserError(
            f"{path} is a pickle of something other than weights, which could run code: "
            "save only the state dict, torch.save(generator.state_dict(), path)."
        ) from error
    except Exception as error:
        raise UserError(f"{path} is damaged or no weight file ({_first_line(error)}): fetch it again.") from error
    if not isinstance(state, dict) or not state or not all(isinstance(t, Tensor) for t in state.values()):
        raise UserError(f"{path} holds no state dict: save torch.save(generator.state_dict(), path).")
    return state, {}


def _recognise(state: dict[str, Tensor], path: Path) -> str:
    """The family whose generator has exactly these names of weights."""
    names = {name: set(family.generator().state_dict()) for name, family in MODELS.items()}
    for model, expected in names.items():
        if expected == set(state):
            return model
    closest = max(names, key=lambda model: len(names[model] & set(state)))
    differing = sorted(names[closest] ^ set(state))
    raise UserError(
        f"{path} is no generator known here: the closest, {closest}, differs in {len(differing)} names "
        f"(first: {differing[0]}): convert its names, or load it with the code it came from."
    )


def write_atomically(target: Path, content: bytes | memoryview) -> None:
    """Write beside the target, force it to the disk, then rename: a reader sees the old file or the whole new one."""
    partial = target.with_name(f".{target.name}.partial")
    try:
        with open(partial, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, target)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise UserError(f"cannot write {target} ({error.strerror}): free space there, or set CGAN_HOME.") from error


def _first_line(error: BaseException) -> str:
    return str(error).strip().split("\n")[0][:120] or type(error).__name__
