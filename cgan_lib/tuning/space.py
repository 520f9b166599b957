"""The search space: which fields of a recipe are tried, and between which values."""

from collections.abc import Mapping
from dataclasses import fields
from itertools import islice, product
from math import isfinite
from typing import Any, get_args, get_type_hints

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import Trial

from cgan_lib.errors import UserError, shown, unknown
from cgan_lib.recipes import LENGTH_FIELDS, Recipe

Space = dict[str, BaseDistribution]

# The one that the settings of `bce_published` come from
PUBLISHED = {"lr": "1e-5:2e-3:log", "beta1": "0.0:0.9", "latent_dim": "50,100,128"}
FORM = "write low:high, low:high:log, or the choices with commas between"
MOST_COMBINATIONS = 1000  # of choices, that are tried beforehand
KEPT = {
    "name": "it names the runs",
    "dataset": "scores of two data sets do not compare",
    "image_size": "scores at two sizes do not compare",
    "seed": "luck is no setting",
    **dict.fromkeys(LENGTH_FIELDS, "trials are compared at equal length"),
}


def read_space(space: Mapping[str, Any], recipe: Recipe) -> Space:
    """The distribution of each field, from `"1e-4:1e-2:log"`, `"32,64,128"`, a list of choices, or Optuna's own.

    `UserError` for a field that cannot be searched, and for values, or combinations of choices, that `recipe` refuses.
    """
    if not isinstance(space, Mapping) or not space:
        raise UserError(f"the space {shown(space)} must be a dict, such as {PUBLISHED}.")
    found = {name: _distribution(name, wanted) for name, wanted in space.items()}
    for name, distribution in found.items():
        for value in _ends(distribution):
            recipe.replace(**{name: value})
    choices = {name: each.choices for name, each in found.items() if isinstance(each, CategoricalDistribution)}
    for values in islice(product(*choices.values()), MOST_COMBINATIONS):
        recipe.replace(**dict(zip(choices, values, strict=True)))
    return found


def read_arguments(arguments: tuple[str, ...]) -> dict[str, str]:
    """The space as the command line has it, such as `lr=1e-4:1e-2:log`; the published one when there is nothing."""
    for argument in arguments:
        if "=" not in argument:
            raise UserError(f"--space {shown(argument)} must be FIELD=VALUES: {FORM}.")
    named = [argument.partition("=")[::2] for argument in arguments]
    for name in {name for name, _ in named}:
        if sum(name == other for other, _ in named) > 1:
            raise UserError(f"--space names {name!r} twice: give all its values at once.")
    return dict(named) or PUBLISHED


def holds(distribution: BaseDistribution, value: Any) -> bool:
    """Whether a value is one that may be drawn."""
    if isinstance(distribution, CategoricalDistribution):
        return value in distribution.choices
    low, high = _ends(distribution)
    return value is not None and low <= value <= high


def in_words(distribution: BaseDistribution) -> str:
    """A distribution as it can be written: 1e-05:0.002:log."""
    if isinstance(distribution, CategoricalDistribution):
        return ",".join(map(str, distribution.choices))
    low, high = _ends(distribution)
    return f"{low}:{high}" + (":log" if getattr(distribution, "log", False) else "")


def suggest(trial: Trial, space: Space) -> dict[str, Any]:
    """One value for each field, drawn by the sampler of the trial's study."""
    return {name: _draw(trial, name, distribution) for name, distribution in space.items()}


def _draw(trial: Trial, name: str, distribution: BaseDistribution) -> Any:
    if isinstance(distribution, FloatDistribution):
        return trial.suggest_float(
            name, distribution.low, distribution.high, step=distribution.step, log=distribution.log
        )
    if isinstance(distribution, IntDistribution):
        return trial.suggest_int(
            name, distribution.low, distribution.high, step=distribution.step, log=distribution.log
        )
    assert isinstance(distribution, CategoricalDistribution)
    return trial.suggest_categorical(name, distribution.choices)


def _ends(distribution: BaseDistribution) -> tuple[Any, ...]:
    """The values that a recipe must take, so that it takes all between."""
    if isinstance(distribution, CategoricalDistribution):
        return tuple(distribution.choices)
    assert isinstance(distribution, (FloatDistribution, IntDistribution))
    return distribution.low, distribution.high


def _distribution(name: str, wanted: Any) -> BaseDistribution:
    known = [field.name for field in fields(Recipe) if field.name not in KEPT]
    if name in KEPT:
        raise UserError(f"{name} cannot be searched: {KEPT[name]}. Give it to all trials alike.")
    if name not in known:
        raise unknown("field of a recipe", name, known)
    if isinstance(wanted, BaseDistribution):
        return wanted
    if isinstance(wanted, (list, tuple)):
        return _choices(name, wanted)
    if not isinstance(wanted, str):
        raise UserError(f"the space {name}={shown(wanted)} cannot be read: {FORM}, in quotes.")
    return _range(name, wanted) if ":" in wanted else _choices(name, [_value(name, part) for part in wanted.split(",")])


def _choices(name: str, values: Any) -> CategoricalDistribution:
    """`UserError` unless there are two different ones or more."""
    if len({repr(value) for value in values}) < max(2, len(values)):
        raise UserError(f"the space of {name} needs two different choices or more, got {shown(values)}.")
    return CategoricalDistribution(values)


def _range(name: str, text: str) -> BaseDistribution:
    low_text, high_text, *more = text.split(":")
    low, high = _value(name, low_text), _value(name, high_text)
    if more not in ([], ["log"]) or isinstance(low, (str, bool)):
        raise UserError(f"the space {name}={shown(text)} cannot be read: {FORM}.")
    if not low < high or not isfinite(high):
        raise UserError(f"the space {name}={shown(text)} is empty: the lower end comes first.")
    if more and low <= 0:
        raise UserError(f"the space {name}={shown(text)} has no logarithm at {low}: begin above 0, or leave log out.")
    return (IntDistribution if _kind(name) is int else FloatDistribution)(low, high, log=bool(more))


def _value(name: str, text: str) -> Any:
    kind, text = _kind(name), text.strip()
    try:
        return {"True": True, "False": False}[text] if kind is bool else kind(text)
    except (ValueError, KeyError) as error:
        raise UserError(f"the space {name}: {shown(text)} is no {kind.__name__}: {FORM}.") from error


def _kind(name: str) -> Any:
    """The type of a field: `int` of `int | None`; names, such as that of a loss, are `str`."""
    hint = get_type_hints(Recipe)[name]
    kinds = [kind for kind in get_args(hint) or (hint,) if kind is not type(None)]
    return kinds[0] if isinstance(kinds[0], type) else str
