"""Contestants in turns: every round each speaks every text once, on the same core."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import median_abs_deviation

from dlpo.errors import EngineError, InputError
from dlpo_bench.compare import compare_medians
from dlpo_bench.latency import SENTENCES
from dlpo_bench.noise import watch_machine
from dlpo_bench.peers.adapters import WHOLE, Contestant, Peer
from dlpo_bench.peers.process import ContestantProcess, Spoken, contestant_process

TEXTS: Mapping[str, str] = {"5 s": SENTENCES[0], "20 s": " ".join(SENTENCES)}
"""about how long they take -> what is said"""

WARM_UP_ROUNDS = 1  # beside what each does to get ready: now all are there, and take turns


@dataclass(frozen=True, slots=True)
class PeersOptions:
    """How the comparison is made."""

    rounds: int = 15
    core: int = 0
    """that all of them run on, one after the other; see `usable_core`"""


@dataclass(frozen=True, slots=True)
class PeersMeasured:
    """What a run gives."""

    figures: dict[str, Any]
    samples: dict[str, Any]
    warnings: Sequence[str]
    """what disturbed it"""


def usable_core(core: int | None) -> int:
    """The core itself, or the last one for None; raises InputError where it can't be used."""
    if not hasattr(os, "sched_getaffinity"):
        raise InputError("a process can be held to one core on Linux only; measure there")
    usable = sorted(os.sched_getaffinity(0))
    if core is not None and core not in usable:
        raise InputError(f"core is {core}; this process may use {', '.join(map(str, usable))}")
    return usable[-1] if core is None else core


class Running:
    """A contestant with what it has done so far."""

    def __init__(self, contestant: Contestant, process: ContestantProcess) -> None:
        self.contestant = contestant
        self.process = process
        self.spoken: dict[str, list[Spoken]] = {length: [] for length in TEXTS}

    def speak_all(self, seed: int) -> None:
        """One round."""
        for length, text in TEXTS.items():
            self.spoken[length].append(self.process.speak(text, seed))

    def forget(self) -> None:
        """What was spoken until now was to warm up."""
        self.spoken = {length: [] for length in TEXTS}

    def figures(self) -> dict[str, Any]:
        """Of all its rounds."""
        of = self.contestant
        load = {} if of.starts_each_time else {"load_s": self.process.load_s}
        return {
            "title": of.title,
            "version": self.process.version,
            **load,
            "peak_mb": self.process.peak_mb(TEXTS["20 s"]),
            "texts": {length: _text_figures(spoken) for length, spoken in self.spoken.items()},
            **({"note": of.note} if of.note else {}),
            **of.facts,
        }

    def samples(self) -> dict[str, dict[str, list[float]]]:
        """Length -> measure -> one value for each round."""
        return {length: _text_samples(spoken) for length, spoken in self.spoken.items()}


def measure_peers(
    ours: Contestant,
    peers: Sequence[Peer],
    options: PeersOptions,
    tell: Callable[[str], None],
) -> PeersMeasured:
    """Measure a voice of ours and its peers.

    Args:
        ours: is in every ratio.
        peers: those that are missing are skipped, and those that fail are dropped.
        options: how.
        tell: told what is done.

    Returns:
        Figures of each contestant, and `ratios`: peer -> length of the text -> how many times as
        long as ours the peer takes for a second of its audio, by the clock and in processor time.
        `ratios_to_whole` are the same to `WholeSentences`, where they are among the peers.

    Raises:
        EngineError: our own voice failed.
    """
    skipped = {peer.name: reason for peer in peers if (reason := peer.missing())}
    with watch_machine() as watch, ExitStack() as stack:
        own = Running(ours, stack.enter_context(contestant_process(ours, options.core)))
        lengths = {length: own.process.prepare(text, None) for length, text in TEXTS.items()}
        running = [own]
        for peer in peers:
            if peer.name in skipped:
                continue
            tell(f"{peer.name} gets ready")
            try:
                running.append(_begin(peer.contestant(), options.core, lengths, stack))
            except EngineError as error:
                skipped[peer.name] = str(error)
        for number in range(WARM_UP_ROUNDS + options.rounds):
            tell(f"round {number + 1} of {WARM_UP_ROUNDS + options.rounds}")
            for one in list(running):
                try:
                    one.speak_all(number)
                except EngineError as error:
                    if one is own:
                        raise
                    running.remove(one)
                    skipped[one.contestant.name] = str(error)
            if number < WARM_UP_ROUNDS:
                for one in running:
                    one.forget()
        contestants = {one.contestant.name: one.figures() for one in running}
    samples = {one.contestant.name: one.samples() for one in running}
    figures = {
        "machine": watch.noise.figures(),
        "core": options.core,
        "rounds": options.rounds,
        "contestants": contestants,
        "ratios": _ratios_to(samples, ours.name),
        "ratios_to_whole": _ratios_to(samples, WHOLE),
        "skipped": skipped,
    }
    return PeersMeasured(figures, samples, watch.noise.warnings())


def _begin(
    contestant: Contestant, core: int, lengths: Mapping[str, float], stack: ExitStack
) -> Running:
    """Start and warm up; raises EngineError."""
    running = Running(contestant, stack.enter_context(contestant_process(contestant, core)))
    for length, text in TEXTS.items():
        running.process.prepare(text, lengths[length])
    return running


def _text_samples(spoken: Sequence[Spoken]) -> dict[str, list[float]]:
    return {
        "rtf": [one.wall_s / one.audio_s for one in spoken],
        "cpu_rtf": [one.cpu_s / one.audio_s for one in spoken],
        "audio_s": [one.audio_s for one in spoken],
    }


def _text_figures(spoken: Sequence[Spoken]) -> dict[str, float]:
    samples = _text_samples(spoken)
    rtf = np.array(samples["rtf"])
    return {
        "audio_s": float(np.median(samples["audio_s"])),
        "rtf_least": float(rtf.min()),
        "rtf_median": float(np.median(rtf)),
        "rtf_spread": float(median_abs_deviation(rtf)),
        "cpu_rtf_median": float(np.median(samples["cpu_rtf"])),
    }


def _ratios_to(samples: Mapping[str, Any], base: str) -> dict[str, Any]:
    """Of all others; empty where the base was not measured."""
    if base not in samples:
        return {}
    return {name: _ratios(samples[base], one) for name, one in samples.items() if name != base}


def _ratios(
    ours: Mapping[str, Mapping[str, list[float]]], theirs: Mapping[str, Mapping[str, list[float]]]
) -> dict[str, dict[str, Any]]:
    return {
        length: {
            measure: compare_medians(
                measure, np.array(ours[length][measure]), np.array(theirs[length][measure])
            ).ratio.figure
            for measure in ("rtf", "cpu_rtf")
        }
        for length in TEXTS
    }
