"""Classes as people name them: Shirt, 7 red, the parts 7,red, or a number → the labels that a generator takes."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from numbers import Integral
from typing import Any

import torch

from cgan_lib.attributes import split_labels
from cgan_lib.errors import UserError, printable, shown, unknown

ALL = "*"


@dataclass(frozen=True)
class Classes:
    """The names of classes, no two alike, and where each is made of several attributes, their names and values.

    What is said of a class is a name if one is written so, letters large or small. Else it is a number, unless names
    are numbers themselves and count otherwise: of the classes 3, 7 and 9, "1" is none, for it might be the second.
    """

    names: Sequence[str]
    attributes: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, generator: Any) -> "Classes":
        """Those of any network with a `config`; numbers where it has no names."""
        sizes = generator.config.get("attributes", ())
        names = getattr(generator, "class_names", None) or [*map(str, range(generator.config["num_classes"]))]
        unnamed = {f"attribute {n}": [*map(str, range(size))] for n, size in enumerate(sizes, start=1)}
        return cls(distinct(names), getattr(generator, "attribute_names", None) or unnamed)

    @property
    def sizes(self) -> list[int]:
        """How many values each attribute has; of one that is no attribute, how many classes there are."""
        return [len(values) for values in self.attributes.values()] or [len(self.names)]

    def find(self, said: Any) -> list[int]:
        """The labels of what was said: a name, a number, values such as "7,red" or ["7", "red"], or a dict of them.

        "*" stands for every class, and "*,red" for red in every digit. `UserError`, with the nearest name, for what is
        none of these, or may be two.
        """
        if isinstance(said, Mapping):
            return self._combined(self._in_order(said) if self.attributes else [said])
        if isinstance(said, (list, tuple)):
            return self._combined(said)
        if not isinstance(said, str) or _called(said, self.names):
            return _positions(said, self.names, "class")
        parts = said.split(",")
        if self.attributes and len(parts) > 1:
            return self._combined(parts)
        self._refuse_a_part(said)
        if len(parts) > 1 and all(_called(part, self.names) or _is_number(part) for part in parts):
            raise UserError(f"{shown(said)} is no class: put spaces between several, {printable(' '.join(parts))}.")
        return _positions(said, self.names, "class")

    def label(self, said: Any) -> int:
        """The one label of what was said; `UserError` where that is several, too."""
        labels = self.find(said)
        if len(labels) > 1:
            raise UserError(f"{shown(said)} are {len(labels)} classes: name one.")
        return labels[0]

    def say(self, label: int) -> str:
        """The shortest text that `find` takes for this class; none that a command line would take for an option."""
        for text in (*([",".join(self.values(label))] if self.attributes else []), self.names[label]):
            try:
                if text[:1] not in "-*" and self.find(text) == [label]:
                    return text
            except UserError:  # a comma in a value
                continue
        return str(label)

    def values(self, label: int) -> list[str]:
        """Of each attribute of a class, the value."""
        chosen = split_labels(torch.tensor([label]), self.sizes)[0].tolist()
        return [values[number] for values, number in zip(self.attributes.values(), chosen, strict=True)]

    def _combined(self, parts: Sequence[Any]) -> list[int]:
        if not self.attributes:
            raise UserError("the classes here have no attributes: name each by itself.")
        if len(parts) != len(self.attributes):
            raise UserError(f"{shown(parts)} must be one value for each of {self._order()}, such as {self._example()}.")
        chosen = [
            _positions(part, values, name) for part, (name, values) in zip(parts, self.attributes.items(), strict=True)
        ]
        return [self._joined(numbers) for numbers in product(*chosen)]

    def _joined(self, numbers: Sequence[int]) -> int:
        label = 0
        for number, size in zip(numbers, self.sizes, strict=True):
            label = label * size + number
        return label

    def _in_order(self, said: Mapping[Any, Any]) -> list[Any]:
        """The values of a dict in the order of the attributes."""
        names = list(self.attributes)
        values = {_positions(key, names, "attribute")[0]: value for key, value in said.items()}
        if len(values) != len(names) or len(said) != len(names):
            raise UserError(f"{shown(dict(said))} must have one value for each of {self._order()}.")
        return [values[number] for number in range(len(names))]

    def _refuse_a_part(self, said: str) -> None:
        """`UserError` for one value where several make a class: 7 might be the digit, or the class of that number."""
        for name, values in self.attributes.items():
            if _called(said, values):
                raise UserError(f"{shown(said)} is a {name} alone: name all of {self._order()}, as {self._example()}.")

    def _order(self) -> str:
        return printable(",".join(self.attributes))

    def _example(self) -> str:
        return shown(",".join(values[-1] for values in self.attributes.values()))


def spread(count: int, most: int) -> list[int]:
    """At most so many of the numbers below `count`, evenly spread, the first and the last among them."""
    return torch.linspace(0, count - 1, min(count, most)).round().long().tolist()


def distinct(names: Sequence[str]) -> list[str]:
    """The same names; the second of two that are alike has its number behind it."""
    taken: dict[str, None] = {}
    for number, name in enumerate(names):
        while name in taken:
            name = f"{name} ({number})"
        taken[name] = None
    return list(taken)


def _positions(said: Any, names: Sequence[str], kind: str) -> list[int]:
    """Which of `names` are meant; `UserError` when none is, or more than one might be."""
    if isinstance(said, str):
        if found := _called(said, names):
            if len(found) > 1:
                several = ", ".join(shown(names[number]) for number in found)
                raise UserError(f"{kind} {shown(said)} may be each of {several}: write it as it stands there.")
            return found
        if said.strip() == ALL:
            return list(range(len(names)))
        if not _is_number(said) or any(_is_number(name) and int(name) != n for n, name in enumerate(names)):
            raise unknown(kind, said, names)
    elif isinstance(said, bool) or not isinstance(said, Integral):
        raise UserError(f"{kind} {shown(said)} must be a name or a whole number.")
    if not 0 <= (number := int(said)) < len(names):
        what = "label" if kind == "class" else kind
        raise UserError(f"{what} {shown(number, 30)} is no class: use 0 to {len(names) - 1}, or a name.")
    return [number]


def _called(said: str, names: Sequence[str]) -> list[int]:
    """The numbers of the names that are written so; if none is, of those that differ in spaces and large letters."""
    exactly = [number for number, name in enumerate(names) if name == said]
    return exactly or [number for number, name in enumerate(names) if _plain(name) == _plain(said)]


def _plain(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def _is_number(text: str) -> bool:
    return re.fullmatch(r"\s*[-+]?\d{1,9}\s*", text) is not None
