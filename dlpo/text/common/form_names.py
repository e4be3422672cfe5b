"""The names of written forms, for people who ask which of them read a passage.

A form is a row of a tuple in some module; its name comes from that row's source.
"""

from __future__ import annotations

import ast
import inspect
from collections import Counter
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from operator import attrgetter
from types import ModuleType
from typing import NamedTuple

_LONGEST = 40  # characters of a pattern that names a form


class FormName(NamedTuple):
    """How a form is called, and where it is."""

    name: str
    """Module and function, words or pattern: ``en_us.quantities:_number``; unique, and the same
    wherever the row moves in its module."""
    place: str
    """``en_us/quantities.py:310``"""


@cache
def form_names(module: str) -> tuple[FormName, ...]:
    """The names of the forms in `_FORMS` of a module, in their order."""
    used = Counter[str]()
    found = []
    for source, line, label in _rows(import_module(module), "_FORMS"):
        short = source.removeprefix("dlpo.text.")
        name = f"{short}:{label}"
        used[name] += 1
        number = f"#{used[name]}" if used[name] > 1 else ""
        found.append(FormName(name + number, f"{short.replace('.', '/')}.py:{line}"))
    return tuple(found)


@cache
def _tuples(module: ModuleType) -> tuple[str, dict[str, ast.Tuple]]:
    """The source of a module, and the tuples in it that are declared under a name."""
    source = inspect.getsource(module)
    return source, {
        node.target.id: node.value
        for node in ast.parse(source).body
        if isinstance(node, ast.AnnAssign)
        and isinstance(node.target, ast.Name)
        and isinstance(node.value, ast.Tuple)
    }


def _rows(module: ModuleType, name: str) -> Iterator[tuple[str, int, str]]:
    """Module, line and label of each form in a tuple, also of those from other tuples."""
    source, tuples = _tuples(module)
    for row in tuples[name].elts:
        if isinstance(row, ast.Starred):
            path = ast.unparse(row.value)
            owner, _, inner = path.rpartition(".")
            holder = attrgetter(owner)(module) if owner else module
            if isinstance(holder, ModuleType):
                yield from _rows(holder, inner)
            else:  # made of a table
                yield from ((module.__name__, row.lineno, path) for _ in getattr(holder, inner))
        elif isinstance(row, ast.Tuple):
            yield module.__name__, row.lineno, _label(source, *row.elts[1:])


def _label(source: str, pattern: ast.expr, says: ast.expr) -> str:
    """The function of a form, or the beginning of its pattern as it is written."""
    if isinstance(says, ast.Name):
        return says.id
    written = (ast.get_source_segment(source, pattern) or "").partition("\n")[0]
    return written.lstrip("rf").strip('"')[:_LONGEST]
