"""What a field of a dataclass says beside its type: its range, its text, its option.

An option is written once, as a field: `checked: Count = 1` and the text below it. The check of its
value (`strict`), the JSON Schema and the tables of the docs (`schema`), and the command line
(`dlpo_cli.commands`) are made from that. Standard library only, as bundles are read in browsers.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import math
import re
import sys
import types
import typing
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Union


@dataclass(frozen=True, slots=True)
class Range:
    """Numbers that a value may be: finite ones within bounds."""

    ge: float | None = None
    gt: float | None = None
    le: float | None = None
    lt: float | None = None
    even: bool = False

    def __contains__(self, value: float) -> bool:
        return (
            math.isfinite(value)
            and (self.ge is None or value >= self.ge)
            and (self.gt is None or value > self.gt)
            and (self.le is None or value <= self.le)
            and (self.lt is None or value < self.lt)
            and not (self.even and value % 2)
        )

    def __str__(self) -> str:
        """In words, as after "expected"."""
        if self.even:
            return "an even number"
        if self.gt is None and self.lt is None and self.le is not None:
            return (
                f"{self.le:.10g} or less" if self.ge is None else f"{self.ge:g} to {self.le:.10g}"
            )
        if self.le is self.lt is None:
            return "above 0" if self.ge is None else f"{self.ge:g} or more"
        low = f"{self.ge:g} <=" if self.gt is None else f"{self.gt:g} <"
        return f"{low} x {f'<= {self.le:g}' if self.lt is None else f'< {self.lt:g}'}"


@dataclass(frozen=True, slots=True)
class Flag:
    """How the command line writes a field, where it isn't --FIELD."""

    name: str = ""
    """Empty: as usual."""
    panel: str | None = None
    """Of the help."""
    metavar: str | None = None
    argument: bool = False
    """It has no flag."""
    exists: bool = False
    """It is the path of something that exists: of a file or folder, unless only one may be."""
    file_okay: bool = True
    dir_okay: bool = True
    hidden: bool = False
    """It isn't on the command line."""


@dataclass(frozen=True, slots=True)
class As:
    """Beside a type that type checkers see, such as `str`: the narrower one that values have."""

    kind: Any


USUAL = asdict(Flag())
HIDDEN = Flag(hidden=True)
File = Annotated[Path, Flag(exists=True, dir_okay=False)]
Existing = Annotated[Path, Flag(exists=True)]
Folder = Annotated[Path, Flag(exists=True, file_okay=False)]
Count = Annotated[int, Range(ge=1)]
Whole = Annotated[int, Range(ge=0)]
Even = Annotated[int, Range(gt=0, even=True)]
Positive = Annotated[float, Range(gt=0)]
NotNegative = Annotated[float, Range(ge=0)]
FromOne = Annotated[float, Range(ge=1)]
Share = Annotated[float, Range(ge=0, le=1)]
SomeShare = Annotated[float, Range(gt=0, le=1)]
PartShare = Annotated[float, Range(ge=0, lt=1)]


@cache
def kinds_of(cls: type) -> dict[str, Any]:
    """Field of a dataclass -> its annotated type."""
    hints = typing.get_type_hints(cls, include_extras=True)
    return {field.name: hints[field.name] for field in dataclasses.fields(cls)}


@cache
def taken_apart(kind: Any) -> tuple[Any, tuple[Any, ...], bool]:
    """The bare type of an annotation, what is said beside it, and whether it may be None."""
    if typing.get_origin(kind) is Annotated:
        bare, said, optional = taken_apart(typing.get_args(kind)[0])
        said = (*said, *kind.__metadata__)
        return next((one.kind for one in said if isinstance(one, As)), bare), said, optional
    if typing.get_origin(kind) in (Union, types.UnionType):
        others = [one for one in typing.get_args(kind) if one is not type(None)]
        if len(others) == 1:
            return *taken_apart(others[0])[:2], True
    return kind, (), False


@cache
def parts_of(cls: type) -> dict[str, tuple[Any, tuple[Any, ...], bool]]:
    """Field of a dataclass -> its annotated type, taken apart."""
    return {name: taken_apart(kind) for name, kind in kinds_of(cls).items()}


def flag_in(parts: tuple[Any, tuple[Any, ...], bool]) -> Flag:
    """What the flags beside a type say together."""
    found = Flag()
    for one in parts[1]:
        if isinstance(one, Flag):
            said = {name: value for name, value in asdict(one).items() if value != USUAL[name]}
            found = replace(found, **said)
    return found


def flag_of(cls: type, name: str) -> str:
    """How the command line writes a field."""
    return flag_in(parts_of(cls)[name]).name or f"--{name.replace('_', '-')}"


def range_of(parts: tuple[Any, tuple[Any, ...], bool]) -> Range | None:
    """The range of a number, or of each in a list."""
    kind, said, _ = parts
    if typing.get_origin(kind) in (tuple, list):
        said = taken_apart(typing.get_args(kind)[0])[1]
    return next((one for one in said if isinstance(one, Range)), None)


def default_of(field: dataclasses.Field[Any]) -> Any:
    """A field's default; `MISSING` if it has to be given."""
    factory = field.default_factory
    return field.default if factory is dataclasses.MISSING else factory()


@cache
def texts_of(cls: type) -> dict[str, str]:
    """Field -> the text below it, of a dataclass and its bases; read from the source, for help."""
    found: dict[str, str] = {}
    for one in reversed(cls.__mro__):
        if dataclasses.is_dataclass(one):
            found.update(_texts(one))
    return {name: text for name, text in found.items() if name in kinds_of(cls)}


def _texts(cls: type) -> Iterator[tuple[str, str]]:
    source = inspect.getsource(sys.modules[cls.__module__])
    begin = re.search(rf"^class {cls.__name__}\b", source, re.MULTILINE)
    if begin is not None:  # only the class is parsed, as that takes milliseconds
        own = re.match(r"class .*\n(?:[ \t)].*\n|\n)*", source[begin.start() :])
        for node in ast.parse(own[0] if own else "").body:
            for field, text in pairwise(getattr(node, "body", [])):
                match field, text:
                    case (
                        ast.AnnAssign(target=ast.Name(id=name)),
                        ast.Expr(value=ast.Constant(value=str(words))),
                    ):
                        yield name, " ".join(words.split())
