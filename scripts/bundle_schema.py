"""Make the JSON Schema of `voice.json` from the dataclasses: python scripts/bundle_schema.py

It is checked in as dlpo/bundle/voice.schema.json and ships with the package, so that any language
can check a manifest; a test fails when it drifts. What a schema can't say, such as that every
graph's file is in `files`, is checked by `dlpo voices verify` alone.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import itertools
import json
import sys
import types
import typing
from pathlib import Path
from typing import Any, Literal

from dlpo.bundle import FORMAT, MANIFEST, FileInfo, GraphInfo, Manifest
from dlpo.bundle.manifest import LIMITS, PLAIN_NAME
from dlpo.bundle.voice_json import SEAL
from dlpo.config import to_dict

OUT = Path(__file__).resolve().parents[1] / "dlpo" / "bundle" / "voice.schema.json"
SHA256 = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
TYPES = {int: "integer", float: "number", str: "string", bool: "boolean", type(None): "null"}
POSITIVE, NOT_NEGATIVE = {"exclusiveMinimum": 0}, {"minimum": 0}
# What `Manifest.check` asks for beyond types.
CHECKED: dict[type, dict[str, Any]] = {
    Manifest: {
        "format": {"const": FORMAT},
        "voice": {"pattern": f"^{PLAIN_NAME}$"},
        **{key: POSITIVE | {"maximum": most} for key, most in LIMITS.items()},
        "context_frames_per_step": NOT_NEGATIVE,
        "frames_context": NOT_NEGATIVE,
        "needed_context": {"additionalProperties": {"type": "integer"} | NOT_NEGATIVE},
        "needed_context_int8": {"additionalProperties": {"type": "integer"} | NOT_NEGATIVE},
        "graphs": {"required": ["encoder", "frames"]},
        "files": {"propertyNames": {"pattern": f"^{PLAIN_NAME}$", "not": {"const": MANIFEST}}},
    },
    GraphInfo: {"files": {"required": ["fp32"]}},
    FileInfo: {"sha256": SHA256},
}


def schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of `voice.json`. Keys that it does not name are allowed."""
    definitions: dict[str, Any] = {}
    manifest = _object(Manifest, definitions)
    seal = SHA256 | {"description": "Of this file, while this value reads 64 zeros."}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"voice.json of a dlpo bundle, format {FORMAT}",
        **manifest,
        "properties": manifest["properties"] | {SEAL: seal},
        "required": ["format", SEAL, *manifest["required"], "files"],
        "$defs": definitions,
    }


def _object(cls: type, definitions: dict[str, Any]) -> dict[str, Any]:
    described, kinds = _field_docstrings(cls), typing.get_type_hints(cls)
    properties: dict[str, Any] = {}
    required = []
    for field in dataclasses.fields(cls):
        of_field = _schema_of(kinds[field.name], definitions)
        of_field |= CHECKED.get(cls, {}).get(field.name, {})
        if field.name in described:
            of_field["description"] = described[field.name]
        if field.default_factory is not dataclasses.MISSING:
            default = field.default_factory()
            of_field["default"] = to_dict(default) if dataclasses.is_dataclass(default) else default
        elif field.default is not dataclasses.MISSING:
            of_field["default"] = field.default
        else:
            required.append(field.name)
        properties[field.name] = of_field
    return {
        "description": inspect.getdoc(cls),
        "type": "object",
        "properties": properties,
        "required": required,
    }


def _schema_of(kind: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if dataclasses.is_dataclass(kind):
        assert isinstance(kind, type)
        if kind.__name__ not in definitions:
            definitions[kind.__name__] = _object(kind, definitions)
        return {"$ref": f"#/$defs/{kind.__name__}"}
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin in (typing.Union, types.UnionType):
        return {"anyOf": [_schema_of(option, definitions) for option in arguments]}
    if origin is tuple and arguments[-1] is Ellipsis:
        return {"type": "array", "items": _schema_of(arguments[0], definitions)}
    if origin is tuple:
        items = [_schema_of(item, definitions) for item in arguments]
        size = len(items)
        return {"type": "array", "prefixItems": items, "minItems": size, "maxItems": size}
    if origin is dict and typing.get_origin(arguments[0]) is Literal:
        names = typing.get_args(arguments[0])
        item = _schema_of(arguments[1], definitions)
        return {"type": "object", "properties": dict.fromkeys(names, item)}
    if origin is dict:
        return {
            "type": "object",
            "additionalProperties": _schema_of(arguments[1], definitions),
        }
    return {"type": TYPES[kind]}


def _field_docstrings(cls: type) -> dict[str, str]:
    """Field -> the string that stands under it."""
    (definition,) = ast.parse(inspect.getsource(cls)).body
    assert isinstance(definition, ast.ClassDef)
    found = {}
    for field, below in itertools.pairwise(definition.body):
        if isinstance(field, ast.AnnAssign) and isinstance(below, ast.Expr):
            found[ast.unparse(field.target)] = " ".join(ast.literal_eval(below.value).split())
    return found


def content() -> str:
    """What the file holds."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    OUT.write_text(content(), encoding="utf-8")
    sys.stdout.write(f"{OUT}: written\n")
