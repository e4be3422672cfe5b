"""Dataclasses read strictly from JSON values, and written back unchanged.

A key that is not a field is refused with the closest field's name, because a misspelt key that is
silently ignored costs a training run. Values are checked by type here and by range in each class.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeVar

from dlpo.errors import ConfigError

T = TypeVar("T")
RANGES: dict[str, Callable[[float], bool]] = {
    "1 or more": lambda x: x >= 1,
    "0 or more": lambda x: x >= 0,
    "above 0": lambda x: x > 0,
    "an even number": lambda x: x > 0 and x % 2 == 0,
    "0 <= x < 1": lambda x: 0 <= x < 1,
    "0 < x <= 1": lambda x: 0 < x <= 1,
    "0 <= x <= 1": lambda x: 0 <= x <= 1,
}


def check_ranges(config: Any, **keys: str) -> None:
    """Check the values of a dataclass; None is always allowed, infinity and NaN never.

    Args:
        config: the dataclass.
        keys: a value's key -> its range, one of `RANGES`.

    Raises:
        ConfigError: names the key, its value and its range.
    """
    for name, expected in keys.items():
        value = getattr(config, name)
        if value is not None and not (math.isfinite(value) and RANGES[expected](value)):
            raise ConfigError(f"{type(config).__name__}.{name} is {value}; expected {expected}")


def from_dict(cls: type[T], values: object, unknown: list[str] | None = None) -> T:
    """The dataclass `cls` from JSON values (as `json.loads` returns them), nested ones included.

    Args:
        unknown: collects the paths of keys that are not fields; if None, they are refused.

    Raises:
        ConfigError: a key is unknown or missing, or a value is of another type or out of range.
    """
    return typing.cast(T, _convert(cls, values, cls.__name__, unknown))


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


def _convert(kind: Any, value: object, where: str, unknown: list[str] | None) -> object:
    """`value` as the annotated type `kind`; `where` is the path that an error names."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if dataclasses.is_dataclass(kind):
        return _convert_dataclass(typing.cast(type, kind), value, where, unknown)
    if origin is Literal:
        if value not in arguments:
            choices = ", ".join(map(repr, arguments))
            raise ConfigError(f"{where} is {value!r}; expected one of {choices}")
        return value
    if origin in (typing.Union, types.UnionType):
        for option in arguments:
            try:
                return _convert(option, value, where, unknown)
            except ConfigError:
                continue
        raise ConfigError(f"{where} is {value!r}; expected {kind}")
    if origin is tuple and isinstance(value, list | tuple):
        if arguments[-1] is Ellipsis:
            arguments = (arguments[0],) * len(value)
        if len(value) != len(arguments):
            raise ConfigError(f"{where} has {len(value)} values; expected {len(arguments)}")
        return tuple(
            _convert(item_kind, item, f"{where}[{i}]", unknown)
            for i, (item_kind, item) in enumerate(zip(arguments, value, strict=True))
        )
    if origin is dict and isinstance(value, Mapping):
        keys, items = arguments
        known = typing.get_args(keys) if typing.get_origin(keys) is Literal else value
        if unknown is not None:
            unknown += [f"{where}.{key}" for key in value if key not in known]
        return {
            _convert(keys, key, f"a key of {where}", unknown): _convert(
                items, item, f"{where}.{key}", unknown
            )
            for key, item in value.items()
            if unknown is None or key in known
        }
    if kind is float and type(value) in (int, float) and math.isfinite(typing.cast(float, value)):
        return float(typing.cast(float, value))
    if kind is type(None) and value is None:
        return None
    if kind in (int, str, bool) and type(value) is kind:
        return value
    expected = kind.__name__ if origin is None else str(kind)
    raise ConfigError(f"{where} is {value!r}; expected {expected}")


def _convert_dataclass(cls: type, value: object, where: str, unknown: list[str] | None) -> object:
    if not isinstance(value, Mapping):
        raise ConfigError(f"{where} is {value!r}; expected an object of keys and values")
    fields = {field.name: field for field in dataclasses.fields(cls)}
    for key in value:
        if key not in fields and unknown is not None:
            unknown.append(f"{where}.{key}")
        elif key not in fields:
            closest = difflib.get_close_matches(str(key), fields, n=1)
            hint = f"did you mean {closest[0]!r}?" if closest else f"known: {', '.join(fields)}"
            raise ConfigError(f"{where} has the unknown key {key!r}; {hint}")
    kinds = typing.get_type_hints(cls)
    arguments = {
        key: _convert(kinds[key], item, f"{where}.{key}", unknown)
        for key, item in value.items()
        if key in fields
    }
    for name, field in fields.items():
        required = field.default is field.default_factory is dataclasses.MISSING
        if required and name not in arguments:
            raise ConfigError(f"{where} lacks the key {name!r}; add it")
    return cls(**arguments)
