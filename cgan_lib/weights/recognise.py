"""Whose tensors are these? State dicts inside a file, under whatever names, and the families that they fit."""

import re
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from cgan_lib.errors import UserError, printable
from cgan_lib.models import MODELS
from cgan_lib.models.layers import ConditionalGenerator
from cgan_lib.weights.read import no_state_dict

State = dict[str, Tensor]
# What DataParallel, AveragedModel, torch.compile, FSDP and their like put into names, anywhere
WRAPPERS = {"module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"}
AVERAGED = re.compile(r"EMA|(?<![A-Za-z])[Ee]ma(?![a-z])|[a-z]Ema(?![a-z])|[Aa]veraged")  # but no `schema`
COUNTER = "num_batches_tracked"  # of BatchNorm, for training alone: older files, and converted ones, are without it
DEEPEST = 8  # names, one inside the other, in front of those of a network
MOST_PARTS = 1_000  # of a file, that are compared with the families


def state_dicts(content: dict, path: Path) -> dict[str, State]:
    """All that may be a state dict in `content`, by name, averaged ones first; `UserError` when there is no tensor.

    {"state": {"generator.dense.weight": …}} holds three: all of it, and what lies below `state` and `state.generator`.
    """
    parts: dict[tuple[str, ...], State] = {}
    for name, tensor in _flat(content):
        steps = name.split(".")
        for depth in range(min(len(steps), DEEPEST)):
            parts.setdefault(tuple(steps[:depth]), {})[".".join(steps[depth:])] = tensor
    if not parts:
        raise no_state_dict(path)
    names = {".".join(prefix): prefix for prefix in sorted(parts, key=len)}
    return {name: parts[prefix] for name, prefix in sorted(names.items(), key=lambda named: not _averaged(named[0]))}


def _averaged(name: str) -> bool:
    return AVERAGED.search(name) is not None


def first_of(fitting: dict[str, State], path: Path) -> State:
    """The first of the state dicts that fit, with a warning when another one could have been meant as well."""
    name, state = next(iter(fitting.items()))
    rivals = {other: tensors for other, tensors in fitting.items() if _averaged(other) == _averaged(name)}
    others = [other for other, tensors in rivals.items() if not _equal(tensors, state)]
    if others:
        warnings.warn(
            f"{path} holds several generators ({', '.join(map(_short, [name, *others[:5]]))}): {_short(name)} was "
            "taken. For another one, save its state dict in a file of its own.",
            stacklevel=5,
        )
    return state


def _equal(one: State, other: State) -> bool:
    """Whether the same numbers are in both; never where more is declared than stored: to read that has no end."""
    return all(
        tensor is other[name] or (_whole(tensor) and _whole(other[name]) and torch.equal(tensor, other[name]))
        for name, tensor in one.items()
    )


def _whole(tensor: Tensor) -> bool:
    return tensor.numel() * tensor.element_size() <= tensor.untyped_storage().nbytes()


def plain(name: str) -> str:
    """The name of a tensor without what was put around its network."""
    return ".".join(step for step in name.split(".") if step not in WRAPPERS)


def _flat(content: dict) -> Iterator[tuple[str, Tensor]]:
    """Every tensor below `content` with its full name, but for `n_averaged`, which belongs to an `AveragedModel`."""
    inside: list[tuple[str, dict | list | tuple]] = [("", content)]
    seen = {id(content)}  # each once: dicts that hold each other many times over are soon told
    for prefix, part in inside:
        for key, value in part.items() if isinstance(part, dict) else enumerate(part):
            if not isinstance(key, (str, int)) or str(key).split(".")[-1] == "n_averaged":
                continue
            if isinstance(value, Tensor):
                yield plain(f"{prefix}{key}"), value
            elif isinstance(value, (dict, list, tuple)) and id(value) not in seen and prefix.count(".") < DEEPEST:
                seen.add(id(value))
                inside.append((f"{prefix}{key}.", value))


def recognise(content: dict, path: Path) -> tuple[list[str], State]:
    """The state dict of a generator in `content`, and the families that it fits; `UserError` when there is none."""
    found = dict(list(state_dicts(content, path).items())[:MOST_PARTS])
    usual = {model: set(map(plain, on_meta(family.generator, {}))) for model, family in MODELS.items()}
    for names_of in (_names, lambda model, _: usual[model]):  # then those whose shapes alone are wrong
        for name, state in found.items():
            if fitting := [model for model in MODELS if essential(names_of(model, state)) == essential(state)]:
                alike = {other: tensors for other, tensors in found.items() if set(tensors) == set(state)}
                return fitting, first_of({name: state} | alike, path)
    raise _unrecognised(list(found.values()), usual, path)


def essential(names: Iterable[str]) -> set[str]:
    """Those that an image depends on."""
    return {name for name in names if not name.endswith(COUNTER)}


def _names(model: str, state: State) -> set[str]:
    """The names that a generator of this family has, of the size of `state`; none if that has no such size."""
    generator = MODELS[model].generator
    try:
        return set(map(plain, on_meta(generator, generator.infer_config(state))))
    except Exception:  # the shapes of some other network
        return set()


def on_meta(generator: type[ConditionalGenerator], config: dict[str, Any]) -> State:
    """The state dict that a generator would have, without numbers: no size costs anything."""
    with torch.device("meta"):
        return generator(**config).state_dict()


def _unrecognised(found: list[State], usual: dict[str, set[str]], path: Path) -> UserError:
    """The error names the family that is nearest, if any name is shared; `usual`: the names of each family."""
    pairs = [(model, _names(model, state) or usual[model], set(state)) for state in found[:20] for model in MODELS]
    shared = [(model, family, names) for model, family, names in pairs if family & names]
    own = "give a network of your own, load_generator(…, module=MyGenerator())"
    if not shared:
        first = ", ".join(map(_short, list(found[0])[:3]))
        return UserError(
            f"{path} is no generator known here: its tensors ({first}, …) are those of none of the families "
            f"{', '.join(MODELS)}. To use it all the same, {own}."
        )
    model, family, names = max(shared, key=lambda pair: len(pair[1] & pair[2]) - len(pair[1] ^ pair[2]))
    return UserError(
        f"{path} is no generator known here. The closest family is {model}, but {differences(family, names)}: "
        f"convert its names, or {own}."
    )


def differences(expected: set[str], given: set[str]) -> str:
    """In words: which names are missing, and which are unknown."""
    return " and ".join(
        f"{len(names)} {what} ({', '.join(map(_short, sorted(names)[:3]))}{', …' if len(names) > 3 else ''})"
        for what, names in (("names are missing", expected - given), ("are unknown", given - expected))
        if names
    )


def _short(name: str) -> str:
    return printable(name[:60])
