"""Does the Spanish reader read right? Whisper listens to a teacher that says our phonemes.

    python -m research.teacher_reading /work/shared/texts/spanish.csv \
        --teachers /work/shared/teachers --weights /root/bg/teachers

Sixty texts, evenly spread, by two voices in turn. The teacher (Kokoro) is given nothing but the
letters of scripts/teacher_letters, so words that Whisper hears otherwise are the reader's errors,
the teacher's, or Whisper's own. Numbers that Whisper writes in digits are read by the same reader.
Two counts: words that are written otherwise, and of them those that also sound otherwise (not
"bamos" for "vamos").
"""

from __future__ import annotations

import argparse
import sys
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType

import numpy as np

from dlpo.judges.whisper import Whisper
from dlpo.judges.word_errors import edit_distance
from dlpo.text import TextFrontEnd
from dlpo.text.languages import open_language

VOICES = ("ef_dora", "em_alex")
RATE_HZ = 24_000
PAUSE_S = 0.2  # between the sentences of a text


def teacher_letters() -> ModuleType:
    """scripts/teacher_letters, which has no ending."""
    path = Path(__file__).parents[1] / "scripts" / "teacher_letters"
    return SourceFileLoader("teacher_letters", str(path)).load_module()


def main() -> None:
    """See the module's docstring."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("texts", type=Path, help="id|text")
    parser.add_argument("--teachers", type=Path, required=True, help="the folder of teacher.py")
    parser.add_argument("--weights", type=Path, required=True, help="of the get_*.sh beside it")
    parser.add_argument("--clips", type=int, default=60)
    parser.add_argument("--only", nargs="*", help="ids of some of the clips")
    given = parser.parse_args()
    sys.path.insert(0, str(given.teachers))
    from teacher import Sentence, open_teacher

    said = teacher_letters().said
    voices = [open_teacher("kokoro", v, given.weights, given.weights) for v in VOICES]
    whisper = Whisper(given.weights / "base", "es-419")
    front_end = TextFrontEnd(language="es-419")
    lines = given.texts.read_text(encoding="utf-8").splitlines()
    ipa = open_language("es-419").ipa  # type: ignore[attr-defined]
    wrong = sounding = words = 0
    for index in range(given.clips):
        id, _, text = lines[index * len(lines) // given.clips].partition("|")
        if given.only and id not in given.only:
            continue
        sentences = front_end.process(text).sentences
        pause, spoken = np.zeros(round(PAUSE_S * RATE_HZ), np.float32), []
        for sentence in sentences:
            letters, of_word = said(sentence)
            speech = voices[index % len(voices)].say(Sentence(letters, tuple(of_word)), seed=1)
            spoken += [speech.waveform, pause]
        (heard,) = whisper.transcribe([np.concatenate(spoken)], RATE_HZ)
        expected = [word.word for sentence in sentences for word in sentence.words]
        errors = edit_distance(expected, heard.split())
        by_sound = edit_distance(*([ipa(w) for w in t] for t in (expected, heard.split())))
        wrong, sounding, words = wrong + errors, sounding + by_sound, words + len(expected)
        voice = VOICES[index % len(VOICES)]
        print(f"{id} {voice} {errors}, by sound {by_sound}, of {len(expected)}", flush=True)
        if errors:
            print(f"    said   {' '.join(expected)}\n    heard  {heard}", flush=True)
    print(
        f"{wrong} of {words} words written otherwise, {100 * wrong / words:.1f} %;"
        f" {sounding} sound otherwise, {100 * sounding / words:.1f} %"
    )


if __name__ == "__main__":
    main()
