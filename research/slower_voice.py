"""Whether a voice is understood better when it speaks more slowly.

    python -m research.slower_voice michael --texts recipe/texts/conversation-a.csv \\
        --whisper whisper/base --speed 1 --speed 0.93 --record

The voice that ships says held-out texts at each speed, from the same noise; words wrong are counted
by a recognizer that was no reward. Differences are paired by text.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from dlpo import Voice
from dlpo.judges.whisper import Whisper
from dlpo.judges.word_errors import WordErrors, pooled, word_errors
from dlpo.rl.probe import MeanDifference
from dlpo_bench.record import Measured, write_record
from recipe.speech.texts import held_out
from research import RECORDS, run_study, study_command


def main(
    voice: Annotated[str, typer.Argument(help="A voice that ships.")],
    texts: Annotated[list[Path], typer.Option(help="Lines id|text; the held-out ids are said.")],
    whisper: Annotated[Path, typer.Option(exists=True, file_okay=False)],
    speed: Annotated[list[float], typer.Option(help="Speeds; the first is compared with.")],
    count: int = 60,
    record: bool = False,
) -> None:
    """Print words wrong at each speed, and record them."""
    lines = [line.split("|", 1) for path in texts for line in path.read_text("utf-8").splitlines()]
    out = held_out()
    chosen = [text for name, text in lines if name in out][:count]
    speaking, recognizer = Voice(voice), Whisper(whisper)
    usual, *others = speed
    wrong = {each: errors_at(each, chosen, speaking, recognizer) for each in speed}
    found = {
        f"{voice}, speed {each:g}": {"words wrong": pooled(wrong[each]).rate} for each in speed
    }
    for each in others:
        pairs = zip(wrong[each], wrong[usual], strict=True)
        change = MeanDifference.of([slow.errors - fast.errors for slow, fast in pairs])
        row = found[f"{voice}, speed {each:g}"]
        row |= {"change a text": change.mean, "low": change.low, "high": change.high}
    for name, row in found.items():
        typer.echo(f"{name}: {', '.join(f'{key} {value:.3f}' for key, value in row.items())}")
    if record:
        samples = {f"{each:g}": [[e.errors, e.words] for e in wrong[each]] for each in speed}
        measured = Measured(found, {"errors": samples})
        typer.echo(write_record("slower", measured, study_command("slower_voice"), RECORDS))


def errors_at(
    speed: float, texts: Sequence[str], voice: Voice, recognizer: Whisper
) -> list[WordErrors]:
    """Words wrong in each text at a speed."""
    clips = [voice(text, speed=speed) for text in texts]
    heard = recognizer.transcribe(clips, voice.sample_rate)
    return [word_errors(text, said) for text, said in zip(texts, heard, strict=True)]


if __name__ == "__main__":
    run_study(main)
