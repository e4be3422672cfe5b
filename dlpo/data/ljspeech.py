"""`dlpo prepare ljspeech`: recordings, transcripts and alignments -> a `Dataset`.

Works on any single-speaker corpus with LJSpeech's layout:

    metadata.csv    id|raw|normalized text
    wavs/ID.flac    or .wav, mono, at the sample rate to learn from
    f0/ID.npy       optional, (F,) Hz of each frame, 0 where unvoiced

A corpus of pitch alone, which synthesizers give long before they give sound, has f0/ and no wavs/.
"""

from __future__ import annotations

import functools
import logging
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from dlpo.audio import MEL_BANDS, Waveform, log_mel
from dlpo.bundle.manifest import PLAIN_NAME
from dlpo.data.alignments import Alignment, read_alignments
from dlpo.data.dataset import DTYPES, Arrays
from dlpo.data.decoding import decoded
from dlpo.data.features import log_energy, measure
from dlpo.data.options import EVERYTHING, LJ, CorpusSpeaker, FeatureSet
from dlpo.data.packing import ClipSource, arrays_of, pack, plain_arrays
from dlpo.errors import DataError, InputError, reading, writing
from dlpo.frame_grid import FrameGrid
from dlpo.text.languages import known_language
from dlpo.text.symbols import SYMBOL_IDS

log = logging.getLogger(__name__)

TEST = ("LJ002-0161", "LJ002-0180")
VALIDATION = ("LJ002-0181", "LJ002-0200")
UNFINISHED = "clips.part"  # folder for the finished clips of an unfinished dataset
LJSPEECH_CLIP = re.compile(r"LJ\d{3}-\d{4}")
ALIGNMENT_SLACK_S = 0.15  # how far the end of the alignment may lie from the end of the clip
QUIETEST_PEAK = 0.01  # full scale is 1; below it a clip counts as silence
Progress = Callable[[int, int], None]
Work = tuple[Alignment, str | None, Path | None, Path, FeatureSet]
"""alignment, transcript, recording, the file for its features, and which these are"""


@dataclass(slots=True)
class Prepared:
    """What `prepare` did."""

    with_audio: int = 0
    timing_only: int = 0
    left_out: dict[str, str] = field(default_factory=dict)
    """id -> why"""


def split_of(clip: str) -> str:
    """The split of a clip: in LJSpeech 20 named clips for test, 20 for validation, the rest train.

    In other corpora one clip in 20 is for test and one for validation, by a checksum of its name.
    """
    if LJSPEECH_CLIP.fullmatch(clip):
        for name, (first, last) in (("test", TEST), ("validation", VALIDATION)):
            if first <= clip <= last:
                return name
        return "train"
    return {0: "test", 1: "validation"}.get(crc32(clip.encode()) % 20, "train")


def read_transcripts(path: Path) -> dict[str, str]:
    """metadata.csv (`id|raw|normalized`) -> id -> normalized text.

    Raises:
        DataError: unreadable, or a line without three fields.
    """
    with reading(path, "LJSpeech-1.1 (https://keithito.com/LJ-Speech-Dataset) or its layout"):
        lines = path.read_text(encoding="utf-8").splitlines()
    transcripts = {}
    for number, line in enumerate(lines, 1):
        fields = line.split("|")
        if len(fields) != 3:
            raise DataError(f"{path}:{number}: {len(fields)} fields; expected id|raw|normalized")
        transcripts[fields[0]] = fields[2]
    return transcripts


def read_ids(path: Path) -> frozenset[str]:
    """Ids of clips or texts, from a file with one a line.

    Raises:
        DataError: unreadable.
    """
    with reading(path, "ids, one a line"):
        return frozenset(path.read_text(encoding="utf-8").split())


def read_clip(path: Path, grid: FrameGrid) -> Waveform:
    """A recording, checked, cut to whole frames.

    Raises:
        DataError: unreadable, wrong rate or channels, not finite, silent or too short.
    """
    samples, rate = decoded(path)
    if rate != grid.sample_rate_hz or samples.shape[1] != 1:
        raise DataError(
            f"{samples.shape[1]} channels at {rate} Hz; expected mono, {grid.sample_rate_hz} Hz:"
            " convert it"
        )
    hop = grid.hop_length
    waveform: Waveform = samples[: len(samples) // hop * hop, 0]
    if len(waveform) == 0:
        raise DataError(f"{len(samples)} samples; expected at least one frame of {hop}")
    if not np.isfinite(waveform).all():
        raise DataError("NaN or infinite samples; decode it again")
    if np.abs(waveform).max() < QUIETEST_PEAK:
        raise DataError(f"silent: the peak is {np.abs(waveform).max():.4f} of full scale")
    return waveform


def check_speaker(name: str) -> None:
    """Raises InputError for a name that no bundle could have."""
    if not re.fullmatch(PLAIN_NAME, name):
        raise InputError(
            f"voice name {name!r} is invalid; expected a name of letters, digits, . _ and -"
        )


def prepare(
    corpus: Path,
    alignments: Path,
    out: Path,
    progress: Progress = lambda done, total: None,
    *,
    speaker: CorpusSpeaker = LJ,
    jobs: int = 1,
    features: FeatureSet = EVERYTHING,
    left_out: Mapping[str, str] = MappingProxyType({}),
) -> Prepared:
    """Measure every aligned clip and write the dataset.

    Resumes if interrupted: finished clips are kept in `out/clips.part`.

    Args:
        corpus: directory with metadata.csv and wavs/ (wav or flac).
        alignments: TSV file (plain or .xz) or a directory of MFA TextGrids.
        out: directory to write.
        progress: called with clips done and clips in all.
        speaker: of the recordings.
        jobs: number of processes.
        features: what to measure of each clip.
        left_out: what the corpus already lacks, and why, for the report and the dataset.

    Raises:
        DataError: no transcripts, alignments or recordings, or nothing usable among them.
        InputError: `out` can't be written, no bundle could have such a voice, or nobody reads the
            language.
    """
    check_speaker(speaker.name)
    language = known_language(speaker.language)
    transcripts = read_transcripts(corpus / "metadata.csv")
    recordings = _clip_files(corpus, features)
    aligned = {alignment.id: alignment for alignment in read_alignments(alignments)}
    partial = out / UNFINISHED
    with writing(out, "choose another --out"):
        partial.mkdir(parents=True, exist_ok=True)

    report = Prepared(left_out=dict(left_out))
    report.left_out |= {clip: "no alignment" for clip in recordings if clip not in aligned}
    clips = []
    work: list[Work] = [
        (
            alignment,
            transcripts.get(clip),
            None if clip in features.unheard else recordings.get(clip),
            partial / f"{clip}{features.ending}",
            features,
        )
        for clip, alignment in sorted(aligned.items())
    ]
    for done, ((alignment, text, recording, file, _), fault) in enumerate(
        zip(work, _faults(work, jobs), strict=True), 1
    ):
        progress(done, len(work))
        clip = alignment.id
        if fault is not None or text is None:
            report.left_out[clip] = fault or "no transcript in metadata.csv"
            log.warning("left out %s: %s", clip, report.left_out[clip])
            continue
        if recording is not None:
            load = functools.partial(_read, file)
            voice = speaker.voice_of(clip)
        else:
            load = functools.partial(_timed, alignment, text, features.lacks)
            voice = speaker.name
        clips.append(ClipSource(clip, split_of(clip), text, voice, load))
        report.with_audio += recording is not None
        report.timing_only += recording is None
    if not report.with_audio:
        raise DataError(
            f"{corpus}: none of {len(recordings)} recordings is usable; first problem:"
            f" {next(iter(report.left_out.values()), 'none')}"
        )
    pack(out, clips, report.left_out, corpus.name, features.grid, speaker.origin, language)
    shutil.rmtree(partial)
    return report


def _clip_files(corpus: Path, features: FeatureSet) -> dict[str, Path]:
    """Id -> recording, or F0 where that is all that is taken; a DataError if there is none."""
    kinds, folder = [".wav", ".flac"], corpus / "wavs"
    if features.without_sound:
        kinds, folder = [".npy"], corpus / "f0"
    found = {file.stem: file for file in sorted(folder.glob("*")) if file.suffix in kinds}
    if not found:
        expected = "an array for each clip" if features.without_sound else "LJSpeech's clips"
        raise DataError(f"{folder}: no {' or '.join(kinds)} inside; expected {expected}")
    return found


def _faults(work: list[Work], jobs: int) -> Iterator[str | None]:
    """Measures clips in order; yields why a clip can't be used, None if it can."""
    if jobs == 1:
        yield from map(_measure_one, work)
        return
    with ProcessPoolExecutor(jobs) as pool:
        yield from pool.map(_measure_one, work, chunksize=8)


def _measure_one(work: Work) -> str | None:
    alignment, text, recording, file, features = work
    try:
        if text is None:
            return "no transcript in metadata.csv"
        if recording is None:
            _timed(alignment, text, features.lacks)  # raises if its alignment is unusable
        elif not file.exists():
            _write(file, _measured(alignment, text, recording, features))
    except DataError as error:
        return str(error)
    return None


def _timed(alignment: Alignment, transcript: str, lacks: Sequence[str]) -> Arrays:
    """The arrays of a clip without a recording: symbols and no frames."""
    symbols, durations = alignment.utterance(transcript)
    no_frames = {
        name: np.zeros((0, MEL_BANDS) if name == "mel" else 0, dtype)
        for name, dtype in DTYPES.items()
        if name not in lacks
    }
    return no_frames | {
        "symbols": np.array([SYMBOL_IDS[s] for s in symbols], np.uint8),
        "durations": np.array(durations, np.float32),
    }


def _measured(
    alignment: Alignment, transcript: str, recording: Path, features: FeatureSet
) -> Arrays:
    """Everything that is stored of a recorded clip.

    Raises:
        DataError: the recording is unusable, or its alignment doesn't fit it.
    """
    timed = _timed(alignment, transcript, features.lacks)
    grid, hop = features.grid, features.grid.hop_length
    if features.without_sound:
        f0 = _read_f0(recording)
        _check_length(alignment, len(f0) / grid.frames_per_s)
        return {**timed, "f0": f0}
    waveform = read_clip(recording, grid)
    _check_length(alignment, len(waveform) / grid.sample_rate_hz)
    if features.without_f0:
        energy, mel = log_energy(waveform, hop), log_mel(waveform, grid)
        return {**timed, **plain_arrays(waveform, energy, mel)}
    file = recording.parent.parent / "f0" / f"{recording.stem}.npy"
    known = _read_f0(file, len(waveform) // hop) if file.is_file() else None
    return {**timed, **arrays_of(waveform, measure(waveform, grid, known))}


def _check_length(alignment: Alignment, seconds: float) -> None:
    if abs(seconds - alignment.seconds) > ALIGNMENT_SLACK_S:
        raise DataError(
            f"the alignment ends at {alignment.seconds:.2f} s but the clip at {seconds:.2f} s;"
            f" expected at most {ALIGNMENT_SLACK_S} s apart: align it again"
        )


def _read_f0(file: Path, frames: int | None = None) -> NDArray[np.float32]:
    """(F,) Hz from a file of the corpus's f0 folder.

    Raises:
        DataError: the file is not such an array, or has another F than is asked for.
    """
    try:
        f0 = np.load(file, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise DataError(f"{file}: can't be read ({error}); expected F0 as an npy array") from error
    shape = f0.shape if frames is None else (frames,)
    if f0.ndim != 1 or f0.shape != shape or not np.isfinite(f0).all() or (f0 < 0).any():
        expected = "(F,)" if frames is None else shape
        raise DataError(f"{file}: {f0.shape} values; expected {expected} Hz, 0 where unvoiced")
    known: NDArray[np.float32] = f0.astype(np.float32)
    return known


def _write(file: Path, arrays: Arrays) -> None:
    """Write atomically, so that an interrupted run leaves no half clip behind."""
    unfinished = file.with_suffix(".part")
    with unfinished.open("wb") as stream:
        np.savez(stream, allow_pickle=False, **arrays)
    unfinished.replace(file)


def _read(file: Path) -> Arrays:
    with np.load(file, allow_pickle=False) as arrays:
        return dict(arrays)
