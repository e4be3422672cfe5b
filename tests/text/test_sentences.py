"""Where sentences end, and where overlong ones are cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlpo.text import TextFeed, TextFrontEnd
from dlpo.text.common.sentences import pieces
from dlpo.text.common.words import Sentence
from dlpo.text.symbols import MARKS

FRONT_END = TextFrontEnd()


def spoken(sentence: Sentence) -> str:
    """Its words with their marks."""
    return " ".join(one.word + one.mark.strip() for one in sentence.words)


def test_a_long_sentence_is_cut_after_its_strongest_late_mark() -> None:
    marks = [",", " ", ",", ";", " ", " ", " ", "."]
    assert list(pieces([10] * 8, marks, 60)) == [slice(0, 4), slice(4, 8)]


@given(
    st.lists(st.tuples(st.integers(1, 12), st.sampled_from(MARKS)), max_size=80),
    st.integers(12, 60),
)
def test_pieces_keep_every_word_in_order_and_within_the_limit(
    words: list[tuple[int, str]], limit: int
) -> None:
    lengths, marks = [w[0] for w in words], [w[1] for w in words]
    found = list(pieces(lengths, marks, limit))
    assert [index for piece in found for index in range(piece.start, piece.stop)] == list(
        range(len(words))
    )
    assert all(sum(lengths[piece]) <= limit for piece in found)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("O(n log n) time, in 8(b) of it", ["o of n log n time, in eight b of it."]),
        ("Pay $5(plus tax)now", ["pay five dollars, plus tax, now."]),
        ("(NEW) Call today (free) now", ["new, call today, free, now."]),
        ("Rule 10(b)(5) of Paris(May 3)or", ["rule ten b five of paris, may third, or."]),
        ("**Day 1:** Rome\n**Day 2:** Oslo", ["day one: rome.", "day two: oslo."]),
        ("Name: Ann Lee\nPlan: Basic", ["name: ann lee.", "plan: basic."]),
        ("**Ingredients**\n2 cups flour\n1 egg", ["ingredients.", "two cups flour.", "one egg."]),
        ("7:30 Wheel\n8:00 News", ["seven thirty wheel.", "eight o'clock news."]),
        ("It was cold in the\nAlps in May.", ["it was cold in the alps in may."]),
        ("Sign in\nCreate account", ["sign in.", "create account."]),
        ("We met on\n5 May and left.", ["we met on the fifth of may and left."]),
    ],
)  # fmt: skip
def test_a_line_of_a_list_is_a_sentence(text: str, said: list[str]) -> None:
    assert [spoken(sentence) for sentence in FRONT_END.process(text).sentences] == said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Open Settings > Wi-Fi > Advanced.", "open settings, wi fi, advanced."),
        ("You pay $5/$9 a year.", "you pay five dollars, nine dollars a year."),
        ("Tel: 5 | Fax: 6", "tel: five, fax: six."),
        ("He gained 28 pts., or 1%.", "he gained twenty eight points, or one percent."),
        ("Use 1/4 tsp. salt and go.", "use a quarter teaspoon salt and go."),
        ("The speed in km/h and his/her car.", "the speed in kilometers per hour and his her car."),
    ],
)  # fmt: skip
def test_pauses_are_where_a_reader_makes_them(text: str, said: str) -> None:
    assert [spoken(sentence) for sentence in FRONT_END.process(text).sentences] == [said]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Milk\r\nEggs\r\nBread", ["milk", "eggs", "bread"]),
        ("We drove to St.\nLouis and on.", ["we drove to saint louis and on"]),
        ("The meeting is in\nRoom 5.", ["the meeting is in room five"]),
        ("(He left\nToday)", ["he left today"]),
        ("CALL DR. SMITH AT 5 P.M. HE IS IN.", ["call doctor smith at five p m", "he is in"]),
    ],
)
def test_lines_and_capitals_end_sentences_by_their_looks(text: str, said: list[str]) -> None:
    assert [sentence.normalized for sentence in FRONT_END.process(text).sentences] == said


@pytest.mark.parametrize("size", [1, 7])
def test_line_that_began_in_an_earlier_piece_is_not_short(size: int) -> None:
    text = "I walked home from work on Friday. It rained\na lot."
    feed = TextFeed(FRONT_END)
    found = [one for at in range(0, len(text), size) for one in feed.push(text[at : at + size])]
    words = [sentence.normalized for sentence in [*found, *feed.finish()]]
    assert words == ["i walked home", "from work on friday", "it rained a lot"]
