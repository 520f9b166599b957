"""Weight files: writing a generator, and reading one back, ours or another's, without running foreign code."""

import json
import pickle
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from cgan_lib.errors import UserError
from cgan_lib.files import first_line, write_atomically
from cgan_lib.models import MODELS
from cgan_lib.paths import locate, make_folder

SUFFIXES = (".safetensors", ".pth", ".pt", ".bin")
CONFIG_FILE = "generator_config.json"
# In a folder, the first of these that is there is read; then any other weight file, if there is only one
PREFERRED = ("model.safetensors", "generator.safetensors", "best_generator.pth", "mnist_cgan_generator.pth")
PRETRAINED = Path(__file__).parent / "pretrained"
OTHER_NAMES = {"noise_dim": "latent_dim", "img_size": "image_size", "base_channels_g": "base_channels"}
HUB = "hf://"


def pretrained() -> list[str]:
    """Names of the generators that come with the library: each can be given to `load_generator`."""
    return sorted(path.stem for path in PRETRAINED.glob("*.safetensors"))


def save_generator(
    generator: nn.Module, path: Path, model: str, *, half: bool = False, **facts: str | int | float
) -> Path:
    """Write a generator of the family `model` as safetensors: its weights, constructor arguments and some `facts`.

    `half` stores float16, half the size and good enough to draw with.
    """
    from safetensors.torch import save

    metadata = {"model": model, "config": json.dumps(generator.config)}
    content = save(
        state_to_store(generator, half), metadata=metadata | {name: str(value) for name, value in facts.items()}
    )
    make_folder(path.parent)
    write_atomically(path, content)
    return path


def state_to_store(network: nn.Module, half: bool) -> dict[str, Tensor]:
    """The state dict of a network on the CPU; `half`: what is floating point as float16."""
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    return {name: t.half() if half and t.is_floating_point() else t for name, t in state.items()}


def load_generator(source: str | Path, device: str | torch.device = "cpu") -> nn.Module:
    """A generator from a weight file, a folder, the Hugging Face hub (`hf://owner/name`), or shipped with the library.

    Reads `.safetensors` and PyTorch state dicts (also inside a training checkpoint, averaged weights first), those of
    `VioletaR/cgan-mnist` included. What it is made of is read off the names and shapes of the tensors; a
    configuration beside them that says otherwise is reported and overruled. `UserError` for anything else.
    """
    if str(source).startswith(HUB):
        return load_generator(_download(str(source).removeprefix(HUB)), device)
    path = _existing(source)
    declared = {}  # where it says so → constructor arguments
    if path.is_dir():
        path, declared = _file_in(path), _read_config(path)
    state, metadata = _read(path)
    if "config" in metadata:
        declared[path.name] = _parse(metadata["config"], path)
    model, state = _recognise(state, path)
    return _build(model, state, declared, path).to(device).eval()


def facts(path: str | Path) -> dict[str, str]:
    """What a `.safetensors` file of ours says about itself: model, config, and for shipped ones steps and seconds."""
    return _read(_existing(path))[1]


def _build(model: str, state: dict[str, Tensor], declared: dict[str, dict[str, Any]], path: Path) -> nn.Module:
    family = MODELS[model].generator
    try:
        config = family.infer_config(state)
        generator = family(**config)
        generator.load_state_dict(state)
    except (UserError, RuntimeError, TypeError, ValueError, ArithmeticError, LookupError) as error:
        raise UserError(
            f"{path} looks like a {model} generator but does not fit it ({first_line(error)}): export it again."
        ) from error
    for place, arguments in declared.items():
        believed = {name: value for name, value in config.items() if arguments.get(name, value) != value}
        if believed:
            wrong = ", ".join(f"{name}={arguments[name]!r} (is {value})" for name, value in believed.items())
            warnings.warn(f"{place} says {wrong}: the tensors of {path.name} were believed.", stacklevel=3)
    return generator


def _existing(source: str | Path) -> Path:
    """The file or folder meant by a path or by the name of a shipped generator."""
    path = locate(source)
    if not path.exists() and str(source) in pretrained():
        return PRETRAINED / f"{source}.safetensors"
    if not path.exists():
        raise UserError(
            f"there is no weight file {path}: check the path. Shipped: {', '.join(pretrained()) or 'none'}."
        )
    return path


def _file_in(folder: Path) -> Path:
    """The weight file of a folder."""
    files = [path for path in sorted(folder.iterdir()) if path.suffix in SUFFIXES]
    for path in (folder / name for name in PREFERRED):
        if path in files:
            return path
    if len(files) != 1:
        found = ", ".join(path.name for path in files) or "none"
        raise UserError(f"{folder} should hold {PREFERRED[0]} or one weight file (found: {found}): name the file.")
    return files[0]


def _read_config(folder: Path) -> dict[str, dict[str, Any]]:
    path = folder / CONFIG_FILE
    return {CONFIG_FILE: _parse(path.read_bytes(), path)} if path.is_file() else {}


def _parse(text: str | bytes, path: Path) -> dict[str, Any]:
    """A configuration with our names of its fields; one that cannot be read is reported and does without."""
    try:
        config = json.loads(text)
        config |= config.pop("arguments", {})  # our own files keep them apart from the rest
        return {OTHER_NAMES.get(name, name): value for name, value in config.items()}
    except (ValueError, TypeError, AttributeError):
        warnings.warn(f"the configuration in {path.name} cannot be read: the tensors were believed.", stacklevel=3)
        return {}


def _read(path: Path) -> tuple[dict, dict[str, str]]:
    """The content and metadata of a weight file, without ever running code that it holds."""
    if path.suffix not in SUFFIXES:
        raise UserError(f"{path} is no weight file: expected one of {', '.join(SUFFIXES)}.")
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
        raise UserError(f"{path} is damaged or no weight file ({first_line(error)}): fetch it again.") from error
    if not isinstance(state, dict) or not state:
        raise UserError(f"{path} holds no state dict: save torch.save(generator.state_dict(), path).")
    return state, {}


def _recognise(content: dict, path: Path) -> tuple[str, dict[str, Tensor]]:
    """The family and the state dict of a generator in `content`, which may hold several under names."""
    families = {name: _names(family.generator) for name, family in MODELS.items()}
    found = list(_state_dicts(content))
    for state in found:
        for model, names in families.items():
            if names(state) == set(state):
                return model, state
    if not found:
        raise UserError(f"{path} holds no state dict: save torch.save(generator.state_dict(), path).")
    raise _unrecognised(found[0], {name: names(found[0]) for name, names in families.items()}, path)


def _names(generator: type[nn.Module]):
    """A function: state dict → the names that a generator of this family and of its size would have."""

    def names(state: dict[str, Tensor]) -> set[str]:
        try:
            config = generator.infer_config(state)
            with torch.device("meta"):
                return set(generator(**config).state_dict())
        except Exception:  # the shapes of some other network
            with torch.device("meta"):
                return set(generator().state_dict())

    return names


def _state_dicts(content: dict) -> Iterator[dict[str, Tensor]]:
    """All state dicts in a file: the file itself, or parts of a training checkpoint, averaged ones first."""
    if all(isinstance(value, Tensor) for value in content.values()):
        yield _unwrapped(content)
        return
    parts = [(name, value) for name, value in content.items() if isinstance(value, dict) and value]
    for _, value in sorted(parts, key=lambda part: not ("ema" in part[0].lower() or "averaged" in part[0].lower())):
        if all(isinstance(tensor, Tensor) for tensor in value.values()):
            yield _unwrapped(value)


def _unwrapped(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Names as the network itself has them, without what `DataParallel` and `AveragedModel` add."""
    return {name.removeprefix("module."): tensor for name, tensor in state.items() if name != "n_averaged"}


def _unrecognised(state: dict[str, Tensor], families: dict[str, set[str]], path: Path) -> UserError:
    closest = max(families, key=lambda model: len(families[model] & set(state)) - len(families[model] ^ set(state)))
    missing, extra = sorted(families[closest] - set(state)), sorted(set(state) - families[closest])
    differences = [
        f"{len(names)} {what} ({', '.join(names[:3])}{', …' if len(names) > 3 else ''})"
        for what, names in (("names are missing", missing), ("are unknown", extra))
        if names
    ]
    return UserError(
        f"{path} is no generator known here. The closest family is {closest}, but {' and '.join(differences)}: "
        "convert its names, or load it with the code it came from."
    )


def _download(repository: str) -> Path:
    """The folder of `owner/name` on the Hugging Face hub, fetched once and cached."""
    patterns = [f"*{suffix}" for suffix in SUFFIXES] + ["*.json"]
    try:
        from huggingface_hub import snapshot_download

        return Path(snapshot_download(repository, allow_patterns=patterns))
    except Exception as error:  # unknown name, no network, no access: the library has an exception for each
        raise UserError(
            f"{HUB}{repository} could not be fetched ({first_line(error)}): check the name and the connection, or "
            "download the file yourself and give its path."
        ) from error
