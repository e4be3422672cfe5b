"""What docs/ssml.md shows is what happens."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dlpo.text import TextFrontEnd

PAGE = (Path(__file__).parents[3] / "docs" / "ssml.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("snippet", blocks("python"))
def test_snippets_run(snippet: str) -> None:
    exec(compile(snippet, "docs/ssml.md", "exec"), {})


def test_the_example_is_spoken_as_it_reads() -> None:
    (document,) = blocks("xml")

    sentences = TextFrontEnd().process_ssml(document).sentences

    assert [sentence.normalized for sentence in sentences] == [
        "your order a b one two has left",
        "it cost forty five dollars and twenty cents",
        "it comes on november twentieth twenty twenty six says doctor o'neill of leicester",
    ]
    (mark,) = sentences[2].marks
    assert sentences[2].words[mark.word].word == "of"
