"""`dlpo eval` with a toy voice, its checkpoint, and a judge that only measures lengths."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pytest

from dlpo.bundle import DEFAULT_VOICE, Bundle
from dlpo_bench.judging import JudgePanel
from tests.callers import command
from tests.toys import ToyJudge

run_eval = partial(command, "eval")


@pytest.fixture(autouse=True)
def panel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "dlpo_bench.launch.load_panel", lambda *places: JudgePanel([ToyJudge()], {}, {})
    )


@pytest.fixture
def corpus(tiny_corpus: Path, tmp_path: Path) -> Path:
    """`tiny_corpus` with so much to say that even the toy voice takes its time."""
    (tmp_path / "wavs").symlink_to(tiny_corpus / "wavs")
    (tmp_path / "metadata.csv").write_text(f"LJ002-0161|Hum.|{'hum ' * 20}\n")
    return tmp_path


def test_record_has_recordings_and_every_step_count(
    tiny_bundle: Path, corpus: Path, tmp_path: Path
) -> None:
    chains = ("--steps", "1", "--steps", "2", "--clips", "1", "--corpus", corpus)

    result = run_eval(f"tiny={tiny_bundle}", *chains, "--out", tmp_path)

    assert result.exit_code == 0, result.stderr
    (path,) = tmp_path.glob("*.json")
    record = json.loads(path.read_text())
    assert set(record["figures"]) == {"recordings", "tiny, 1 steps", "tiny, 2 steps"}
    assert record["bundle_sha256"] == Bundle.load(tiny_bundle).sha256


def test_systems_of_every_kind_side_by_side(
    tiny_bundle: Path, tiny_checkpoint: Path, corpus: Path, tmp_path: Path
) -> None:
    chosen = ("--corpus", corpus, "--clips", "1", "--steps", "2", "--seeds", "2")
    kept = ("--wavs", tmp_path / "heard", "--out", tmp_path / "records")

    systems = (f"made={tiny_bundle}", f"tuned={tiny_checkpoint}", f"heard={corpus / 'wavs'}")
    result = run_eval(*systems, *chosen, "--eta", "0.5", "--baseline", "made", *kept)

    assert result.exit_code == 0, result.stderr
    (path,) = (tmp_path / "records").glob("*.json")
    record = json.loads(path.read_text())
    assert list(record["figures"]) == ["recordings", "made", "tuned", "heard"]
    about = {name: s["about"] for name, s in record["samples"]["systems"].items()}
    assert about["tuned"]["kind"] == "checkpoint"
    assert (about["tuned"]["eta"], about["made"]["eta"]) == (0.5, 0.0)
    assert [len(s["takes"]) for s in record["samples"]["systems"].values()] == [1, 2, 2, 1]
    assert record["figures"]["tuned"]["patience"]["difference"]["from"] == "made"
    assert record["bundle_sha256"] == Bundle.load(tiny_bundle).sha256
    folders = {"recordings", "made", "made, seed 1", "tuned", "tuned, seed 1", "heard"}
    assert {folder.name for folder in (tmp_path / "heard").iterdir()} == folders
    assert "difference" in result.output


def test_lines_of_a_text_need_no_corpus(tiny_bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "texts").write_text("Hum, hum, hum, hum, hum, hum, hum!\n\nHum 23 times.\n")
    kept = ("--wavs", tmp_path / "heard", "--out", tmp_path / "records")

    result = run_eval(
        f"tiny={tiny_bundle}", "--texts", tmp_path / "texts", "--corpus", tmp_path / "none", *kept
    )

    assert result.exit_code == 0, result.stderr
    names = sorted(path.name for path in (tmp_path / "heard" / "tiny").iterdir())
    assert names == ["line-0001.wav", "line-0003.wav"]
    (path,) = (tmp_path / "records").glob("*.json")
    assert list(json.loads(path.read_text())["figures"]) == ["tiny"]


def test_texts_with_kinds_make_a_record_by_kind(tiny_bundle: Path, tmp_path: Path) -> None:
    hum = "Hum, hum, hum, hum, hum, hum"
    (tmp_path / "texts").write_text(f"a\tyn\t{hum}?\nb\tst\t{hum}.\n")

    result = run_eval(
        f"tiny={tiny_bundle}", "--texts", tmp_path / "texts", "--out", tmp_path / "records"
    )

    assert result.exit_code == 0, result.stderr
    assert "statements (st), 1 clips" in result.output
    (path,) = (tmp_path / "records").glob("endings-*.json")
    record = json.loads(path.read_text())
    assert list(record["figures"]) == ["yn", "st"]
    assert record["figures"]["yn"]["tiny"]["patience"]["value"] > 0
    assert record["samples"]["kinds"] == ["yn", "st"]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("nobody",), 1, f"'nobody' is no system; expected the name of a voice ({DEFAULT_VOICE}, "),
        (("a=lj", "a=lj"), 1, "label 'a' is given twice"),
        (("lj", "--baseline", "ours"), 1, "baseline 'ours' is unknown; expected one of"),
        (("lj", "--schedule", "linear"), 2, "only checkpoints take another chain"),
        (("lj", "--seeds", "0"), 2, "--seeds"),
    ],
)
def test_impossible_options_are_refused(
    corpus: Path, arguments: Sequence[str], code: int, message: str
) -> None:
    result = run_eval(*arguments, "--clips", "1", "--corpus", corpus)

    assert result.exit_code == code
    assert message in " ".join(result.stderr.replace("│", "").split())
