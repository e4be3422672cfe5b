"""A script, spoken: sentences of words with the prosody, the pauses and the marks asked for."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import pairwise

from dlpo.text.normalize import Token, tokens
from dlpo.text.pronounce import Phonemes, Pronouncer
from dlpo.text.questions import settle_question
from dlpo.text.sentences import MarkedToken, pieces, sentences
from dlpo.text.ssml.script import Script
from dlpo.text.symbols import strongest_mark
from dlpo.text.words import (
    MAX_SYMBOLS,
    Mark,
    ProcessedText,
    Sentence,
    Word,
    pronounced,
    sentence_of,
)


def spoken_script(
    script: Script, pronouncer: Pronouncer, known: Mapping[str, Phonemes]
) -> ProcessedText:
    """Split, normalise and pronounce; there may be nothing to say."""
    found: list[Sentence] = []
    places: list[int] = []  # of all words in the text
    spans: list[tuple[int, int]] = []  # of each sentence in the text
    for marked in _sentences(script, pronouncer, known):
        words = settle_question(list(_words(marked, script, pronouncer, known)))
        of_words = [token.token for token in marked for _ in token.token.words]
        lengths = [len(word.phonemes) + 1 for word in words]
        for piece in pieces(lengths, [word.mark for word in words], MAX_SYMBOLS):
            start, end = of_words[piece][0].start, of_words[piece][-1].end
            found.append(sentence_of(words[piece], script.text, start, end))
            spans.append((start, end))
            places += [token.start for token in of_words[piece]]
    _set_pauses(found, spans, script)
    _set_marks(found, places, script)
    return ProcessedText(tuple(found), script.dropped)


def _sentences(
    script: Script, pronouncer: Pronouncer, known: Mapping[str, Phonemes]
) -> list[list[MarkedToken]]:
    """Each with its tokens; where only a break has ended one, the voice stays up."""
    found = list(sentences(script.text, _tokens(script, pronouncer, known)))
    breaks = [place for place, _ in script.breaks]
    for marked, following in pairwise(found):
        end, start = marked[-1].token.end, following[0].token.start
        unended = strongest_mark(script.text[end:start]) == " "
        if (
            unended
            and _any_between(breaks, end, start)
            and not _any_between(script.ends, end, start)
        ):
            marked[-1] = replace(marked[-1], mark=",")
    return found


def _any_between(places: list[int], start: int, end: int) -> bool:
    """Whether one of the sorted places lies there."""
    return bisect_left(places, start) < bisect_left(places, end + 1)


def _tokens(
    script: Script, pronouncer: Pronouncer, known: Mapping[str, Phonemes]
) -> Iterator[Token]:
    text, lexicon = script.text, pronouncer.lexicon
    shouted = text.isupper()
    for start, end, words, phonemes in script.stretches:
        if words is not None:
            yield Token(text[start:end], words, start, end, phonemes)
        else:
            yield from tokens(
                text,
                lambda word: word in known or word in lexicon,
                shouted=shouted,
                start=start,
                end=end,
            )


def _words(
    marked: list[MarkedToken],
    script: Script,
    pronouncer: Pronouncer,
    known: Mapping[str, Phonemes],
) -> Iterator[Word]:
    words = pronounced(marked, pronouncer, known, script.source_span)
    for token in marked:
        prosody = script.prosody(token.token.start)
        for _ in token.token.words:
            yield replace(next(words), **prosody._asdict())


def _set_pauses(found: list[Sentence], spans: list[tuple[int, int]], script: Script) -> None:
    """A break belongs to the sentence before it, or to the first one."""
    ends = [end for _, end in spans]
    for place, seconds in script.breaks:
        if not found:
            return
        before = bisect_left(ends, place) - 1
        if before < 0:
            found[0] = replace(found[0], pause_before_s=found[0].pause_before_s + seconds)
        else:
            pause = (found[before].pause_after_s or 0.0) + seconds
            found[before] = replace(found[before], pause_after_s=pause)


def _set_marks(found: list[Sentence], places: list[int], script: Script) -> None:
    """A mark stands before the next word, or at a sentence's end that comes first."""
    starts = [0]  # of each sentence, in words
    for sentence in found:
        starts.append(starts[-1] + len(sentence.words))
    boundaries = sorted([*script.ends, *(place for place, _ in script.breaks)])
    marks: dict[int, list[Mark]] = {}
    for place, name in script.marks if found else ():
        word = bisect_left(places, place)
        index = min(bisect_left(starts, word + 1) - 1, len(found) - 1)
        if index and word == starts[index] and _any_between(boundaries, place + 1, places[word]):
            index -= 1
        marks.setdefault(index, []).append(Mark(name, word - starts[index]))
    for index, of_sentence in marks.items():
        found[index] = replace(found[index], marks=tuple(of_sentence))
