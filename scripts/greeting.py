"""The greeting of the README: five voices in one clip, and its words as a picture.

    python scripts/greeting.py        # docs/hello.mp3 and docs/hello.svg

The picture has a line for each voice: its waveform, and each word at its time.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from html import escape
from pathlib import Path

import numpy as np

from dlpo.errors import DlpoError
from dlpo_bench.clips import SAMPLE_RATE, Waveform
from dlpo_bench.listening.making import matched
from dlpo_serving.local.sound_file import SoundFile
from dlpo_serving.request import SpeechRequest
from dlpo_serving.synthesis.timing import WordTiming
from dlpo_serving.voices import open_voice

DOCS = Path(__file__).resolve().parents[1] / "docs"
GREETING = {  # by voice
    "lj": "Hello, this is dlpo. One step ago, every sound in this sentence was noise.",
    "michael": "Your table for two is booked for 7:45. Would you like directions?",
    "heart": "I start to speak within milliseconds, on a single processor core.",
    "fenrir": "Turn left after the bridge, then keep right at the fork.",
    "nova": "And you can interrupt any of us, in the middle of a word.",
}
PAUSE_S = 0.4  # between its lines
WIDTH = 960  # pixels, as the next three
LEFT = 76
RIGHT = 12
LINE = 78
HALF = 20  # pixels, of the highest wave
LETTER = 7.4  # pixels, about, of a letter
GAP = 5.0  # pixels between words
BAR_S = 0.03
STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#675c6d}.name{font-weight:600;fill:#1d1522}"
    "rect{fill:#cf4446}@media(prefers-color-scheme:dark){text{fill:#b3abb8}.name{fill:#f5f1ea}}"
)


@dataclass(frozen=True, slots=True)
class Line:
    """What one voice says."""

    voice: str
    text: str
    waveform: Waveform
    words: tuple[WordTiming, ...]


def speak(voice: str, text: str) -> Line:
    """A line with its words' times."""
    synthesizer = open_voice(voice)
    chunks = list(synthesizer.stream(synthesizer.read(SpeechRequest(text))))
    waveform = matched(np.concatenate([chunk.samples for chunk in chunks]))
    return Line(voice, text, waveform, tuple(word for chunk in chunks for word in chunk.words))


def picture(lines: list[Line]) -> str:
    """SVG; a line's words are those of its text as written, such as 7:45."""
    longest = max(len(line.waveform) for line in lines)
    scale = (WIDTH - LEFT - RIGHT) / longest  # pixels a sample
    peak = max(float(np.abs(line.waveform).max()) for line in lines)
    rows = [row(line, LINE * place + 30, scale, peak) for place, line in enumerate(lines)]
    words = escape(" ".join(f"{line.voice}: {line.text}" for line in lines))
    height = LINE * len(lines)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">'
        f"<title>{words}</title><style>{STYLE}</style>{''.join(rows)}</svg>\n"
    )


def row(line: Line, middle: int, scale: float, peak: float) -> str:
    """The waveform around a height, and the words below it."""
    parts = [f'<text class="name" x="4" y="{middle + 4}">{line.voice}</text>']
    bar = round(BAR_S * SAMPLE_RATE)
    for start in range(0, len(line.waveform), bar):
        half = max(0.5, HALF * float(np.abs(line.waveform[start : start + bar]).max()) / peak)
        parts.append(
            f'<rect x="{LEFT + start * scale:.1f}" y="{middle - half:.1f}"'
            f' width="2" height="{2 * half:.1f}"/>'
        )
    written: dict[tuple[int, int], int] = {}
    for word in line.words:  # several are spoken for one that is written, such as 7:45
        written.setdefault((word.text_start, word.text_end), word.start)
    free = 0.0  # x from where on nothing is written
    for (begin, end), start in written.items():
        x = max(LEFT + start * scale, free)
        free = x + LETTER * (end - begin) + GAP
        parts.append(f'<text x="{x:.1f}" y="{middle + 38}">{escape(line.text[begin:end])}</text>')
    return "".join(parts)


def main() -> int:
    """Write both files."""
    lines = [speak(voice, text) for voice, text in GREETING.items()]
    pause = np.zeros(round(PAUSE_S * SAMPLE_RATE), np.float32)
    pieces = [piece for line in lines for piece in (line.waveform, pause)][:-1]
    with SoundFile(DOCS / "hello.mp3", SAMPLE_RATE) as file:
        file.write(np.concatenate(pieces))
    (DOCS / "hello.svg").write_text(picture(lines), "utf-8")
    seconds = sum(map(len, pieces)) / SAMPLE_RATE
    sys.stdout.write(f"{DOCS / 'hello.mp3'}: {seconds:.1f} s; hello.svg\n")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except DlpoError as error:
        sys.exit(f"error: {error}")
