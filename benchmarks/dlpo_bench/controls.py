"""Speed and pitch: whether they do what they say, and what they cost in intelligibility."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from dlpo.errors import MissingExtraError
from dlpo_bench.clips import SAMPLE_RATE, Clip, Waveform
from dlpo_bench.eval import samples
from dlpo_bench.judging import WORD_ERRORS, Floats, JudgePanel, Quality, SystemScores, evaluate
from dlpo_bench.record import Measured
from dlpo_bench.signals import F0_RANGE_HZ, f0_track_hz
from dlpo_bench.statistics import mean, ratio_of_sums
from dlpo_bench.systems import RECORDINGS, Say, recordings, text_to_speech

if TYPE_CHECKING:
    from dlpo_bench.systems import TextVoice

SPEEDS = (0.5, 0.75, 1.5, 2.0)
PITCHES = (-6.0, -3.0, 3.0, 6.0)  # semitones


@dataclass(frozen=True, slots=True)
class Setting:
    """One position of both controls."""

    speed: float = 1.0
    """factor of the voice's own pace"""
    pitch_semitones: float = 0.0

    @property
    def name(self) -> str:
        """How tables call it, such as "speed 0.5" or "pitch +6"."""
        parts = [f"speed {self.speed:g}"] if self.speed != 1 else []
        parts += [f"pitch {self.pitch_semitones:+g}"] if self.pitch_semitones else []
        return " ".join(parts) or NEUTRAL_NAME


NEUTRAL_NAME = "neutral"
NEUTRAL = Setting()


def one_at_a_time() -> list[Setting]:
    """Neutral first, then each speed, then each pitch."""
    return [
        NEUTRAL,
        *(Setting(speed=speed) for speed in SPEEDS),
        *(Setting(pitch_semitones=pitch) for pitch in PITCHES),
    ]


FRAME_MS = 5.0


class Stretched:
    """The recordings of some clips; each is analysed once and kept."""

    def __init__(self) -> None:
        """Raises MissingExtraError where pyworld is not installed."""
        try:
            import pyworld
        except ImportError as error:
            raise MissingExtraError("pyworld", "bench") from error
        self._world: Any = pyworld
        self._parts: dict[str, tuple[Any, Any, Any]] = {}  # clip -> F0, envelope, aperiodicity

    def at(self, setting: Setting) -> Say:
        """The recordings at a setting; the neutral ones are untouched."""
        return recordings if setting == NEUTRAL else self._changed(setting)

    def _changed(self, setting: Setting) -> Callable[[Clip], Waveform]:
        def system(clip: Clip) -> Waveform:
            if clip.clip_id not in self._parts:
                self._parts[clip.clip_id] = self._analysed(recordings(clip))
            f0, envelope, aperiodicity = self._parts[clip.clip_id]
            made = self._world.synthesize(
                f0 * 2 ** (setting.pitch_semitones / 12),
                envelope,
                aperiodicity,
                SAMPLE_RATE,
                FRAME_MS / setting.speed,
            )
            return np.asarray(np.clip(made, -1, 1), np.float32)

        return system

    def _analysed(self, waveform: Waveform) -> tuple[Any, Any, Any]:
        floor, ceiling = F0_RANGE_HZ
        samples = waveform.astype(np.float64)
        coarse, times = self._world.dio(
            samples, SAMPLE_RATE, f0_floor=floor, f0_ceil=ceiling, frame_period=FRAME_MS
        )
        f0 = self._world.stonemask(samples, coarse, times, SAMPLE_RATE)
        envelope = self._world.cheaptrick(samples, f0, times, SAMPLE_RATE)
        return f0, envelope, self._world.d4c(samples, f0, times, SAMPLE_RATE)


SHIFTED_F0_RANGE_HZ = (60.0, 800.0)  # of a woman's voice six semitones down and up
CEILING = f"{RECORDINGS}, by WORLD"
RATIO = f"{WORD_ERRORS} / neutral"
SHIFT, STRETCH, LEVEL = "pitch change, st", "duration x speed / neutral", "level change, dB"


def measure_controls(
    speakers: Sequence[TextVoice],
    clips: Sequence[Clip],
    settings: Sequence[Setting],
    panel: JudgePanel,
    *,
    seeds: int = 1,
    on_clip: Callable[[], object] = lambda: None,
) -> Measured:
    """Say every clip at every setting.

    Args:
        speakers: of `open_voices`.
        clips: with recordings, they are changed as well, by WORLD: the ceiling.
        settings: `NEUTRAL` among them.
        panel: its recognisers count.
        seeds: of the noise, 0 and up; averaged first.
        on_clip: called after each clip of each take.

    Raises:
        InputError: a setting is beyond what a voice offers; see `evaluate` too.
        DataError, MissingExtraError: see `Stretched`.
    """
    families: dict[str, dict[Setting, Sequence[Say]]] = {
        speaker.label: {
            setting: [
                text_to_speech(
                    speaker.synthesizer,
                    seed=seed,
                    ladder=speaker.ladder,
                    speed=setting.speed,
                    pitch_semitones=setting.pitch_semitones,
                )
                for seed in range(seeds)
            ]
            for setting in settings
        }
        for speaker in speakers
    }
    if all(clip.recording for clip in clips):
        stretched = Stretched()
        families[CEILING] = {setting: [stretched.at(setting)] for setting in settings}
    systems = {
        system_name(family, setting): takes
        for family, by_setting in families.items()
        for setting, takes in by_setting.items()
    }
    tracks: dict[tuple[str, int], list[Floats]] = {}

    def keep(system: str, take: int, clip: Clip, waveform: Waveform) -> None:
        tracks.setdefault((system, take), []).append(
            f0_track_hz(waveform, SAMPLE_RATE, *SHIFTED_F0_RANGE_HZ)
        )

    quality = evaluate(systems, clips, panel, on_clip, keep=keep)
    heard: dict[str, SystemScores] = {}
    for family, by_setting in families.items():
        for setting in by_setting:
            name, neutral = system_name(family, setting), system_name(family, NEUTRAL)
            takes = []
            for number, take in enumerate(quality.scores[name].takes):
                plain = quality.scores[neutral].takes[number]
                pairs = zip(tracks[name, number], tracks[neutral, number], strict=True)
                more = {
                    SHIFT: np.array([shift_semitones(*pair) for pair in pairs]),
                    STRETCH: take.values["seconds"] * setting.speed / plain.values["seconds"],
                    LEVEL: take.values["level, dB"] - plain.values["level, dB"],
                }
                takes.append(replace(take, values={**take.values, **more}))
            heard[name] = SystemScores(takes)
    quality = replace(quality, scores=heard, baseline=None)
    about = {
        system_name(s.label, setting): {**s.about, "setting": setting.name}
        for s in speakers
        for setting in settings
    }
    found = {
        family: {setting.name: _figures(quality, family, setting) for setting in by_setting}
        for family, by_setting in families.items()
    }
    return Measured(
        {"clips": len(clips), "seeds": seeds, "systems": found}, samples(quality, about)
    )


def system_name(family: str, setting: Setting) -> str:
    """How records call a voice, or the recordings, at a setting."""
    return f"{family}, {setting.name}"


def shift_semitones(track_hz: Floats, neutral_hz: Floats) -> float:
    """How much higher one saying is than another, place by place; NaN without a common voice.

    Places are shares of the whole, so that the pace doesn't count; the median over them, so that
    frames where a tracker took half or double the pitch don't either.
    """
    places = (np.arange(len(neutral_hz)) + 0.5) / len(neutral_hz)
    there = track_hz[(places * len(track_hz)).astype(int)]
    voiced = (there > 0) & (neutral_hz > 0)
    if not voiced.any():
        return float("nan")
    return float(np.median(12 * np.log2(there[voiced] / neutral_hz[voiced])))


def _figures(quality: Quality, family: str, setting: Setting) -> dict[str, Any]:
    """Means with 95 % intervals over sentences; word errors pooled, and over the neutral ones."""
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
