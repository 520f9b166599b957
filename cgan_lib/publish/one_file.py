"""The source of a generator as one file: its class, and of the library only what that needs."""

import ast
import inspect
import sys
from collections import defaultdict
from itertools import pairwise
from types import ModuleType
from typing import NamedTuple

from cgan_lib import parallel
from cgan_lib.models import MODELS


class _Statement(NamedTuple):
    """One at the top of a module."""

    node: ast.stmt
    text: str
    """with the comments before it"""


def architecture(model: str) -> str:
    """The source of a family's generator as one file that imports nothing but torch and the standard library.

    For one that was written elsewhere, in a notebook perhaps: that of the generator which it inherits from.
    """
    bases = MODELS[model].generator.__mro__
    generator = next(base for base in bases if base.__module__.startswith("cgan_lib.models."))
    head = f'"""The generator {generator.__name__} of cgan_lib in one file, which needs nothing but torch."""'
    modules = _sources(sys.modules[generator.__module__])
    needed = _needed(generator.__name__, [statement for module in modules for statement in _statements(module)])
    imports = "\n".join(_imported(modules, {name for statement in needed for name in _read(statement.node)}))
    return "\n\n\n".join([f"{head}\n\n{imports}", *(statement.text for statement in needed)]) + "\n"


def _sources(module: ModuleType) -> list[ModuleType]:
    """A module, and before it those of ours that it imports from, each once and after what it needs itself."""
    found: dict[ModuleType, None] = {}
    for name in map(_ours, _imports(module)):
        if name not in ("", parallel.__name__):  # of which only training makes use
            found |= dict.fromkeys(_sources(sys.modules[name]))
    return [*found, module]


def _imports(module: ModuleType) -> list[ast.Import | ast.ImportFrom]:
    body = ast.parse(inspect.getsource(module)).body
    return [node for node in body if isinstance(node, (ast.Import, ast.ImportFrom))]


def _ours(node: ast.Import | ast.ImportFrom) -> str:
    """The module of the library that names are imported from; empty for those of others."""
    name = (node.module or "") if isinstance(node, ast.ImportFrom) else ""
    return name if name.startswith("cgan_lib.") else ""


def _statements(module: ModuleType) -> list[_Statement]:
    source = inspect.getsource(module)
    lines, body = source.splitlines(), ast.parse(source).body
    ends = [0, *(node.end_lineno or 0 for node in body)]
    return [_Statement(node, "\n".join(lines[a:b]).strip()) for node, (a, b) in zip(body, pairwise(ends), strict=True)]


def _needed(name: str, statements: list[_Statement]) -> list[_Statement]:
    """Those of the statements, in order, that make a name and, time and again, the names that they read themselves."""
    makers = {made: statement for statement in statements for made in _made(statement.node)}
    wanted, needed = [name], set()
    while wanted:
        maker = makers.get(wanted.pop())
        if maker and maker not in needed:
            needed.add(maker)
            wanted += _read(maker.node)
    return [statement for statement in statements if statement in needed]


def _made(node: ast.stmt) -> set[str]:
    """The names that a statement at the top of a module makes; imports make none, they are written anew."""
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        return {node.name}
    if isinstance(node, ast.Try):  # a package that may be missing: an import, and what stands in for it
        aliases = {alias.name for part in node.body if isinstance(part, ast.ImportFrom) for alias in part.names}
        return aliases.union(*(_made(part) for handler in node.handlers for part in handler.body))
    return {part.id for part in ast.walk(node) if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)}


def _read(node: ast.stmt) -> set[str]:
    return {part.id for part in ast.walk(node) if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Load)}


def _imported(modules: list[ModuleType], used: set[str]) -> list[str]:
    """The imports of modules from elsewhere, as lines, with those names that are used."""
    whole: set[str] = set()
    parts: defaultdict[str | None, set[str]] = defaultdict(set)
    for node in (node for module in modules for node in _imports(module) if not _ours(node)):
        names = {ast.unparse(alias) for alias in node.names if (alias.asname or alias.name) in used}
        if isinstance(node, ast.ImportFrom):
            parts[node.module] |= names
        else:
            whole |= names
    lines = [f"from {module} import {', '.join(sorted(names))}" for module, names in parts.items() if names]
    return sorted(f"import {name}" for name in whole) + sorted(lines)
