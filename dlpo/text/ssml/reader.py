"""SSML document -> script, safely: no document type, no entities, nothing fetched, all bounded."""

from __future__ import annotations

from typing import NamedTuple, NoReturn
from xml.parsers import expat

from dlpo.errors import SsmlError
from dlpo.text.characters import readable_text
from dlpo.text.ssml.elements import (
    EMPTY,
    MAX_PAUSES_S,
    MAX_VALUE,
    SPOKEN_OTHERWISE,
    break_seconds,
    check_element,
)
from dlpo.text.ssml.phonemes import parse_phonemes
from dlpo.text.ssml.prosody import Prosody, ProsodyLimits, changed_prosody, emphasised
from dlpo.text.ssml.say_as import said_as
from dlpo.text.ssml.script import Script

MAX_CHARACTERS = 200_000  # of a document; the server's own limit on texts is lower
MAX_DEPTH = 32  # elements in one another
MAX_ELEMENTS = 10_000
_MESSAGE_ENDS = 200  # characters kept of either end of a long message: a trailer has little room


def read_ssml(document: str, limits: ProsodyLimits) -> Script:
    """Read a document from ``<speak>`` to ``</speak>``; time is linear in its length.

    Raises:
        SsmlError: it is malformed, too large, or asks for what can't be done.
    """
    return _Reader(document, limits).read()


class _Element(NamedTuple):
    """One that is open."""

    name: str
    attributes: dict[str, str]
    start: int
    """Place of its tag in the document."""
    prosody: Prosody
    """Inside of it."""


class _Reader:
    def __init__(self, document: str, limits: ProsodyLimits) -> None:
        self._document = document
        self._limits = limits
        self._script = Script()
        self._open: list[_Element] = []
        self._elements = 0
        self._pauses_s = 0.0
        self._held: list[tuple[str, int, int]] = []  # text of an element that is spoken otherwise
        self._byte, self._character = 0, 0  # the same place in the bytes and in the document
        self._bytes = b""
        self._parser = expat.ParserCreate(encoding="utf-8")
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text
        self._parser.StartDoctypeDeclHandler = self._refuse_doctype
        self._parser.EntityDeclHandler = self._refuse_doctype

    def read(self) -> Script:
        if len(self._document) > MAX_CHARACTERS:
            raise SsmlError(
                f"the document has {len(self._document)} characters;"
                f" expected at most {MAX_CHARACTERS}: send it in parts"
            )
        if not self._document.strip():
            raise SsmlError("the document is empty; expected <speak>...</speak>")
        try:
            self._bytes = self._document.encode()
        except UnicodeEncodeError as error:
            self._fail("a lone surrogate; expected characters", error.start)
        try:
            self._parser.Parse(self._bytes, True)
        except expat.ExpatError as error:
            what = expat.ErrorString(error.code)
            self._fail(f"{what}; expected well-formed XML, with &amp; for & and &lt; for <")
        self._script.finish()
        return self._script

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        place = self._place()
        self._elements += 1
        if self._elements > MAX_ELEMENTS:
            self._fail(f"more than {MAX_ELEMENTS} elements; send the text in parts")
        if len(self._open) >= MAX_DEPTH:
            self._fail(f"elements are nested more than {MAX_DEPTH} deep")
        outer = self._open[-1] if self._open else None
        try:
            check_element(name, attributes, outer.name if outer else None)
            self._begin(name, attributes, place, outer.prosody if outer else Prosody())
        except ValueError as error:
            self._fail(f"<{name}>: {error}")

    def _begin(self, name: str, attributes: dict[str, str], place: int, prosody: Prosody) -> None:
        if name == "prosody":
            prosody = changed_prosody(prosody, attributes, self._limits)
            self._script.change_prosody(prosody)
        elif name == "emphasis":
            prosody = emphasised(prosody, attributes.get("level", "moderate"), self._limits)
            self._script.change_prosody(prosody)
        elif name in ("p", "s"):
            self._script.end_sentence(place)
        elif name == "break":
            self._pause(break_seconds(attributes), place)
        elif name == "mark":
            self._script.mark(attributes["name"])
        self._open.append(_Element(name, attributes, place, prosody))

    def _end(self, name: str) -> None:
        element = self._open.pop()
        if name in ("prosody", "emphasis"):
            self._script.change_prosody(self._open[-1].prosody)
        elif name in ("p", "s"):
            self._script.end_sentence(self._place())
        elif name in SPOKEN_OTHERWISE:
            try:
                self._say_otherwise(element)
            except ValueError as error:
                self._fail(f"<{name}>: {error}", element.start)

    def _text(self, data: str) -> None:
        start = self._place()
        is_reference = len(data) == 1 and self._document[start] == "&"  # such as &amp;
        semicolon = self._document.find(";", start, start + 12) if is_reference else -1
        stop = semicolon + 1 or start + len(data)
        name = self._open[-1].name
        if name in SPOKEN_OTHERWISE:
            self._held.append((data, start, stop))
        elif name in EMPTY:
            if data.strip():
                self._fail(f"<{name}> holds text; expected <{name}/>")
        elif stop - start == len(data):
            self._script.say(data, start)
        else:
            self._script.say_instead(data, start, stop)

    def _say_otherwise(self, element: _Element) -> None:
        """The content of say-as, sub or phoneme, which is not spoken as it is written."""
        written = "".join(text for text, _, _ in self._held)
        if len(written) > MAX_VALUE:
            raise ValueError(f"holds {len(written)} characters; expected at most {MAX_VALUE}")
        start, stop = element.start, self._place()
        if self._held:
            start, stop = self._held[0][1], self._held[-1][2]
        self._held = []
        attributes = element.attributes
        if element.name == "sub":
            self._script.say_apart(attributes["alias"], start, stop)
        elif element.name == "say-as":
            readable = readable_text(written).text
            kind, form = attributes["interpret-as"], attributes.get("format", "")
            words = tuple(said_as(kind, readable, form))
            self._script.say_apart(readable.strip(), start, stop, words)
        else:
            phonemes = parse_phonemes(attributes["ph"], attributes.get("alphabet", "ipa"))
            readable = readable_text(written).text.strip() or " ".join(phonemes)
            words = (" ".join(readable.lower().split()),)
            self._script.say_apart(readable, start, stop, words, phonemes)

    def _pause(self, seconds: float, place: int) -> None:
        if not seconds:
            return
        self._pauses_s += seconds
        if self._pauses_s > MAX_PAUSES_S:
            raise ValueError(
                f"all breaks together last more than {MAX_PAUSES_S:g} s; send the text in parts"
            )
        self._script.pause(seconds, place)

    def _refuse_doctype(self, *declaration: object) -> None:
        self._fail("a document type or entity is declared; take it out, write characters instead")

    def _place(self) -> int:
        """Where the parser is, in characters."""
        byte = max(self._byte, self._parser.CurrentByteIndex)
        self._character += len(self._bytes[self._byte : byte].decode(errors="replace"))
        self._byte = byte
        return self._character

    def _fail(self, message: str, place: int | None = None) -> NoReturn:
        if place is None:
            place = self._place()
        if len(message) > 2 * _MESSAGE_ENDS:
            message = f"{message[:_MESSAGE_ENDS]} ... {message[-_MESSAGE_ENDS:]}"
        before = self._document[:place]
        line, column = before.count("\n") + 1, place - before.rfind("\n")
        raise SsmlError(f"line {line}, column {column}: {message}", line, column)
