"""Old and new versions of dlpo, and hands that change a manifest: what is read and what refused."""

from __future__ import annotations

import dataclasses
import json
import logging
from pathlib import Path
from typing import Any

import pytest

from dlpo.bundle import DEFAULT_VOICE, FORMAT, MANIFEST, Bundle, Manifest, write_bundle
from dlpo.errors import BundleError
from dlpo_serving.voices import find_voice
from tests.bundle.conftest import EditManifest

EMBEDDED = find_voice(DEFAULT_VOICE)


def test_embedded_manifest_is_what_this_version_writes() -> None:
    content = (EMBEDDED / MANIFEST).read_bytes()

    manifest, _ = Manifest.from_json(content)

    assert manifest.to_json() == content


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('"gain": 1.0', '"gain": 9.0'),
        ('"voice": "test"', '"voice":  "test"'),
    ],
)
def test_edit_by_hand_is_refused_and_says_how_to_do_it_rightly(
    directory: Path, before: str, after: str
) -> None:
    path = directory / MANIFEST
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after))
    with pytest.raises(BundleError, match=r'changed after it was written.*"Changing a bundle"'):
        Bundle.load(directory)


@pytest.mark.parametrize("seal", [None, 3, "", "0" * 63, "é" * 64, "\ud800" * 64])
def test_manifest_without_a_sound_seal_is_refused(directory: Path, seal: object) -> None:
    path = directory / MANIFEST
    values = json.loads(path.read_bytes())
    path.write_text(json.dumps(values | {"manifest_sha256": seal}))
    with pytest.raises(BundleError, match=r"manifest_sha256|not JSON"):
        Bundle.load(directory)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"format": FORMAT + 1, "unheard_of": True}, f"this dlpo reads {FORMAT}; install a newer"),
        *(({"format": odd}, r"format is .*export again") for odd in (1, 0, "2", None, True, 1.5)),
        ({"requires": ["moods", "breath"]}, r"requires moods, breath, which .* not know; install"),
    ],
)
def test_bundle_of_another_version_says_what_to_do(
    directory: Path, edit_manifest: EditManifest, values: dict[str, Any], message: str
) -> None:
    edit_manifest(directory, lambda manifest: manifest.update(values))
    with pytest.raises(BundleError, match=message):
        Bundle.load(directory)


def test_keys_of_a_later_dlpo_are_ignored_with_one_warning(
    directory: Path,
    edit_manifest: EditManifest,
    manifest: Manifest,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def add(values: dict[str, Any]) -> None:
        values["mood"] = {"calm": 0.7}
        values["source"]["breath"] = 0.1
        values["graphs"]["encoder"]["files"]["fp4"] = "encoder.onnx"
        values["graphs"]["frames"]["inputs"][0]["unit"] = "symbol"

    edit_manifest(directory, add)
    with caplog.at_level(logging.WARNING):
        bundle = Bundle.load(directory)

    assert dataclasses.replace(bundle.manifest, files={}) == manifest
    (record,) = caplog.records
    for key in (
        "mood",
        "source.breath",
        "graphs.encoder.files.fp4",
        "graphs.frames.inputs[0].unit",
    ):
        assert key in record.getMessage()


def test_writer_refuses_what_no_reader_would_take(
    tmp_path: Path, manifest: Manifest, content: Path
) -> None:
    wrong = {"gain": float("nan"), "requires": ("moods",), "steps": 7}
    for key, value in wrong.items():
        with pytest.raises(BundleError):
            write_bundle(tmp_path / "voice", dataclasses.replace(manifest, **{key: value}), content)
        assert not (tmp_path / "voice").exists()
