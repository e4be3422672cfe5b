"""Does the Spanish reader read right? Whisper listens to a teacher that says our phonemes.

    python -m research.teacher_reading /work/shared/texts/spanish.csv \
        --teachers /work/shared/teachers --weights /root/bg/teachers --record

Sixty texts, evenly spread, by two voices in turn. The teacher (Kokoro) is given nothing but the
letters of `recipe.speech.spanish`, so words that Whisper hears otherwise are the reader's errors,
the teacher's, or Whisper's own. Three counts of words, in lower case and without punctuation:

    written   spelled otherwise; numbers that Whisper writes in digits are read by the same reader
    wrong     the same with accents aside: Whisper base writes "cuando" for "cuándo"
    sounding  also sounding otherwise: not "bamos" for "vamos", nor "reenbolso" for "reembolso"
"""

from __future__ import annotations

import re
import sys
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from dlpo.judges.whisper import Whisper
from dlpo.judges.word_errors import edit_distance
from dlpo.text import TextFrontEnd
from dlpo.text.es.pronounce import SpanishPronouncer
from dlpo_bench.record import Measured, write_record
from recipe.speech.spanish import said
from research import RECORDS, run_study, study_command

VOICES = ("ef_dora", "em_alex")
RATE_HZ = 24_000
PAUSE_S = 0.2  # between the sentences of a text
COUNTS = ("written", "wrong", "sounding")


def without_accents(word: str) -> str:
    """``"nítida"`` -> ``nitida``; ñ stays."""
    parts = unicodedata.normalize("NFD", word)
    return unicodedata.normalize("NFC", re.sub("(?!(?<=n)\u0303)[\u0300-\u036f]", "", parts))


def sound_of(word: str, ipa: Callable[[str], str]) -> str:
    """How a word sounds, with the nasal that comes before b and p."""
    return re.sub("n(?=[.ˈˌ]*[bp])", "m", ipa(word))


def counted(expected: list[str], heard: list[str], ipa: Callable[[str], str]) -> dict[str, int]:
    """Each count of one clip."""

    def wrong(view: Callable[[str], str]) -> int:
        return edit_distance([view(word) for word in expected], [view(word) for word in heard])

    of_sound = wrong(lambda word: sound_of(word, ipa))
    return dict(zip(COUNTS, (wrong(str), wrong(without_accents), of_sound), strict=True))


def main(
    texts: Annotated[Path, typer.Argument(help="id|text")],
    teachers: Annotated[Path, typer.Option(help="The folder of teacher.py.")],
    weights: Annotated[Path, typer.Option(help="Of the get_*.sh beside it.")],
    clips: int = 60,
    only: Annotated[list[str] | None, typer.Option(help="Ids of some of the clips.")] = None,
    record: bool = False,
) -> None:
    """See the module's docstring."""
    sys.path.insert(0, str(teachers))
    from teacher import Sentence, open_teacher

    voices = [open_teacher("kokoro", v, weights, weights) for v in VOICES]
    whisper, ipa = Whisper(weights / "base", "es-419"), SpanishPronouncer().ipa
    front_end = TextFrontEnd(language="es-419")
    lines = texts.read_text(encoding="utf-8").splitlines()
    samples: dict[str, Any] = {}
    for index in range(clips):
        id, _, text = lines[index * len(lines) // clips].partition("|")
        if only and id not in only:
            continue
        sentences = front_end.process(text).sentences
        pause, spoken = np.zeros(round(PAUSE_S * RATE_HZ), np.float32), []
        for sentence in sentences:
            letters, of_word = said(sentence)
            speech = voices[index % len(voices)].say(Sentence(letters, tuple(of_word)), seed=1)
            spoken += [speech.waveform, pause]
        (heard,) = whisper.transcribe([np.concatenate(spoken)], RATE_HZ)
        expected = [word.word for sentence in sentences for word in sentence.words]
        counts = counted(expected, heard.split(), ipa)
        samples[id] = {"words": len(expected), **counts}
        print(id, VOICES[index % len(VOICES)], samples[id], flush=True)
        if counts["written"]:
            samples[id] |= {"said": " ".join(expected), "heard": heard}
            print(f"    said   {' '.join(expected)}\n    heard  {heard}", flush=True)
    words = sum(one["words"] for one in samples.values())
    figures = {name: sum(one[name] for one in samples.values()) for name in COUNTS}
    print(f"of {words} words", *(f"{k} {n}, {100 * n / words:.1f} %" for k, n in figures.items()))
    if record:
        found = Measured({"words": words, **figures}, samples)
        print(write_record("teacher-reading", found, study_command("teacher_reading"), RECORDS))


if __name__ == "__main__":
    run_study(main)
