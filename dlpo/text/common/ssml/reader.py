"""SSML document -> script, safely: no document type, no entities, nothing fetched, all bounded."""

from __future__ import annotations

import re
from codecs import BOM_UTF8
from collections.abc import Callable
from typing import NamedTuple, NoReturn
from xml.parsers import expat

from dlpo.errors import InputError, SsmlError
from dlpo.text.common.language import Language
from dlpo.text.common.phonemes import parse_phonemes
from dlpo.text.common.reading import ReadingOptions
from dlpo.text.common.ssml.elements import (
    ATTRIBUTES,
    EMPTY,
    MAX_VALUE,
    PLAIN,
    REQUIRED,
    SPOKEN_OTHERWISE,
    TIME,
    break_seconds,
    check_attribute,
    check_element,
)
from dlpo.text.common.ssml.prosody import (
    ProsodyLimits,
    SpokenProsody,
    changed_prosody,
    emphasized,
    lenient_value,
)
from dlpo.text.common.ssml.script import Script
from dlpo.text.common.warnings import TextWarnings

MAX_CHARACTERS = 200_000  # of a document; the server's own limit on texts is lower
NO_ELEMENTS = expat.errors.codes[expat.errors.XML_ERROR_NO_ELEMENTS]
MAX_DEPTH = 32  # of nested elements
MAX_ELEMENTS = 10_000
_MESSAGE_ENDS = 200  # characters kept at either end of a long message: gRPC trailers are small
MAX_NOTES = 20  # warnings of one document
_BARE_AMPERSAND = re.compile(r"&(?!(?:#\d{1,7}|#x[\da-fA-F]{1,6}|amp|lt|gt|quot|apos);)")
_PARAGRAPHS = ("p", "s", "br", "par", "seq", "media", "div", "title")  # these end a sentence
MAX_PAUSES_S = 300.0  # of a document: silence is cheap to ask for
_IGNORED = {
    "audio": "<audio>: nothing is fetched, its text is spoken",
    "lexicon": "<lexicon>: nothing is fetched; send the words in the request's dictionary",
}


class _Element(NamedTuple):
    """An open element."""

    name: str
    attributes: dict[str, str]
    start: int
    """Place of its tag in the document."""
    prosody: SpokenProsody
    """That of the text inside it."""
    language: Language
    """That of the text around it."""
    voice: str = ""
    """That of the text inside it."""


class SsmlReader:
    """Reads a document from ``<speak>`` to ``</speak>``, once."""

    def __init__(
        self,
        document: str,
        limits: ProsodyLimits,
        options: ReadingOptions,
        warnings: TextWarnings,
        language: Language,
        language_of: Callable[[str], Language],
        voice_of: Callable[[str], str],
    ) -> None:
        """
        Args:
            document: any text.
            limits: how far its prosody may go.
            options: how emoji are read, and whether what can't be done is an error.
            warnings: gets what is not spoken.
            language: that of the document where it names none.
            language_of: opens a language by its code, or raises InputError.
            voice_of: what the voice of a name is called here, "" if it is that of the request; or
                raises InputError.
        """
        self._voice_of = voice_of
        self._strict = options.strict_ssml
        self._notes = warnings.notes
        self._document = document if self._strict else _BARE_AMPERSAND.sub("＆", document)
        self._limits = limits
        self._language = language
        self._language_of = language_of
        self._script = Script(options, warnings, language)
        self._open: list[_Element] = []
        self._elements = 0
        self._pauses_s = 0.0
        self._held: list[tuple[str, int, int]] = []  # text of an element that is spoken otherwise
        # the same place in the bytes and in the document
        self._byte = 0
        self._character = 0
        self._bytes = b""
        self._blanks = 0
        self._parser = expat.ParserCreate(encoding="utf-8")
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text
        self._parser.StartDoctypeDeclHandler = self._refuse_doctype
        self._parser.EntityDeclHandler = self._refuse_doctype

    def read(self) -> Script:
        """The document; time is linear in its length.

        Raises SsmlError if it is malformed, too large, or asks for what can't be done.
        """
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
            self._fail("a lone surrogate; expected valid characters", error.start)
        try:
            begun = self._bytes.lstrip()  # XML allows no blanks before <?xml
            self._blanks = len(self._bytes) - len(begun)
            if not begun.removeprefix(BOM_UTF8).startswith(b"<"):
                self._fail("text outside of an element; expected <speak>...</speak>")
            self._parser.Parse(begun, True)
        except expat.ExpatError as error:
            what = expat.ErrorString(error.code)
            if error.code == NO_ELEMENTS and self._open:
                what = "an element is not closed"
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
            if not self._strict:
                name, attributes = self._understood(name, attributes, outer)
            check_element(name, attributes, outer.name if outer else None)
            self._begin(name, attributes, place, outer.prosody if outer else SpokenProsody())
        except ValueError as error:
            self._fail(f"<{name}>: {error}")

    def _understood(
        self, name: str, attributes: dict[str, str], outer: _Element | None
    ) -> tuple[str, dict[str, str]]:
        """The element as far as it can be followed; a warning names the rest."""
        if outer is None and name != "speak":
            return name, attributes
        inside = next((one.name for one in self._open if one.name in SPOKEN_OTHERWISE), None)
        if inside or (outer and (name == "speak" or outer.name in EMPTY)):
            self._note(f"<{name}> inside <{inside or 'speak'}>: is ignored")
            return PLAIN, {}
        if name == "mstts:silence":
            silence = attributes.get("value", "")
            return ("break", {"time": silence}) if TIME.fullmatch(silence) else (PLAIN, {})
        if name not in ATTRIBUTES:
            if name in _PARAGRAPHS:
                return "p", {}
            if name not in ("w", "token"):
                self._note(_IGNORED.get(name, f"<{name}> is not supported: its text is spoken"))
            return PLAIN, {}
        if name == "prosody" and "contour" in attributes:
            contour = attributes.pop("contour")
            attributes.setdefault("pitch", contour)
        known = {}
        for attribute, value in attributes.items():
            try:
                check_attribute(name, attribute, value)
                known[attribute] = value
            except ValueError:
                if attribute != "id":
                    self._note(f"<{name} {attribute}=...> is not supported: it is ignored")
        required = REQUIRED.get(name)
        if required and not known.get(required, "").strip():
            self._note(f"<{name}> lacks {required}: its text is spoken")
            return PLAIN, {}
        return name, known

    def _note(self, what: str) -> None:
        """Warn of what is ignored, once each."""
        if len(self._notes) < MAX_NOTES:
            self._notes[f"SSML: {what}"] = None

    def _tolerated(self, name: str, error: ValueError) -> None:
        """A value that can't be followed: a warning, or an error of a strict reader."""
        if self._strict:
            raise error
        self._note(f"<{name}>: {str(error)[:_MESSAGE_ENDS]}: it is ignored")

    def _begin(
        self, name: str, attributes: dict[str, str], place: int, prosody: SpokenProsody
    ) -> None:
        if name == "prosody":
            prosody = self._changed(prosody, attributes)
            self._script.change_prosody(prosody)
        elif name == "emphasis":
            try:
                prosody = emphasized(prosody, attributes.get("level", "moderate"), self._limits)
            except ValueError as error:
                self._tolerated(name, error)
            self._script.change_prosody(prosody)
        elif name in ("p", "s"):
            self._script.end_sentence(place)
        elif name == "break":
            try:
                self._pause(break_seconds(attributes), place)
            except ValueError as error:
                self._tolerated(name, error)
        elif name == "mark":
            self._script.mark(attributes["name"])
        voice = self._open[-1].voice if self._open else ""
        if name == "voice":
            voice = self._known_voice(attributes["name"], voice)
            self._script.change_voice(voice, place)
        self._open.append(_Element(name, attributes, place, prosody, self._language, voice))
        if code := attributes.get("xml:lang"):
            try:
                self._speak(self._known_language(code))
            except ValueError as error:
                if name == "speak":
                    raise
                self._tolerated(name, error)
            if name == "speak":
                self._script.language = self._language

    def _changed(self, prosody: SpokenProsody, attributes: dict[str, str]) -> SpokenProsody:
        """The prosody with each attribute that can be followed."""
        if self._strict:
            return changed_prosody(prosody, attributes, self._limits)
        for attribute, value in attributes.items():
            try:
                followed = lenient_value(attribute, value, prosody, self._limits)
                prosody = changed_prosody(prosody, {attribute: followed}, self._limits)
            except ValueError as error:
                self._tolerated("prosody", error)
        return prosody

    def _end(self, name: str) -> None:
        element = self._open.pop()
        name = element.name
        if element.language is not self._language and self._open:
            self._speak(element.language)
        if name in ("prosody", "emphasis"):
            self._script.change_prosody(self._open[-1].prosody)
        elif name in ("p", "s"):
            self._script.end_sentence(self._place())
        elif name == "voice":
            self._script.change_voice(self._open[-1].voice, self._place())
        elif name in SPOKEN_OTHERWISE:
            try:
                self._say_otherwise(element)
            except ValueError as error:
                self._fail(f"<{name}>: {error}", element.start)

    def _speak(self, language: Language) -> None:
        """The text from here on is in a language."""
        self._language = language
        self._script.change_language(language)

    def _known_voice(self, name: str, outer: str) -> str:
        """The voice of a name, or that of the text around it."""
        try:
            return self._voice_of(name)
        except InputError as error:
            self._tolerated("voice", ValueError(str(error)))
            return outer

    def _known_language(self, code: str) -> Language:
        try:
            return self._language_of(code)
        except InputError as error:
            raise ValueError(f"xml:lang={code[:40]!r}: {error}") from error

    def _text(self, data: str) -> None:
        start = self._place()
        is_reference = len(data) == 1 and self._document[start] == "&"  # such as &amp;
        semicolon = self._document.find(";", start, start + 12) if is_reference else -1
        stop = semicolon + 1 or start + len(data)
        name = self._open[-1].name
        if any(element.name in SPOKEN_OTHERWISE for element in self._open):
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
            readable = self._readable(written)
            kind, form = attributes["interpret-as"], attributes.get("format", "")
            try:
                words = tuple(self._language.said_as(kind, readable, form))
            except ValueError as error:
                self._tolerated("say-as", error)
                self._script.say_apart(written, start, stop)
                return
            self._script.say_apart(readable.strip(), start, stop, words)
        else:
            alphabet = attributes.get("alphabet", "ipa")
            try:
                phonemes = parse_phonemes(attributes["ph"], alphabet, self._language)
            except ValueError as error:
                self._tolerated("phoneme", error)
                self._script.say_apart(written, start, stop)
                return
            readable = self._readable(written).strip() or " ".join(phonemes)
            words = (" ".join(readable.lower().split()),)
            self._script.say_apart(readable, start, stop, words, phonemes)

    def _readable(self, written: str) -> str:
        return self._language.characters.readable(written).text

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
        self._fail("a document type or entity is declared; take it out and write the characters")

    def _place(self) -> int:
        """Where the parser is, in characters."""
        byte = max(self._byte, self._blanks + self._parser.CurrentByteIndex)
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
