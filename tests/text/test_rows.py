"""Rows of tables and what they ask of the words beside a form."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from dlpo.text import TextFrontEnd
from dlpo.text.common.neighbors import (
    WINDOW,
    Context,
    NeighborPattern,
    neighbors_after,
    neighbors_before,
)
from dlpo.text.common.rows import Row, rows_of
from dlpo.text.common.tables import Tables
from dlpo.text.en_us import tables as english
from dlpo.text.es import tables as spanish
from tests.text.forms import forms_fired

FRONT_END = TextFrontEnd()


@pytest.fixture
def tables(tmp_path: Path) -> Tables:
    """Of a language with one list and one class of words."""
    (tmp_path / "lists.txt").write_text("== work days\nmonday\ntuesday\n")
    (tmp_path / "word_classes.tsv").write_text("class\twords\nDET\ta the\n")
    (tmp_path / "habits.tsv").write_text("name\tpattern\nSEASON\tT({DIGIT})\nDIGIT\t\\d\n")
    (tmp_path / "sides.tsv").write_text("letter\tword\nE\teast\n")
    return Tables(str(tmp_path / "module.py"))


@pytest.mark.parametrize(
    ("cell", "before", "fits"),
    [
        ("flight", "Our Flight ", True),
        ("Flight", "our flight ", False),
        ("flight", "our flight, ", False),
        ("at/by", "By ", True),
        ("{work_days}", "on Tuesday ", True),
        ("DET", "the ", True),
        ("run*", "runs ", True),
        ("*ing", "running ", True),
        ("&NUM", "12", True),
        ("&NUM", "12 ", False),
        ("flight number?", "flight ", True),
        ("flight number?", "flight number ", True),
        ("flight ..", "flight to New York at ", True),
        ("flight ..", "flight. It left at ", False),
        ("!flight", "flight ", False),
        ("!flight", "train ", True),
        ("train | flight | !the flight", "a flight ", True),
        ("train | flight | !the flight", "the flight ", False),
        ("END", "", True),
        ("END", "Yes. ", True),
        ("END", "yes ", False),
        ("END", "yes\f", True),
        ("CAP", "Paris ", True),
        ("UP", "Paris ", False),
        ("LETTER", "B ", True),
        ("$", "$", True),
        ("at/NUM", "12 ", True),
        ("YEAR", "1999 ", True),
        ("YEAR", "3999 ", False),
        ("SIGN", "$", True),
        ("UP/SIGN", "NASA ", True),
        ("SIGN", "dollar", False),
    ],
)
def test_context_before_a_place(cell: str, before: str, fits: bool, tables: Tables) -> None:
    assert NeighborPattern(cell, tables, True).fits(neighbors_before(before, len(before))) is fits


@pytest.mark.parametrize(
    ("cell", "after", "fits"),
    [
        ("of DET", " of the cat", True),
        ("of DET", " of cats", False),
        ("&-", "-foot", True),
        ("END", "", True),
        ("END", ". It", True),
        (".. yards", " in two long yards", True),
        ("WORD", " 12", False),
    ],
)
def test_context_after_a_place(cell: str, after: str, fits: bool, tables: Tables) -> None:
    assert NeighborPattern(cell, tables, False).fits(neighbors_after(after, 0)) is fits


def test_word_cut_by_the_edge_of_the_window_is_left_out() -> None:
    text = "nonflight" + " " * (WINDOW - len("flight"))
    assert neighbors_before(text, len(text)) == []
    assert neighbors_before(text, len(text) - len("non"))[0].text == "nonflight"


def test_ruler_is_one_sign() -> None:
    near = neighbors_before("Menu ========", 13)
    assert [one.text for one in near] == ["=", "Menu", "\n"]


@pytest.mark.parametrize(
    ("text", "fits"),
    [("in 5 km", True), ("at 5 mi", True), ("in 5 mi", False), ("at 5 km", False)],
)
def test_one_of_several_contexts_fits_as_a_whole(text: str, fits: bool, tables: Tables) -> None:
    assert Context(tables, "in || at", "km || mi").fits_text(text, 3, 4) is fits


def test_word_anywhere_in_a_sentence(tables: Tables) -> None:
    context = Context(tables, "", "", "lake/river")
    assert context.fits_word(["bass", "of", "the", "lake"], 0)
    assert not context.fits_word(["bass", "of", "the", "band"], 0)


def test_no_text_is_kept_after_it_was_read() -> None:
    FRONT_END.process("He had 3 apples at 5 p.m. on Main St. in town.")
    assert neighbors_before.cache_info().currsize == 0  # type: ignore[attr-defined]
    assert neighbors_after.cache_info().currsize == 0  # type: ignore[attr-defined]


def read(row: Row, text: str) -> list[str] | None:
    """What a row says of the first place where it matches and fits."""
    found = (row.speak(match) for match in re.finditer(row.pattern, text))
    return next((words for words in found if words is not None), None)


@pytest.mark.parametrize(
    ("says", "text", "words"),
    [
        ("season {1:digit} episode {episode:digit}", "T2 E5", ["season", "two", "episode", "five"]),
        ("{1} {1#hour/hours} {missing:digit}", "T1 E5", ["1", "hour"]),
        ("{episode#hour/hours}", "T1 E5", ["hours"]),
        ("{episode:technical.version}", "T1 E5", ["five"]),
        ("{episode:year+plural}", "T1 E5", ["fives"]),
        ("to{1:ordinal} to{missing:ordinal}", "T1 E5", ["to", "first"]),
        ("{side@sides}bound {side^}", "T1 E5", ["eastbound", "E"]),
        ("{1}", "xT1 E5", None),
        ("{1}", "a T1 E5", None),
    ],
)
def test_row_says_words_and_fields(
    says: str, text: str, words: list[str] | None, tables: Tables
) -> None:
    cells = [
        "10",
        "A",
        r"\w",
        r"{SEASON} (?P<side>E)(?P<episode>\d)(?P<missing>!)?",
        "!DET",
        "",
        says,
    ]
    row = Row("episodes:2", [*cells, "T2 E5", "a T2 E5"], tables, "dlpo.text.en_us")
    assert read(row, text) == words


def rows_with(column: str) -> list[Any]:
    """The rows of both languages that give an example of what they read or leave."""
    return [
        pytest.param(language, row.name, text, id=f"{row.name}-{index}")
        for language, tables in (("en", english.TABLES), ("es", spanish.TABLES))
        for row in rows_of(tables, f"dlpo.text.{tables.folder}")
        for index, text in enumerate(getattr(row, column))
    ]


@pytest.mark.parametrize(("language", "row", "text"), rows_with("reads"))
def test_row_reads_its_example(language: str, row: str, text: str) -> None:
    assert row in forms_fired(FRONT_END, text, language)


@pytest.mark.parametrize(("language", "row", "text"), rows_with("leaves"))
def test_row_leaves_its_counterexample(language: str, row: str, text: str) -> None:
    assert row not in forms_fired(FRONT_END, text, language)
