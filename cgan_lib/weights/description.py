"""What files say about a generator beside its tensors: read with care, compared, and overruled where it is wrong."""

import json
from collections import ChainMap, OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from torch import Tensor

from cgan_lib.errors import shown
from cgan_lib.models import FORMER_NAMES, MODELS
from cgan_lib.models.layers import ConditionalGenerator
from cgan_lib.weights.places import CONFIG_FILES

OTHER_NAMES = {"noise_dim": "latent_dim", "img_size": "image_size", "base_channels_g": "base_channels"}
LONGEST = 1_000_000  # bytes of a configuration
Descriptions = dict[str, dict[str, Any] | None]  # the file that says it → what it says; None when it cannot be read


def beside(folder: Path) -> Descriptions:
    """The configurations that lie in a folder."""
    files = [path for path in (folder / name for name in CONFIG_FILES) if path.is_file()]
    return {path.name: _read(path) for path in files}


def inside(name: str, content: dict, metadata: dict[str, str]) -> Descriptions:
    """What the file `name` says: its metadata, or `about` in a checkpoint or a state dict of ours."""
    for about in (content.get("about"), _noted(content)):
        if isinstance(about, str) and (config := _parse(about)):
            return {name: config}
    return {name: _parse(metadata.get("config", "{}"), metadata.get("model"))}


def note(state: dict[str, Tensor], generator: ConditionalGenerator, model: str) -> dict[str, Tensor]:
    """The same state dict, which says what it is where PyTorch keeps versions: `load_state_dict` takes it as any."""
    noted = OrderedDict(state)
    about = json.dumps({"model": model, **generator.describe()}, ensure_ascii=False)
    vars(noted)["_metadata"] = {"": {"about": about}}
    return noted


def _noted(content: dict) -> Any:
    modules = getattr(content, "_metadata", None)
    network = modules.get("") if isinstance(modules, dict) else None
    return network.get("about") if isinstance(network, dict) else None


def agreeing(generator: ConditionalGenerator, model: str, described: Descriptions) -> Descriptions:
    """Those that are of this generator: they say at least one size of it, and nothing that is not so."""
    sizes, actual = generator.config, {**generator.config, "class": type(generator).__name__, "model": model}
    return {
        place: config
        for place, config in described.items()
        if config
        and set(config) & set(sizes)
        and all(config.get(name, value) == value for name, value in actual.items())
    }


def _read(path: Path) -> dict[str, Any] | None:
    try:
        return _parse(path.read_bytes()) if path.stat().st_size <= LONGEST else None
    except OSError:
        return None


def _parse(text: str | bytes, model: str | None = None) -> dict[str, Any] | None:
    """A configuration with our names of its fields; None for one that cannot be read."""
    try:
        config = {"model": model} | json.loads(text)
        config |= config.pop("arguments", {})  # older folders keep them apart from the rest
        for name in {"model", "class"} & set(config):
            config[name] = FORMER_NAMES.get(str(config[name]), config[name])
        return {OTHER_NAMES.get(name, name): value for name, value in config.items() if value is not None}
    except (ValueError, TypeError, AttributeError, RecursionError):
        return None


def said(described: Descriptions) -> ChainMap[str, Any]:
    """All descriptions as one: the first that says something counts."""
    return ChainMap(*(config for config in described.values() if config))


def declared(described: Descriptions, fitting: list[str]) -> str | None:
    """The first family that is declared, by its name or by the class of its generator, and fits the tensors."""
    for config in (config for config in described.values() if config):
        of_class = (name for name, family in MODELS.items() if family.generator.__name__ == config.get("class"))
        if (family := config.get("model") or next(of_class, None)) in fitting:
            return family
    return None


def complaints(generator: ConditionalGenerator, model: str, described: Descriptions) -> Iterator[str]:
    """What descriptions say that is not so."""
    actual = {**generator.describe(), "model": model}
    del actual["dataset"]  # nothing that could be checked
    for place, config in described.items():
        if config is None:
            yield f"the configuration in {place} cannot be read"
            continue
        wrong = {name: value for name, value in actual.items() if config.get(name, value) != value}
        if wrong:
            values = (f"{name}={shown(config[name])} (is {shown(value)})" for name, value in wrong.items())
            yield f"{place} says {', '.join(values)}"
