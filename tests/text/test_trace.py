"""What `dlpo phonemes --why` says read a text."""

from __future__ import annotations

import json
import re
from pathlib import Path

from typer.testing import CliRunner

import dlpo
from dlpo.text import TextFrontEnd
from dlpo_cli import app
from tests.text.forms import forms_fired

SOURCES = Path(dlpo.__file__).parent / "text"


def traced(text: str, *options: str) -> list[dict]:
    result = CliRunner().invoke(app, ["phonemes", "--why", "--json", *options, text])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def line_of(place: str) -> str:
    path, line = re.fullmatch(r"(.+):(\d+)", place).groups()
    return (SOURCES / path).read_text("utf-8").splitlines()[int(line) - 1]


def test_form_is_named_with_its_row_and_rivals() -> None:
    (sentence,) = traced("See Ex. B, 3/4 done")
    _, exhibit, _, amount, _ = sentence["tokens"]

    assert "\texhibit" in line_of(exhibit["rows"][0])
    assert [form["words"] for form in exhibit["forms"]] == ["exhibit", "ex"]
    assert "@kinds.part" in line_of(amount["forms"][0]["form"])
    assert amount["text"] == "See Ex. B, 3/4 done"[amount["start"] : amount["end"]]
    assert [form["text"] for form in amount["forms"]] == ["3/4", "3"]
    assert any("/dates.tsv:" in name for name in amount["refused"])


def test_each_word_names_what_says_how_it_sounds(tmp_path: Path) -> None:
    given = tmp_path / "words.dict"
    given.write_text("data D AA1 T AH0\n")
    text = "He read the data of kubectl, RSVP Xylorq, we record."
    (sentence,) = traced(text, "--dictionary", str(given))
    sources = {w["word"]: w["source"] for token in sentence["tokens"] for w in token["words"]}

    row, others = re.fullmatch(r"(\S+) \(.+\), not (.+)", sources["read"]).groups()
    assert line_of(row).startswith("read\tR EH1 D\t")
    assert others == "R IY1 D"
    assert re.match(r"en_us/readings\.zip \(record .+: .+\), not", sources["record"])
    assert sources["the"] == "en_us/weak_forms.tsv"
    assert sources["data"] == "dictionary"
    assert line_of(sources["kube"].split(", ")[1]) == "kube\tK UW1 B"
    assert (sources["v"], sources["xylorq"], sources["he"]) == (
        "spelled",
        "letter-to-sound",
        "lexicon",
    )


def test_each_sentence_names_its_end() -> None:
    text = "# Title\nCome at 5 p.m. They agreed. We left.\n\nDone"
    ends = [sentence["ended_by"].split()[0] for sentence in traced(text)]
    assert ends == ["end", "period", "mark", "end", "end"]


def test_spanish_names_its_own_forms_and_tables() -> None:
    first, second = traced("El Sr. Gómez pide pizza. Sí.", "--language", "es")
    _, sir, _, _, pizza = first["tokens"]
    assert line_of(sir["rows"][0]) == "sr.\tseñor"
    assert (pizza["words"][0]["source"], first["ended_by"]) == ("table of exceptions", "mark .")
    assert second["tokens"][0]["forms"][0]["form"].startswith("es/")


def test_words_of_a_document_are_its_own() -> None:
    text = '<speak>On <say-as interpret-as="date">2024-01-02</say-as></speak>'
    on, date = traced(text)[0]["tokens"]
    assert [form["words"] for form in on["forms"]] == ["on"]
    assert not date["forms"]
    assert [word["word"] for word in date["words"]][:2] == ["january", "second"]


def test_text_for_people_has_a_line_for_each_reason() -> None:
    lines = CliRunner().invoke(app, ["phonemes", "--why", "St. Paul"]).stdout.splitlines()
    assert lines[0] == "saint paul"
    assert lines[1].strip().startswith("abbreviations_in_context.tsv:")
    assert lines[-1].strip() == "sentence ends: end of the text"


def test_forms_that_read_a_text_are_named_by_their_rows() -> None:
    fired = forms_fired(TextFrontEnd(language="es"), "COVID, 5 km. ")
    assert len(fired) == 2
    assert "km" not in line_of(fired[0])
    assert "@quantities.measure" in line_of(fired[1])
