"""SSML is read safely: whatever comes is a script or a clear error, in bounded time and memory."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlpo.errors import SsmlError, TextError
from dlpo.text import TextFrontEnd
from dlpo.text.common.reading import ReadingOptions
from dlpo.text.common.ssml.elements import MAX_VALUE
from dlpo.text.common.ssml.prosody import ProsodyLimits
from dlpo.text.common.ssml.reader import (
    MAX_CHARACTERS,
    MAX_DEPTH,
    MAX_ELEMENTS,
    MAX_PAUSES_S,
    SsmlReader,
)  # fmt: skip
from dlpo.text.common.ssml.script import Script
from dlpo.text.common.warnings import TextWarnings
from dlpo.text.symbols import MAX_WRITTEN

FRONT_END = TextFrontEnd()
BILLION_LAUGHS = (
    '<!DOCTYPE lolz [<!ENTITY lol "lol">'
    + "".join(f'<!ENTITY lol{n} "{f"&lol{n - 1};" * 10}">' for n in range(1, 10))
    + "]><speak>&lol9;</speak>"
)
EXTERNAL_SUBSET = '<!DOCTYPE speak SYSTEM "http://example.com/evil.dtd"><speak>a</speak>'
PARTS = (
    "<speak>", "</speak>", "<p>", "</p>", "<s>", "</s>", "<break/>", "<break time='1s'/>", "Dr. ",
    "<prosody rate='slow'>", "<prosody pitch='+2st' volume='soft'>", "</prosody>", "<emphasis>",
    "</emphasis>", "<say-as interpret-as='date'>", "</say-as>", "2026-11-20", "<sub alias='one 2'>",
    "</sub>", "<phoneme ph='a'>", "</phoneme>", "<mark name='m'/>", "&amp;", "&#65;", "&x;", "Hi. ",
    "<![CDATA[", "]]>", "<!--", "-->", "<!DOCTYPE a>", "$5", " ", ",", "3:00", "½", "你", "\n", "'",
)  # fmt: skip


def read(document: str) -> Script:
    front_end = FRONT_END
    return SsmlReader(
        document,
        ProsodyLimits(),
        ReadingOptions(strict_ssml=True),
        TextWarnings(),
        front_end.language,
        front_end.language_of,
        str.lower,
    ).read()


def refused(document: str) -> str:
    with pytest.raises(SsmlError) as caught:
        read(document)
    return str(caught.value)


@pytest.mark.parametrize("document", [BILLION_LAUGHS, EXTERNAL_SUBSET], ids=["laughs", "subset"])
def test_declarations_are_refused_before_they_do_anything(document: str) -> None:
    assert "a document type or entity is declared; take it out" in refused(document)


def test_what_xml_itself_declares_is_read() -> None:
    script = read("<speak>R&amp;D &lt; &#65;&#x42;</speak>")
    assert script.text == "R&D < AB"


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("<speak>" + "<p>" * 10_000, f"elements are nested more than {MAX_DEPTH} deep"),
        ("<speak>" + "<mark name='a'/>" * (MAX_ELEMENTS + 1), f"more than {MAX_ELEMENTS} elements"),
        ("<speak>" + "a" * MAX_CHARACTERS, f"expected at most {MAX_CHARACTERS}"),
        (f"<speak><mark name='{'a' * (MAX_VALUE + 1)}'/></speak>", f"at most {MAX_VALUE}"),
        (f"<speak {'a' * 100_000}='1'/>", "is not supported"),
        (
            f"<speak><say-as interpret-as='digits'>{'1' * (MAX_VALUE + 1)}</say-as></speak>",
            f"at most {MAX_VALUE}",
        ),
        (
            f"<speak><prosody rate='{'9' * MAX_VALUE}'>a</prosody></speak>",
            "or a factor such as 1.2",
        ),
        (f"<speak><phoneme ph='{'ʘ' * MAX_WRITTEN}'>a</phoneme></speak>", "expected IPA"),
        (f"<speak><phoneme ph='{'a' * MAX_VALUE}'>a</phoneme></speak>", f"at most {MAX_WRITTEN}"),
        ("<speak>" + "<break time='10s'/>" * 31, f"more than {MAX_PAUSES_S:g} s"),
    ],
)
def test_everything_is_bounded(document: str, message: str) -> None:
    found = refused(document)
    assert message in found
    assert len(found) < 500


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("", "the document is empty; expected <speak>"),
        ("Hi.", "text outside of an element; expected <speak>"),
        ("<speak>\n a <b</speak>", "line 2, column 6"),
        ("<speak>AT&T</speak>", "&amp; for &"),
        ("<p>a</p>", "<p>: is outside of <speak>"),
        ("<speak>a<speak>b</speak></speak>", "column 9: <speak>: is inside of <speak>"),
        ("<speak>Open", "column 12: an element is not closed"),
        ("<speak>\x00</speak>", "column 8: not well-formed"),
        ("<speak>a\n\ud800</speak>", "line 2, column 1: a lone surrogate"),
        ("<speak><blink>a</blink></speak>", "<blink>: is not supported: expected speak, p, s"),
        ("<speak><audio src='file:///x'/></speak>", "<audio>: is not supported: nothing"),
        ("<speak><lang xml:lang='fr'>a</lang></speak>", "'fr' can't be read; expected en-US"),
        ("<speak><lang>a</lang></speak>", "lacks xml:lang"),
        ("<speak><mark/></speak>", "<mark>: lacks name; expected <mark name=...>"),
        ("<speak><break>a</break></speak>", "<break> holds text; expected <break/>"),
        ("<speak><sub alias='b'>a<break/></sub></speak>", "<break>: is inside <sub>"),
        ("<speak><break time='11s'/></speak>", "<break>: time='11s'; expected at most 10s"),
        ("<speak><break time='-1s'/></speak>", "such as 0.5s or 250ms"),
        ("<speak>\n <prosody rate='3'>a</prosody></speak>", "line 2, column 2: <prosody>: rate"),
        ("<speak>a <phoneme ph='ʘ'>b</phoneme></speak>", "column 10: <phoneme>: ph='ʘ': 'ʘ' "),
        ("<speak><phoneme alphabet='sampa' ph='a'>a</phoneme></speak>", "expected ipa, x-arpabet"),
        ("<speak><say-as interpret-as='date'>b</say-as></speak>", "date: got 'b'; expected a date"),
    ],
)  # fmt: skip
def test_errors_say_what_came_and_what_was_expected(document: str, message: str) -> None:
    assert message in refused(document)


@pytest.mark.parametrize(
    "document",
    [
        '<?xml version="1.0" encoding="UTF-16"?><speak>a</speak>',  # str has no encoding
        '<speak version="1.1" xmlns="http://www.w3.org/2001/10/synthesis" xml:lang="en-US"'
        ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="a b">a</speak>',
        "<speak>a<!-- no sound --></speak>",
        "<speak><?target no sound?>a</speak>",
        "<speak><![CDATA[a]]></speak>",
        "\ufeff<speak>a</speak>",
        "\n<?xml version='1.0'?>\n<speak\n>a</speak>",
    ],
)
def test_what_makes_no_sound_is_passed_over(document: str) -> None:
    assert read(document).text.strip() == "a"


@settings(deadline=None, max_examples=150)
@given(
    st.text(max_size=40)
    | st.lists(st.sampled_from(PARTS) | st.text(max_size=3), max_size=25).map("".join)
    | st.lists(st.sampled_from(PARTS) | st.text(max_size=3), max_size=25).map(
        lambda parts: f"<speak>{''.join(parts)}</speak>"
    )
)
def test_any_document_is_spoken_or_refused(document: str) -> None:
    try:
        result = FRONT_END.process_ssml(document)
    except TextError:
        return
    for sentence in result.sentences:
        for word in sentence.words:
            assert word.phonemes
            assert 0 <= word.start < word.end <= len(document)
        assert all(0 <= mark.word <= len(sentence.words) for mark in sentence.marks)
