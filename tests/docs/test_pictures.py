"""The pictures of the explanations are what code draws, and the samples a page that is small."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from dlpo_bench.clips import Clip
from scripts.explain import draw_chain, reverse_steps
from scripts.samples import CLIPS, MOST_BYTES, TEXTS, open_samples, page

DOCS = Path(__file__).resolve().parents[2] / "docs"
SOUNDS = sorted((DOCS / "samples").glob("[!r]*.mp3"))


def test_every_reverse_step_is_drawn(slow_checkpoint: Path) -> None:
    made = reverse_steps(slow_checkpoint, "Hello.")

    assert len(made) == 3
    assert [step.sigma for step in made] == sorted((s.sigma for s in made), reverse=True)
    assert made[0].sigma > 0.99
    picture = ElementTree.fromstring(draw_chain(slow_checkpoint))
    assert len(picture.findall(".//{*}image")) == 6


def test_samples_page_links_every_state_of_every_sentence(
    slow_checkpoint: Path, tiny_bundle: Path
) -> None:
    samples = open_samples(slow_checkpoint, str(tiny_bundle), 4)

    shown = page(samples)

    assert [sample.speaker.about["steps"] for sample in samples] == [4, 2, 2]
    for clip, words in zip(CLIPS, TEXTS, strict=True):
        assert words in shown
        assert shown.count(f"-{clip}.mp3)") == len(samples)
    assert len(samples[0].speaker.takes[0](Clip("x", "Hum.", None)))


def test_samples_are_small_and_complete() -> None:
    if not SOUNDS:
        pytest.skip("no samples yet; python scripts/samples.py make")
    assert sum(path.stat().st_size for path in SOUNDS) <= MOST_BYTES
    text = (DOCS / "samples.md").read_text(encoding="utf-8")
    assert all(f"(samples/{path.name})" in text for path in SOUNDS)
