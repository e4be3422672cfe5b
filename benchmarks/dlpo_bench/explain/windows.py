"""How a sentence is cut into chunks, and what each is computed from."""

from __future__ import annotations

from collections.abc import Iterator

from dlpo_bench.svg import document, text
from dlpo_serving.chunks import STREAM_LADDER, cut, sizes_of

WIDTH, ROW, TOP, LEFT, RIGHT = 860, 40, 84, 160, 840  # pixels
FRAMES = 374  # of the sentence that docs/streaming.md measures
CONTEXT = 6  # frames each side, of the embedded voice in fp32, from the same page
FRAMES_PER_SECOND = 73.5


def draw_windows() -> str:
    """An SVG document: the chunks of a stream over time, each with the context that it reads."""
    chunks = list(cut(FRAMES, CONTEXT, sizes_of(STREAM_LADDER)))
    height = TOP + ROW * (len(chunks) + 2)
    parts = [
        text(20, 26, f"A sentence of {FRAMES / FRAMES_PER_SECOND:.1f} s as a stream", "title"),
        text(20, 48, "blue: frames that are sent; orange: context, computed and thrown away"),
    ]
    for row, chunk in enumerate(chunks):
        y = TOP + ROW * row
        words = f"chunk {row + 1}: {chunk.stop - chunk.start} frames"
        parts.append(text(LEFT - 10, y + 15, words, "end"))
        parts += _bar(chunk.window_start, chunk.start, y, "bad")
        parts += _bar(chunk.start, chunk.stop, y, "good")
        parts += _bar(chunk.stop, chunk.window_stop, y, "bad")
    y = TOP + ROW * len(chunks)
    parts.append(text(LEFT - 10, y + 15, "noise", "end"))
    parts += _bar(0, FRAMES, y, "plain")
    parts.append(
        text(LEFT, y + ROW, "drawn by (seed, sentence, frame): the same for every cut", "soft")
    )
    return document("Chunks and windows of a stream", WIDTH, height, parts)


def _bar(start: int, stop: int, y: float, colour: str) -> Iterator[str]:
    if stop > start:
        x, end = _across(start), _across(stop)
        yield f'<rect class="{colour}" x="{x:.1f}" y="{y}" width="{end - x:.1f}" height="20"/>'


def _across(frame: int) -> float:
    return LEFT + (RIGHT - LEFT) * frame / FRAMES
