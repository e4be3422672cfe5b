"""Scores that no "to" is said in, -> spoken words: a 3-2 win, 8-3-1, 6-4, 3-6, 7-6 (5)."""

from __future__ import annotations

import re

from dlpo.text.common.forms import text_before
from dlpo.text.common.patterns import late
from dlpo.text.common.scores import Sets
from dlpo.text.en_us.numbers import cardinal_words, code_words, ordinal_words
from dlpo.text.en_us.tables import TABLES, any_of

_RESULT_BEFORE = late(
    r"(?i)\b(?:beat|beats|beating|defeat\w{0,3}|def\.|over|won|win|wins|lost|loss|down|edg\w{1,3}"
    r"|top\w{0,4}|score|drew|tied|final|result|past|against|pages?|chapters?|verses?|ages?|grades?)\b[^.!?;]{0,40}$"
)
_TEAM_BEFORE = late(
    rf"\b(?!(?:(?i:{any_of('weekdays')})s?|{any_of('books of verses')}"
    r"|Weekdays|Weekends|Notes|Chapters|Pages|Hours)\b)"
    r"[A-Z][a-z]{2,20} \($"
)
_THE_TEAM = (
    rf"\b[Tt]he (?:[A-Z]\w{{1,15}} ){{0,2}}(?:{any_of('teams')}|{any_of('teams of plain words')}) "
)
_TEAM_IS = late(
    _THE_TEAM + r"(?:are|were|finished|ended)(?: now| currently)? $"
    r"|\b(?i:ended|finished|closed) (?:the|their|its|his|her) (?:\d{4} |regular )?"
    r"(?:season|year|campaign)(?: at)? $|\brecord (?:is|was|stands at) $"
)
_PITCHER_IS = late(
    r"\b(?!(?:Score|Lead|Vote|Ratio|It|Record|Margin|Result|Temperature|Store|Office|Library|Clinic"
    r"|Parking|Pool|School|Lunch|Dinner|Brunch|Odds|Yoga|Market|Hour|Hours|Reception|Gym|Class|Service"
    r"|(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day|Court|Congress|House|Senate|Polls|Bank|Shop)\b)"
    r"[A-Z][a-z]{2,15} (?:is now|is currently|went) $"
)
_TIMES_OF_DAY = late(r"\bis (?:now|currently) $")
_TEAM_STOOD = late(_THE_TEAM + r"(?:f[ae]ll|drop(?:ped)?|moved?|went) to $")
_LISTED_BEFORE = late(rf"\b(?:{any_of('teams')}) \($")
_NO_TEAM_IS = late(r"(?:^|\W)(?:(?!he\b|record\b)[a-z]+|Vote|Ratio|Score) (?:is|was) $")
_PITCHED = late(r", \d{1,2}\.\d\d ERA\b|, \d{1,2} (?:KOs?|knockouts)\b")
_MEETS = (
    r"(?:vs?\.?|at|hosts?|faces?|visits?|plays?|takes? on|travels?|meets?|lost|won|beat|defeated"
    r"|edged|topped|upset|fell)"
)
_FACED = late(rf"\(\d{{1,3}}[-–]\d{{1,3}}\) {_MEETS}(?: to)? [^.!?()]{{1,30}}\($")
_FACES = late(rf"\) {_MEETS}\b")
_IMPROVED = late(r"(?i)\b(?:improv(?:e|es|ed|ing)) (?:its |their |his )?(?:record )?to $")
_STANDS = late(r" with (?:the|a|their|its) (?:[\w-]{1,12} )?(?:win|loss|victory|defeat)\b")
_RECORD_BEFORE = late(
    r"(?i)(?:\b(?:are|is|were|was|went|finished|improved to|fell to|now|at|and|record) |\(|[:,] )$"
)
_IMPROVED_AFTER = late(r"[.,;)!]|$| (?:overall|this season|on the (?:season|year)|after|and)\b")
_STOOD = late(r"(?i)\b(?:f[ae]ll(?:s|ing)?|dropp?(?:s|ed|ing)?|mov(?:e|es|ed)|went) to $")
_BATTED = late(
    r"(?i)\b(?:bat(?:s|ted|ting)|hitting|avg|slugg(?:ed|ing)|batting average)\.?"
    r"(?: (?:to|of|at|was|is|a|just|only|over|around))? $"
    r"|\b(?:he|she|they|who|hitter|career) (?:[a-z]{2,8} )?(?:hit|hits) $|\bOPS (?:of|was|is|at) $"
    r"|\b(?:his|her) (?:season |career )?average (?:is |was )?(?:to|at|of|up to|down to) $"
)
_BATS = late(
    r" (?:OPS|hitters?|batting|slugging|BA|OBP|SLG"
    r"|average(?! (?:growth|error|loss|return|price|rate|score|change|gain)\b))\b"
)
_SCORER_BEFORE = late(
    r"(?:[(,;⚽]\s?|\b(?!Depth|Height|Width|Length|Room)[A-Z][\w'-]{1,20}\)?,? "
    r"|\b(?:pen|og|OG)\.? )$|(?:^|\n)$"
)
_NAMED_BEFORE = late(  # Salah 14', 60'
    rf"\b(?!(?:{any_of('have feet')})\b)[A-Z][\w'-]{{2,20}} (?:\d{{1,3}}'(?:, | and )){{0,3}}$"
)
_LISTED_AFTER = late(r"[,;.)]|\s?$| and (?:[A-Z][a-z]{2,20} )?\d{1,3}'")
_FEET_NEAR = late(
    r"(?i)\b(?:zones?|scale|ropes?|lbs?|wide|tall|long|sizes?|feet|deep|high|trees?|shrubs?|yards?)\b"
)
_MATCH_NEAR = late(
    r"\b[A-Z][a-z]+ \d[-–]\d [A-Z]"
    r"|(?i:\bgoals?\b|\bpens?\b|\bpenalty|scorers?|(?:full|half)[- ]time|⚽)"
    r"|\([A-Z][a-z]+ \d{1,3}'|\(\d{1,3}', \d"
)
_MATCH = late(
    r"\b\d[-–]\d\b|(?i:\b(?:goals?|scored|penalty|pens?|booked|subs?|assists?|full[- ]time"
    r"|(?:red|yellow) cards?)\b|⚽)"
)
_TIMES_OF_GOALS = late(  # of three players, or of two, one in the second half
    r"\d\+\d'|\bHT\b|(?:[A-Z][a-z]+ \d{1,3}'(?:, | and )){2}[A-Z][a-z]+ \d"
    r"|[A-Z][a-z]+ \d{1,3}'.{1,60}[A-Z][a-z]+ (?:\d{1,3}', )?(?:4[6-9]|[5-9]\d|1[01]\d|120)'"
    r"|[A-Z][a-z]+ (?:4[6-9]|[5-9]\d|1[01]\d|120)'.{1,60}[A-Z][a-z]+ \d{1,3}'"
)
_MOST_JUDGES = 6
_WON_BEFORE = late(
    r"(?i)\b(?:won|win|wins|lost|loss|beat|score|drew|tied|pages?|age[sd]?|rat(?:ed|ing)|temps?|up|down|led|trail\w{0,3})\b[^.;]{0,20}$"
)
_SETS = Sets(TABLES, "and", cardinal_words)
SETS_PATTERN = _SETS.pattern
scores_14 = _SETS.words


def score(match: re.Match[str]) -> list[str]:
    return [*cardinal_words(match[1]), *cardinal_words(match[2])]


def wins_and_losses(match: re.Match[str]) -> list[str]:
    return [*cardinal_words(match[1]), "and", *cardinal_words(match[2])]


def won_and_lost(match: re.Match[str]) -> list[str] | None:
    """The Dodgers (98-64), Kershaw (12-4, 2.46 ERA); but not a score, nor the Kids (5-12)."""
    before = text_before(match, 80)
    faced = _FACED.search(before)
    if _RESULT_BEFORE.search(before[: faced.start()] if faced else before):
        return None
    is_sure = _PITCHED.match(match.string, match.end()) or _LISTED_BEFORE.search(before)
    faces = _FACES.match(match.string, match.end()) and _TEAM_BEFORE.search(before)
    is_faced = faced and match.string.startswith(")", match.end())
    return wins_and_losses(match) if is_sure or faces or is_faced else None


def standing(match: re.Match[str]) -> list[str] | None:
    """Improved to 8-2 with the win."""
    after = _STANDS.match(match.string, match.end())
    improved = _IMPROVED.search(text_before(match, 24))
    if improved and int(match[1]) > int(match[2]):
        after = after or _IMPROVED_AFTER.match(match.string, match.end())
    stands = after and (improved or _STOOD.search(text_before(match, 24)))
    is_team = _IMPROVED_AFTER.match(match.string, match.end())
    if not (stands or (is_team and _TEAM_STOOD.search(text_before(match)))):
        return None
    return wins_and_losses(match)


def team_stands(match: re.Match[str]) -> list[str] | None:
    """The Chiefs are 9-2, Cole is now 12-4; but the Hours are 9-5."""
    before = text_before(match, 48)
    falls = 40 > int(match[1]) > int(match[2])
    if _TIMES_OF_DAY.search(before) and int(match[1]) in range(7, 12) and int(match[2]) < 7:
        return None  # is now 9-5
    falls &= int(match[1]) > _MOST_JUDGES or not before.endswith("went ")  # the case went 6-3
    is_team = _TEAM_IS.search(before) or (falls and _PITCHER_IS.search(before))
    return wins_and_losses(match) if is_team else None


def average(match: re.Match[str]) -> list[str] | None:
    """Batted .312: three twelve; hitting .304/.388/.632, a .912 OPS."""
    if not (_BATTED.search(text_before(match)) or _BATS.match(match.string, match.end())):
        return None
    words: list[str] = []
    for digits in match[0].replace(".", "").split("/"):
        small = digits[0] == "0"
        *others, last = cardinal_words(str(int(digits))) if small else code_words(digits)
        words += [*["oh"] * small, *others, f"{last},"]
    return [*words[:-1], words[-1].rstrip(",")]


def minute_of_goal(match: re.Match[str]) -> list[str] | None:
    """2-1 (Rashford 34', 78'); but "a room 12' wide"."""
    before = text_before(match, 80)
    near = before + match.string[match.end() : match.end() + 40]
    named = _NAMED_BEFORE.search(before) and _LISTED_AFTER.match(match.string, match.end())
    named = named and (_MATCH.search(match.string) or _TIMES_OF_GOALS.search(match.string))
    named = named or (_SCORER_BEFORE.search(before) and _MATCH_NEAR.search(near))
    if not named or _FEET_NEAR.search(near):
        return None
    return [*ordinal_words(match[1]), "minute"]


def of_season(match: re.Match[str]) -> list[str] | None:
    """They are 31-19 overall, 5-2 since the break; but "it took 20-30 overall"."""
    before = text_before(match)
    overall = match.string.startswith(" overall", match.end())
    if _WON_BEFORE.search(before) or (overall and not _RECORD_BEFORE.search(before)):
        return None
    return wins_and_losses(match)


def scores_3(m: re.Match[str]) -> list[str] | None:
    return [word for part in m[0].split("-") for word in cardinal_words(part)]


def scores_5(match: re.Match[str]) -> list[str] | None:
    return None if _NO_TEAM_IS.search(text_before(match)) else wins_and_losses(match)


def scores_12(match: re.Match[str]) -> list[str] | None:
    return [*match[0]]
