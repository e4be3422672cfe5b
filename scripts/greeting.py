"""The greeting of the README: six voices in one clip, and its words as a picture.

    python scripts/greeting.py        # docs/hello.mp4, .svg and .vtt

The picture has a line for each voice: its waveform, and each word at its time. In the film they
are coloured as they sound. It needs the extra `bench`, for Pillow, and `codecs`.
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from html import escape
from pathlib import Path

import av
import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from dlpo.errors import DlpoError
from dlpo_bench.clips import Waveform
from dlpo_bench.listening.making import matched
from dlpo_serving.request import SpeechRequest
from dlpo_serving.synthesis.timing import WordTiming
from dlpo_serving.voices import open_voice

DOCS = Path(__file__).resolve().parents[1] / "docs"
GREETING = {  # by voice
    "heart": "Hello, this is dlpo. One step ago, every sound in this sentence was noise.",
    "michael": "Your table for two is booked for 7:45. Would you like directions?",
    "sarah": "I start to speak within milliseconds, on a single processor core.",
    "fenrir": "Turn left after the bridge, then keep right at the fork.",
    "dora": "Y yo le atiendo en español. ¿En qué puedo ayudarle?",
    "nova": "And you can interrupt any of us, in the middle of a word.",
}
RATE_HZ = 24_000  # of the voices
PAUSE_S = 0.4  # between its lines
WIDTH = 960  # pixels, as the next three
LEFT = 76
RIGHT = 12
LINE = 78
HALF = 20  # pixels, of the highest wave
LETTER = 7.4  # pixels, about, of a letter
GAP = 5.0  # pixels between words
BAR_S = 0.03
FRAMES_PER_S = 15
FONT = Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")
PAPER = "#ffffff"
INK = "#1d1522"
SPOKEN = "#cf4446"
WAITING = "#c9c2cd"
STYLE = (
    f"text{{font:13px system-ui,sans-serif;fill:#675c6d}}.name{{font-weight:600;fill:{INK}}}"
    f"rect{{fill:{SPOKEN}}}@media(prefers-color-scheme:dark)"
    "{text{fill:#b3abb8}.name{fill:#f5f1ea}}"
)


@dataclass(frozen=True, slots=True)
class Line:
    """What one voice says."""

    voice: str
    text: str
    waveform: Waveform
    words: tuple[WordTiming, ...]
    start_s: float
    """when it begins in the clip"""

    @property
    def end_s(self) -> float:
        return self.start_s + len(self.waveform) / RATE_HZ


def speak(voice: str, text: str, start_s: float) -> Line:
    """A line with its words' times."""
    synthesizer = open_voice(voice)
    chunks = list(synthesizer.stream(synthesizer.read(SpeechRequest(text))))
    waveform = matched(np.concatenate([chunk.samples for chunk in chunks]), RATE_HZ)
    words = tuple(word for chunk in chunks for word in chunk.words)
    return Line(voice, text, waveform, words, start_s)


@dataclass(frozen=True, slots=True)
class Bar:
    """A piece of a waveform, and when it sounds."""

    x: float
    top: float
    bottom: float
    start_s: float


@dataclass(frozen=True, slots=True)
class Word:
    """A written word, and when it begins to sound."""

    x: float
    y: float
    text: str
    start_s: float


@dataclass(frozen=True, slots=True)
class Row:
    """What the picture shows of a line, in pixels and seconds of the clip."""

    voice: str
    middle: float
    bars: list[Bar]
    words: list[Word]


def laid_out(lines: list[Line]) -> list[Row]:
    """Rows below each other on one scale."""
    longest = max(len(line.waveform) for line in lines)
    scale = (WIDTH - LEFT - RIGHT) / longest  # pixels a sample
    peak = max(float(np.abs(line.waveform).max()) for line in lines)
    return [row(line, LINE * place + 30, scale, peak) for place, line in enumerate(lines)]


def row(line: Line, middle: int, scale: float, peak: float) -> Row:
    """The waveform around a height; below it the words of the text as written, such as 7:45."""
    bars = []
    bar = round(BAR_S * RATE_HZ)
    for start in range(0, len(line.waveform), bar):
        half = max(0.5, HALF * float(np.abs(line.waveform[start : start + bar]).max()) / peak)
        at_s = line.start_s + start / RATE_HZ
        bars.append(Bar(LEFT + start * scale, middle - half, middle + half, at_s))
    written: dict[tuple[int, int], int] = {}
    for word in line.words:  # several are spoken for one that is written, such as 7:45
        written.setdefault((word.text_start, word.text_end), word.start)
    words = []
    free = 0.0  # x from where on nothing is written
    for (begin, end), start in written.items():
        x = max(LEFT + start * scale, free)
        free = x + LETTER * (end - begin) + GAP
        at_s = line.start_s + start / RATE_HZ
        words.append(Word(x, middle + 38, line.text[begin:end], at_s))
    return Row(line.voice, middle, bars, words)


def picture(lines: list[Line], rows: list[Row]) -> str:
    """SVG."""
    words = escape(" ".join(f"{line.voice}: {line.text}" for line in lines))
    parts = []
    for drawn in rows:
        parts.append(f'<text class="name" x="4" y="{drawn.middle + 4}">{drawn.voice}</text>')
        for bar in drawn.bars:
            parts.append(
                f'<rect x="{bar.x:.1f}" y="{bar.top:.1f}"'
                f' width="2" height="{bar.bottom - bar.top:.1f}"/>'
            )
        for word in drawn.words:
            parts.append(f'<text x="{word.x:.1f}" y="{word.y}">{escape(word.text)}</text>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {LINE * len(lines)}"'
        f' role="img"><title>{words}</title><style>{STYLE}</style>{"".join(parts)}</svg>\n'
    )


def frame(rows: list[Row], now_s: float) -> Image.Image:
    """The picture at a time of the clip: what has sounded is coloured."""
    image = Image.new("RGB", (WIDTH, LINE * len(rows)), PAPER)
    draw = ImageDraw.Draw(image)
    font = ImageFont.truetype(FONT, 12)
    for drawn in rows:
        draw.text((4, drawn.middle), drawn.voice, INK, font, anchor="lm")
        for bar in drawn.bars:
            shape = (bar.x, bar.top, bar.x + 1, bar.bottom)
            draw.rectangle(shape, fill=SPOKEN if bar.start_s <= now_s else WAITING)
        for word in drawn.words:
            colour = INK if word.start_s <= now_s else WAITING
            draw.text((word.x, word.y), word.text, colour, font, anchor="ls")
    return image


def write_film(file: Path, rows: list[Row], sound: Waveform) -> None:
    """MP4 (H.264, AAC): code hosts play it where it lies, as they don't play MP3."""
    with av.open(str(file), "w", options={"movflags": "faststart"}) as film:
        video = film.add_stream("libx264", rate=FRAMES_PER_S, options={"crf": "26"})
        video.width = WIDTH
        video.height = LINE * len(rows)
        video.pix_fmt = "yuv420p"
        audio = film.add_stream("aac", rate=RATE_HZ, layout="mono")
        audio.bit_rate = 96_000
        for number in range(math.ceil(len(sound) / RATE_HZ * FRAMES_PER_S)):
            image = av.VideoFrame.from_image(frame(rows, number / FRAMES_PER_S))
            film.mux(video.encode(image))
        film.mux(video.encode())
        samples = av.AudioFrame.from_ndarray(sound[None].astype(np.float32), "fltp", "mono")
        samples.sample_rate = RATE_HZ
        film.mux(audio.encode(samples))
        film.mux(audio.encode())


def captions(lines: list[Line]) -> str:
    """WebVTT: what each voice says, and when."""
    cues = [
        f"00:{line.start_s:06.3f} --> 00:{line.end_s:06.3f}\n<v {line.voice}>{escape(line.text)}"
        for line in lines
    ]
    return "\n\n".join(["WEBVTT", *cues]) + "\n"


def main() -> int:
    """Write the files."""
    lines: list[Line] = []
    for voice, text in GREETING.items():
        lines.append(speak(voice, text, lines[-1].end_s + PAUSE_S if lines else 0.0))
    rows = laid_out(lines)
    pause = np.zeros(round(PAUSE_S * RATE_HZ), np.float32)
    pieces = [piece for line in lines for piece in (line.waveform, pause)][:-1]
    write_film(DOCS / "hello.mp4", rows, np.concatenate(pieces))
    (DOCS / "hello.svg").write_text(picture(lines, rows), "utf-8")
    (DOCS / "hello.vtt").write_text(captions(lines), "utf-8")
    sys.stdout.write(f"{DOCS / 'hello.mp4'}: {lines[-1].end_s:.1f} s; hello.svg, hello.vtt\n")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except DlpoError as error:
        sys.exit(f"error: {error}")
