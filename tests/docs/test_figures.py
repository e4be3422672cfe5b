"""Tables of figures are those that scripts/figures.py writes from the linked records."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from jinja2 import UndefinedError

from dlpo.bundle import DEFAULT_VOICE, Bundle
from dlpo_bench.record import read_record
from dlpo_serving.voices import find_voice
from scripts.figures import BLOCK, LINK, PAGES, filled, table

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("page", PAGES)
def test_tables_are_those_of_the_records(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    assert filled(page, text) == text, "run scripts/figures.py and commit docs/"


def test_every_table_is_on_a_page() -> None:
    texts = [(ROOT / page).read_text(encoding="utf-8") for page in PAGES]
    template = (ROOT / "scripts/figures.md.j2").read_text(encoding="utf-8")
    tables = set(re.findall(r'table == "(\w+)"', template))
    assert {name for text in texts for _, name, _ in BLOCK.findall(text)} == tables


def test_the_readme_quotes_figures_of_the_tables() -> None:
    texts = [(ROOT / page).read_text(encoding="utf-8") for page in PAGES]
    shown = re.findall(r"\*\*([\d.,]+)\*\*", (ROOT / "README.md").read_text(encoding="utf-8"))
    rows = "".join(match[0] for text in texts for match in BLOCK.finditer(text))
    assert set(shown) <= set(re.findall(r"\d[\d,]*(?:\.\d+)?", rows))


def test_quality_is_that_of_the_voices_that_ship() -> None:
    page = (ROOT / "docs/model-card.md").read_text(encoding="utf-8").partition("## Where")[0]
    record = read_record(ROOT / "docs" / LINK.findall(page)[0][1])
    shipped = Bundle.load(find_voice(DEFAULT_VOICE))
    for voice in ("heart", "lj"):
        about = record.samples["systems"][voice]["about"]
        assert (about["steps"], about["precision"]) == (1, "int8")
        assert about["sha256"] == shipped.sha256 or about["sha256"][:12] in page


@pytest.mark.parametrize(("gaps", "shown"), [(0, "41 ms; none"), (2, "41 ms; 2")])
def test_a_count_of_zero_reads_none(gaps: int, shown: str) -> None:
    late = {"first_audio_ms_p95": 41.2, "underrun_calls": gaps, "refusal_ms_p99": 1.0}
    faster = {"eager-1000": {"value": 900.0}, "eager": {"value": 9.0}}
    records = {
        "load": {"streams": {"streams": 9, "first_audio_ms_p95": 1.0}, "overload": late},
        "soak": {"soak": {"growth": 0.0}},
        "rtf": {"speech": {"5 s": {"contestants": {"cpu:int8": {"speedup": faster}}}}},
    }

    assert f"| {shown} |" in table("load", records)


def test_a_record_that_is_not_linked_is_named() -> None:
    with pytest.raises(UndefinedError, match="teachers"):
        table("voices", {})
