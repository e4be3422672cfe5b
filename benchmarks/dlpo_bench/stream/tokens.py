"""Text that a language model is still writing: first token to speech, last token to the end.

The measures are those of Picovoice's open benchmark of text-to-speech latency, with our protocol's
call for text that comes; a token is a word here.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from itertools import islice
from random import Random
from typing import Any

import grpc

from dlpo.errors import DlpoError, EngineError
from dlpo_bench.latency import percentile
from dlpo_bench.load.caller import Heard
from dlpo_bench.load.options import LoadOptions, Measured
from dlpo_bench.load.playback import Playback, underrun_figures
from dlpo_bench.load.texts import utterances
from dlpo_bench.stream.contestants import Contestant
from dlpo_bench.stream.doors import Door, open_door
from dlpo_bench.stream.field import field_of
from dlpo_bench.stream.server_cost import Spent, cost, read_meters

MEASURED = ("first_token_to_speech_ms", "last_token_to_end_of_speech_ms")

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Dialogue:
    """A contestant and the replies that it has spoken."""

    contestant: Contestant
    door: Door
    spent: Spent = field(default_factory=Spent)
    samples: dict[str, list[float]] = field(default_factory=lambda: {n: [] for n in MEASURED})
    playbacks: list[Playback] = field(default_factory=list)
    problem: str = ""


async def measure_tokens(options: LoadOptions) -> Measured:
    """Speak `options.replies` texts whose words come at `options.tokens_per_s`; in turns.

    Returns:
        For each contestant percentiles from the first token to the first audio, and from the last
        token to the end of what is heard; gaps; what the server used, see `cost`.

    Raises:
        InputError: a contestant does not answer.
        EngineError: none spoke them all.
    """
    texts = list(islice(utterances(Random(options.seed)), options.replies))
    async with AsyncExitStack() as doors:
        found = await doors.enter_async_context(field_of(options))
        dialogues = [
            Dialogue(one, await doors.enter_async_context(open_door(one, 1)))
            for one in found.contestants
        ]
        for text in texts:
            for dialogue in dialogues:
                if not dialogue.problem:
                    found.check_alive()
                    before = await read_meters(dialogue.contestant)
                    await _reply(dialogue, text, options.tokens_per_s)
                    found.check_alive()
                    dialogue.spent.add(before, await read_meters(dialogue.contestant))
        figures = {
            one.contestant.name: dialogue_figures(one) for one in dialogues if not one.problem
        }
    problems = [f"{one.contestant.name}: {one.problem}" for one in dialogues if one.problem]
    if not figures:
        raise EngineError("; ".join(problems))
    return Measured(
        figures,
        {one.contestant.name: one.samples for one in dialogues},
        {
            f"{one.contestant.name}: {what}": why
            for one in dialogues
            for what, why in one.spent.skipped.items()
        },
        problems,
    )


def dialogue_figures(dialogue: Dialogue) -> dict[str, Any]:
    """What one contestant's replies say."""
    audio_s = sum(playback.audio_s for playback in dialogue.playbacks)
    percentiles = {
        f"{name}_p{p}": percentile(values, p)
        for name, values in dialogue.samples.items()
        for p in (50, 95)
    }
    return {
        "replies": len(dialogue.playbacks),
        **percentiles,
        **underrun_figures(dialogue.playbacks),
        **cost(dialogue.contestant, dialogue.spent, audio_s),
    }


async def _reply(dialogue: Dialogue, text: str, tokens_per_s: float) -> None:
    heard = Heard(time.perf_counter())
    at_s: list[float] = []
    try:
        await dialogue.door.speak_tokens(written(text, tokens_per_s, at_s), heard)
    except DlpoError as error:
        dialogue.problem = str(error)
        return
    begins_s = heard.playback.begins_s
    if heard.code != grpc.StatusCode.OK or begins_s is None:
        code = heard.code.name if heard.code else "no status"
        dialogue.problem = f"a reply was not spoken: {code} {heard.detail}".rstrip()
        return
    first_ms, last_ms = 1000 * (begins_s - at_s[0]), 1000 * (heard.playback.ends_s - at_s[-1])
    for name, value in zip(MEASURED, (first_ms, last_ms), strict=True):
        dialogue.samples[name].append(value)
    dialogue.playbacks.append(heard.playback)
    _log.info("%s first_token_to_speech_ms=%.0f", dialogue.contestant.name, first_ms)


async def written(text: str, tokens_per_s: float, at_s: list[float]) -> AsyncIterator[str]:
    """The words of a text as they are written, each with the space after it.

    Args:
        at_s: filled with the times at which they came, of `time.perf_counter`.
    """
    begin_s = time.perf_counter()
    words = text.split()
    for number, word in enumerate(words):
        await asyncio.sleep(begin_s + number / tokens_per_s - time.perf_counter())
        at_s.append(time.perf_counter())
        yield word if number == len(words) - 1 else f"{word} "
