"""The kinds of `say-as`, and what does not fit them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlpo.text.en_us import open_language
from dlpo.text.en_us.say_as import AmericanSayAs

said_as = AmericanSayAs().said_as
KINDS = ("cardinal", "ordinal", "characters", "digits", "date", "time", "telephone", "currency",
         "fraction", "unit")  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "content", "format_", "expected"),
    [
        ("cardinal", "1984", "", "one thousand nine hundred eighty four"),
        ("cardinal", "-1,234.5", "", "minus one thousand two hundred thirty four point five"),
        ("cardinal", "XIV", "", "fourteen"),
        ("ordinal", "21", "", "twenty first"),
        ("ordinal", "3rd", "", "third"),
        ("spell-out", "a1-B!", "", "A one dash B exclamation mark"),
        ("digits", "12-34 5", "", "one two three four five"),
        ("date", "2026-11-20", "", "november twentieth twenty twenty six"),
        ("date", "July 4, 1776", "", "july fourth seventeen seventy six"),
        ("date", "7/4", "", "july fourth"),
        ("date", "4/7/1776", "dmy", "july fourth seventeen seventy six"),
        ("date", "17760704", "ymd", "july fourth seventeen seventy six"),
        ("date", "1776.07", "ym", "july seventeen seventy six"),
        ("date", "07-76", "my", "july seventy six"),
        ("date", "04.07.", "dm", None),
        ("date", "4", "d", "fourth"),
        ("time", "14:30", "hms24", "fourteen thirty"),
        ("time", "2:30pm", "hms12", "two thirty P M"),
        ("time", "2 p.m.", "", "two P M"),
        ("time", "1'21\"", "", "one minute twenty one seconds"),
        ("telephone", "+1 (555) 010-2000", "", "plus one five five five, zero one zero, two zero "
                                               "zero zero"),
        ("telephone", "5 5 5 1", "", "five five five one"),
        ("telephone", "555 ext. 12", "", "five five five, extension one two"),
        ("telephone", "1-800-ABC", "", "one eight zero zero, A B C"),
        ("currency", "GBP1", "", "one pound"),
        ("currency", "3 EUR", "", "three euros"),
        ("fraction", "3/4", "", "three quarters"),
        ("fraction", "1+1/2", "", "one and a half"),
        ("unit", "10kg", "", "ten kilograms"),
    ],
)  # fmt: skip
def test_contents_are_said_as_their_kind(
    kind: str, content: str, format_: str, expected: str | None
) -> None:
    if expected is None:
        with pytest.raises(ValueError, match="expected digits that fit"):
            said_as(kind, content, format_)
    else:
        assert " ".join(said_as(kind, content, format_)) == expected


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("cardinal", "abc"), ("cardinal", ""), ("cardinal", "1."), ("cardinal", "1,23"),
        ("ordinal", "-1"), ("ordinal", "1.5"), ("characters", "  "), ("digits", "12a"),
        ("date", "tomorrow"), ("time", "25"), ("time", "soon"), ("telephone", "call me"),
        ("currency", "45"), ("currency", "45 XYZ"), ("fraction", "1"), ("unit", "10"),
        ("unit", "10 quux"),
    ],
)  # fmt: skip
def test_what_does_not_fit_says_what_would(kind: str, content: str) -> None:
    with pytest.raises(ValueError, match=f"{kind}: got .*; expected .*"):
        said_as(kind, content)


@settings(deadline=None)
@given(
    st.sampled_from(KINDS),
    st.text(max_size=20) | st.text("0123456789,.:/-+'\"$ XVIapmkg%()", max_size=15),
    st.sampled_from(["", "mdy", "ymd", "d", "my"]),
)
def test_any_content_is_said_or_refused(kind: str, content: str, format_: str) -> None:
    try:
        words = said_as(kind, open_language().characters.readable(content).text, format_)
    except ValueError:
        return
    assert words
    assert all(word.isascii() and (word.islower() or len(word) == 1) for word in words)
