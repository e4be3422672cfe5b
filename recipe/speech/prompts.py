"""Synthetic prompts: letters, numbers, spelled codes, and texts of one to three words.

The same texts each time, and none of them equals a text that is held out.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from dlpo.text.en_us.numbers import cardinal_words, digit_words
from recipe.speech.texts import Text, words

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
DIGITS = digit_words("0123456789")
_AFTER_TENS = re.compile(rf"(?<=ty) (?=(?:{'|'.join(DIGITS)})\b)")
CODE_FRAMES = (
    "{}.", "{}?", "The code is {}.", "It's {}.", "Your reference is {}, right?", "Flight {}.",
    "Did you say {}?", "That's {}, thank you.", "Seat {}.", "Please enter {}.",
)  # fmt: skip
NUMBER_FRAMES = ("{}.", "{}?", "Number {}.", "{} dollars.", "{} percent.", "Page {}.", "At {}.")
SPELL_FRAMES = (
    "{word}: {spelled}.",
    "{spelled}.",
    "That's {spelled}, {word}.",
    "{word} is spelled {spelled}.",
)
CODES = 900
NUMBERS = 500
SPELLINGS = 400
WORDS = 1500
PHRASES = 1200
SEED = 53


def synthetic_prompts(source: Iterable[Text], not_these: Iterable[str]) -> list[Text]:
    """All generated texts, in a fixed order.

    Args:
        source: texts whose words and short phrases are used.
        not_these: texts that must not come out, whatever their case and punctuation.
    """
    source = list(source)
    seen = {_bare(text) for text in not_these}
    out = list[Text]()
    for prefix, make in _KINDS.items():
        count = 0
        for text in make(random.Random(f"{SEED} {prefix}"), source):
            key = text if prefix in ("DL", "DW") else _bare(text)  # one word is said with each mark
            if key in seen or _bare(text) in seen:
                continue
            seen.add(key)
            count += 1
            out.append(Text(f"{prefix}{count:04d}", text, "drill"))
    return out


def number(value: int) -> str:
    """A whole number below a million in words.

    >>> number(40_317)
    'forty thousand three hundred seventeen'
    """
    return _AFTER_TENS.sub("-", " ".join(cardinal_words(str(value))))


def _letters(_: random.Random, __: list[Text]) -> Iterator[str]:
    for frame in ("{}.", "{}?", "The letter {}.", "Press {}.", "{}!"):
        yield from (frame.format(letter) for letter in LETTERS)
    yield from (f"{a}, {b}." for a, b in zip(LETTERS, LETTERS[1:] + "A", strict=True))


def _codes(chance: random.Random, _: list[Text]) -> Iterator[str]:
    for _number in range(CODES):
        length, digits_only = chance.randint(2, 8), chance.random() < 0.4
        symbols = DIGITS if digits_only else (*DIGITS, *LETTERS)
        picked = [chance.choice(symbols) for _symbol in range(length)]
        grouped = ", ".join(" ".join(picked[i : i + 3]) for i in range(0, length, 3))
        said = grouped if digits_only and chance.random() < 0.5 else ", ".join(picked)
        yield _capital(chance.choice(CODE_FRAMES).format(said))


def _numbers(chance: random.Random, _: list[Text]) -> Iterator[str]:
    yield from (_capital(f"{number(n)}{mark}") for n in range(100) for mark in ".?"[: 1 + (n < 20)])
    for _number in range(NUMBERS):
        value = chance.randrange(10 ** chance.randint(2, 6))
        yield _capital(chance.choice(NUMBER_FRAMES).format(number(value)))


def _spellings(chance: random.Random, source: list[Text]) -> Iterator[str]:
    pool = sorted({w for w in words(source) if 3 <= len(w) <= 9 and w.isalpha()})
    for word in chance.sample(pool, min(SPELLINGS, len(pool))):
        spelled = ", ".join(word.upper())
        yield _capital(chance.choice(SPELL_FRAMES).format(word=word, spelled=spelled))


def _words(_: random.Random, source: list[Text]) -> Iterator[str]:
    common = Counter(w for w in words(source) if len(w) > 1 or w in "ai")
    for rank, (word, _count) in enumerate(common.most_common(WORDS)):
        yield _capital(f"{word}{'.?!.'[rank % 4]}")


def _phrases(chance: random.Random, source: list[Text]) -> Iterator[str]:
    """Two or three words between marks of the source's own punctuation, ended as it is there."""
    found = list[str]()
    for text in source:
        for part, mark in re.findall(r"([^.?!,;:—…\"“”]+)([.?!,]?)", text.text):
            if 2 <= len(part.split()) <= 3 and part.strip(" -'’"):
                found.append(
                    _capital(part.strip(" -")) + (mark if mark in (".", "?", "!") else ".")
                )
    found = list(dict.fromkeys(found))
    yield from chance.sample(found, min(PHRASES, len(found)))


_KINDS: dict[str, Callable[[random.Random, list[Text]], Iterator[str]]] = {
    "DL": _letters,
    "DC": _codes,
    "DN": _numbers,
    "DS": _spellings,
    "DW": _words,
    "DP": _phrases,
}


def _bare(text: str) -> str:
    return re.sub(r"[^a-z']+", " ", text.lower()).strip()


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
