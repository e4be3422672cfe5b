"""Make the JSON Schema of `voice.json` from the dataclasses: python scripts/bundle_schema.py

It is checked in as dlpo/bundle/voice.schema.json and ships with the package, so that any language
can validate a manifest; a test fails if it drifts. What a schema can't express, such as that every
graph's file is listed in `files`, is checked only by `dlpo voices verify`.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

from dlpo.bundle import FORMAT, MANIFEST, FileInfo, GraphInfo, Manifest, manifest
from dlpo.bundle.manifest import LIMITS, PLAIN_NAME
from dlpo.bundle.voice_json import SEAL

OUT = Path(__file__).resolve().parents[1] / "dlpo" / "bundle" / "voice.schema.json"
SHA256 = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
POSITIVE, NOT_NEGATIVE = {"exclusiveMinimum": 0}, {"minimum": 0}
# What `Manifest.check` requires beyond types.
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
    # A later dlpo may add precisions.
    GraphInfo: {"files": {"required": ["fp32"], "propertyNames": {"type": "string"}}},
    FileInfo: {"sha256": SHA256},
}


class Untitled(GenerateJsonSchema):
    """Omits titles, which only repeat field names."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of `voice.json`. Unknown keys are allowed."""
    for cls in vars(manifest).values():  # docstrings below fields become descriptions
        if dataclasses.is_dataclass(cls):
            cls.__pydantic_config__ = ConfigDict(use_attribute_docstrings=True)  # type: ignore[union-attr]
    found = TypeAdapter(Manifest).json_schema(schema_generator=Untitled)
    for cls, checks in CHECKED.items():
        properties = found if cls is Manifest else found["$defs"][cls.__name__]
        for key, check in checks.items():
            properties["properties"][key] |= check
    found["properties"][SEAL] = SHA256 | {
        "description": "Of this file, while this value reads 64 zeros."
    }
    return found | {
        "$schema": Untitled.schema_dialect,
        "title": f"voice.json of a dlpo bundle, format {FORMAT}",
        "required": ["format", SEAL, *found["required"], "files"],
        "dependentRequired": {"voice_languages": ["voices"]},
    }


def content() -> str:
    """The content of the schema file."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    OUT.write_text(content(), encoding="utf-8")
    sys.stdout.write(f"{OUT}: written\n")
