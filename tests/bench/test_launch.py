"""An evaluation of several systems, in this process and in processes of their own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from dlpo_bench.launch import evaluate_systems
from dlpo_bench.options import EvaluationOptions, Judges, SentenceChoice, SpeakingOptions


@pytest.fixture
def options(tiny_bundle: Path, tmp_path: Path) -> EvaluationOptions:
    hum = "Hum, hum, hum, hum, hum, hum"
    (tmp_path / "texts").write_text(f"a\tyn\t{hum}?\nb\tst\t{hum}.\n")
    return EvaluationOptions(
        (f"one={tiny_bundle}", f"other={tiny_bundle}"),
        SpeakingOptions(seeds=2),
        SentenceChoice(tmp_path / "none", texts=tmp_path / "texts"),
        Judges(tmp_path, only=("ends",)),
    )


def test_systems_side_by_side_get_the_same_figures(options: EvaluationOptions) -> None:
    kind, alone = evaluate_systems(options)

    assert kind == "endings"
    assert list(alone.figures["yn"]) == ["one", "other"]
    assert evaluate_systems(replace(options, jobs=2)) == (kind, alone)
