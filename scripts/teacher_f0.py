"""Pitch of a hibari corpus, from the graph that spoke it: CORPUS/f0/ID.npy for `dlpo prepare`.

    scripts/teacher_f0.py TEACHERS CORPUS TEXTS --hibari DIR [--jobs N]

Tracking F0 in 22 hours of speech takes four core hours; the teacher's graph outputs it exactly
in half a core hour. TEACHERS is the folder of make_corpus.py, whose TEXTS produced CORPUS. It needs
the environment of make_corpus.py: numpy, onnx, onnxruntime, soundfile. Resumes when rerun.
"""

from __future__ import annotations

import argparse
import json
import sys
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

FRAME_S = 300 / 22_050  # of dlpo
TEACHER_FRAME_S = 1 / 80  # of the F0 curve
DURATION_S = 0.025  # unit of the teacher's durations
VOICED_HZ = 40  # values above this are voiced to the teacher

_teacher: Any  # in a worker process
_misaki: Any


def start(teachers: Path, hibari: Path) -> None:
    """Open the teacher in a worker process."""
    global _teacher, _misaki
    sys.path.insert(0, str(teachers))
    import misaki
    from teacher import open_teacher

    _teacher, _misaki = open_teacher("hibari", "heart", hibari, None), misaki


def write_f0(item: tuple[str, str], corpus: Path) -> bool:
    """Write one clip's F0 in Hz, 0 where unvoiced; returns false if there is no such clip."""
    clip, text = item
    out = corpus / "f0" / f"{clip}.npy"
    raw_file = corpus / "raw" / f"{clip}.json"
    if out.exists():
        return True
    raw = json.loads(raw_file.read_text()) if raw_file.exists() else {"skipped": "not spoken"}
    if "skipped" in raw:
        return False
    times = []
    curves = []
    at_s = 0.0
    cut_s = 0.0
    for number, sentence in enumerate(_teacher.sentences(text)):
        f0, frames = teacher_curve(sentence.letters)
        if number == 0:  # silence before the first phone was trimmed
            first = _misaki.read(sentence.letters).phones[0].first
            cut_s = frames[: first + 1].sum() * DURATION_S - raw["segments"][1][1]
        times.append(at_s + (np.arange(len(f0)) + 0.5) * TEACHER_FRAME_S)
        curves.append(f0)
        at_s += frames.sum() * DURATION_S
    teacher_s, hertz = np.concatenate(times) - cut_s, np.concatenate(curves)
    voiced = hertz > VOICED_HZ
    count = soundfile.info(corpus / "wavs" / f"{clip}.flac").frames // 300
    here_s = (np.arange(count) + 0.5) * FRAME_S
    found = np.zeros(count, np.float32)
    if voiced.any():
        near = np.interp(here_s, teacher_s, voiced.astype(float)) > 0.5
        found = np.where(near, np.interp(here_s, teacher_s[voiced], hertz[voiced]), 0)
    unfinished = out.with_suffix(".part")
    with unfinished.open("wb") as stream:
        np.save(stream, found.astype(np.float32))
    unfinished.replace(out)
    return True


def teacher_curve(letters: str) -> tuple[np.ndarray, np.ndarray]:
    """(F,) Hz, 80 per second, and (letters + 2,) durations in units of 25 ms."""
    ids = [0, *(_teacher._ids[letter] for letter in letters), 0]
    inputs = {"ids": np.array([ids], np.int64), "speed": np.ones(1, np.float32)}
    *spectra, frames = _teacher._session.run(None, inputs)
    return spectra[-1][0], frames.ravel()


def main() -> None:
    """See the module docstring."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name in ("teachers", "corpus", "texts"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--hibari", type=Path, required=True, help="folder of get_hibari.sh")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    given = parser.parse_args()
    (given.corpus / "f0").mkdir(exist_ok=True)
    lines = given.texts.read_text(encoding="utf-8").splitlines()
    texts = [(line.split("|")[0], line.split("|")[-1].strip()) for line in lines]
    setting = (given.teachers.resolve(), given.hibari)
    with ProcessPoolExecutor(given.jobs, initializer=start, initargs=setting) as pool:
        written = sum(pool.map(partial(write_f0, corpus=given.corpus), texts, chunksize=8))
    print(f"{given.corpus / 'f0'}: {written} of {len(texts)} clips")


if __name__ == "__main__":
    main()
