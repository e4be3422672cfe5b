"""Text that comes while it is spoken, as passages that can be spoken now."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol, TypeVar

from dlpo.text import Sentence
from dlpo_serving.refusals import StalledError
from dlpo_serving.request import SpeechRequest
from dlpo_serving.synthesizer import Synthesizer, Utterance, text_errors_as_violations

T = TypeVar("T")


class Flush:
    """Stands between pieces of text: what came so far is to be spoken now."""


TextPieces = AsyncIterator[str | Flush]


@dataclass(frozen=True, slots=True)
class Passage:
    """A part of a text that can be spoken now."""

    sentences: Sequence[Sentence]
    dropped_characters: int
    """that can't be spoken, of the text so far"""


class Reader(Protocol):
    """Where texts are read, and what they may take."""

    async def read(self, read: Callable[[], T]) -> T:
        """Run `read` on a text thread."""
        ...

    def take_text(self, characters: int, in_all: int) -> None:
        """Further text of a call; raises RequestError or QuotaError where it is too much."""
        ...


async def typed(
    pieces: TextPieces, request: SpeechRequest, synthesizer: Synthesizer, reader: Reader
) -> AsyncIterator[Passage]:
    """A text in pieces; how it is cut changes nothing.

    Raises:
        RequestError: the text or the dictionary of `request` can't be used.
        QuotaError: the caller has used up its share.
    """
    feed = synthesizer.feed(request)
    characters = 0
    async for piece in pieces:
        if isinstance(piece, Flush):
            read = feed.flush
        else:
            characters += len(piece)
            reader.take_text(len(piece), characters)
            read = partial(feed.push, piece)
        yield Passage(await reader.read(read), feed.dropped)
    with text_errors_as_violations():
        yield Passage(await reader.read(feed.finish), feed.dropped)


async def recited(
    first: SpeechRequest,
    further: AsyncIterator[SpeechRequest],
    on_read: Callable[[Utterance], None],
    synthesizer: Synthesizer,
    reader: Reader,
) -> AsyncIterator[Passage]:
    """Whole texts, one after the other; `on_read` is told of each. Raises as `typed` does.

    Of the further ones only `text` and `ssml` are read: all are spoken as the first one says.
    """
    characters, dropped = len(first.text), 0
    text = first
    while True:
        utterance = await reader.read(partial(synthesizer.read, text))
        on_read(utterance)
        dropped += utterance.dropped_characters
        yield Passage(utterance.sentences, dropped)
        try:
            following = await anext(further)
        except StopAsyncIteration:
            return
        characters += len(following.text)
        reader.take_text(len(following.text), characters)
        text = replace(first, text=following.text, ssml=following.ssml)


async def in_time(passages: AsyncIterator[Passage], pause_s: float) -> AsyncIterator[Passage]:
    """The same; raises StalledError where the next does not come within `pause_s`."""
    while True:
        try:
            async with asyncio.timeout(pause_s):
                passage = await anext(passages)
        except StopAsyncIteration:
            return
        except TimeoutError as error:
            raise StalledError(
                f"no text came for {pause_s:g} s; end the text where it ends"
            ) from error
        yield passage
