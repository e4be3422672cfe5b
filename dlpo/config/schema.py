"""JSON Schema of dataclasses, and the tables of the docs that list their fields."""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from collections.abc import Mapping
from dataclasses import MISSING
from pathlib import Path
from typing import Any, Literal, Union

from dlpo.config.fields import Range, default_of, kinds_of, taken_apart, texts_of

NAMES = {bool: "boolean", int: "integer", float: "number", str: "string"}
BOUNDS = {"ge": "minimum", "gt": "exclusiveMinimum", "le": "maximum", "lt": "exclusiveMaximum"}


def properties_of(cls: type) -> dict[str, dict[str, Any]]:
    """JSON Schema of each field, with its text and default."""
    kinds = kinds_of(cls)
    texts = texts_of(cls)
    found = {}
    for field in dataclasses.fields(cls):
        schema = _schema(kinds[field.name])
        if text := texts.get(field.name):
            schema = {"description": text} | schema
        default = default_of(field)
        if default is not MISSING and default != math.inf:
            schema["default"] = str(default) if isinstance(default, Path) else default
        found[field.name] = schema
    return found


def _schema(kind: Any) -> dict[str, Any]:
    bare, said, optional = taken_apart(kind)
    schema = _of_bare(bare)
    if within := next((one for one in said if isinstance(one, Range)), None):
        bounds = {word: getattr(within, bound) for bound, word in BOUNDS.items()}
        schema |= {word: bound for word, bound in bounds.items() if bound is not None}
        schema |= {"multipleOf": 2} if within.even else {}
    return {"anyOf": [schema, {"type": "null"}]} if optional else schema


def _of_bare(kind: Any) -> dict[str, Any]:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if kind in NAMES:
        return {"type": NAMES[kind]}
    if kind is Path:
        return {"type": "string", "format": "path"}
    if origin is Literal:
        return {"type": "string", "enum": list(arguments)}
    if origin in (Union, types.UnionType):
        return {"anyOf": [_schema(one) for one in arguments]}
    if origin in (tuple, list):
        return {"type": "array", "items": _schema(arguments[0])}
    if dataclasses.is_dataclass(kind):
        return {"type": "object", "properties": properties_of(typing.cast(type, kind))}
    return {"type": "object"}


def values_of(schema: Mapping[str, Any]) -> str:
    """What a field may be, from its JSON Schema: kind and range, or the choices, in Markdown."""
    schema = without_null(schema)
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"] if value)
    kinds = {"string": "text", "boolean": "`true`, `false`"}
    kind = "path" if "format" in schema else kinds.get(schema["type"], schema["type"])
    if kind == "array":
        kind = "texts, `a,b`" if schema["items"].get("type") == "string" else "numbers"
    signs = zip(BOUNDS.values(), "≥>≤<", strict=True)
    bounds = [f"{sign} {schema[word]}" for word, sign in signs if word in schema]
    return ", ".join([kind, *bounds, *(["even"] if "multipleOf" in schema else [])])


def default_words(schema: Mapping[str, Any]) -> str:
    """A field's default, from its JSON Schema, in Markdown."""
    default = schema.get("default")
    if default in (None, "", {}, (), []):
        return ""
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    if isinstance(default, tuple | list):
        return f"`{','.join(map(str, default))}`"
    return f"`{default:g}`" if isinstance(default, float) else f"`{default}`"


def without_null(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema of a value that is given."""
    kinds = [one for one in schema.get("anyOf", [schema]) if one.get("type") != "null"]
    return kinds[0] if len(kinds) == 1 else schema
