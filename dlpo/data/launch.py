"""A dataset as a command line asks for it: from a corpus that is aligned, or from recordings."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from dlpo.data import recordings
from dlpo.data.ljspeech import UNFINISHED, Prepared, Progress, check_speaker, prepare
from dlpo.data.options import CorpusSpeaker, FeatureSet

Begin = Callable[[str], Progress]
"""Called with the name of a phase; its progress goes to the result."""


@dataclass(frozen=True, slots=True)
class DatasetOrder:
    """What a dataset is made of."""

    corpus: Path
    """directory of the corpus, or of recordings with their texts"""
    out: Path
    """directory to write"""
    alignments: Path | None
    """of the corpus; None: recordings, which are aligned here"""
    speaker: CorpusSpeaker
    features: FeatureSet
    jobs: int = 1
    """processes that measure clips"""


def make_dataset(order: DatasetOrder, begin: Begin) -> Prepared:
    """Make the dataset; after an interruption, go on with what is measured.

    Raises:
        What `write_corpus` and `prepare` raise.
    """
    corpus, speaker = order.corpus, order.speaker
    check_speaker(speaker.name)
    alignments, left_out = order.alignments, dict[str, str]()
    if alignments is None:
        aligned = begin("aligning recordings")
        shutil.rmtree(order.out / UNFINISHED, ignore_errors=True)  # clips of earlier texts
        rate_hz, corpus = order.features.grid.sample_rate_hz, order.out / "corpus"
        left_out = recordings.write_corpus(order.corpus, corpus, aligned, speaker.language, rate_hz)
        alignments = corpus / "alignments.tsv"
        speaker = replace(speaker, origin=speaker.origin or f"recordings of {speaker.name}")
    return prepare(
        corpus,
        alignments,
        order.out,
        begin("measuring clips"),
        speaker=speaker,
        jobs=order.jobs,
        features=order.features,
        left_out=left_out,
    )
