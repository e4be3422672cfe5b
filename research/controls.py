"""Speed and pitch: whether they do what they claim, and what they cost in intelligibility.

    python -m research.controls lj --clips 8 --record

Every test sentence is spoken at speed 0.5, 0.75, 1.5 and 2, at pitch -6, -3, +3 and +6 semitones,
and unchanged. A recognizer does worse on slow, fast, high and low speech from any speaker, so the
speaker's recordings, changed by a plain vocoder (WORLD), are beside it. docs/voice.md has results.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import typer

from dlpo.cli.bench import Clips, Seeds, Voices, run_bench
from dlpo.cli.options import CORPUS, Corpus, Record, progress
from dlpo.errors import MissingExtraError
from dlpo.judges.pocketsphinx import PocketSphinx
from dlpo.judges.whisper import Whisper
from dlpo_bench.clips import SAMPLE_RATE, TEST_SPLIT, Clip, Waveform, load_clips
from dlpo_bench.eval import is_rate, samples
from dlpo_bench.judging import WORD_ERRORS, Floats, JudgePanel, Quality, SystemScores, evaluate
from dlpo_bench.record import Measured
from dlpo_bench.signals import F0_RANGE_HZ, FRAME_S, f0_track_hz
from dlpo_bench.statistics import mean, ratio_of_sums
from dlpo_bench.systems import (
    RECORDINGS,
    Say,
    SpeakingOptions,
    TextVoice,
    only_bundle,
    open_voices,
    recordings,
    text_to_speech,
)
from dlpo_bench.tables import Block, Figures, Table, estimate
from research import RECORDS, run_study, study_command
from research.texts import WhisperDir, seeds_words

MOST_ERRORS = 1.3  # times those of the neutral setting; above, a control costs intelligibility
RATIO = f"{WORD_ERRORS} / neutral"
SHIFT = "pitch change, st"
STRETCH = "duration x speed / neutral"
LEVEL = "level change, dB"
CONTROLS = {
    WORD_ERRORS: "word errors",
    RATIO: "/ neutral",
    SHIFT: "pitch change, st",
    STRETCH: "duration x speed",
    LEVEL: "level change, dB",
}
SPEEDS = (0.5, 0.75, 1.5, 2.0)
PITCHES = (-6.0, -3.0, 3.0, 6.0)  # semitones
NEUTRAL_NAME = "neutral"
SHIFTED_F0_RANGE_HZ = (60.0, 800.0)  # of a woman's voice, six semitones down and up
CEILING = f"{RECORDINGS}, by WORLD"


@dataclass(frozen=True, slots=True)
class Setting:
    """One position of both controls."""

    speed: float = 1.0
    """factor on the voice's own pace"""
    pitch_semitones: float = 0.0

    @property
    def name(self) -> str:
        """Name in tables, such as "speed 0.5" or "pitch +6"."""
        parts = [f"speed {self.speed:g}"] if self.speed != 1 else []
        parts += [f"pitch {self.pitch_semitones:+g}"] if self.pitch_semitones else []
        return " ".join(parts) or NEUTRAL_NAME


NEUTRAL = Setting()


def one_at_a_time() -> list[Setting]:
    """Neutral first, then each speed, then each pitch."""
    return [
        NEUTRAL,
        *(Setting(speed=speed) for speed in SPEEDS),
        *(Setting(pitch_semitones=pitch) for pitch in PITCHES),
    ]


class Vocoder:
    """The recordings of some clips, modified by WORLD; each is analyzed once and cached.

    Raises:
        MissingExtraError: pyworld is not installed.
    """

    def __init__(self) -> None:
        try:
            import pyworld
        except ImportError as error:
            raise MissingExtraError("pyworld", "bench") from error
        self._world: Any = pyworld
        self._parts: dict[str, tuple[Any, Any, Any]] = {}  # clip -> F0, envelope, aperiodicity

    def at(self, setting: Setting) -> Say:
        """The recordings at a setting; at the neutral one they are unchanged."""

        def say(clip: Clip) -> Waveform:
            f0, envelope, aperiodicity = self._analyzed(clip)
            made = self._world.synthesize(
                f0 * 2 ** (setting.pitch_semitones / 12), envelope, aperiodicity, SAMPLE_RATE,
                1_000 * FRAME_S / setting.speed,
            )  # fmt: skip
            return np.asarray(np.clip(made, -1, 1), np.float32)

        return recordings if setting == NEUTRAL else say

    def _analyzed(self, clip: Clip) -> tuple[Any, Any, Any]:
        if clip.clip_id not in self._parts:
            world, waveform = self._world, recordings(clip)
            f0, samples = f0_track_hz(waveform, SAMPLE_RATE, *F0_RANGE_HZ), waveform.astype(float)
            times = FRAME_S * np.arange(len(f0))
            envelope = world.cheaptrick(samples, f0, times, SAMPLE_RATE)
            self._parts[clip.clip_id] = f0, envelope, world.d4c(samples, f0, times, SAMPLE_RATE)
        return self._parts[clip.clip_id]


def measure_controls(
    voices: Sequence[TextVoice], clips: Sequence[Clip], settings: Sequence[Setting],
    panel: JudgePanel, *, seeds: int = 1, on_clip: Callable[[], object] = lambda: None,
) -> Measured:  # fmt: skip
    """Speak every clip at every setting.

    Args:
        clips: those with recordings are modified by WORLD as well: the ceiling.
        settings: must include `NEUTRAL`.
        panel: only its recognizers are used.
        seeds: noise seeds from 0; averaged first.
        on_clip: called after each clip of each take.

    Raises:
        InputError: a setting is outside a voice's range; see also `evaluate`.
        DataError, MissingExtraError: see `Vocoder`.
    """
    takes: dict[tuple[str, Setting], list[Say]] = {}
    for setting in settings:
        control = {"speed": setting.speed, "pitch_semitones": setting.pitch_semitones}
        for one in voices:
            takes[one.label, setting] = [
                text_to_speech(one.synthesizer, one.ladder, seed=seed, **control)
                for seed in range(seeds)
            ]
    if all(clip.recording for clip in clips):
        vocoder = Vocoder()
        takes |= {(CEILING, setting): [vocoder.at(setting)] for setting in settings}
    tracks: dict[tuple[str, int], list[Floats]] = {}

    def keep(system: str, take: int, clip: Clip, waveform: Waveform) -> None:
        track = f0_track_hz(waveform, SAMPLE_RATE, *SHIFTED_F0_RANGE_HZ)
        tracks.setdefault((system, take), []).append(track)

    systems = {system_name(*key): says for key, says in takes.items()}
    quality = evaluate(systems, clips, panel, on_clip, keep=keep)
    scores: dict[str, SystemScores] = {}
    for family, setting in takes:
        name, neutral = system_name(family, setting), system_name(family, NEUTRAL)
        changed = []
        for number, take in enumerate(quality.scores[name].takes):
            plain = quality.scores[neutral].takes[number]
            pairs = zip(tracks[name, number], tracks[neutral, number], strict=True)
            more = {
                SHIFT: np.array([shift_semitones(*pair) for pair in pairs]),
                STRETCH: take.values["seconds"] * setting.speed / plain.values["seconds"],
                LEVEL: take.values["level, dB"] - plain.values["level, dB"],
            }
            changed.append(replace(take, values={**take.values, **more}))
        scores[name] = SystemScores(changed)
    quality = replace(quality, scores=scores, baseline=None)
    about = {
        system_name(one.label, setting): {**one.about, "setting": setting.name}
        for one in voices
        for setting in settings
    }
    found: dict[str, dict[str, Any]] = {}
    for family, setting in takes:
        found.setdefault(family, {})[setting.name] = _figures(quality, family, setting)
    return Measured(
        {"clips": len(clips), "seeds": seeds, "systems": found}, samples(quality, about),
        bundle_sha256=only_bundle(one.about for one in voices),
    )  # fmt: skip


def system_name(family: str, setting: Setting) -> str:
    """Name in records of a voice, or of the recordings, at a setting."""
    return f"{family}, {setting.name}"


def shift_semitones(track_hz: Floats, neutral_hz: Floats) -> float:
    """How much higher one utterance is than another, by position; NaN without any voiced in both.

    Positions are fractions of the whole, so that pace has no effect; the median over them also
    ignores frames where a tracker took half or double the pitch.
    """
    places = (np.arange(len(neutral_hz)) + 0.5) / len(neutral_hz)
    there = track_hz[(places * len(track_hz)).astype(int)]
    voiced = (there > 0) & (neutral_hz > 0)
    if not voiced.any():
        return float("nan")
    return float(np.median(12 * np.log2(there[voiced] / neutral_hz[voiced])))


def _figures(quality: Quality, family: str, setting: Setting) -> dict[str, Any]:
    """Means with 95 % intervals over sentences; word errors pooled and relative to neutral."""
    one, plain = (quality.scores[system_name(family, s)] for s in (setting, NEUTRAL))
    found: dict[str, Any] = {
        "speed": setting.speed,
        "pitch_semitones": setting.pitch_semitones,
    }
    for measure in (SHIFT, STRETCH, LEVEL):
        values = one.values[measure]
        if len(known := values[np.isfinite(values)]):
            found[measure] = mean(known).figure
    for measure, errors in one.errors.items():
        both = np.isfinite(errors) & np.isfinite(plain.errors[measure])
        if both.any():
            found[measure] = ratio_of_sums(errors[both], quality.units(measure)[both]).figure
        if plain.errors[measure][both].sum() > 0:
            over = ratio_of_sums(errors[both], plain.errors[measure][both])
            found[f"{measure} / neutral"] = over.figure
    return found


def controls_blocks(figures: Figures) -> list[Block]:
    """A table for each voice, and one for the recordings."""
    blocks: list[Block] = [
        f"{figures['clips']} test sentences{seeds_words(figures)}. Bold: more than"
        f" {MOST_ERRORS:g} times the word errors without a setting."
    ]
    for family, settings in figures["systems"].items():
        rows = {
            name: {m: _control(m, one[m]) for m in CONTROLS if m in one}
            for name, one in settings.items()
        }
        header = [family, *CONTROLS.values()]  # keys contain slashes
        cells = [[name, *(row.get(m, "") for m in CONTROLS)] for name, row in rows.items()]
        blocks.append(Table(header, cells))
    return blocks


def _control(measure: str, score: Figures) -> str:
    words = estimate(score, percent=is_rate(measure) and measure != RATIO, fixed=True)
    return f"**{words}**" if measure == RATIO and score["value"] > MOST_ERRORS else words


def main(
    voices: Voices = None,
    seeds: Seeds = 1,
    corpus: Corpus = CORPUS,
    clips: Clips = 20,
    whisper: WhisperDir = None,
    record: Record = False,
) -> None:
    """Check that speed and pitch do what they claim, and that words stay intelligible.

    For comparison, the speaker's recordings at the same settings, modified by a plain vocoder.
    """
    speakers = open_voices(voices or ["lj"], SpeakingOptions(seeds=seeds))
    spoken = load_clips(corpus, TEST_SPLIT[:clips])
    settings = one_at_a_time()
    panel = JudgePanel([], {WORD_ERRORS: Whisper(whisper) if whisper else PocketSphinx()}, {})
    families = len(speakers) * seeds + 1

    def measure() -> Measured:
        with progress() as bar:
            task = bar.add_task("listening", total=families * len(settings) * len(spoken))
            found = measure_controls(
                speakers, spoken, settings, panel, seeds=seeds, on_clip=lambda: bar.advance(task)
            )
        if CEILING not in found.figures["systems"]:
            typer.echo(f"no recordings in {corpus / 'wavs'}: no ceiling", err=True)
        return found

    run_bench("controls", measure, controls_blocks, record, RECORDS, study_command("controls"))


if __name__ == "__main__":
    run_study(main)
