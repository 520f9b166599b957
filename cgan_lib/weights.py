"""Weight files: writing a generator, and reading one back, ours or another's, without running foreign code."""

import json
import pickle
import warnings
from collections import ChainMap
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from cgan_lib.errors import UserError, unknown
from cgan_lib.files import first_line, write_atomically
from cgan_lib.models import MODELS, family_of
from cgan_lib.models.layers import ConditionalGenerator
from cgan_lib.paths import locate, make_folder

SUFFIXES = (".safetensors", ".pth", ".pt", ".bin")
CONFIG_FILES = ("config.json", "generator_config.json")  # ours, and those of older folders and of others
# In a folder, the first of these that is there is read; then any other weight file, if there is only one
PREFERRED = ("model.safetensors", "generator.safetensors", "best_generator.pth", "mnist_cgan_generator.pth")
PRETRAINED = Path(__file__).parent / "pretrained"
OTHER_NAMES = {"noise_dim": "latent_dim", "img_size": "image_size", "base_channels_g": "base_channels"}
HUB = "hf://"
Descriptions = dict[str, dict[str, Any] | None]  # the file that says it → what it says; None when it cannot be read


def pretrained() -> list[str]:
    """Names of the generators that come with the library: each can be given to `load_generator`."""
    return sorted(path.stem for path in PRETRAINED.glob("*.safetensors"))


def save_generator(generator: ConditionalGenerator, path: Path, *, half: bool = False, **facts: Any) -> Path:
    """Write a generator as safetensors: its weights, what it is made of, what it draws, and some `facts`.

    `half` stores float16, half the size and good enough to draw with. `UserError` for one of no family in `MODELS`.
    """
    from safetensors.torch import save

    about = {"model": family_of(generator), "config": json.dumps(generator.describe(), ensure_ascii=False)}
    metadata = about | {name: str(value) for name, value in facts.items()}
    make_folder(path.parent)
    write_atomically(path, save(state_to_store(generator, half), metadata=metadata))
    return path


def state_to_store(network: nn.Module, half: bool) -> dict[str, Tensor]:
    """The state dict of a network on the CPU; `half`: what is floating point as float16."""
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    return {name: t.half() if half and t.is_floating_point() else t for name, t in state.items()}


def load_generator(
    source: str | Path, device: str | torch.device = "cpu", *, model: str | None = None
) -> ConditionalGenerator:
    """A generator from a weight file, a folder, the Hugging Face hub (`hf://owner/name`), or shipped with the library.

    Reads `.safetensors` and PyTorch state dicts (also inside a training checkpoint, averaged weights first), those of
    `VioletaR/cgan-mnist` included. What it is made of is read off the names and shapes of the tensors; a
    configuration beside them that says otherwise is reported and overruled. It is of the family `model`, or that which
    the file or its configuration declares, where the tensors fit several. `UserError` for anything else.
    """
    path = _existing(source)
    described: Descriptions = {}
    if path.is_dir():
        described = {name: _parse((path / name).read_bytes()) for name in CONFIG_FILES if (path / name).is_file()}
        path = _file_in(path)
    content, metadata = _read(path)
    described = {path.name: _parse(metadata.get("config", "{}"), metadata.get("model"))} | described
    fitting, state = _recognise(content, path)
    family = _choose(fitting, model, described, path)
    generator = _build(family, state, path)
    _name(generator, described)
    for complaint in _complaints(generator, family, described):
        warnings.warn(f"{complaint}: the tensors of {path.name} were believed.", stacklevel=2)
    return generator.to(device).eval()


def facts(path: str | Path) -> dict[str, str]:
    """What a `.safetensors` file of ours says about itself: model, config, and for shipped ones steps and seconds."""
    return _read(_existing(path))[1]


def _existing(source: str | Path) -> Path:
    """The file or folder meant by a path, by `hf://owner/name`, or by the name of a shipped generator."""
    if str(source).startswith(HUB):
        return _download(str(source).removeprefix(HUB))
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


def _parse(text: str | bytes, model: str | None = None) -> dict[str, Any] | None:
    """A configuration with our names of its fields; None for one that cannot be read."""
    try:
        config = {"model": model} | json.loads(text)
        config |= config.pop("arguments", {})  # older folders keep them apart from the rest
        return {OTHER_NAMES.get(name, name): value for name, value in config.items() if value is not None}
    except (ValueError, TypeError, AttributeError):
        return None


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


def _recognise(content: dict, path: Path) -> tuple[list[str], dict[str, Tensor]]:
    """The state dict of a generator in `content`, which may hold several under names, and the families that it fits."""
    found = list(_state_dicts(content))
    if not found:
        raise UserError(f"{path} holds no state dict: save torch.save(generator.state_dict(), path).")
    for state in found:
        if fitting := [model for model in MODELS if _names(model, state) == set(state)]:
            return fitting, state
    raise _unrecognised(found[0], path)


def _choose(fitting: list[str], wanted: str | None, described: Descriptions, path: Path) -> str:
    """Of the families that fit: the one asked for, else the one that is declared, else the only one."""
    if wanted is not None and wanted not in MODELS:
        raise unknown("model", wanted, MODELS)
    if wanted is not None and wanted not in fitting:
        raise UserError(f"{path} holds no {wanted} generator: its tensors are those of {' or '.join(fitting)}.")
    declared = [family for said in described.values() if (family := _declared(said or {})) in fitting]
    if not wanted and not declared and len(fitting) > 1:
        raise UserError(
            f"the tensors of {path} fit several families, {', '.join(fitting)}, and it does not say which: "
            f"name one, load_generator({path.name!r}, model={fitting[0]!r})."
        )
    return wanted or (declared or fitting)[0]


def _declared(said: dict[str, Any]) -> str | None:
    """The family that a description names, itself or by the class of its generator."""
    of_class = (name for name, family in MODELS.items() if family.generator.__name__ == said.get("class"))
    return said.get("model") or next(of_class, None)


def _build(model: str, state: dict[str, Tensor], path: Path) -> ConditionalGenerator:
    family = MODELS[model].generator
    try:
        generator = family(**family.infer_config(state))
        generator.load_state_dict(state)
    except (UserError, RuntimeError, TypeError, ValueError, ArithmeticError, LookupError) as error:
        raise UserError(
            f"{path} looks like a {model} generator but does not fit it ({first_line(error)}): export it again."
        ) from error
    return generator


def _name(generator: ConditionalGenerator, described: Descriptions) -> None:
    """Tell a generator what it draws, by the first description that says so."""
    said = ChainMap(*(said for said in described.values() if said))
    generator.dataset = str(said.get("dataset", ""))
    with suppress(UserError, TypeError):  # of another length, or no list: reported like whatever else is wrong
        generator.class_names = said.get("class_names", generator.class_names)


def _complaints(generator: ConditionalGenerator, model: str, described: Descriptions) -> Iterator[str]:
    """What descriptions say that is not so."""
    actual = {**generator.describe(), "model": model}
    del actual["dataset"]  # nothing that could be checked
    for place, said in described.items():
        if said is None:
            yield f"the configuration in {place} cannot be read"
            continue
        wrong = {name: value for name, value in actual.items() if said.get(name, value) != value}
        if wrong:
            yield f"{place} says " + ", ".join(f"{name}={said[name]!r} (is {value!r})" for name, value in wrong.items())


def _names(model: str, state: dict[str, Tensor]) -> set[str]:
    """The names that a generator of this family has, of the size of `state`."""
    generator = MODELS[model].generator
    try:
        return _names_with(generator, generator.infer_config(state))
    except Exception:  # the shapes of some other network
        return _names_with(generator, {})


def _names_with(generator: type[ConditionalGenerator], arguments: dict[str, int]) -> set[str]:
    with torch.device("meta"):
        return set(generator(**arguments).state_dict())


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


def _unrecognised(state: dict[str, Tensor], path: Path) -> UserError:
    families = {model: _names(model, state) for model in MODELS}
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
