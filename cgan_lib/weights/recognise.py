"""Whose tensors are these? State dicts inside a file, under whatever names, and the families that they fit."""

from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from cgan_lib.errors import UserError, printable
from cgan_lib.models import MODELS
from cgan_lib.models.layers import ConditionalGenerator
from cgan_lib.weights.read import no_state_dict

State = dict[str, Tensor]
WRAPPERS = {"module", "_orig_mod"}  # what DataParallel, AveragedModel and torch.compile put into names, anywhere
DEEPEST = 8  # names, one inside the other, in front of those of a network
MOST_PARTS = 1_000  # of a file, that are compared with the families


def state_dicts(content: dict, path: Path) -> list[State]:
    """All that may be a state dict in `content`, averaged ones first; `UserError` when there is no tensor at all.

    {"state": {"generator.dense.weight": …}} holds three: all of it, and what lies below `state` and `state.generator`.
    """
    parts: dict[tuple[str, ...], State] = {}
    for name, tensor in _flat(content):
        steps = name.split(".")
        for depth in range(min(len(steps), DEEPEST)):
            parts.setdefault(tuple(steps[:depth]), {})[".".join(steps[depth:])] = tensor
    if not parts:
        raise no_state_dict(path)
    return [parts[prefix] for prefix in sorted(parts, key=lambda prefix: (not _averaged(prefix), len(prefix)))]


def _averaged(prefix: tuple[str, ...]) -> bool:
    return any(word in step.lower() for step in prefix for word in ("ema", "averaged"))


def plain(name: str) -> str:
    """The name of a tensor without what was put around its network."""
    return ".".join(step for step in name.split(".") if step not in WRAPPERS)


def _flat(content: dict) -> Iterator[tuple[str, Tensor]]:
    """Every tensor below `content` with its full name, but for `n_averaged`, which belongs to an `AveragedModel`."""
    inside, seen = [("", content)], {id(content)}  # each once: dicts that hold each other many times over are soon told
    for prefix, part in inside:
        for key, value in part.items():
            if not isinstance(key, str) or key.split(".")[-1] == "n_averaged":
                continue
            if isinstance(value, Tensor):
                yield plain(f"{prefix}{key}"), value
            elif isinstance(value, dict) and id(value) not in seen and prefix.count(".") < DEEPEST:
                seen.add(id(value))
                inside.append((f"{prefix}{key}.", value))


def recognise(content: dict, path: Path) -> tuple[list[str], State]:
    """The state dict of a generator in `content`, and the families that it fits; `UserError` when there is none."""
    found = state_dicts(content, path)[:MOST_PARTS]
    usual = {model: set(map(plain, on_meta(family.generator, {}))) for model, family in MODELS.items()}
    for names_of in (_names, lambda model, _: usual[model]):  # then those whose shapes alone are wrong
        for state in found:
            if fitting := [model for model in MODELS if names_of(model, state) == set(state)]:
                return fitting, state
    raise _unrecognised(found, usual, path)


def _names(model: str, state: State) -> set[str]:
    """The names that a generator of this family has, of the size of `state`; none if that has no such size."""
    generator = MODELS[model].generator
    try:
        return set(map(plain, on_meta(generator, generator.infer_config(state))))
    except Exception:  # the shapes of some other network
        return set()


def on_meta(generator: type[ConditionalGenerator], config: dict[str, int]) -> State:
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
