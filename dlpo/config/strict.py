"""The check of values: dataclasses read strictly from JSON, text or code, and written back.

A key that is not a field is refused with the closest field's name, because a misspelt key that is
silently ignored costs a training run. It is the only validator: of configurations, manifests, the
server's settings and callers' requests. Standard library only, as bundles are read in browsers.
"""

from __future__ import annotations

import collections.abc
import dataclasses
import difflib
import math
import re
import types
import typing
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import MISSING, dataclass
from numbers import Integral, Real
from pathlib import Path
from typing import Any, Literal, TypeVar, Union

from dlpo.config.fields import Range, parts_of, taken_apart
from dlpo.errors import ConfigError, InputError

T = TypeVar("T")
WORDS = {bool: "true or false", int: "a whole number", float: "a number", str: "text",
         Path: "a path", dict: "an object of keys and values"}  # fmt: skip
SHOWN = 200  # characters of a value in a message
UNIONS = (Union, types.UnionType)
SWITCHES = {"true": True, "yes": True, "on": True, "1": True,
            "false": False, "no": False, "off": False, "0": False}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Before:
    """Beside a type: changes a value before it is checked; what isn't meant for it, not at all."""

    change: Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class After:
    """Beside a type: what is expected of a value that has it."""

    expected: str
    holds: Callable[[Any], object]


def like(pattern: str) -> After:
    """Beside `str`: it matches a regular expression as a whole."""
    return After(f"text like {pattern}", re.compile(pattern).fullmatch)


class WrongValueError(ConfigError, InputError):
    """A value that isn't what its annotation says.

    Args:
        where: its path.
        problem: what is wrong, if it isn't the value that was expected.
    """

    def __init__(self, where: str, value: object, expected: str, problem: str = "") -> None:
        super().__init__(where, value, expected, problem)
        self.where = where
        self.value = value
        self.expected = expected
        self._problem = problem

    def __str__(self) -> str:  # late, as a caller's value may be large
        problem = self._problem or f"is {self.value!r:.{SHOWN}}; expected {self.expected}"
        return f"{self.where} {problem}"


def from_dict(cls: type[T], values: object, unknown: list[str] | None = None) -> T:
    """The dataclass `cls` from JSON values (as `json.loads` returns them), nested ones included.

    Args:
        unknown: collects the paths of keys that are not fields; if None, they are refused.

    Raises:
        ConfigError: a key is unknown or missing, or a value is of another type or out of range.
    """
    return typing.cast(T, _dataclass(cls, values, cls.__name__, unknown))


def to_dict(config: Any) -> dict[str, Any]:
    """The JSON values of a dataclass: what `from_dict` reads back to an equal object."""
    return {field.name: _plain(getattr(config, field.name)) for field in dataclasses.fields(config)}


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return to_dict(value)
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value


def check(config: Any) -> None:
    """Check the values of a dataclass, as its `__post_init__`; see `checked`."""
    checked(config)


def checked(config: Any) -> dict[str, Any]:
    """The values of a dataclass by field, as their annotations want them.

    Raises:
        ConfigError: names the first that is of another type or out of range.
    """
    cls: type = type(config)
    values = {name: getattr(config, name) for name in parts_of(cls)}
    found, wrong = converted(parts_of(cls), values, f"{cls.__name__}.")
    for misfit in wrong:
        raise misfit
    return found


def converted(
    kinds: Mapping[str, Any], values: Mapping[str, object], prefix: str = "", text: bool = False
) -> tuple[dict[str, Any], list[WrongValueError]]:
    """Values by field as their annotations want them, and what is wrong with the others.

    Args:
        kinds: annotated type of each field, see `kinds_of`, or quicker `parts_of`.
        prefix: of fields in messages.
        text: strings may stand for numbers, switches and, with commas, several values.
    """
    found: dict[str, Any] = {}
    wrong = []
    for name, value in values.items():
        try:
            found[name] = convert(kinds[name], value, prefix + name, text=text)
        except WrongValueError as error:
            wrong.append(error)
    return found, wrong


def convert(
    kind: Any, value: Any, where: str, unknown: list[str] | None = None, text: bool = False
) -> Any:
    """`value` as the annotated type `kind`; see `converted` and `from_dict`.

    Raises:
        WrongValueError: it isn't, or out of range.
    """
    bare, said, optional = kind if isinstance(kind, tuple) else taken_apart(kind)
    for one in said:
        if isinstance(one, Before):
            value = one.change(value)
    if value is None and optional:
        return None
    is_plain = type(value) is bare and (bare is not float or math.isfinite(value))
    found = value if is_plain else _bare(bare, value, where, unknown, text)
    for one in said:
        if isinstance(one, Range) and found not in one:
            raise WrongValueError(where, value, str(one))
        if isinstance(one, After) and not one.holds(found):
            raise WrongValueError(where, value, one.expected)
    return found


def _bare(kind: Any, value: Any, where: str, unknown: list[str] | None, text: bool) -> Any:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is Literal:
        if value not in arguments:
            raise WrongValueError(where, value, f"one of {', '.join(map(repr, arguments))}")
        return value
    if dataclasses.is_dataclass(kind):
        return _dataclass(typing.cast(type, kind), value, where, unknown)
    if origin in UNIONS:
        for one in arguments:
            try:
                return convert(one, value, where, unknown, text)
            except WrongValueError:
                continue
    elif origin in (tuple, list, frozenset):
        if text and isinstance(value, str):
            value = [part.strip() for part in value.split(",")]
        if isinstance(value, list | tuple | frozenset):
            return origin(_items(arguments, value, where, unknown, text))
    elif origin in (dict, collections.abc.Mapping):
        if isinstance(value, Mapping):
            return _mapping(arguments, value, where, unknown, text)
    elif (found := _plain_value(kind, value, text)) is not None:
        return found
    elif value is None and kind is type(None):
        return None
    raise WrongValueError(where, value, words_of(kind))


def _plain_value(kind: Any, value: Any, text: bool) -> Any:
    """A number, switch, text or other object of that type; None if it isn't one."""
    if kind is Any:
        return value
    if text and kind is not str and isinstance(value, str):
        try:
            value = SWITCHES.get(value.lower()) if kind is bool else kind(value)
        except ValueError:
            return None
    if isinstance(value, bool) and kind is not bool:
        return None
    if kind is Path and isinstance(value, str):
        return Path(value)
    if kind is int:
        return int(value) if isinstance(value, Integral) else None
    if kind is not float:
        return value if isinstance(value, kind) else None
    try:
        return float(value) if isinstance(value, Real) and math.isfinite(value) else None
    except OverflowError:  # of a whole number
        return None


def words_of(kind: Any) -> str:
    """What a value of a type is called after "expected"."""
    bare, said, _ = taken_apart(kind)
    if found := next((str(one) for one in said if isinstance(one, Range)), None):
        return found
    if typing.get_origin(bare) in UNIONS:
        return " or ".join(map(words_of, typing.get_args(bare)))
    return WORDS.get(typing.get_origin(bare) or bare, getattr(bare, "__name__", str(bare)))


def _items(
    kinds: tuple[Any, ...], items: Any, where: str, unknown: list[str] | None, text: bool
) -> Iterator[Any]:
    """The items of a list, or of a tuple whose last kind may be an ellipsis."""
    if len(kinds) == 1 or kinds[-1] is Ellipsis:
        kinds = (kinds[0],) * len(items)
    if len(items) != len(kinds):
        problem = f"has {len(items)} values; expected {len(kinds)}"
        raise WrongValueError(where, items, f"{len(kinds)} values", problem)
    for i, (kind, item) in enumerate(zip(kinds, items, strict=True)):
        yield convert(kind, item, f"{where}[{i}]", unknown, text)


def _mapping(
    arguments: tuple[Any, ...],
    value: Mapping[Any, Any],
    where: str,
    unknown: list[str] | None,
    text: bool,
) -> dict[Any, Any]:
    keys, items = arguments
    known = typing.get_args(keys) if typing.get_origin(keys) is Literal else value
    if unknown is not None:
        unknown += [f"{where}.{key}" for key in value if key not in known]
    return {
        convert(keys, key, f"a key of {where}", unknown): convert(
            items, item, f"{where}.{key}", unknown, text
        )
        for key, item in value.items()
        if unknown is None or key in known
    }


def _dataclass(cls: type, value: object, where: str, unknown: list[str] | None) -> object:
    if isinstance(value, cls):
        return value
    if not isinstance(value, Mapping):
        raise WrongValueError(where, value, WORDS[dict])
    fields = {field.name: field for field in dataclasses.fields(cls)}
    for key in value:
        if key not in fields and unknown is not None:
            unknown.append(f"{where}.{key}")
        elif key not in fields:
            raise ConfigError(f"{where} has the unknown key {key!r}; {closest(key, fields)}")
    kinds = parts_of(cls)
    arguments = {
        key: convert(kinds[key], item, f"{where}.{key}", unknown)
        for key, item in value.items()
        if key in fields
    }
    for name, field in fields.items():
        required = field.default is field.default_factory is MISSING
        if required and name not in arguments:
            raise ConfigError(f"{where} lacks the key {name!r}; add it")
    return cls(**arguments)


def closest(key: object, known: Collection[str]) -> str:
    """Advice on an unknown key."""
    found = difflib.get_close_matches(str(key), known, n=1)
    return f"did you mean {found[0]!r}?" if found else f"known: {', '.join(known)}"
