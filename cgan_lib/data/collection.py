"""Labelled pictures that are not read yet, and how they are divided into those to train and those to test with."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
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
    """Labelled pictures of any size, and what tells this state of them from any other."""

    items: tuple[Item, ...]
    class_names: tuple[str, ...]
    state: str
    """changes when a picture comes, goes or changes"""


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


def collect(where: str, items: Sequence[Item], class_names: Sequence[str], state: str) -> Collection:
    """A collection of these, those to train with first; `UserError` for fewer than two classes, or more than 1,000."""
    if not 2 <= len(class_names) <= MOST_CLASSES:
        raise UserError(f"{where} has {len(class_names)} classes: give 2 to {MOST_CLASSES:,}, a folder for each.")
    ordered = sorted(items, key=lambda item: (not item.train, item.label, item.key))
    return Collection(tuple(ordered), tuple(map(printable, class_names)), state)
