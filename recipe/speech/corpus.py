"""Spoken clips -> a corpus for `dlpo prepare ljspeech`: tones out, trimmed, at one level, aligned.

    OUT/wavs/ID.flac        at the level of the recordings, its silent ends cut
    OUT/f0/ID.npy           the teacher's pitch, on the frames of a dataset
    OUT/metadata.csv        id|text|text
    OUT/alignments.tsv.xz   the teacher's durations, fitted to the sound
    OUT/left_out.tsv        id and why it isn't there
    OUT/not_pitch.txt       ids whose ends no contour should learn from
    OUT/boundaries.json     how far the teacher's boundaries were moved, for clips without sound
    OUT/voicing.json        where phones are voiced, for the same

Clips without sound become the same without `wavs`, by what a corpus of the voice that has them says
of boundaries and voicing. The aligner is the one of `../shared/teachers`; it learns from whatever
phones it is given.
"""

from __future__ import annotations

import lzma
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray
from scipy.signal import resample_poly

from dlpo.data.features import sounds_voiced
from dlpo.frame_grid import FrameGrid
from recipe.speech import spanish, store, without_sound
from recipe.speech.endings import F0_RATE, VOICED_HZ
from recipe.speech.notch import notch
from recipe.speech.plan import SPANISH
from recipe.speech.texts import held_out
from recipe.speech.without_sound import Boundaries, Voicing

LEARN_FROM = 300  # clips, for the aligner, and others that have rare phones
ALIGNER_UP, ALIGNER_DOWN = 147, 160  # from 24,000 to 22,050 Hz
HEADER = "id\tphonemes\tdurations_ms\twords\n"


@dataclass(frozen=True, slots=True)
class Clip:
    """A clip that is ready to align."""

    row: dict[str, Any]
    """of the manifest"""
    seconds: float
    segments: list[Any]
    """the aligner's, by the teacher's durations"""
    words: list[tuple[str, int, int]]
    """word, first phone and the one after the last"""


class CorpusMaker:
    """Makes the corpus of one voice.

    Args:
        teachers: the folder with aligner.py, misaki.py and make_corpus.py.
        hop: samples of a dataset's frame, at 24 kHz.
    """

    def __init__(self, teachers: Path, hop: int = 300) -> None:
        sys.path.insert(0, str(teachers))
        import aligner
        import make_corpus
        import misaki

        self._aligner = aligner
        self._make = make_corpus
        self._misaki = misaki
        self._grid = FrameGrid(store.RATE, hop)
        self._held_out = held_out()

    def make(self, spoken: Path, out: Path, like: Path | None = None) -> tuple[int, dict[str, str]]:
        """Write the corpus; clips that exist are kept.

        Args:
            spoken: folder of a voice, see `recipe.speech.store`.
            out: folder to write.
            like: where clips have only durations and pitch, a corpus of the voice that has sound.

        Returns:
            The number of clips, and id -> why it is left out.
        """
        rows = list(store.rows(spoken))
        if like is None:
            made = [self._clip(spoken, row, out) for row in rows]
        else:
            of_voice = without_sound.read(like)
            made = [self._clip_without_sound(spoken, row, out, *of_voice) for row in rows]
        clips = [one for one in made if isinstance(one, Clip)]
        left_out = {
            row["id"]: why for row, why in zip(rows, made, strict=True) if isinstance(why, str)
        }
        if not clips:
            first = next(iter(left_out.items()), "none is there")
            raise SystemExit(f"{spoken}: no clip can be used; first: {first}")
        fitted = self._fitted(clips, out) if like is None else [clip.segments for clip in clips]
        self._write_tables(out, clips, fitted, left_out)
        return len(clips), left_out

    def _fitted(self, clips: Sequence[Clip], out: Path) -> list[Sequence[Any]]:
        """The clips' segments as the aligner has them; writes what clips without sound take."""
        taught_by = self._taught_by(clips)
        learned = self._aligner.learn([self._heard(c, self._sound(c, out)) for c in taught_by])
        fitted, voiced = list[Sequence[Any]](), list[NDArray[np.bool_]]()
        for clip in clips:
            waveform = self._sound(clip, out)
            fitted.append(learned.align(self._heard(clip, waveform)))
            voiced.append(self._voiced(clip, waveform, out))
        planned = (clip.segments for clip in clips)
        without_sound.write(
            out,
            Boundaries.learn(zip(planned, fitted, strict=True)),
            Voicing.learn(zip(fitted, voiced, strict=True), self._grid.frames_per_s),
        )
        return fitted

    def _write_tables(
        self,
        out: Path,
        clips: Sequence[Clip],
        fitted: Sequence[Sequence[Any]],
        left_out: Mapping[str, str],
    ) -> None:
        """The tables of a corpus."""
        with lzma.open(out / "alignments.tsv.xz", "wt", encoding="utf-8") as table:
            table.write(HEADER)
            table.writelines(map(self._line, clips, fitted))
        _write(out / "metadata.csv", (f"{c.row['id']}|{_plain(c)}|{_plain(c)}" for c in clips))
        _write(out / "left_out.tsv", (f"{clip}\t{why}" for clip, why in left_out.items()))
        bad = ("begins_open", "ends_open", "creaky")
        not_pitch = (c.row["id"] for c in clips if any(c.row.get(b, False) for b in bad))
        _write(out / "not_pitch.txt", not_pitch)

    def _taught_by(self, clips: Sequence[Clip]) -> Iterator[Clip]:
        """The first clips, and each later one with a label that none before it has."""
        known = set[str]()
        for number, clip in enumerate(clips):
            labels = {self._aligner.bare(segment.label) for segment in clip.segments}
            if number < LEARN_FROM or labels - known:
                known |= labels
                yield clip

    def _clip(self, spoken: Path, row: dict[str, Any], out: Path) -> Clip | str:
        """Write a clip's sound and pitch, unless they are there; or say why it is left out."""
        segments, words, why = self._read(row)
        if why:
            return why
        raw, _ = soundfile.read(spoken / "wavs" / f"{row['id']}.flac", dtype="float32")
        try:
            levelled, cut_s = self._make._levelled(raw)
        except self._make.CantSpeak as error:
            return f"{type(error).__name__}: {error}"
        file, pitch = out / "wavs" / f"{row['id']}.flac", out / "f0" / f"{row['id']}.npy"
        if not pitch.exists():
            quiet = notch(levelled, store.RATE).clip(-store.PEAK, store.PEAK)
            with store.replacing(file) as part:
                soundfile.write(part, quiet, store.RATE, format="FLAC", subtype="PCM_16")
            _write_f0(pitch, self._f0(spoken, row["id"], cut_s, len(levelled)))
        seconds = len(levelled) / store.RATE
        moved = [
            replace(s, start_s=max(0.0, s.start_s - cut_s), end_s=min(seconds, s.end_s - cut_s))
            for s in segments
        ]
        return Clip(row, seconds, moved, words)

    def _clip_without_sound(
        self, spoken: Path, row: dict[str, Any], out: Path, boundaries: Boundaries, voicing: Voicing
    ) -> Clip | str:
        """Write a clip's pitch; or say why it is left out."""
        planned, words, why = self._read(row)
        if why:
            return why
        segments, cut_s = boundaries.fit(planned)
        seconds = segments[-1].end_s
        f0 = self._f0(spoken, row["id"], cut_s, round(seconds * store.RATE))
        voiced = voicing.of(segments, f0, self._grid.frames_per_s)
        _write_f0(out / "f0" / f"{row['id']}.npy", voiced)
        return Clip(row, seconds, segments, words)

    def _f0(self, spoken: Path, clip: str, cut_s: float, samples: int) -> NDArray[np.float32]:
        """The teacher's pitch on the frames of a clip of which the start is cut off."""
        f0 = np.load(spoken / "f0" / f"{clip}.npy").astype(np.float32)
        hop = self._grid.hop_length
        return on_frames(f0, cut_s, samples // hop, hop)

    def _read(self, row: dict[str, Any]) -> tuple[list[Any], list[tuple[str, int, int]], str]:
        """Phones and pauses by the teacher's durations, words' phones, or why there are none."""
        if row["id"] in self._held_out:
            return [], [], "held out"
        if "skipped" in row:
            return [], [], str(row["skipped"])
        try:
            return *self._segments(row), ""
        except (self._misaki.UnknownPhoneme, ValueError) as error:
            return [], [], f"{type(error).__name__}: {error}"

    def _segments(self, row: dict[str, Any]) -> tuple[list[Any], list[tuple[str, int, int]]]:
        segments, words = list[Any](), list[tuple[str, int, int]]()
        at_s, phones = 0.0, 0
        for one in row["sentences"]:
            named = SimpleNamespace(words=[w for w, count in one["words"] for _ in range(count)])
            if row["pool"] in SPANISH:
                reading = spanish.read(one["letters"], named.words)
            else:
                reading = self._misaki.read(one["letters"])
            if not reading.phones:
                raise ValueError("a sentence without a phoneme")
            frames = np.array(one["frames"])
            spoken = SimpleNamespace(frames=frames)
            self._make._append(segments, self._make.teacher_segments(reading, spoken, at_s))
            words += self._make._words(named, reading, phones)
            phones += len(reading.phones)
            at_s += float(frames.sum()) * store.FRAME / store.RATE
        return segments, words

    def _sound(self, clip: Clip, out: Path) -> NDArray[np.float64]:
        """(T,) a clip of the corpus."""
        waveform: NDArray[np.float64]
        waveform, _ = soundfile.read(out / "wavs" / f"{clip.row['id']}.flac")
        return waveform

    def _voiced(self, clip: Clip, waveform: NDArray[np.float64], out: Path) -> NDArray[np.bool_]:
        """(F,) which frames of a clip are voiced, as a dataset has it."""
        f0 = np.load(out / "f0" / f"{clip.row['id']}.npy")
        loud = sounds_voiced(waveform.astype(np.float32), self._grid)
        voiced: NDArray[np.bool_] = loud & (f0 > 0)
        return voiced

    def _heard(self, clip: Clip, waveform: NDArray[np.float64]) -> Any:
        """What the aligner hears of a clip."""
        low = resample_poly(waveform, ALIGNER_UP, ALIGNER_DOWN)
        return self._aligner.Clip(self._aligner.features(low), clip.segments)

    def _line(self, clip: Clip, segments: Sequence[Any]) -> str:
        """Of alignments.tsv; the last phone or pause lasts to the end of the clip."""
        length_ms = round(clip.seconds * 1000)
        ends_ms = [*(round(s.end_s * 1000) for s in segments[:-1]), length_ms]
        spoken = [i for i, s in enumerate(segments) if s.label != self._aligner.SILENCE]
        words = (f"{w}:{spoken[a]}-{spoken[b - 1] + 1}" for w, a, b in clip.words)
        labels, durations = (s.label for s in segments), np.diff([0, *ends_ms])
        columns = clip.row["id"], " ".join(labels), " ".join(map(str, durations)), " ".join(words)
        return "\t".join(columns) + "\n"


def _write_f0(file: Path, f0: NDArray[np.float32]) -> None:
    with store.replacing(file) as part, part.open("wb") as stream:
        np.save(stream, f0)


def on_frames(f0: NDArray[np.float32], cut_s: float, frames: int, hop: int) -> NDArray[np.float32]:
    """The teacher's pitch at the centres of a dataset's frames.

    Args:
        f0: (2 * teacher's frames,) Hz, 80 a second.
        cut_s: what was cut off the clip's start.
        frames: F.
        hop: samples a frame, at 24 kHz.

    Returns:
        (F,) Hz, 0 where unvoiced.
    """
    known_s = (np.arange(len(f0)) + 0.5) / F0_RATE
    asked_s = (np.arange(frames) + 0.5) * hop / store.RATE + cut_s
    voiced = f0 > VOICED_HZ
    if not voiced.any():
        return np.zeros(frames, np.float32)
    nearest = np.clip(np.round(asked_s * F0_RATE - 0.5).astype(int), 0, len(f0) - 1)
    hertz = np.exp(np.interp(asked_s, known_s[voiced], np.log(f0[voiced])))
    found: NDArray[np.float32] = np.where(voiced[nearest], hertz, 0.0).astype(np.float32)
    return found


def _plain(clip: Clip) -> str:
    """The text on one line, without the separator of metadata.csv."""
    return " ".join(clip.row["text"].replace("|", " ").split())


def _write(file: Path, lines: Iterator[str]) -> None:
    file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
