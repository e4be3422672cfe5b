"""Fractions, scores out of a whole and proportions -> spoken words."""

from __future__ import annotations

import re

from dlpo.text.common.forms import text_before, with_pause
from dlpo.text.common.patterns import late
from dlpo.text.en_us.context import BEFORE_GROUPS, word_after
from dlpo.text.en_us.numbers import (
    UNITS,
    cardinal_words,
    grouped_words,
    number_words,
    ordinal_words,
    plural_words,
)
from dlpo.text.en_us.tables import any_of, word_list

_ARTICLE_BEFORE = late(r"(?i)\b(?:an?|the|this|that|per) $")
_DENOMINATORS = {"2": "half", "4": "quarter"}
_SAID_PLAINLY = ("24/7", "9/11", "7/11", "20/20")
_PROPORTION = late(r"\d\d/\d\d")
_IN_ROW = late(rf"(?i)\b(?:{any_of('come in a row')}) $")
_DAY_BEFORE = late(r"(?i)\bday $")
_DOZEN = 12
_FULL_MARKS = ("5", "10", "20", "25", "50", "100")
_OF_WHOLE = late(r" (?:of|inch|mile|hour|cup|second)\b")
_OF_EYES = late(r"(?i)\b(?:vision|acuity|eyes?|eyesight|snellen)\b[^.!?;]{0,24}$")
_EYES_AFTER = late(r" (?:\w{1,9} )?(?:vision|acuity|eyesight)\b")
_NO_SIZED = late(  # after "5/8 in."
    r" (?:thick|wide|long|tall|deep|high|of|from|in|on|to|above|below|apart|per|and|or|at|larger"
    r"|smaller|shorter|longer|wider|thicker|deeper)\b|[.,;:)]|\s*$"
)
_OF_SCORE = late(
    r"(?i)\b(?:scor(?:e|es|ed|ing)|got|gets|grades?|ratings?|rated|marks?|earned|perfect|solid|pain"
    r"|(?:give|gave|rate|gives) (?:it|this|that|them|us|him|her))"
    r"(?: (?:was|is|of|at|level|as|only|about))?:? (?:an? )?$"
)
_COUNTED_AFTER = late(  # 9/24 HP, 17/20 files
    r" (?:(lives|hearts|stars|correct|(?:used|full|complete|completed|done)(?=\b)"
    r"|(?:(HP|MP|XP|SP|hp|points)(?! (?:motor|pump|engine))"
    r"|times(?= (?:I|we|you|he|she|they|it|when|out|last) [a-z]|[.,;!?)]|$)))\b"
    rf"|(?!(?:{any_of('no things counted')}|{any_of('measured in fractions')})\b)"
    r"(?:[a-z]{2,20}(?<!s)s|people|men|women|children)\b)"
)
_ADVICE_AFTER = late(
    r"(?i),? (?:would|wouldn't|do not|don't|never|highly|from me|recommend|stars)\b"
)
_LABEL_BEFORE = late(
    rf"(?i)\b(?:{any_of('are rated')})(?::| –| -)? $"
    r"|\b(?:test|exam|quiz|score|meal|food|service) was $"
)
_OPENING = late(r"(?:^|[.!?\n] ?)$")
_REMARK_AFTER = late(r", [a-z]|[.;]|\s*$")
_SO_RATED = late(r"[.;:!?)]|,(?! \d)|$| (?:tho|though|but|imo|overall|at best|and|because)\b")
_OPENING_AFTER = late(r", [a-z]{3}|\. [A-Z]")
_NO_NOUN = word_list("no nouns")
_KITCHEN = ("2", "3", "4", "8", "16")  # denominators of what is measured
_DONE = ("used", "full", "complete", "completed", "done")
_DATA = frozenset(("KB", "MB", "GB", "TB", "GiB", "MiB"))
_CAPACITIES = ("16", "32", "64", "128", "256", "512")
_DATA_BEFORE = late(r"(?i)\b(?:used|using|storage|disk|memory|quota):? $")
_DATA_USED = late(r"(?i)\b(?:used|using|usage|quota):? $")
_SHARED_DATA = late(r"(?i) (?:used|full|free)\b|.{0,12}\b(?:usage|consumed)\b")
_GAUGE = late(
    r"(?i)(?:^|[\s,;(])(?:volume|brightness|health|stamina|mana|energy|battery|armor|shield"
    r"|hp|mp|xp|progress|streak|calories|steps):? $"
    r"|\b(?:quiz|exam|test|attendance|completed|results?): $"
)


def fraction(match: re.Match[str]) -> list[str]:
    whole = match["fraction_whole"]
    above = match["above"]
    below = match["below"]
    words = [*number_words(whole), "and"] if whole else []
    unit = (match["fraction_unit"] or "").replace('"', "in")
    one, many = UNITS.get(unit if unit in UNITS else unit.rstrip("."), ("", ""))
    if match["fraction_unit"] == '"' and (word_after(match) or "and") not in _NO_NOUN:
        many = one  # an 8 1/2" x 11" sheet
    is_proportion = _PROPORTION.fullmatch(match[0]) and int(above) + int(below) == 100
    if "," in below:  # 1/1,000
        return [*cardinal_words(above), "in" if above == "1" else "over", *number_words(below)]
    if unit == "mpg" and len(above) == 2 and not whole:
        return [*_in_city_and_on_road(above, below), *many.split()]
    if match[0] in _SAID_PLAINLY or is_proportion or _is_acuity(match):
        return cardinal_words(above) + cardinal_words(below)
    is_score = above == below or _OF_SCORE.search(text_before(match)) or _rates(match)
    is_part = many or _OF_WHOLE.match(match.string, match.end())
    if below in _FULL_MARKS and is_score and not is_part:
        return [*cardinal_words(above), "out", "of", *cardinal_words(below)]
    of_data = unit.rstrip(".") in _DATA and (
        below not in _KITCHEN or _DATA_BEFORE.search(text_before(match))
    )
    text_used = _DATA_USED.search(text_before(match)) or _SHARED_DATA.match(
        match.string, match.end()
    )
    is_choice = unit and above in _CAPACITIES and below in _CAPACITIES and not whole
    if is_choice and not text_used:  # 128/256 GB
        return [*grouped_words(above), "or", *grouped_words(below), *many.split()]
    of_gauge = below not in _KITCHEN and not is_part and _GAUGE.search(text_before(match))
    if (of_data or of_gauge) and int(above) <= int(below):  # 3/10 GB used, HP 45/120
        return [*cardinal_words(above), "out", "of", *cardinal_words(below), *many.split()]
    before, is_many = text_before(match), int(below) > _DOZEN
    in_row = _IN_ROW.search(before) and (is_many or not is_part)
    of_days = is_many and _DAY_BEFORE.search(before)  # day 12/30 of
    is_counted = (in_row or of_days) and not (match["fraction_ending"] or whole or many)
    if is_counted and 0 < int(above) <= int(below):
        return [*cardinal_words(above), "of", *cardinal_words(below)]
    counted = None if whole or unit else _COUNTED_AFTER.match(match.string, match.end())
    if counted and counted[1] in _DONE and int(below) <= (8 if counted[1] == "full" else 4):
        counted = None  # 3/4 done, 5/8 full
    follows_article = _ARTICLE_BEFORE.search(text_before(match, 8)) is not None
    is_small = below in _KITCHEN or follows_article
    is_size = is_small and counted and (counted[2] or not counted[1])  # a 1/2 HP motor
    if counted and int(above) <= int(below) and not is_size:
        return [*cardinal_words(above), *["out"] * bool(counted[1]), "of", *cardinal_words(below)]
    if not 0 < int(above) < int(below) <= 100:
        say = grouped_words if BEFORE_GROUPS.search(text_before(match)) else cardinal_words
        return [*words, *say(above), "over", *cardinal_words(below), *many.split()]
    has_name = below in _DENOMINATORS and match["fraction_ending"] in (None, "nd")
    part = [_DENOMINATORS[below]] if has_name else ordinal_words(below)
    if above == "1":
        has_article = follows_article and not whole  # a 1/2-inch bolt
        small = "an" if below in ("8", "11", "18", "80") else "a"
        article = [] if has_article else [small if whole or one or below == "2" else "one"]
        return [*words, *article, *part, *(many if whole else one).split()]
    words += [*cardinal_words(above), *plural_words(part)]
    if one == "inch" and not whole and _NO_SIZED.match(match.string, match.end()):
        return [*words, "of", "an", "inch"]
    return [*words, *(many if whole else one).split()]


def _rates(match: re.Match[str]) -> bool:
    """4/10 would not recommend; 3/10, cold food; service: 4/5; a 2/10."""
    if match["below"] not in ("5", "10"):
        return False
    text, end = match.string, match.end()
    before = text_before(match)
    if _OPENING.search(before) and _OPENING_AFTER.match(text, end):
        return True
    if match["above"] != "1" and _ARTICLE_BEFORE.search(before) and _SO_RATED.match(text, end):
        return True
    labelled = _LABEL_BEFORE.search(before) and _REMARK_AFTER.match(text, end)
    return bool(labelled) or _ADVICE_AFTER.match(text, end) is not None


def _is_acuity(match: re.Match[str]) -> bool:
    """20/40 vision."""
    if match["above"] != "20" or match["fraction_unit"] or match["below"][-1] not in "05":
        return False
    after = _EYES_AFTER.match(match.string, match.end())
    return after is not None or _OF_EYES.search(text_before(match)) is not None


def _in_city_and_on_road(first: str, second: str) -> list[str]:
    """18/24 mpg, 28/32 city/highway."""
    return [*with_pause(cardinal_words(first)), *cardinal_words(second)]
