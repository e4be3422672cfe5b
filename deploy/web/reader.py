"""Reads text for the page, in Pyodide: requests, front end and pauses of every other dlpo."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from dlpo.bundle import MANIFEST, Manifest
from dlpo.errors import DlpoError
from dlpo.text import Sentence, TextFrontEnd
from dlpo.text.common.dictionary_file import dictionary_of
from dlpo.text.common.feed import TextFeed
from dlpo_serving.request import SpeechRequest, check_request
from dlpo_serving.synthesis.pauses import Pauses
from dlpo_serving.voices.text_reader import TextReader, text_errors_as_violations

FIELDS = set(SpeechRequest.__dataclass_fields__) - {"text"}


class Reader:
    """What reader.js calls, by name, with values and results in JSON."""

    def __init__(self, manifest: Manifest) -> None:
        self._manifest = manifest
        self._front_end = TextFrontEnd(manifest.dictionary, manifest.language, manifest.symbols)
        self._numbers = itertools.count()
        self._feeds: dict[int, tuple[TextFeed, SentenceForm]] = {}

    def call(self, name: str, values: str) -> str:
        """JSON: the `value` of a method, or the `error` that it raised."""
        methods = {"read": self.read, "begin": self.begin, "push": self.push, "end": self.end}
        try:
            return json.dumps({"value": methods[name](*json.loads(values))})
        except DlpoError as error:
            return json.dumps({"error": str(error)})

    def read(self, text: str, settings: Mapping[str, Any]) -> dict[str, Any]:
        """All sentences of a text, and warnings about it."""
        request, manifest = self._request(text, settings)
        done = TextReader(manifest, self._front_end).read(request)
        return SentenceForm(request, manifest).of(done.sentences, done.warnings)

    def begin(self, settings: Mapping[str, Any]) -> int:
        """The number of a text that comes in pieces."""
        request, manifest = self._request("", settings)
        feed = TextReader(manifest, self._front_end).feed(request)
        number = next(self._numbers)
        self._feeds[number] = feed, SentenceForm(request, manifest)
        return number

    def push(self, number: int, piece: str) -> dict[str, Any]:
        """The sentences that a piece completes."""
        feed, form = self._feeds[number]
        return form.of(feed.push(piece))

    def end(self, number: int) -> dict[str, Any]:
        """The last sentences, and warnings about all of it."""
        feed, form = self._feeds.pop(number)
        with text_errors_as_violations():
            return form.of(feed.finish(), feed.warnings())

    def _request(self, text: str, settings: Mapping[str, Any]) -> tuple[SpeechRequest, Manifest]:
        given = dict(settings)
        voice = given.get("voice") or self._manifest.voice
        self._manifest.shares(voice)  # refuses one that it has not
        manifest = self._manifest.with_voice(voice)
        if isinstance(given.get("dictionary"), str):
            given["dictionary"] = dictionary_of(given["dictionary"])
        request = SpeechRequest(text, **{name: given[name] for name in FIELDS & given.keys()})
        check_request(request, manifest)
        return request, manifest


class SentenceForm:
    """The sentences of a request as stream.js takes them."""

    def __init__(self, request: SpeechRequest, manifest: Manifest) -> None:
        self._request = request
        self._manifest = manifest
        self._pauses = Pauses(request)

    def of(self, sentences: Iterable[Sentence], warnings: Sequence[str] = ()) -> dict[str, Any]:
        """Further sentences, in order."""
        return {"sentences": list(map(self._form, sentences)), "warnings": warnings}

    def _form(self, sentence: Sentence) -> dict[str, Any]:
        request = self._request
        pitch = sentence.per_symbol("pitch_semitones")
        volume_db = sentence.per_symbol("volume_db")
        return {
            "symbols": sentence.symbol_ids(),
            "shares": self._manifest.shares(sentence.voice or self._manifest.voice),
            "speed": [request.speed * own for own in sentence.per_symbol("speed")],
            "pitch": [request.pitch_semitones + own for own in pitch],
            "gain": [10 ** ((request.volume_db + own) / 20) for own in volume_db],
            "before": self._pauses.before(sentence),
            "after": self._pauses.after(sentence),
            "words": words_of(sentence),
            "marks": [{"name": mark.name, "word": mark.word} for mark in sentence.marks],
        }


def words_of(sentence: Sentence) -> list[dict[str, Any]]:
    """The words with their places in the text and among the symbols."""
    words, symbol = [], 1  # symbol 0 is the silence before the first word
    for word in sentence.words:
        words.append(
            {
                "word": word.word,
                "start": word.start,
                "end": word.end,
                "symbol": symbol,
                "phonemes": word.phonemes,
            }
        )
        symbol += len(word.phonemes) + 1
    return words


def open_reader(folder: str) -> Reader:
    """The reader of the bundle whose manifest is in a folder."""
    return Reader(Manifest.from_json(Path(folder, MANIFEST).read_bytes())[0])
