"""Judges hear torch and the exported graphs say the same sentences with the same noise."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dlpo.audio import SAMPLE_RATE
from dlpo.bundle import Precision
from dlpo.judges.judge import Judge
from dlpo_export.parity.cases import DENOISER, SENTENCES, speak
from dlpo_export.parity.open_graph import OpenGraph
from dlpo_export.parity.report import JudgedDifference
from dlpo_export.to_onnx import GraphSource

Waveform = NDArray[np.float32]
Voice = tuple[str, Precision | None]  # a denoiser, and None for torch

SEEDS = 4  # draws of noise, each for all sentences


def judge_denoisers(
    folder: Path,
    sources: Mapping[str, GraphSource],
    files: Mapping[str, Mapping[Precision, str]],
    judges: Sequence[Judge],
    gain: float,
) -> list[JudgedDifference]:
    """What each judge thinks of every denoiser in every precision, and of torch.

    Args:
        folder, sources, files: as for `check_parity`.
        gain: factor on a waveform before a judge hears it.
    """
    heard: dict[Voice, list[Waveform]] = defaultdict(list)
    denoisers = [name for name in files if name.startswith(DENOISER)]
    opened = {
        (name, precision): OpenGraph(folder / file)
        for name in denoisers
        for precision, file in files[name].items()
    }
    for seed in range(SEEDS):
        clips: dict[Voice, list[Waveform]] = defaultdict(list)
        for sentence in SENTENCES:
            for case in speak(sources, sentence, seed):
                if case.graph in denoisers:
                    clips[case.graph, None].append(case.outputs["waveform"].numpy())
                    for precision in files[case.graph]:
                        made = opened[case.graph, precision].run(case.numpy_inputs())
                        clips[case.graph, precision].append(made["waveform"])
        for key, sentences in clips.items():  # one clip, since some sentences are too short alone
            heard[key].append(np.float32(gain) * np.concatenate([x.ravel() for x in sentences]))
    found = []
    for judge in judges:
        scores = {
            key: float(judge.score(waveforms, SAMPLE_RATE).mean())
            for key, waveforms in heard.items()
        }
        found += [
            JudgedDifference(graph, precision, judge.name, scores[graph, None], score, SEEDS)
            for (graph, precision), score in scores.items()
            if precision is not None
        ]
    return found
