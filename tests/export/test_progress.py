"""An export says what it is doing, and roughly how long the rest will take."""

from __future__ import annotations

import logging

import pytest

from dlpo_export.options import usual_precisions
from dlpo_export.progress import counted, stage
from tests.toys import BASE, SPECTRAL


def test_a_stage_says_that_it_begins_and_ends(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "dlpo_export"), stage("denoiser_2: tracing"):
        assert caplog.messages == ["denoiser_2: tracing ..."]
    assert caplog.messages[1:] == ["denoiser_2: tracing: 0 s"]


def test_slow_work_says_how_much_is_left(caplog: pytest.LogCaptureFixture) -> None:
    moments = iter([0.0, 0.0, 15.0, 30.0, 45.0])  # the start, then before each item
    with caplog.at_level(logging.INFO, "dlpo_export"):
        items = counted("abcd", "layers", clock=lambda: next(moments))
        assert list(items) == ["a", "b", "c", "d"]
    assert caplog.messages == ["2 of 4 layers, about 30 s to go"]


def test_wavegrad2_is_exported_in_full_precision_alone() -> None:
    assert usual_precisions(BASE) == ("fp32",)
    assert usual_precisions(SPECTRAL) == ("fp32", "int8")
