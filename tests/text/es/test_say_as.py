"""`say-as` in Spanish."""

from __future__ import annotations

import pytest

from dlpo.text.es.say_as import SpanishSayAs

SAY_AS = SpanishSayAs()


@pytest.mark.parametrize(
    ("kind", "content", "format", "expected"),
    [
        ("cardinal", "-1.234,5", "", "menos mil doscientos treinta y cuatro coma cinco"),
        ("ordinal", "21.ª", "", "vigésima primera"),
        ("ordinal", "1.er", "", "primer"),
        ("ordinal", "XIV", "", "decimocuarto"),
        ("characters", "ñ7-", "", "eñe siete guion"),
        ("date", "3/4", "", "tres de abril"),
        ("date", "04-2025", "my", "abril de dos mil veinticinco"),
        ("time", "2:30 p. m.", "", "dos y media de la tarde"),
        ("time", "1'21\"", "", "un minuto veintiún segundos"),
        ("telephone", "+52 55", "", "más cinco dos, cinco cinco"),
        ("unit", "21 t", "", "veintiuna toneladas"),
    ],
)
def test_contents_are_said_as_their_kind(
    kind: str, content: str, format: str, expected: str
) -> None:
    assert " ".join(SAY_AS.said_as(kind, content, format)) == expected


@pytest.mark.parametrize(("kind", "content"), [("time", "12"), ("digits", "a"), ("unit", "kg")])
def test_what_is_not_of_the_kind_is_refused(kind: str, content: str) -> None:
    with pytest.raises(ValueError, match=f"{kind}: got '{content}'; expected"):
        SAY_AS.said_as(kind, content)
