"""Labelled pictures that are not read yet, and how they are divided into those to train and those to test with."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from cgan_lib.errors import UserError, printable

TEST_SHARE = 6  # of a class without a part to test with, every sixth picture
MOST_CLASSES = 1000


@dataclass(frozen=True)
class Item:
    """One picture: where it comes from, its class, and whether it is for training."""

    key: str
    """names it within its collection; what it is divided by"""
    source: Path | Callable[[], Any]
    """a file, or a function that returns a picture or its pixels"""
    label: int
    train: bool = True


@dataclass(frozen=True)
class Collection:
    """Labelled pictures of any size, which are looked for when they are asked for, and what tells their state."""

    state: str
    """changes when a picture comes, goes or changes"""
    find: Callable[[], tuple[Sequence[Item], Sequence[str]]]
    """the pictures and the names of their classes"""
    where: str

    @cached_property
    def _found(self) -> tuple[Sequence[Item], Sequence[str]]:
        items, class_names = self.find()
        if not 2 <= len(class_names) <= MOST_CLASSES:
            raise UserError(
                f"{self.where} has {len(class_names)} classes: give 2 to {MOST_CLASSES:,}, a folder for each."
            )
        return items, class_names

    @cached_property
    def items(self) -> tuple[Item, ...]:
        """Those to train with first."""
        return tuple(sorted(self._found[0], key=lambda item: (not item.train, item.label, item.key)))

    @cached_property
    def class_names(self) -> tuple[str, ...]:
        """`UserError` for fewer than two, or more than 1,000."""
        return tuple(map(printable, self._found[1]))


def divide(items: Sequence[Item]) -> list[Item]:
    """The same pictures, a sixth of each class to test with, at least one where a class has two.

    Chosen by a hash of their keys, so that it is the same sixth on every machine, and nearly so with more pictures.
    """
    by_class: dict[int, list[Item]] = {}
    for item in sorted(items, key=lambda item: hashlib.sha256(item.key.encode("utf-8", "surrogatepass")).digest()):
        by_class.setdefault(item.label, []).append(item)
    divided = []
    for members in by_class.values():
        tested = max(len(members) // TEST_SHARE, min(1, len(members) - 1))
        divided += [
            Item(item.key, item.source, item.label, train=place >= tested) for place, item in enumerate(members)
        ]
    return divided
