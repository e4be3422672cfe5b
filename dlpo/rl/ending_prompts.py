"""Prompts for tuning how sentences end: sentences of texts, by the ending that each asks for."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from zlib import crc32

import numpy as np

from dlpo.data.ljspeech import read_ids
from dlpo.errors import DataError, TextError, reading
from dlpo.rl.endings import KINDS, RISING, EndingKind
from dlpo.rl.prompts import Prompt
from dlpo.text import TextFrontEnd
from dlpo.text.languages import LANGUAGES, known_language, language_of
from dlpo.text.symbols import SYMBOL_IDS

HELD_OUT = 20  # one text in so many is for validation
SHORTEST, LONGEST = 8, 90  # symbols of a prompt
LONGEST_TWIN = 45  # symbols of a statement that is also asked as a question
SHARES: dict[EndingKind, float] = {
    "yes_no": 0.22, "declarative": 0.28, "statement": 0.3, "wh": 0.07, "alternative": 0.08,
    "tag": 0.025, "list_item": 0.025,
}  # fmt: skip
"""Of the prompts of an update."""


@dataclass(frozen=True, slots=True)
class EndingPrompt:
    """A sentence, and one of its endings."""

    prompt: Prompt
    kind: EndingKind
    mark: int
    """index of the symbol after the ending: the last one, or a comma of a list"""
    held_out: bool
    language: str = LANGUAGES[0]
    """of the sentence, BCP 47"""


def read_ending_prompts(files: Sequence[str], without: Path | None = None) -> list[EndingPrompt]:
    """The sentences of files of lines `id|text` or `id<tab>text`, each with its ending's kind.

    One text in `HELD_OUT`, chosen by a hash of its id, is held out for validation.

    Args:
        files: UTF-8, each given as FILE or FILE=LANGUAGE.
        without: a file of ids of texts that are left out, one a line.

    Raises:
        InputError: the language can't be read.
        DataError: a file can't be read, or a line has no id and text.
    """
    left_out = frozenset[str]() if without is None else read_ids(without)
    found = list[EndingPrompt]()
    for path, language in map(in_language, files):
        front_end, spoken = TextFrontEnd(language=language), known_language(language)
        endings = front_end.language.endings
        for name, text in _texts(path, left_out):
            held_out = crc32(name.encode()) % HELD_OUT == 0
            try:
                sentences = front_end.process(text).sentences
            except TextError:
                continue  # without words
            for sentence in sentences:
                symbols = np.array(sentence.symbol_ids(), np.int64)
                if SHORTEST <= len(symbols) <= LONGEST:
                    prompt = Prompt(len(found), sentence.text, symbols)
                    kind = endings.kind(sentence.text)
                    ending = EndingPrompt(prompt, kind, len(symbols) - 1, held_out, spoken)
                    found.append(ending)
                    if endings.lists(sentence.text):
                        found += _of_lists(ending, len(found))
                    found += _asked(ending, len(found))
    return found


def in_language(given: str) -> tuple[Path, str]:
    """FILE or FILE=LANGUAGE, as the command line takes texts -> the file, and its language."""
    name, _, language = given.partition("=")
    return Path(name), language or LANGUAGES[0]


def _texts(path: Path, left_out: Collection[str]) -> Iterator[tuple[str, str]]:
    """Ids and texts."""
    with reading(path, "lines id|text"):
        lines = path.read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines, 1):
        name, separator, text = line.replace("\t", "|").partition("|")
        if not separator or not text.strip():
            raise DataError(f"{path}, line {number}: got {line[:60]!r}; expected id|text")
        if name not in left_out:
            yield name, text


def _of_lists(ending: EndingPrompt, number: int) -> list[EndingPrompt]:
    """One prompt for the first comma of a list, if its commas are spoken."""
    prompt = ending.prompt
    commas = np.flatnonzero(prompt.symbols == SYMBOL_IDS[","])
    if len(commas) < 2:
        return []
    listed = Prompt(number, prompt.text, prompt.symbols)
    return [replace(ending, prompt=listed, kind="list_item", mark=int(commas[0]))]


def _asked(ending: EndingPrompt, number: int) -> list[EndingPrompt]:
    """A short statement asked as a question: its twin differs in the last mark alone."""
    symbols = ending.prompt.symbols
    if ending.kind != "statement" or len(symbols) > LONGEST_TWIN:
        return []
    asked = np.append(symbols[:-1], SYMBOL_IDS["?"])
    prompt = Prompt(number, ending.prompt.text.rstrip(".!") + "?", asked)
    return [replace(ending, prompt=prompt, kind="declarative")]


class EndingPrompts:
    """Draws prompts for the voices of a checkpoint.

    Args:
        prompts: see `read_ending_prompts`.
        voices: speakers; one whose language has no texts is left as it is.
        seed: of the draws.
        languages: speaker -> language, of those that don't speak American English.

    Raises:
        DataError: there are no questions or no statements to learn from, or none is held out.
    """

    def __init__(
        self,
        prompts: Sequence[EndingPrompt],
        voices: Sequence[str],
        seed: int,
        languages: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.languages = {voice: language_of(voice, languages) for voice in voices}
        self.seed = seed
        learned = [p for p in prompts if not p.held_out]
        self._alike: dict[tuple[EndingKind, str], list[EndingPrompt]] = {}
        for one in learned:
            self._alike.setdefault((one.kind, one.language), []).append(one)
        self.held_out = [p for p in prompts if p.held_out]
        self._voices = {kind: self._asked_for(kind) for kind in KINDS}
        self.kinds = [kind for kind in KINDS if self._voices[kind]]
        if not {"yes_no", "declarative"} & set(self.kinds) or "statement" not in self.kinds:
            counts = {kind: sum(one.kind == kind for one in learned) for kind in KINDS}
            raise DataError(
                f"the texts have {counts} sentences to learn from; expected questions and"
                " statements: add texts"
            )
        if not self.held_out:
            raise DataError(f"none of {len(learned)} texts is held out; add texts")

    def _asked_for(self, kind: EndingKind) -> list[str]:
        """The voices in whose language there are prompts of a kind."""
        return [voice for voice, spoken in self.languages.items() if (kind, spoken) in self._alike]

    def validation(self, of_each: int) -> list[EndingPrompt]:
        """At most so many held-out prompts of each kind and language."""
        languages = dict.fromkeys(self.languages.values())
        alike = (
            [p for p in self.held_out if (p.kind, p.language) == (kind, language)]
            for kind in KINDS
            for language in languages
        )
        return [prompt for prompts in alike for prompt in prompts[:of_each]]

    def draw(self, update: int, size: int, weights: Mapping[str, float]) -> list[EndingPrompt]:
        """`size` prompts, each in a voice; sorted by length.

        Args:
            update: part of the key of the draw.
            weights: how much of the questions each voice asks, in any unit; it says as much of the
                rest as any other.
        """
        random = np.random.default_rng((self.seed, update, 11))
        shares = np.array([SHARES[kind] for kind in self.kinds])
        chosen = []
        for number in random.choice(len(self.kinds), size, p=shares / shares.sum()):
            kind = self.kinds[number]
            voices = self._voices[kind]
            of_questions = np.array([weights[voice] for voice in voices])
            p = of_questions / of_questions.sum() if kind in RISING else None
            voice = voices[int(random.choice(len(voices), p=p))]
            among = self._alike[kind, self.languages[voice]]
            chosen.append(in_voice(among[int(random.integers(len(among)))], voice))
        return sorted(chosen, key=lambda p: len(p.prompt.symbols))


def in_voice(ending: EndingPrompt, voice: str) -> EndingPrompt:
    """The same sentence for another voice."""
    p = ending.prompt
    return replace(ending, prompt=Prompt(p.number, p.text, p.symbols, voice))
