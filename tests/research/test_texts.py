"""Texts of other kinds: what is measured of them, and the records."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from dlpo.cli import app
from dlpo.judges.word_errors import words_of
from dlpo.text import TextFrontEnd
from dlpo_bench.judging import WORD_ERRORS, JudgePanel
from dlpo_bench.record import read_record
from dlpo_bench.tables import markdown
from research import texts
from tests.toys import ToyJudge


def test_the_front_end_reads_the_sixty_texts_as_a_person_would() -> None:
    found = texts.read_texts()
    front_end = TextFrontEnd()
    assert len(found) == len({text.name for text in found}) == 60
    for text in found:
        read = " ".join(s.normalized for s in front_end.process(text.text).sentences)
        assert words_of(read) == words_of(text.words), text.name


def test_records_of_texts_are_shown_and_compared(
    slow_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parrot = ToyJudge(words=lambda waveform: "to hums")
    panel = JudgePanel([ToyJudge()], {WORD_ERRORS: parrot}, {"NISQA": "no weights"})
    monkeypatch.setattr(texts, "load_panel", lambda *places: panel)
    monkeypatch.chdir(tmp_path)
    own = tmp_path / "texts.tsv"
    own.write_text("number\t2 hums.\ttwo hums\nyes-no question\tIs it a hum? Hum.\n")
    texts.main([f"toy={slow_checkpoint}"], texts_file=own, record=True)
    (path,) = tmp_path.glob("research/records/texts-*.json")
    record = read_record(path)
    toy = record.figures["systems"]["toy"]
    assert toy["number"][WORD_ERRORS]["value"] == 0  # "to" sounds like "two"
    assert toy["yes-no question"][WORD_ERRORS]["value"] == 1  # five words, none right but a few
    assert record.samples["clips"] == ["number-01", "yes-no-question-01"]
    assert "| yes-no question | 1 |" in markdown(texts.texts_blocks(record.figures))
    same = CliRunner().invoke(app, ["bench", "compare", str(path), str(path)])
    assert "toy, word errors, added: +0.000" in same.stdout
