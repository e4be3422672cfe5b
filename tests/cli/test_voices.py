"""`dlpo voices`: what it prints, what it refuses, and that it copies byte for byte."""

from __future__ import annotations

import dataclasses
import json
import shutil
from functools import partial
from pathlib import Path

import pytest

from dlpo.bundle import DEFAULT_VOICE, MANIFEST, Bundle, write_bundle
from dlpo_serving.voices import find_voice
from tests.callers import command
from tests.toys import plan_info

run = partial(command, "voices")


EMBEDDED = find_voice(DEFAULT_VOICE)


@pytest.fixture
def voice(tmp_path: Path) -> Path:
    """A bundle with a plan, a score and a name that looks like markup; its graphs are no graphs."""
    content = tmp_path / "content"
    content.mkdir()
    manifest = Bundle.load(EMBEDDED).manifest
    for name in (*manifest.files, "denoiser_3.plan"):
        (content / name).write_bytes(name.encode())
    changed = dataclasses.replace(
        manifest,
        voice="red-test",
        voices=("red-test", "heart"),
        voice_languages={},
        licence="[red]Apache",
        scores={"distillmos": 3.25},
        plans=(plan_info(file="denoiser_3.plan"),),
    )
    return write_bundle(tmp_path / "voice", changed, content)


def test_embedded_voice_is_listed_for_people_and_programs() -> None:
    for words in ((), ("list",)):
        for shown in ("lj", "woman", "heart", "michael", "man", "es-419", "Kokoro-82M"):
            assert shown in run(*words).stdout
    row, *others = json.loads(run("list", "--json").stdout)
    manifest = Bundle.load(EMBEDDED).manifest
    assert (row["name"], row["path"]) == (DEFAULT_VOICE, str(EMBEDDED))
    assert row["scores"] == manifest.scores
    assert row["steps"] == list(manifest.available_steps)
    assert {other["path"] for other in others} == {str(EMBEDDED)}
    assert tuple(one["name"] for one in (row, *others)) == manifest.offered_voices
    assert row["bytes"] == sum(
        path.stat().st_size for path in EMBEDDED.iterdir() if path.name != MANIFEST
    )


def test_damaged_voice_is_listed_with_what_is_wrong(
    voice: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (voice / "encoder.onnx").unlink()
    monkeypatch.setattr("dlpo_serving.voices._EMBEDDED", voice.parent)

    result = run()

    assert result.exit_code == 0
    assert "encoder.onnx is missing" in result.stdout


def test_manifest_is_shown_to_programs_as_it_is(voice: Path) -> None:
    assert run("show", voice, "--json").stdout == (voice / MANIFEST).read_text()


def test_verify_gives_a_reason_for_each_failure(voice: Path, tmp_path: Path) -> None:
    tampered = shutil.copytree(voice, tmp_path / "tampered")
    manifest = tampered / MANIFEST
    manifest.write_text(manifest.read_text().replace('"gain": 1.', '"gain": 9.'))
    flipped = shutil.copytree(voice, tmp_path / "flipped")
    (flipped / "frames.onnx").write_bytes(b"Frames.onnx")

    result = run("verify", tampered, flipped, tmp_path / "absent", voice)

    assert result.exit_code == 1
    assert f"{tampered}: voice.json: sha256 is" in result.stderr
    assert f"{flipped}: frames.onnx: sha256 is" in result.stderr
    assert f"{tmp_path / 'absent'}: no voice" in result.stderr
    files = len(Bundle.load(voice).manifest.files)
    assert result.stdout.startswith(f"{voice}: sound, {files} files")
    assert result.stdout.endswith(f"{Bundle.load(voice).sha256}\n")


def test_packed_and_unpacked_bundle_is_the_same(voice: Path, tmp_path: Path) -> None:
    packed, again = tmp_path / "deep" / "voice.dlpo", tmp_path / "again"

    assert run("pack", voice, packed).stdout == f"{packed}\n"
    assert run("unpack", packed, again).stdout == f"{again}\n"

    assert Bundle.load(again).sha256 == Bundle.load(voice).sha256
