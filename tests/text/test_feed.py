"""Text in pieces: early sentences that depend on the text alone, never on the pieces."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dlpo.text
from dlpo.errors import TextError
from dlpo.text import Sentence, TextFeed, TextFrontEnd
from dlpo.text.common import feed as feed_module
from dlpo.text.common.characters import KEPT_SYMBOLS
from dlpo.text.common.feed import FIRST_CLAUSE_WORDS, LATER_CLAUSE_WORDS, LOOKAHEAD, MAX_PENDING
from dlpo.text.common.front_end import MAX_SYMBOLS
from dlpo.text.symbols import PHONEMES

FRONT_END = TextFrontEnd()
FORMS = (
    "Dr.", "U.S.", "He", "the", "p.m.", "5", "July 4, 1776", "No.", "e.g.", "Ann.", "now!", "why?",
    "so,", "then;", "list:", "—", "-", "–", "...", "…", '"Stop!"', "(ok)", "”", "½", "é", "你",
    "😀", "SQL", "A", "I", "II",
    "'s", "&", "#", "@", "$5", "5th", "-3", "1/2", "24:61", "5km", "1990s", "\n```", "[a](b)",
    "[a. B](b_(c))", "[a",
    "555-1234", "http://a", "a@b.co", "2026-11-20", "13/13/2013", "May", "Louis", "V.", "St.", "US",
    "1,000", "3.50", "\n", "\n\n", "word word word word word,", "x" * 90,
)  # fmt: skip
TABLES = sorted(Path(dlpo.text.__file__).parent.rglob("*.tsv"))
ROWS = {  # what the tables and the code know: first cells of all rows, and kept symbols
    *(line.split("\t")[0] for path in TABLES for line in path.read_text("utf-8").splitlines()[1:]),
    *KEPT_SYMBOLS,
}


CASES = (
    ("en-US", "en_us/spoken_cases.tsv", 1),
    ("en-US", "en_us/fresh_texts.txt", 0),
    ("es-419", "es/spoken_cases.tsv", 1),
    ("es-419", "es/fresh_texts.txt", 0),
)
FRONT_ENDS = {"en-US": FRONT_END, "es-419": TextFrontEnd(language="es-419")}
ACROSS_SENTENCES = 6  # What's your zip? 94110. Of these what a word is depends on another sentence


def fed(pieces: list[str]) -> list[Sentence]:
    feed = TextFeed(FRONT_END)
    return [sentence for piece in pieces for sentence in feed.push(piece)] + feed.finish()


def texts(pieces: list[str]) -> list[str]:
    return [sentence.text for sentence in fed(pieces)]


def needed(text: str) -> str:
    """How much of a text has to come before its first sentence does."""
    feed = TextFeed(FRONT_END)
    return next(text[: end + 1] for end in range(len(text)) if feed.push(text[end]))


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("One. Two! Three? Four", ["One.", "Two!", "Three?", "Four"]),
        ("Dr. Smith met Ann. They left.", ["Dr. Smith met Ann.", "They left."]),
        ("He lives in the U.S. He works.", ["He lives in the U.S.", "He works."]),
        ("The U.S. Senate sat. It voted.", ["The U.S. Senate sat.", "It voted."]),
        ("See approx. 5 vols. first.", ["See approx. 5 vols. first."]),
        ("He lives on Elm St. He works.", ["He lives on Elm St.", "He works."]),
        ("Well... maybe. Wait... No.", ["Well... maybe.", "Wait...", "No."]),
        ("He came at 5 p.m. The end.", ["He came at 5 p.m.", "The end."]),
        ("J. R. Smith wrote it.", ["J. R. Smith wrote it."]),
        ("He is in the U. S. now. He works.", ["He is in the U. S. now.", "He works."]),
        ("It cost 3.50 today. No. 5 won.", ["It cost 3.50 today.", "No. 5 won."]),
        ('"Stop!" He ran... on. (Why?) So.', ['"Stop!"', "He ran... on.", "(Why?)", "So."]),
        ("“Stop!” he said. “Why?” Go.", ["“Stop!” he said.", "“Why?”", "Go."]),
        ("no capitals. none at all.", ["no capitals.", "none at all."]),
        ("add fl. oz as int. rate. Dr. Lee", ["add fl. oz as int. rate.", "Dr. Lee"]),
        ("A heading\n\nthen text\n \nmore", ["A heading", "then text", "more"]),
        ("one line\nanother line", ["one line", "another line"]),
        ("a longer dull line wrapped\nby itself", ["a longer dull line wrapped\nby itself"]),
        ("Dr. dcha. Ǽa", ["Dr. dcha.", "Ǽa"]),
    ],
)  # fmt: skip
def test_sentences_end_where_a_reader_stops(text: str, sentences: list[str]) -> None:
    assert texts([text]) == sentences


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("Hello there. How are you?", "Hello there. H"),
        ("Is it? 5 is.", "Is it? 5"),
        ("He lives in the U.S. He works.", "He lives in the U.S. He "),
        ("A heading\n\nthen text", "A heading\n\n"),
        ("A stop.\n\nthen text", "A stop.\n\n"),
        ("One two three four five, six seven.", "One two three four five, s"),
        ("In 2 days we met on May 4, 1776, six or so.", "In 2 days we met on May 4, 1776, six "),
        ("One two three four five — six seven.", "One two three four five — s"),
        ("One two three four five—six seven.", "One two three four five—s"),
        ("One two three four five: 6 seven now.", "One two three four five: 6 seven "),
    ],
)
def test_a_sentence_comes_with_the_character_that_settles_it(text: str, start: str) -> None:
    assert needed(text) == start


def test_first_clause_comes_early_later_ones_if_long() -> None:
    clause = "word " * (FIRST_CLAUSE_WORDS - 1) + "word, "
    long = "word " * (LATER_CLAUSE_WORDS - 1) + "word, "
    found = [
        len(s.words) for s in fed(["word, " + clause + clause + clause + "then. " + long + "x"])
    ]
    assert found[0] == FIRST_CLAUSE_WORDS + 1
    assert found[1] == 2 * FIRST_CLAUSE_WORDS + 1
    assert found[2:] == [LATER_CLAUSE_WORDS, 1]


def token_by_token(text: str) -> list[list[Sentence]]:
    """What a feed gives for each word of a text, and at its end."""
    feed = TextFeed(FRONT_ENDS["es-419" if text[-1] == "¡" else "en-US"])
    words = text.rstrip("¡").split(" ")
    return [feed.push(word if not place else f" {word}") for place, word in enumerate(words)] + [
        feed.finish()
    ]


@pytest.mark.parametrize(
    ("text", "first", "after"),
    [
        ("Your order shipped this morning and it arrives soon.", "your order shipped", 5),
        ("The teacher explained the lesson well today.", "the teacher explained", 5),
        ("Honey never spoils because it dries.", "honey never spoils", 5),
        ("Las plantas convierten la luz en energía.¡", "las plantas convierten", 5),
    ],
)
def test_first_words_come_when_the_next_phrase_has_begun(text: str, first: str, after: int) -> None:
    came = token_by_token(text)
    assert [len(found) for found in came[:after]] == [0] * (after - 1) + [1]
    begun = came[after - 1][0]
    assert (begun.normalized, begun.words[-1].mark, begun.pause_after_s) == (first, " ", 0.0)


@pytest.mark.parametrize(
    "text",
    [
        "Dr. Smith went to the house and stayed.",
        "He read the book in a day and slept.",  # another word may say how it sounds
        "The bus no. 5 goes to the station and back.",
        "Take 1/2 of it in the morning and rest.",
        "We met in New York in the rain and left.",
        "See [the docs in](https://x.org) and then go.",
    ],
)
def test_first_words_wait_while_another_word_may_change_them(text: str) -> None:
    begun = next(found for found in token_by_token(text) if found)[0]
    assert begun.words[-1].mark != " "


def test_clauses_are_the_same_sentence_to_the_reader() -> None:
    text = "In the summer of that year, the U.S. Navy, with Dr. May, sailed. It was 1776."
    whole = [w for s in FRONT_END.process(text).sentences for w in s.words]
    parts = [w for s in fed([text]) for w in s.words]
    assert [(w.word, w.start, w.end) for w in parts] == [(w.word, w.start, w.end) for w in whole]


def test_offsets_are_those_of_the_whole_text() -> None:
    text = "Café ½ past. The naïve\u0301 $5 one, R&D. \n\n Then, at last, it ended: so"
    for sentence in fed([text[:9], text[9:30], text[30:]]):
        assert sentence.text in text
        for word in sentence.words:
            written = text[word.start : word.end]
            assert written.strip() == written != ""
    assert [text[w.start : w.end] for w in fed([text])[0].words] == ["Café", "½", "½", "past"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("See [the docs. They help](https://x.org/a_(b)) now.", "see the docs they help now"),
        ("Look:\n```\nx = 1\n\ny\n\nThen we go. Yes", "look code block then we go yes"),
        ("A [note. It ends", "a note it ends"),
        (
            "The area grows as $A = f(x, y)^2$, so.",
            "the area grows as a equals f of x y squared so",
        ),
        ("**Day 1:** Rome\n**Day 2:** Oslo\n", "day one rome day two oslo"),
    ],
    ids=["link", "code that never closes", "no link", "formula", "labels"],
)
def test_marks_that_go_across_pieces_are_read_as_in_one(text: str, said: str) -> None:
    for size in (1, 7, len(text)):
        pieces = [text[start : start + size] for start in range(0, len(text), size)]
        assert " ".join(s.normalized for s in fed(pieces)) == said


@pytest.mark.parametrize("every", [25, pytest.param(1, marks=pytest.mark.full)])
def test_cases_read_alike_whole_and_letter_by_letter(every: int) -> None:
    wrong = []
    for code, text in list(cases())[::every]:
        try:
            whole = FRONT_ENDS[code].process(text).sentences
        except TextError:
            continue
        feed = TextFeed(FRONT_ENDS[code])
        found = [one for letter in text for one in feed.push(letter)] + feed.finish()
        if spoken(found) != spoken(whole):
            wrong.append(text)
    assert len(wrong) <= ACROSS_SENTENCES, wrong


def cases() -> Iterator[tuple[str, str]]:
    """Language and text of those that tests/text has."""
    folder = Path(__file__).parent
    for code, name, column in CASES:
        for line in (folder / name).read_text("utf-8").splitlines():
            text = line.split("\t")[column].replace("\\n", "\n")
            if "<speak" not in text:
                yield code, text


def spoken(sentences: list[Sentence]) -> list[str]:
    return [word.word for sentence in sentences for word in sentence.words]


def test_flush_speaks_what_is_pending() -> None:
    feed = TextFeed(FRONT_END)
    assert feed.push("Well, hello") == []
    (sentence,) = feed.flush()
    assert (sentence.normalized, sentence.words[-1].mark) == ("well hello", ".")
    assert feed.flush() == []
    (last,) = feed.push(" there. ") + feed.finish()
    assert (last.normalized, last.words[0].start) == ("there", 12)


def test_a_text_in_capitals_is_shouted_only_while_all_of_it_is() -> None:
    assert [s.normalized for s in fed(["TELL US NOW. ", "In the US."])] == [
        "tell us now", "in the u s",
    ]  # fmt: skip


@pytest.mark.parametrize("pieces", [[], ["", " \n", "\n\n"], ["... ", "!?"], ["你", "😀"]])
def test_a_text_without_anything_to_say_is_refused_at_its_end(pieces: list[str]) -> None:
    feed = TextFeed(FRONT_END)
    assert all(feed.push(piece) == [] for piece in pieces)
    with pytest.raises(TextError):
        feed.finish()
    assert feed.reading.warnings.dropped == sum(piece in "你😀" for piece in pieces if piece)


@pytest.mark.parametrize(
    "text",
    [
        "a" * 5000, "1" * 5000, "word " * 1000, " " * 5000 + "x", "\n" * 5000 + "x",
        "(" * 5000 + "x", ". " * 2500 + "x", "a. " * 800, "U.S. " * 400, "no.5 , " * 800,
        "你" * 5000 + "x", "—" * 5000 + "x",
    ],
    ids=lambda text: repr(text[:6]),
)  # fmt: skip
def test_pending_text_is_bounded_and_looked_at_only_so_often(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_at = 0

    def counted(text, place, end, language):  # type: ignore[no-untyped-def]
        nonlocal looked_at
        looked_at += min(end, len(text)) - max(0, place - feed_module._CONTEXT)
        return around(text, place, end, language)

    around = feed_module._around
    monkeypatch.setattr(feed_module, "_around", counted)
    normalized: list[int] = []

    class Counting(TextFrontEnd):
        def process_passage(self, text, *args, **named):  # type: ignore[no-untyped-def]
            normalized.append(len(text))
            return super().process_passage(text, *args, **named)

    feed = TextFeed(Counting())
    found = [sentence for character in text for sentence in feed.push(character)]
    found += feed.finish()
    assert max(normalized) < MAX_PENDING + LOOKAHEAD
    assert sum(normalized) == len(text)
    assert looked_at < 400 * len(text)
    assert all(len(s.symbol_ids()) <= MAX_SYMBOLS + 1 for s in found)


def test_every_row_is_spoken_or_refused_wherever_it_is() -> None:
    assert len(ROWS) > 500
    for row in ROWS:
        for text in (row, row * 2, f"A {row} here.", f"a few {row}.", f"5 {row} 5", f"({row}5)"):
            try:
                assert FRONT_END.process(text).sentences
            except TextError:
                assert not text.startswith(("A ", "a ", "5 "))


@st.composite
def cut_texts(draw: st.DrawFn) -> tuple[str, list[str]]:
    """A text, and the same in pieces."""
    known = st.sampled_from(FORMS) | st.sampled_from(sorted(ROWS))
    words = st.lists(known | st.text(max_size=4), max_size=60)
    glue = draw(st.sampled_from([" ", "", "  ", " \n"]))
    text = glue.join(draw(words))
    cuts = sorted(draw(st.lists(st.integers(0, len(text)), max_size=20)))
    return text, [text[a:b] for a, b in pairwise([0, *cuts, len(text)])]


def outcome(pieces: list[str]) -> list[Sentence] | str:
    try:
        return fed(pieces)
    except TextError as error:
        return str(error)


@settings(deadline=None, max_examples=150)
@given(cut_texts())
def test_pieces_do_not_matter(cut_text: tuple[str, list[str]]) -> None:
    """And whatever text comes, it is spoken within bounds or refused."""
    text, pieces = cut_text
    whole = outcome([text])
    for word in (word for s in whole if isinstance(s, Sentence) for word in s.words):
        assert word.phonemes
        assert set(word.phonemes) <= set(PHONEMES)
        assert 0 <= word.start < word.end <= len(text)
    assert outcome(pieces) == whole
    assert outcome(list(text)) == whole
