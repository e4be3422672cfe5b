"""Text that arrives in pieces, as from a language model -> sentences, as early as possible.

Where a sentence ends depends on the text alone, never on how it was cut into pieces. The first
words of a text come before their sentence, once no continuation changes how they are read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import replace
from itertools import islice
from typing import NamedTuple

from dlpo.errors import TextError
from dlpo.text.common.forms import is_upper
from dlpo.text.common.formulas import in_formula
from dlpo.text.common.front_end import USUAL, TextFrontEnd, nothing_to_say
from dlpo.text.common.language import Language, Phonemes, Token
from dlpo.text.common.markdown import FENCE, in_link
from dlpo.text.common.markup import ITEM_SO_FAR, in_tag
from dlpo.text.common.reading import ReadingOptions, TextReading
from dlpo.text.common.sentences import sentence_end
from dlpo.text.common.ssml import is_ssml
from dlpo.text.common.words import Sentence

FIRST_CLAUSE_WORDS = 5  # minimum for a clause to be spoken before its sentence has ended
LATER_CLAUSE_WORDS = 18  # while speech goes on there is time, and whole sentences sound better
FIRST_PHRASE_WORDS = 3  # minimum for the first words to be spoken before their clause has ended
MAX_PENDING = 500  # characters; text without an end is cut after that many
_BLOCK = 2000  # characters of a large piece that are examined at a time
_PLACE = re.compile(r"[\s—]")
_LETTER = re.compile(r"[^\W_]")
LOOKAHEAD = 100  # characters to wait for after a possible end, at most
_CONTEXT = 80  # characters before it that decide what its period belongs to
_STOP = re.compile(r"""[.!?…]["')\]}”’»]{0,4}$""")
_CLAUSE = re.compile(r"""(?:[,;:]["')\]}”’»]{0,4}|[\s-][-–]|—)$""")
_PARAGRAPH = re.compile(r"\n[^\S\n]*\n$")
_NEXT = re.compile(r"\n[^\S\n]*\n|[^\W_]")  # a paragraph's end, or what a word begins with
_SPACE = re.compile(r"\s")
_PLAIN = r"(?:I|[a-zß-öø-ÿ]{1,30})(?:['’][a-z]{1,2})?"
_PHRASE = re.compile(
    rf"\s{{0,5}}[^\W\d_]{{1,30}}(?:['’][a-z]{{1,2}})?(?:,? {_PLAIN}){{1,12}}(?=,? )"
)
_PLAIN_WORD = re.compile(r"[^\s,]+")
_AT_PERIOD = re.compile(r"(?<!\w)([^\W\d_]{2,})\.$")
_WORD = re.compile(r"[^\W\d_]+")


class TextFeed:
    """Takes a text piece by piece and returns its sentences. For one thread at a time.

    A long sentence comes in parts that end at a comma, semicolon, colon or dash: the first one
    early, so that speech can begin. Time is linear in the text, whatever the pieces.
    """

    def __init__(
        self,
        front_end: TextFrontEnd,
        dictionary: Mapping[str, str | Phonemes] | None = None,
        options: ReadingOptions = USUAL,
    ) -> None:
        """Begin without text; the arguments are as in `TextFrontEnd.process`.

        Raises InputError for a wrong dictionary or language.
        """
        self._front_end = front_end
        self._known = front_end.known_words(dictionary)
        self.reading = TextReading(options)
        """what was not spoken so far"""
        self._language = front_end.language_of(options.language)
        self._taken = 0  # characters returned as sentences
        self._code = ""  # the last of these, if they belong to an open block of code
        self._pending = ""
        self._judged = 0  # where to go on looking for an end in the pending text
        self._words = 0  # words before that place
        self._blank = True  # nothing but blanks so far
        self._speaking = False  # a sentence, or its first words, have been returned
        self._phrase = 0  # characters of the pending text that have been, its first words
        self._tried = 0  # characters in which these were looked for last
        self._upper = self._lower = False  # letters of that case have been returned

    def push(self, piece: str) -> list[Sentence]:
        """More text -> the sentences that it completes; offsets are those in the whole text."""
        self._blank = self._blank and not piece.strip()
        found: list[Sentence] = []
        for start in range(0, len(piece), _BLOCK):
            self._pending += piece[start : start + _BLOCK]
            if not self._speaking:
                found += self._first_phrase()
            found += self._complete()
        return found

    def flush(self) -> list[Sentence]:
        """All pending text as sentences, as if one ended here."""
        found = self._complete(final=True)
        return found + self._take(len(self._pending))

    def finish(self) -> list[Sentence]:
        """End the text and return the rest of its sentences.

        Raises TextError if nothing in the whole text can be spoken.
        """
        found = self.flush() + self._take(0, last=True)
        if not self._speaking:
            text = "" if self._blank else "?"
            raise TextError(
                nothing_to_say(text, self.reading.warnings.dropped, self._language.name)
            )
        return found

    def warnings(self) -> tuple[str, ...]:
        """Warnings for the writer about the text so far, one line each."""
        return self.reading.warnings.lines(self._language.name)

    def _complete(self, final: bool = False) -> list[Sentence]:
        """The sentences that are already complete."""
        found: list[Sentence] = []
        while True:
            match = _PLACE.search(self._pending, self._judged, MAX_PENDING)
            if match is None:
                if len(self._pending) < MAX_PENDING:
                    return found
                found += self._take(self._judged or MAX_PENDING)
                continue
            place = match.start()
            words = self._words + bool(_LETTER.search(self._pending, self._judged, place))
            ends = self._ends_at(place, words, final) if words else False
            if ends is None:
                return found
            if ends:
                found += self._take(place + 1)
            else:
                self._judged = place + 1
                self._words = words

    def _first_phrase(self) -> list[Sentence]:
        """The first words of the text, if nothing that may follow changes how they are read.

        They end where a word begins the next phrase that often begins a sentence, too: a
        preposition, a conjunction, a pronoun.
        """
        plain = _PHRASE.match(self._pending)
        if not plain or plain.end() == self._tried:
            return []
        self._tried = plain.end()
        text = plain[0].replace("’", "'")
        places = [word.span() for word in _PLAIN_WORD.finditer(text)]
        for count in range(FIRST_PHRASE_WORDS, len(places)):
            end, next_end = places[count - 1][1], places[count][1]
            is_clause = text[end] == ","
            if is_clause and count >= FIRST_CLAUSE_WORDS:
                return []
            if self._pending[next_end] == " " and self._is_settled(text[:next_end], count):
                return self._begun(end)
        return []

    def _is_settled(self, text: str, count: int) -> bool:
        """Whether a phrase ends before the last word of a text, and how it is read is known."""
        language, known = self._language, self._known
        words = [token.words[0] for token in language.tokens(text, given=known, shouted=False)]
        if words != [word.lower() for word in _PLAIN_WORD.findall(text)]:
            return False
        if language.starts_sentence(words[-2]) or not language.starts_sentence(words[-1]):
            return False
        if any(", not " in source for source in language.sources(words, known, {})[:count]):
            return False  # another word may say how it sounds
        alone = language.phonemes(words[:count], known, {})
        return alone == language.phonemes(words, known, {})[:count]

    def _begun(self, end: int) -> list[Sentence]:
        """The first words; their sentence is read as a whole when it ends."""
        found = self._front_end.process_passage(
            self._pending[:end], self._known, deepcopy(self.reading), False, False, last=False
        )
        self._phrase = end
        self._speaking = True
        if self._pending[end] != ",":  # else it is a clause
            found[-1] = replace(found[-1], pause_after_s=0.0)
        return [_moved(_open(one), self._taken) for one in found]

    def _ends_at(self, place: int, words: int, final: bool) -> bool | None:
        if in_tag(self._pending[:MAX_PENDING], place):
            return False
        text = self._pending[:MAX_PENDING] + "\n" * final
        for is_in in (in_link, in_formula):
            inside = is_in(text, place)
            if inside or (inside is None and not final and len(self._pending) < MAX_PENDING):
                return False if inside else None
        line = self._pending.rfind("\n", 0, place) + 1
        starts_line = line > 0 or self.reading.line == 0
        if starts_line and ITEM_SO_FAR.fullmatch(self._pending, line, place):
            return False  # the number of an item belongs to it
        is_first = not self._speaking or self._phrase > 0
        clauses = words >= (FIRST_CLAUSE_WORDS if is_first else LATER_CLAUSE_WORDS)
        return ends_at(
            self._pending,
            place,
            self._language,
            clauses=clauses,
            cases=(self._lower, self._upper),
            final=final,
        )

    def _take(self, end: int, last: bool = False) -> list[Sentence]:
        """The first characters of the pending text, as sentences; code once its block ends."""
        text = self._pending[:end]
        self._pending = self._pending[end:]
        if not self._speaking and is_ssml(text):
            raise TextError("an SSML document can't come in pieces; send it whole, or plain text")
        start = self._taken - len(self._code)
        self._taken = self._taken + end
        self._judged = self._words = 0
        self._upper |= text != text.lower()
        self._lower |= text != text.upper()
        shouted = self._upper and not self._lower
        fences = [*FENCE.finditer(text)]
        text = self._code + text
        place = len(self._code)
        self._code = ""
        is_open = self.reading.in_code ^ len(fences) % 2
        if not last and is_open and self.reading.options.code != "speak":
            end = place + fences[-1].end() if fences else 0
            self._code = text[end:]
            text = text[:end]
        read = self._front_end.process_passage(
            text, self._known, self.reading, shouted, not (self._upper and self._lower), last
        )
        if self._phrase:
            read = [left for one in read if (left := _after(one, self._phrase))]
        self._phrase = 0
        found = [_moved(sentence, start) for sentence in read]
        self._speaking |= bool(found)
        return found


def _after(sentence: Sentence, place: int) -> Sentence | None:
    """The words of a sentence that begin after a place in its text; None if there are none."""
    words = tuple(word for word in sentence.words if word.start >= place)
    if len(words) == len(sentence.words):
        return sentence
    if not words:
        return None
    text = sentence.text[words[0].start - sentence.words[0].start :]
    normalized = " ".join(word.word for word in words)
    return replace(sentence, text=text, normalized=normalized, words=words, opens_paragraph=False)


def _open(sentence: Sentence) -> Sentence:
    """The sentence as the beginning of a longer one: the voice stays up."""
    *words, last = sentence.words
    return replace(sentence, words=(*words, replace(last, mark=" ")))


def _moved(sentence: Sentence, offset: int) -> Sentence:
    """The sentence with its places moved by `offset` characters."""
    words = (
        replace(word, start=word.start + offset, end=word.end + offset) for word in sentence.words
    )
    return replace(sentence, words=tuple(words))


def ends_at(
    text: str,
    place: int,
    language: Language,
    *,
    clauses: bool,
    cases: tuple[bool, bool],
    final: bool,
) -> bool | None:
    """Whether speech may stop at a blank or a dash; None until more text decides.

    True and False are final: any longer text that begins alike gets the same answer.

    Args:
        text: as written, as far as it has arrived.
        place: index of the blank or dash.
        language: that of the text.
        clauses: whether speech may stop at the end of a clause, too.
        cases: whether the writer has used small letters and capitals before this text.
        final: no more text will come.
    """
    before = text[max(0, place - _CONTEXT) : place + 1]
    if _PARAGRAPH.search(before):
        return True
    if before[-1].isspace():
        before = before[:-1]
    stop = _STOP.search(before) is not None
    if not stop and not (clauses and _CLAUSE.search(before)):
        return False
    limit = place + LOOKAHEAD
    following = _NEXT.search(text, place, limit)
    enough = final or len(text) >= limit
    if following is None:
        return False if enough else None
    if following[0][0] == "\n":
        return True
    first = following.start()
    # What follows says what an abbreviation is: fl. oz, Mass. Gov., 5 mi. N of it.
    known_to, enough = _two_words(text, first, limit, enough, language)
    if not stop:
        if following[0].islower():
            return True
        if not enough:  # perhaps part of a date, or what a state is known by: Gary, Ind.
            return None
        return not _around(text, place, known_to, language).belong
    small, capitals = cases
    all_lower = not capitals and text[:first] == text[:first].lower()
    shouts = not small and is_upper(text[:known_to])
    if following[0].islower() and not all_lower:
        return False
    if not (all_lower or shouts) and _is_certain(before, language):
        return True
    if not enough:
        return None
    around = _around(text, place, known_to, language)
    if around.belong:
        return False
    if around.before is None or around.after is None:  # in another script
        return True
    one_case = all_lower or shouts
    return sentence_end(around.text, around.before, around.after, one_case, language) != ""


def _is_certain(before: str, language: Language) -> bool:
    """Whether a text has ended at its last mark, whatever follows with a capital."""
    if not (found := _AT_PERIOD.search(before)):
        return before[-1] in "!?"
    word = found[1].lower()
    is_plain = language.is_word(word) and not found[1].isupper()
    return is_plain and word not in language.abbreviations


def _two_words(
    text: str, first: int, limit: int, final: bool, language: Language
) -> tuple[int, bool]:
    """Where the words end that follow a place, and whether they are all that decides.

    Two words, or one that usually begins a sentence.
    """
    ends = [space.start() for space in islice(_SPACE.finditer(text, first, limit), 2)]
    opening = _WORD.match(text, first)
    word = opening[0] if ends and opening and opening.end() == ends[0] else ""
    if word.istitle() and language.starts_sentence(word.lower()):
        return ends[0], True
    if len(ends) > 1:
        return ends[1], True
    return min(len(text), limit), final


class _Around(NamedTuple):
    """The tokens on both sides of a place."""

    text: str
    before: Token | None
    after: Token | None
    belong: bool
    """Whether they are read otherwise apart than together, or one token spans the place."""


def _around(text: str, place: int, end: int, language: Language) -> _Around:
    start = max(0, place - _CONTEXT)
    if start and (blank := _SPACE.search(text, start, place)):
        start = blank.end()
    readable = language.characters.readable
    left = readable(text[start:place]).text
    whole = left + readable(text[place:end]).text
    found, left_alone, right_alone = (
        [*language.tokens(part, shouted=False)] for part in (whole, left, whole[len(left) :])
    )
    before = [token for token in found if token.end <= len(left)]
    after = [token for token in found if token.start >= len(left)]
    return _Around(
        whole,
        before[-1] if before else None,
        after[0] if after else None,
        len(before) + len(after) < len(found)
        or [one.words for one in before] != [one.words for one in left_alone]
        or [one.words for one in after] != [one.words for one in right_alone],
    )
