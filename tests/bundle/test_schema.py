"""The JSON Schema of `voice.json` says what the reader does."""

from __future__ import annotations

import copy
import json
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dlpo.bundle import MANIFEST, Manifest
from dlpo.bundle.voice_json import SEAL, seal
from dlpo.errors import BundleError

jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is in the dev extra")

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = ROOT / "dlpo" / "bundle" / "voice.schema.json"
EMBEDDED = json.loads((ROOT / "dlpo" / "voices" / "lj" / MANIFEST).read_bytes())


@pytest.fixture(scope="module")
def validator() -> Any:
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


def changed(*path: str | int, to: object) -> Callable[[dict[str, Any]], None]:
    """Sets a value deep inside."""

    def change(values: Any) -> None:
        for key in path[:-1]:
            values = values[key]
        values[path[-1]] = to

    return change


def without(*path: str) -> Callable[[dict[str, Any]], None]:
    """Takes a key away."""

    def take(values: Any) -> None:
        for key in path[:-1]:
            values = values[key]
        del values[path[-1]]

    return take


def test_schema_has_not_drifted_from_the_dataclasses() -> None:
    made = runpy.run_path(str(ROOT / "scripts" / "bundle_schema.py"))["content"]()

    assert SCHEMA.read_text(encoding="utf-8") == made, "run: python scripts/bundle_schema.py"


def test_manifest_that_was_just_written_is_valid(validator: Any, directory: Path) -> None:
    validator.validate(json.loads((directory / MANIFEST).read_bytes()))


@pytest.mark.parametrize("key", [key for key in EMBEDDED if key not in (SEAL, "format")])
@pytest.mark.parametrize("value", ["a word", -1, 0.5, True, None, [1], {"a": 1}])
def test_schema_and_reader_agree_on_every_value(validator: Any, key: str, value: object) -> None:
    values = EMBEDDED | {key: value}

    assert validator.is_valid(values) == is_read(values)


@pytest.mark.parametrize("key", [key for key in EMBEDDED if key != SEAL])
def test_schema_and_reader_agree_on_which_keys_are_optional(validator: Any, key: str) -> None:
    values = {name: value for name, value in EMBEDDED.items() if name != key}
    if key == "format":
        assert not validator.is_valid(values)
        return

    assert validator.is_valid(values) == is_read(values)


@pytest.mark.parametrize(
    ("change", "sound"),
    [
        (changed("format", to=3), False),
        (changed("graphs", "encoder", "files", "fp32", to=7), False),
        (changed("graphs", "encoder", "inputs", 0, "shape", to="1 x P"), False),
        (changed("graphs", "encoder", "inputs", 0, "shape", to=[1, None]), False),
        (changed("prosody", "speed", to=[0.5]), False),
        (changed("prosody", "speed", to=[0.5, 1, 2]), False),
        (changed("files", "weights.bin", "bytes", to="19 MB"), False),
        (changed("files", "../weights.bin", to={"sha256": "0" * 64, "bytes": 1}), False),
        (changed("files", MANIFEST, to={"sha256": "0" * 64, "bytes": 1}), False),
        (changed("needed_context", "3", to="7"), False),
        (changed("needed_context", "3", to=-1), False),
        (changed("plans", to=[{"graph": "encoder"}]), False),
        (without("graphs", "encoder"), False),
        (without("graphs", "encoder", "files", "fp32"), False),
        (without("graphs", "encoder", "outputs"), False),
        (without("checkpoint", "commit"), False),
        (without("files", "weights.bin", "sha256"), False),
        # What a later dlpo may add.
        (changed("mood", to="calm"), True),
        (changed("source", "breath", to=0.1), True),
        (changed("graphs", "encoder", "files", "fp4", to="encoder.onnx"), True),
        (changed("graphs", "mouth", to={"files": {"fp32": "encoder.onnx"}, "inputs": [],
                                        "outputs": []}), True),
    ],
)  # fmt: skip
def test_schema_and_reader_agree_on_a_change_deep_inside(
    validator: Any, change: Callable[[dict[str, Any]], None], sound: bool
) -> None:
    values = copy.deepcopy(EMBEDDED)
    change(values)

    assert validator.is_valid(values) == is_read(values) == sound


def test_seal_must_be_a_sha256(validator: Any) -> None:
    assert not validator.is_valid(EMBEDDED | {SEAL: "sealed"})
    assert not validator.is_valid({k: v for k, v in EMBEDDED.items() if k != SEAL})
