#!/usr/bin/env python3
"""Writes the tables of pages from the records that they link, or from a class's fields.

    scripts/figures.py        between <!-- figures: NAME --> and <!-- end of figures -->

scripts/figures.md.j2 has the tables. A page says which records it shows: a link
whose text is a record's name there, such as [quality].
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from dlpo.config.schema import default_words, values_of
from dlpo_bench.record import read_record
from dlpo_serving.protocols.http.speech_body import schema
from dlpo_serving.voices import known_voices

ROOT = Path(__file__).resolve().parents[1]
PAGES = ("docs/speed.md", "docs/model-card.md", "recipe/README.md", "docs/http.md")
BLOCK = re.compile(r"(<!-- figures: ([\w-]+) -->\n\n).*?(\n<!-- end of figures -->)", re.DOTALL)
LINK = re.compile(r"\[([\w ]+)\]\(([^)]*records/[^)]+\.json)\)")
VOICES = sorted(known_voices(), key=lambda voice: voice == "lj")  # at the end: it has no teacher
FIELDS = [
    (name, values_of(one), default_words(one), one["description"])
    for name, one in schema()["properties"].items()
]  # of the body of POST /v1/audio/speech
TEMPLATE = Environment(  # of Markdown: nothing is escaped
    loader=FileSystemLoader(Path(__file__).parent), undefined=StrictUndefined, autoescape=False
).get_template("figures.md.j2")


def table(name: str, records: Mapping[str, Any]) -> str:
    """A table in Markdown, of the figures of records by name.

    Raises:
        UndefinedError: a record is missing, or lacks a figure.
    """
    figures = {name.replace(" ", "_"): found for name, found in records.items()}
    return TEMPLATE.render(figures, table=name, voices=VOICES, fields=FIELDS).strip() + "\n"


def filled(page: str, text: str) -> str:
    """The text of a page with its tables written again, each from the records linked above it."""

    def block(match: re.Match[str]) -> str:
        linked = dict(LINK.findall(text[: match.start()]))
        place = (ROOT / page).parent
        records = {name: read_record(place / link).figures for name, link in linked.items()}
        return match[1] + table(match[2], records) + match[3]

    return BLOCK.sub(block, text)


def main() -> None:
    for page in PAGES:
        path = ROOT / page
        path.write_text(filled(page, path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
