"""Text of a call, in parts that are read one after the other while earlier ones are spoken."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from dlpo.text import Sentence
from dlpo_serving.errors import StalledError
from dlpo_serving.request import SpeechRequest
from dlpo_serving.synthesizer import PreparedRequest, Synthesizer, text_errors_as_violations

SLICE = 400  # characters of a piece that are read at once: a book does not hold up a sentence


class Flush:
    """Between pieces of text: speak what came so far now."""


TextPieces = AsyncIterator[str | Flush]


@dataclass(frozen=True, slots=True)
class Passage:
    """Sentences that can be spoken now."""

    sentences: Sequence[Sentence]
    dropped_characters: int
    """that can't be spoken, of the text so far"""


@dataclass(frozen=True, slots=True)
class TextPart:
    """Text that has come and is to be read."""

    characters: int
    read: Callable[[], Passage]
    """for a text thread; raises RequestError where the text can't be used"""


TextSource = Callable[[SpeechRequest, Synthesizer], AsyncIterator[TextPart]]
"""The parts of a call's text, for its voice. The first part is the text of the request, if any."""


async def text_pieces(
    pieces: TextPieces, request: SpeechRequest, synthesizer: Synthesizer
) -> AsyncIterator[TextPart]:
    """A text in pieces; how it is cut changes nothing. See `TextSource`.

    Raises:
        RequestError: the dictionary of `request` can't be used.
    """
    feed = synthesizer.feed(request)

    def part(characters: int, read: Callable[[], Sequence[Sentence]]) -> TextPart:
        def passage() -> Passage:
            with text_errors_as_violations():
                return Passage(read(), feed.dropped)

        return TextPart(characters, passage)

    async for piece in pieces:
        if isinstance(piece, Flush):
            yield part(0, feed.flush)
            continue
        for start in range(0, len(piece), SLICE):
            text = piece[start : start + SLICE]
            yield part(len(text), partial(feed.push, text))
    yield part(0, feed.finish)


async def whole_texts(
    further: AsyncIterator[SpeechRequest] | None,
    on_read: Callable[[PreparedRequest], None] | None,
    first: SpeechRequest,
    synthesizer: Synthesizer,
) -> AsyncIterator[TextPart]:
    """The text of the request, and others after it. See `TextSource`.

    Args:
        further: of these only `text` and `ssml` are used: all are spoken as the first one says.
        on_read: called with each text, the first one too, before any of its audio is made.
    """
    dropped = 0

    def read(text: SpeechRequest) -> Passage:
        nonlocal dropped
        utterance = synthesizer.read(text)
        dropped += utterance.dropped_characters
        if on_read:
            on_read(utterance)
        return Passage(utterance.sentences, dropped)

    yield TextPart(len(first.text), partial(read, first))
    if further:
        async for following in further:
            text = replace(first, text=following.text, ssml=following.ssml)
            yield TextPart(len(text.text), partial(read, text))


async def in_time(
    parts: AsyncIterator[TextPart], first_s: float, pause_s: float
) -> AsyncIterator[TextPart]:
    """The same parts.

    Raises:
        StalledError: the first part did not come within `first_s`, or a later one within `pause_s`.
    """
    limit_s = first_s
    while True:
        try:
            async with asyncio.timeout(limit_s):
                part = await anext(parts)
        except StopAsyncIteration:
            return
        except TimeoutError as error:
            raise StalledError(
                f"no text came for {limit_s:g} s; end the text where it ends"
            ) from error
        yield part
        limit_s = pause_s
