"""`dlpo prepare recordings`: anybody's recordings -> LJSpeech's layout, checked and aligned."""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Callable, Iterator
from itertools import groupby, pairwise
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlpo.audio import Waveform, to_pcm16, write_wav
from dlpo.data.alignments import TSV_COLUMNS, AlignedWord, Alignment
from dlpo.data.decoding import decoded
from dlpo.errors import DataError, InputError, TextError, needs, reading, writing
from dlpo.frame_grid import PUBLISHED_GRID
from dlpo.text import TextFrontEnd
from dlpo.text.languages import LANGUAGES, known_language
from dlpo.text.symbols import ENGLISH

AUDIO = {".wav", ".flac", ".mp3", ".ogg", ".oga", ".opus", ".aiff", ".aif"}
TEXT = (".txt", ".lab", ".TXT", ".LAB")
MARK = "written-by-dlpo"  # marks folders whose sound files are ours and may be replaced
LENGTH_S = (0.8, 15.0)  # of a clip; the text of a longer one exceeds what is learned at once
LEVEL_DB = -22.2  # RMS of the audible frames, as in the embedded voice's recordings
PEAK = 0.99
FRAMES_PER_S = 100  # of levels
HEARD = 1e-3  # of the power of the loud frames; fainter ends are trimmed
EDGE_S = 0.12  # kept around what is audible
CLIPPED_SHARE = 1e-3  # of samples at full scale
LEAST_SNR_DB = 20.0  # of the loud frames over the faintest
RATE = 16_000  # Hz, of the acoustic model
LAG_S = 0.02  # its boundaries precede MFA's by this much, median of 77 LJSpeech clips
SHORTEST = ((5, 5), (6, 7))  # n of m phonemes in a row that last 30 ms, the minimum: not spoken
LEAST_AGREEMENT = 0.35  # with free phoneme recognition: 0.46 for 35 right texts, 0.28 for wrong
LOUD_PAUSE = 12, -20.0  # frames, and dB relative to the loud ones: speech missing from the text
PAUSE = "sil"
NOT_SPOKEN = "its text doesn't match what is spoken; correct the text"
_HEADER = "\t".join(TSV_COLUMNS)
Progress = Callable[[int, int], None]


def find_recordings(folder: Path) -> list[Path]:
    """The sound files below a folder, without hidden ones and those that dlpo wrote."""
    ours = {mark.parent for mark in folder.rglob(MARK)} - {folder}
    return sorted(
        file
        for file in folder.rglob("*")
        if file.suffix.lower() in AUDIO
        and not file.name.startswith(".")
        and ours.isdisjoint(file.parents)
    )


def fingerprint(folder: Path) -> str:
    """A hash of the recordings and their texts that changes when one of them does."""
    files = [folder / "metadata.csv"]
    for recording in find_recordings(folder):
        files += [recording, *(recording.with_suffix(suffix) for suffix in TEXT)]
    states = ((str(f), f.stat().st_size, f.stat().st_mtime_ns) for f in files if f.exists())
    return hashlib.sha256(repr([*states]).encode()).hexdigest()


def write_corpus(
    folder: Path,
    out: Path,
    progress: Progress = lambda done, total: None,
    language: str = LANGUAGES[0],
    rate_hz: int = PUBLISHED_GRID.sample_rate_hz,
) -> dict[str, str]:
    """Write what `dlpo.data.ljspeech.prepare` reads: wavs/, metadata.csv and alignments.tsv.

    Args:
        folder: recordings, mono or stereo at any rate, and their text: metadata.csv with lines of
            `name|text`, or NAME.txt or NAME.lab beside each recording.
        out: directory to write; replaced if this function wrote it before.
        progress: called with clips done and clips in all.
        language: of the texts, BCP 47, see `Aligner`.
        rate_hz: of what is written.

    Returns:
        Each recording that is left out, by its path below `folder` -> why.

    Raises:
        DataError: no recordings, none of them is usable, or metadata.csv is not UTF-8.
        InputError: `out` can't be written, something else is there, or the language isn't aligned.
        MissingExtraError: pocketsphinx, soundfile or soxr is not installed.
    """
    if out.resolve() in (folder.resolve(), *folder.resolve().parents):
        raise InputError(f"{folder} would be replaced; choose another --out")
    if out.exists() and not (out / MARK).exists():
        raise InputError(f"{out} was not written by dlpo and is kept; choose another --out")
    if not (recordings := find_recordings(folder)):
        raise DataError(f"{folder}: no recordings; expected files of {', '.join(sorted(AUDIO))}")
    table, aligner = _table(folder / "metadata.csv"), Aligner(language)
    with writing(out, "choose another --out"):
        shutil.rmtree(out, ignore_errors=True)
        (out / "wavs").mkdir(parents=True)
        (out / MARK).touch()
    left_out = dict[str, str]()
    names = set[str]()
    lines = list[str]()
    rows = [_HEADER]
    for done, file in enumerate(recordings, 1):
        clip = re.sub(r"[^\w.-]", "_", file.stem)
        try:
            if clip in names:
                raise DataError(f"another recording is called {clip}; rename one of them")
            names.add(clip)
            if not (text := _text_of(file, table)):
                raise DataError(f"no text; expected {file.stem}.txt or a line in metadata.csv")
            waveform = read_recording(file, rate_hz)
            rows.append(aligner.align(clip, waveform, rate_hz, text).to_tsv())
        except (DataError, TextError) as error:
            left_out[str(file.relative_to(folder))] = str(error)
        else:
            write_wav(out / "wavs" / f"{clip}.wav", waveform, rate_hz)
            lines.append(f"{clip}|{text}|{text}")
        progress(done, len(recordings))
    if not lines:
        file_name, why = next(iter(left_out.items()))
        raise DataError(f"{folder}: no recording is usable; first problem: {file_name}: {why}")
    with writing(out, "choose another --out"):
        (out / "metadata.csv").write_text("\n".join(lines), "utf-8")
        (out / "alignments.tsv").write_text("\n".join(rows), "utf-8")
    return left_out


def _table(path: Path) -> dict[str, str]:
    """metadata.csv, if there is one: name of a recording without its extension -> its text."""
    with reading(path, "UTF-8 text"):
        lines = path.read_text("utf-8-sig").splitlines() if path.is_file() else []
    texts = {}
    for line in lines:
        name, _, text = line.partition("|")
        file = Path(name)
        texts[file.stem if file.suffix.lower() in AUDIO else file.name] = text.rpartition("|")[2]
    return texts


def _text_of(recording: Path, table: dict[str, str]) -> str:
    """The text of the file beside it or of its line in `table`, on one line and without `|`."""
    text = table.get(recording.stem, "")
    for beside in map(recording.with_suffix, TEXT):
        with reading(beside, "UTF-8 text"):
            if beside.is_file():
                text = beside.read_text("utf-8-sig")
    return " ".join(text.replace("|", " ").split())


def read_recording(path: Path, rate_hz: int) -> Waveform:
    """A recording as training needs it: mono at a rate, levelled, without silent ends.

    Raises:
        DataError: it can't be decoded, or is silent, too long or short, clipped or noisy.
    """
    with needs("bench"):
        import soxr
    samples, rate = decoded(path)
    if not len(samples):
        raise DataError("empty; record it again")
    if not np.isfinite(samples).all():
        raise DataError("NaN or infinite samples; decode it again")
    if (clipped := float((np.abs(samples) >= PEAK).mean())) > CLIPPED_SHARE:
        raise DataError(f"{clipped:.1%} of its samples are clipped; record it at a lower level")
    waveform = soxr.resample(samples.mean(1), rate, rate_hz)
    power, frame = _power(waveform, rate_hz), rate_hz // FRAMES_PER_S
    if not len(power) or (loud := float(np.quantile(power, 0.95))) < 1e-7:
        raise DataError("silent; record it again")
    heard = np.flatnonzero(power > HEARD * loud)
    edge = round(EDGE_S * rate_hz)
    speech = waveform[max(0, heard[0] * frame - edge) : (heard[-1] + 1) * frame + edge]
    if not LENGTH_S[0] <= len(speech) / rate_hz <= LENGTH_S[1]:
        raise DataError(
            f"{len(speech) / rate_hz:.1f} s of speech; expected"
            f" {LENGTH_S[0]:g} to {LENGTH_S[1]:g} s: split it between sentences"
        )
    snr_db = 10 * np.log10(loud / max(float(np.quantile(power, 0.02)), 1e-12))
    if snr_db < LEAST_SNR_DB:
        raise DataError(
            f"speech is only {snr_db:.0f} dB above the noise; expected {LEAST_SNR_DB:g} or"
            " more: record closer to the microphone or in a quieter room"
        )
    gain = 10 ** (LEVEL_DB / 20) / np.sqrt(power[heard].mean())
    levelled: Waveform = (speech * min(gain, PEAK / np.abs(speech).max())).astype(np.float32)
    return levelled


def _power(waveform: Waveform, rate_hz: int) -> Waveform:
    """(T,) -> (F,) mean square of each whole frame of 10 ms."""
    frame = rate_hz // FRAMES_PER_S
    frames = waveform[: len(waveform) // frame * frame].reshape(-1, frame)
    power: Waveform = np.square(frames).mean(1)
    return power


class Aligner:
    """Finds when each phoneme of a text sounds, with pocketsphinx's acoustic model.

    A word may have any pronunciation that its language has, and a pause may follow. The acoustic
    model is of American English, the only language that it aligns.

    On 77 clips of LJSpeech 99 % of the phonemes matched MFA's, with half of their boundaries within
    10 ms of its, 90 % within 30 ms (measured once, without a record).
    """

    def __init__(self, language: str = LANGUAGES[0]) -> None:
        """Raises MissingExtraError if pocketsphinx is not installed, and InputError for a language
        that it has no model of."""
        if (known := known_language(language)) != LANGUAGES[0]:
            raise InputError(
                f"recordings in {known} can't be aligned here; expected {LANGUAGES[0]}: align them"
                " with the Montreal Forced Aligner and use `dlpo prepare ljspeech --alignments`"
            )
        with needs("bench"):
            from pocketsphinx import Decoder, get_model_path
        self._front_end = TextFrontEnd(language=known)
        # A phoneme is a decoder "word", once for even-numbered words and once for odd-numbered.
        entries = [f"{p}_{k} {p.rstrip('012')}\n" for p in ENGLISH for k in (0, 1)]
        with NamedTemporaryFile("w", suffix=".dict") as dictionary:
            dictionary.writelines([f"{PAUSE} SIL\n", *entries])
            dictionary.flush()
            self._decoder = Decoder(
                loglevel="FATAL", lm=None, dict=dictionary.name, cmn="batch", bestpath=False,
                fsgusefiller=False, beam=1e-120, pbeam=1e-120, wbeam=1e-100, lw=1.0, pip=1.0,
            )  # fmt: skip
        self._listener = Decoder(
            loglevel="FATAL", lm=None, allphone=get_model_path("en-us/en-us-phone.lm.bin"),
            cmn="batch", beam=1e-20, pbeam=1e-20, lw=2.0,
        )  # fmt: skip

    def align(self, clip: str, waveform: Waveform, rate_hz: int, text: str) -> Alignment:
        """When each phoneme sounds.

        Args:
            clip: its id.
            waveform: (T,).
            rate_hz: its sample rate.
            text: what is spoken, with its punctuation.

        Raises:
            DataError: recording and text don't fit.
            TextError: there is nothing to say in the text.
        """
        with needs("bench"):
            import soxr
        words = [w for one in self._front_end.process(text).sentences for w in one.words]
        ways = []
        for number, word in enumerate(words):
            listed = self._front_end.language.pronunciations(word.word)
            spellings = {" ".join(f"{p}_{number % 2}" for p in w) for w in (word.phonemes, *listed)}
            ways.append(f"({' | '.join(sorted(spellings))}) [{PAUSE}]")
        grammar = f"#JSGF V1.0; grammar clip; public <clip> = [{PAUSE}] {' '.join(ways)};"
        self._decoder.add_jsgf_string("clip", grammar)
        self._decoder.activate_search("clip")
        pcm = to_pcm16(soxr.resample(waveform, rate_hz, RATE)).tobytes()
        path = _decoded(self._decoder, pcm)
        labels = [segment.word.partition("(")[0] for segment in path]
        spoken = [label for label in labels if label != PAUSE]
        runs = [len(list(run)) for _, run in groupby(spoken, lambda label: label[-1])]
        if len(runs) != len(words):
            raise DataError(NOT_SPOKEN)
        frames = [s.end_frame + 1 - s.start_frame for s in path]
        if _agreement(np.repeat(labels, frames), _decoded(self._listener, pcm)) < LEAST_AGREEMENT:
            raise DataError(NOT_SPOKEN)
        _check_fit(labels, frames, _power(waveform, rate_hz))
        starts_s = [0.0, *(s.start_frame * 0.01 + LAG_S for s in path[1:])]
        durations_s = (b - a for a, b in pairwise([*starts_s, len(waveform) / rate_hz]))
        return Alignment(
            clip,
            tuple(label.partition("_")[0] for label in labels),
            tuple(durations_s),
            tuple(_placed([w.word for w in words], runs, labels)),
        )


def _decoded(decoder: Any, pcm: bytes) -> list[Any]:
    """Segments of the best path, without those that have no word."""
    decoder.start_utt()
    decoder.process_raw(pcm, full_utt=True)
    decoder.end_utt()
    return [segment for segment in decoder.seg() or () if segment.word != "(NULL)"]


def _agreement(labels: NDArray[np.str_], heard: list[Any]) -> float:
    """The share of an alignment's frames in which a free recognizer heard the same phoneme."""
    names = np.full(len(labels), "", object)
    for segment in heard:
        names[segment.start_frame : segment.end_frame + 1] = segment.word
    spoken = labels != PAUSE
    bare = np.array([label.partition("_")[0].rstrip("012") for label in labels], object)
    return float((names == bare)[spoken].mean())


def _placed(words: list[str], runs: list[int], labels: list[str]) -> Iterator[AlignedWord]:
    """The words with the ranges of their phonemes in `labels`."""
    spoken = [i for i, label in enumerate(labels) if label != PAUSE]
    first = 0
    for word, count in zip(words, runs, strict=True):
        yield AlignedWord(word, spoken[first], spoken[first + count - 1] + 1)
        first += count


def _check_fit(labels: list[str], frames: list[int], power: Waveform) -> None:
    """Raises DataError where words were left out or added; `power` has 100 values a second."""
    shortest = [label != PAUSE and count <= 3 for label, count in zip(labels, frames, strict=True)]
    if any(np.convolve(shortest, np.ones(n)).max() >= least for least, n in SHORTEST):
        raise DataError("its text has words that aren't spoken; correct the text")
    level_db = 10 * np.log10(power / np.quantile(power, 0.9) + 1e-9)
    start = 0
    for label, count in zip(labels, frames, strict=True):
        inside = level_db[start + 2 : start + count - 2]
        if label == PAUSE and count >= LOUD_PAUSE[0] and np.median(inside) > LOUD_PAUSE[1]:
            raise DataError(
                f"speech at {start / 100:.1f} s is missing from its text; correct the text"
            )
        start += count
