"""The section on real-time factors, from records of made-up runs."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from dlpo_bench.report.log_panels import Range, draw_log_panels
from dlpo_bench.report.page import make_page


def ratio(value: float) -> dict[str, Any]:
    return {"value": value, "interval_95": [0.9 * value, 1.1 * value]}


def row(rtf: float, **more: Any) -> dict[str, Any]:
    speedup = {} if "timed_steps" in more else {"eager-1000": ratio(20 / rtf), "eager": ratio(5.0)}
    return {
        "rtf_min": rtf, "rtf_median": rtf, "rtf_spread": 0.0, "first_rtf": 2 * rtf,
        "speedup": speedup, **more,
    }  # fmt: skip


def figures(model: str = "lite", **changed: Any) -> dict[str, Any]:
    rows = {
        "eager-1000": row(20.0, timed_steps=50),
        "cpu:fp32": row(0.04, error_db=-400.0, log_spectral_db=0.0),
        "cpu:int8": row(0.02, error_db=-25.5, log_spectral_db=0.8),
    }
    speech = {label: {"audio_s": 5.0, "contestants": rows} for label in ("5 s", "60 s")}
    return {
        "model": model, "weights": "checkpoint 1234", "parameters": 9_680_000,
        "chain": {"steps": 3, "schedule": "cosine", "eta": 0.7}, "served": "cpu:int8",
        "contestants": {name: {"load_s": 0.5} for name in rows},
        "skipped": {"cuda:fp32": "no GPU", "cuda:fp16": "no GPU", "compile": "no compiler"},
        "speech": speech, "denoiser": {"1 s": {"audio_s": 1.0, "contestants": rows}},
        "length_costs": {"cpu:int8": {"60 s / 5 s": ratio(1.05)}}, **changed,
    }  # fmt: skip


def write(folder: Path, found: dict[str, Any], day: int = 1) -> None:
    def samples(what: str) -> dict[str, Any]:
        return {
            label: {
                name: {f"{what}_rtf": [0.9 * one["rtf_median"], 1.2 * one["rtf_median"]]}
                for name, one in case["contestants"].items()
            }
            for label, case in found.get(what, {}).items()
        }

    record = {
        "format": 1, "kind": "rtf", "command": "dlpo bench rtf", "utc": f"2026-01-0{day}T00:00:00",
        "machine": {}, "software": {}, "commit": None, "bundle_sha256": None, "figures": found,
        "samples": {what: samples(what) for what in ("speech", "denoiser")},
    }  # fmt: skip
    (folder / f"rtf-{found['model']}-{day}.json").write_text(json.dumps(record))


def test_the_voice_as_served_is_held_against_its_aims(tmp_path: Path) -> None:
    write(tmp_path, figures())

    text = make_page(tmp_path, tmp_path / "page.md").text

    assert (
        "| times faster than the paper's sampler, 1000 steps, 5 s | 1,000 [900, 1,100]"
        " | 500 | 1500 | floor |" in text
    )
    assert "whole sentences, 5 s | 5 [4.50, 5.50] | 4 | 8 | floor |" in text
    assert "in the same chunks" not in text  # nobody spoke so
    assert "60 s / 5 s of speech | 1.05 [0.945, 1.16] | 1.1 | 1.02 | floor |" in text


def test_what_was_extrapolated_is_marked_in_table_and_picture(tmp_path: Path) -> None:
    write(tmp_path, figures())

    page = make_page(tmp_path, tmp_path / "page.md")

    assert "| eager-1000 | 20 extrapolated | 20 extrapolated |  |  |" in page.text
    svg = page.pictures["real-time-factors-of-lite.svg"]
    ElementTree.fromstring(svg)
    assert "20, extrapolated" in svg
    assert "0.02, 1,000 x as fast" in svg
    assert svg.count('fill:var(--back)"/>') == 3  # the page, and a hollow dot in each panel


def test_equal_audio_is_called_so_and_reasons_are_told_once(tmp_path: Path) -> None:
    write(tmp_path, figures())

    text = make_page(tmp_path, tmp_path / "page.md").text

    assert "| cpu:fp32 | 0.500 | 0.0800 | equal | 0 |" in text
    assert "| eager-1000 | 0.500 | 40 |  |  |" in text
    assert "- cuda:fp32; cuda:fp16: no GPU\n- compile: no compiler" in text


def test_each_model_is_shown_from_its_newest_record(tmp_path: Path) -> None:
    write(tmp_path, figures("base", weights="random, ...", served=None))
    write(tmp_path, figures(parameters=1_000_000), day=1)
    write(tmp_path, figures(), day=2)

    page = make_page(tmp_path, tmp_path / "page.md")

    assert page.text.index("**lite**: 9.68 million") < page.text.index("**base**: 9.68 million")
    assert "1.00 million" not in page.text
    assert "million parameters, random weights, N = 3" in page.text
    assert list(page.pictures) == [f"real-time-factors-of-{m}.svg" for m in ("lite", "base")]


def test_a_run_without_speech_is_shown_too(tmp_path: Path) -> None:
    alone = figures()
    del alone["speech"]
    write(tmp_path, alone)

    page = make_page(tmp_path, tmp_path / "page.md")

    assert page.problems == []
    assert "Reverse steps alone: RTF, median" in page.text
    assert "Speech, text to audio" not in page.text


def test_powers_of_ten_are_equally_far_apart() -> None:
    svg = draw_log_panels("t", {"p": [Range("a", 0.1, 0.05, 0.2), Range("b", 100.0, 90.0, 1000.0)]})
    root = ElementTree.fromstring(svg)
    name = "{http://www.w3.org/2000/svg}"
    places = [float(line.attrib["x1"]) for line in root.iter(f"{name}line")
              if line.attrib["class"] == "axis"]  # fmt: skip
    steps = {round(b - a, 1) for a, b in pairwise(places)}

    assert len(places) == 6  # 0.01 to 1000
    assert max(steps) - min(steps) <= 0.1
    dots = [float(dot.attrib["cx"]) for dot in root.iter(f"{name}circle")]
    assert dots == pytest.approx([places[1], places[4]], abs=0.1)
