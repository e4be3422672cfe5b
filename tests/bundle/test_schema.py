"""The JSON Schema of `voice.json` says what the reader does."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from dlpo.bundle import DEFAULT_VOICE, MANIFEST, Manifest
from dlpo.bundle.voice_json import SEAL, seal
from dlpo.errors import BundleError
from dlpo_serving.voices import find_voice

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator

jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is in the dev extra")

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = ROOT / "dlpo" / "bundle" / "voice.schema.json"
EMBEDDED = json.loads((find_voice(DEFAULT_VOICE) / MANIFEST).read_bytes())


@pytest.fixture(scope="module")
def validator() -> Draft202012Validator:
    schema = json.loads(SCHEMA.read_bytes())
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def is_read(values: dict[str, Any]) -> bool:
    unsealed = {key: value for key, value in values.items() if key != SEAL}
    try:
        Manifest.from_json(seal(unsealed))
    except BundleError:
        return False
    return True


def test_schema_has_not_drifted_from_the_dataclasses() -> None:
    made = runpy.run_path(str(ROOT / "scripts" / "bundle_schema.py"))["content"]()

    assert SCHEMA.read_text(encoding="utf-8") == made, "run: python scripts/bundle_schema.py"


@pytest.mark.parametrize("key", [key for key in EMBEDDED if key not in (SEAL, "format")])
@pytest.mark.parametrize("value", ["a word", -1, 0.5, True, None, [1], {"a": 1}])
def test_schema_and_reader_agree_on_every_value(
    validator: Draft202012Validator, key: str, value: object
) -> None:
    values = EMBEDDED | {key: value}

    assert validator.is_valid(values) == is_read(values)


@pytest.mark.parametrize("key", [key for key in EMBEDDED if key != SEAL])
def test_schema_and_reader_agree_on_which_keys_are_optional(
    validator: Draft202012Validator, key: str
) -> None:
    values = {name: value for name, value in EMBEDDED.items() if name != key}
    if key == "format":
        assert not validator.is_valid(values)
        return

    assert validator.is_valid(values) == is_read(values)
