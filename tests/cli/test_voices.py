"""`dlpo voices`: what it prints, what it refuses, and that it copies byte for byte."""

from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from dlpo.bundle import MANIFEST, Bundle, PlanInfo, write_bundle
from dlpo.cli import app

EMBEDDED = Path(__file__).resolve().parents[2] / "dlpo" / "voices" / "lj"


def run(*arguments: object) -> Result:
    runner = CliRunner(env={"COLUMNS": "250"})
    return runner.invoke(app, ["voices", *map(str, arguments)], catch_exceptions=False)


@pytest.fixture
def voice(tmp_path: Path) -> Path:
    """A bundle with a plan, a score and a name that looks like markup; its graphs are no graphs."""
    content = tmp_path / "content"
    content.mkdir()
    manifest = Bundle.load(EMBEDDED).manifest
    for name in (*manifest.files, "denoiser_3.plan"):
        (content / name).write_bytes(name.encode())
    plan = PlanInfo(
        graph="denoiser_3",
        precision="fp16",
        file="denoiser_3.plan",
        gpu="NVIDIA H200",
        compute_capability="9.0",
        tensorrt="11.4.0.106",
        frames=(22, 38),
        batch=(1, 4),
        runs_on="ampere_plus",
    )
    changed = dataclasses.replace(
        manifest,
        voice="red-test",
        licence="[red]Apache",
        scores={"distillmos": 3.25},
        plans=(plan,),
    )
    return write_bundle(tmp_path / "voice", changed, content)


@pytest.mark.parametrize("command", [(), ("list",)])
def test_embedded_voice_is_listed(command: tuple[str, ...]) -> None:
    result = run(*command)

    assert result.exit_code == 0
    for shown in ("lj", str(EMBEDDED), "3 of 1, 2, 3, 4", "fp32", " MB"):
        assert shown in result.stdout


def test_list_for_programs() -> None:
    (row,) = json.loads(run("list", "--json").stdout)

    manifest = Bundle.load(EMBEDDED).manifest
    assert row["name"] == "lj"
    assert row["path"] == str(EMBEDDED)
    assert row["steps"] == list(manifest.available_steps)
    assert row["precisions"] == list(manifest.graphs["denoiser_3"].files)
    assert row["bytes"] == sum(
        path.stat().st_size for path in EMBEDDED.iterdir() if path.name != MANIFEST
    )
    assert row["scores"] == manifest.scores


def test_damaged_voice_is_listed_with_what_is_wrong(
    voice: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (voice / "encoder.onnx").unlink()
    monkeypatch.setattr("dlpo_serving.voices._EMBEDDED", voice.parent)

    result = run()

    assert result.exit_code == 0
    assert "encoder.onnx is missing" in result.stdout


def test_manifest_is_shown_as_tables(voice: Path) -> None:
    result = run("show", voice)

    assert result.exit_code == 0
    for shown in (
        "red-test, en-US",
        "[red]Apache",
        Bundle.load(voice).sha256,
        "distillmos 3.25",
        "cosine:1.25, eta 0.7",
        "phonemes int64 (1, P)",
        "waveform (B, F, 300)",
        "denoiser_3.plan",
        "NVIDIA H200 (9.0) or Ampere and newer",
        "11.4.0.106",
        "22, 38 frames, 4 at once",
    ):
        assert shown in result.stdout


def test_manifest_is_shown_to_programs_as_it_is(voice: Path) -> None:
    assert run("show", voice, "--json").stdout == (voice / MANIFEST).read_text()


def test_name_of_a_voice_will_do() -> None:
    assert json.loads(run("show", "lj", "--json").stdout)["voice"] == "lj"


def test_sound_bundles_are_verified(voice: Path) -> None:
    result = run("verify", voice, "lj")

    assert result.exit_code == 0
    first, second = result.stdout.splitlines()
    bundle = Bundle.load(voice)
    assert first.startswith(f"{voice}: sound, {len(bundle.manifest.files)} files")
    assert first.endswith(bundle.sha256)
    assert second.startswith("lj: sound")


def test_every_bundle_is_verified_and_each_failure_has_its_reason(
    voice: Path, tmp_path: Path
) -> None:
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
    assert result.stdout.startswith(f"{voice}: sound")


def test_packed_and_unpacked_bundle_is_the_same_to_the_byte(voice: Path, tmp_path: Path) -> None:
    packed, again = tmp_path / "deep" / "voice.dlpo", tmp_path / "again"

    assert run("pack", voice, packed).stdout == f"{packed}\n"
    assert run("unpack", packed, again).stdout == f"{again}\n"

    assert {path.name for path in again.iterdir()} == {path.name for path in voice.iterdir()}
    for path in voice.iterdir():
        assert (again / path.name).read_bytes() == path.read_bytes()


def test_what_is_no_bundle_is_not_overwritten(voice: Path, tmp_path: Path) -> None:
    packed, thesis = tmp_path / "voice.dlpo", tmp_path / "thesis"
    thesis.mkdir()
    (thesis / "chapter1.txt").write_text("years of work")
    assert run("pack", voice, packed).exit_code == 0

    result = run("unpack", packed, thesis)

    assert result.exit_code == 1
    assert "is not a bundle" in result.stderr
    assert [path.name for path in thesis.iterdir()] == ["chapter1.txt"]


def test_voice_that_came_with_dlpo_is_packed_by_its_name_and_a_file_is_not_packed_again(
    tmp_path: Path,
) -> None:
    packed = tmp_path / "lj.dlpo"

    assert run("pack", "lj", packed).exit_code == 0
    again = run("pack", packed, tmp_path / "again.dlpo")

    assert Bundle.load(packed).sha256 == Bundle.load(EMBEDDED).sha256
    assert again.exit_code == 1
    assert "one file already" in again.stderr


def test_damaged_bundle_is_neither_packed_nor_unpacked(voice: Path, tmp_path: Path) -> None:
    packed = tmp_path / "voice.dlpo"
    run("pack", voice, packed)
    packed.write_bytes(packed.read_bytes()[:-100])
    (voice / "frames.onnx").write_bytes(b"other")

    assert run("pack", voice, tmp_path / "new.dlpo").exit_code == 1
    assert run("unpack", packed, tmp_path / "new").exit_code == 1

    assert not (tmp_path / "new.dlpo").exists()
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("command", "source", "out", "message"),
    [
        ("pack", "voice", "voice.zip", "ends in .dlpo"),
        ("pack", "voice/voice.json", "new.dlpo", "one file already"),
        ("unpack", "voice/voice.json", "new.dlpo", "give a directory"),
        ("unpack", "voice", "new", "not a file"),
        ("unpack", "voice/voice.json", "new", "zip"),
    ],
)
def test_wrong_kind_of_path_is_explained(
    voice: Path, command: str, source: str, out: str, message: str
) -> None:
    result = run(command, voice.parent / source, voice.parent / out)

    assert result.exit_code == 1
    assert message in result.stderr


def test_no_command_loads_torch_or_a_run_time(voice: Path, tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from typer.testing import CliRunner\n"
        "from dlpo.cli import app\n"
        "voice, packed, again = sys.argv[1:]\n"
        "for command in (['list'], ['show', voice], ['verify', voice], ['pack', voice, packed],\n"
        "                ['unpack', packed, again]):\n"
        "    assert CliRunner().invoke(app, ['voices', *command]).exit_code == 0, command\n"
        "sys.exit(bool({'torch', 'onnxruntime', 'onnx'} & set(sys.modules)))\n"
    )
    arguments = [str(voice), str(tmp_path / "v.dlpo"), str(tmp_path / "again")]

    subprocess.run([sys.executable, "-c", code, *arguments], check=True)
