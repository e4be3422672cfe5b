"""The pictures of the explanations are what code draws, and the samples a page that is small."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.samples import MOST_BYTES

DOCS = Path(__file__).resolve().parents[2] / "docs"
SOUNDS = sorted((DOCS / "samples").glob("[!r]*.mp3"))


def test_samples_are_small_and_complete() -> None:
    if not SOUNDS:
        pytest.skip("no samples yet; python scripts/samples.py make")
    assert sum(path.stat().st_size for path in SOUNDS) <= MOST_BYTES
    text = (DOCS / "samples.md").read_text(encoding="utf-8")
    assert all(f"(samples/{path.name})" in text for path in SOUNDS)
