"""The pictures of the explanations are what code draws, and the samples a page that is small."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from dlpo.errors import InputError
from dlpo_bench.clips import Clip
from dlpo_bench.explain.__main__ import DRAWN
from dlpo_bench.explain.chain import draw_chain, stops
from dlpo_bench.explain.lanes import CALLERS, turns
from dlpo_bench.samples import CLIPS, MOST_BYTES, TEXTS, open_samples, page

DOCS = Path(__file__).resolve().parents[2] / "docs"
SOUNDS = sorted((DOCS / "samples").glob("[!r]*.mp3"))


@pytest.mark.parametrize("name", DRAWN)
def test_picture_has_not_drifted_from_the_code(name: str) -> None:
    drawn = (DOCS / "explain" / name).read_text(encoding="utf-8")

    assert drawn == DRAWN[name](), "run: python -m dlpo_bench.explain"


def test_newcomers_are_heard_before_the_long_text_goes_on() -> None:
    made = turns()
    first = [min(t.stop_s for t in made if t.caller == c and t.audio_s) for c in range(3)]

    late = [heard - came for heard, (came, _) in zip(first, CALLERS, strict=True)]

    assert max(late) - min(late) < 1e-9  # the second and third wait for nobody
    begun = [turn.start_s for turn in made if turn.caller == 0]
    assert not any(CALLERS[1][0] + 0.03 < start_s < first[2] for start_s in begun)


def test_chain_ends_in_the_speech_that_the_last_step_sees(slow_checkpoint: Path) -> None:
    made = stops(slow_checkpoint, "Hello.")

    assert len(made) == 3
    assert [stop.sigma for stop in made] == sorted((s.sigma for s in made), reverse=True)
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


def test_samples_need_two_numbers_of_steps(slow_checkpoint: Path, tiny_bundle: Path) -> None:
    with pytest.raises(InputError, match="--many is 2"):
        open_samples(slow_checkpoint, str(tiny_bundle), 2)


def test_samples_are_small_and_complete() -> None:
    if not SOUNDS:
        pytest.skip("no samples yet; python -m dlpo_bench.samples make")
    assert sum(path.stat().st_size for path in SOUNDS) <= MOST_BYTES
    text = (DOCS / "samples.md").read_text(encoding="utf-8")
    assert all(f"(samples/{path.name})" in text for path in SOUNDS)
