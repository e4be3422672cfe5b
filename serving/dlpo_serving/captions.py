"""Captions of speech: lines of readable length, as SubRip, WebVTT or JSON.

What a writer wrote can't end a cue, begin another one, or be taken for its markup by WebVTT. SubRip
has no way to write a `<` that no player takes for markup, so there it stays as it is.
"""

from __future__ import annotations

import html
import json
import re
import textwrap
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from dlpo.errors import InputError
from dlpo_serving.alignment import Timed

FORMATS = ("srt", "vtt", "json")
LINE, LINES = 42, 2  # characters of a line and lines of a caption, as broadcasters have them
LONGEST_S = 7.0  # of a caption
ENDS = (".", "!", "?", "…")  # of a sentence, before quotation marks
CLOSING = "\"'”’)]»"
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")  # line ends among them


def format_named(path: Path) -> str:
    """The format for a file name's extension; see `caption_format`."""
    return caption_format(path.suffix.removeprefix("."), str(path))


def caption_format(name: str, of: str = "") -> str:
    """The format of a name, in any case.

    Raises:
        InputError: it is none of `FORMATS`; `of` is the file that it is to be.
    """
    if name.lower() not in FORMATS:
        known = ", ".join(f".{one}" for one in FORMATS)
        raise InputError(f"captions: {of or name!r} is none of {known}; name one of them")
    return name.lower()


@dataclass(frozen=True, slots=True)
class Caption:
    """Words that are shown together."""

    words: tuple[Timed, ...]
    """in samples"""

    @property
    def text(self) -> str:
        """In lines of about equal length."""
        whole = " ".join(_CONTROLS.sub(" ", word) for word, _, _ in self.words)
        if len(whole) <= LINE:
            return whole
        narrow = textwrap.wrap(whole, len(whole) // 2 + len(self.words[0][0]) // 2 + 4)
        wide = textwrap.wrap(whole, LINE)
        fits = len(narrow) <= LINES and max(map(len, narrow)) <= LINE
        return "\n".join(narrow if fits else wide)


class Captioner:
    """Groups words into captions as they are spoken, and writes them."""

    def __init__(self, format: str, rate_hz: int) -> None:
        """`format`: one of `FORMATS`."""
        self._format = format
        self._rate_hz = rate_hz
        self._header = "WEBVTT\n\n" if format == "vtt" else ""
        self._words: list[Timed] = []
        self._all: list[Caption] = []

    def add(self, words: Iterable[Timed]) -> str:
        """The next words; what can be written of the file now."""
        written = self._header
        self._header = ""
        for word in words:
            if self._words and not self._fits(word):
                written += self._close()
            self._words.append(word)
            if word[0].rstrip(CLOSING).endswith(ENDS):
                written += self._close()
        return written if self._format != "json" else ""

    def end(self, samples: int) -> str:
        """The rest of the file, at the end of the audio."""
        rest = self._close() if self._words else ""
        return rest if self._format != "json" else self._object(samples)

    def _fits(self, word: Timed) -> bool:
        together = " ".join([*(one for one, _, _ in self._words), word[0]])
        lasts_s = (word[2] - self._words[0][1]) / self._rate_hz
        return len(textwrap.wrap(together, LINE)) <= LINES and lasts_s <= LONGEST_S

    def _close(self) -> str:
        caption = Caption(tuple(self._words))
        self._words = []
        self._all.append(caption)
        mark = "," if self._format == "srt" else "."
        begin = clock(caption.words[0][1], self._rate_hz, mark)
        end = clock(caption.words[-1][2], self._rate_hz, mark)
        number, text = "", caption.text
        if self._format == "vtt":
            text = html.escape(text, quote=False)
        else:
            number, text = f"{len(self._all)}\n", text.replace("-->", "→")
        return f"{number}{begin} --> {end}\n{text}\n\n"

    def _object(self, samples: int) -> str:
        captions = []
        for caption in self._all:
            words = [self._timed(*word) for word in caption.words]
            shown = caption.text, caption.words[0][1], caption.words[-1][2]
            captions.append({**self._timed(*shown), "words": words})
        return json.dumps({"audio_s": samples / self._rate_hz, "captions": captions}) + "\n"

    def _timed(self, text: str, begin: int, end: int) -> dict[str, object]:
        start_s, stop_s = round(begin / self._rate_hz, 6), round(end / self._rate_hz, 6)
        return {"text": text, "start_s": start_s, "stop_s": stop_s}


def clock(samples: int, rate_hz: int, mark: str) -> str:
    """A time as captions write it: 00:01:02.345."""
    seconds, ms = divmod(round(1000 * samples / rate_hz), 1000)
    minutes, second = divmod(seconds, 60)
    hour, minute = divmod(minutes, 60)
    return f"{hour:02}:{minute:02}:{second:02}{mark}{ms:03}"
