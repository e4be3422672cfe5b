"""Fakes that can't be called otherwise than the real packages.

`api.json` holds signatures read from the real packages (scripts/tensorrt_stubs/describe.py,
compared in test_api.py). A method of a fake that the real class does not have can't be defined, a
call with another number or type of arguments fails, and so does a property that is not there.
"""

from __future__ import annotations

import enum
import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

API: dict[str, Any] = json.loads((Path(__file__).parent / "api.json").read_text())


def described(name: str, types: dict[str, type]) -> Callable[[type], type]:
    """Decorate a fake class of TensorRT with the checks of the real class `name`."""
    known = API["tensorrt"]["classes"][name]

    def decorate(cls: type) -> type:
        for member, value in list(vars(cls).items()):
            if isinstance(value, property):
                assert member in known["properties"], f"{name} has no property {member}"
            elif callable(value) and (member == "__init__" or not member.startswith("_")):
                assert member in known["methods"], f"{name} has no method {member}"
                checked = _checked(f"{name}.{member}", value, known["methods"][member], types)
                setattr(cls, member, checked)

        def set_attribute(self: object, attribute: str, value: object) -> None:
            ours = attribute.startswith("_") or type(self) is not cls
            assert ours or attribute in known["properties"], f"{name} has no property {attribute}"
            object.__setattr__(self, attribute, value)

        cls.__setattr__ = set_attribute
        types[name] = cls
        return cls

    return decorate


def _checked(
    label: str, method: Callable[..., Any], overloads: list[Any], types: dict[str, type]
) -> Callable[..., Any]:
    @functools.wraps(method)
    def call(self: object, *arguments: object, **named: object) -> Any:
        wrong = [_mismatch(parameters, arguments, named, types) for parameters in overloads]
        assert None in wrong, f"{label}{arguments}: {wrong}"
        return method(self, *arguments, **named)

    return call


def _mismatch(
    parameters: list[tuple[str, str, bool]],
    arguments: tuple[object, ...],
    named: dict[str, object],
    types: dict[str, type],
) -> str | None:
    """Why these arguments are not those of an overload, or None."""
    names = [name for name, _, _ in parameters]
    if len(arguments) > len(parameters) or not set(named) <= set(names[len(arguments) :]):
        return f"expected {names}"
    given = dict(zip(names, arguments, strict=False)) | named
    for name, kind, has_default in parameters:
        if name not in given:
            if not has_default:
                return f"{name} is missing"
        elif not _is(given[name], kind, types):
            return f"{name} is {type(given[name]).__name__}; expected {kind}"
    return None


def _is(value: object, kind: str, types: dict[str, type]) -> bool:
    if kind in types:
        return isinstance(value, types[kind])
    match kind:
        case "SupportsInt":
            return hasattr(value, "__int__")
        case "Buffer":
            return isinstance(value, bytes | bytearray | memoryview)
        case "Dims":
            return isinstance(value, tuple | list) and all(type(n) is int for n in value)
        case "str" | "bool" | "tuple" | "list":
            return type(value).__name__ == kind
    return False


def enumeration(name: str, part: str = "tensorrt") -> type[enum.IntEnum]:
    """An enumeration with the real names and values."""
    values: dict[str, int] = API[part]["enums"][name]
    made: type[enum.IntEnum] = enum.IntEnum(name, values)
    return made


def function(name: str, implementation: Callable[..., tuple[Any, ...]]) -> Callable[..., Any]:
    """A function of the CUDA run-time with the real number of arguments and results."""
    known = API["cuda"]["functions"][name]

    def call(*arguments: object) -> tuple[Any, ...]:
        assert len(arguments) == len(known["parameters"]), f"{name}{arguments}: {known}"
        results = implementation(*arguments)
        assert len(results) == known["returns"], f"{name} returns {known['returns']} values"
        return results

    call.__name__ = name
    return call
