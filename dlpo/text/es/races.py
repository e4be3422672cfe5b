"""Times and gaps of races, such as 1:16.314 and a 1'24" -> spoken words."""

from __future__ import annotations

import re

from dlpo.text.common.forms import text_before
from dlpo.text.common.patterns import late
from dlpo.text.es.numbers import cardinal_words, decimal_words
from dlpo.text.es.tables import any_of

LEAD = rf" (?i:del? (?:la |su )?(?:{any_of('leads')})|del (?:primero|segundo|tercero))\b"
"""After a gap: 35" de ventaja, a 2' del líder."""
_LEAD_AFTER = late(LEAD)
_RACE = late(rf"(?i)\b(?:{any_of('races')})\b")
_SIZED = late(rf"(?i)\b(?:{any_of('sized in inches')})\b")
_GAP_BEFORE = late(r"(?<!['\"\d] )\ba $")
_NO_LAP_BEFORE = late(rf"(?i)\b(?:a las|(?:{any_of('before ratios')})(?: de)?) $")


def thousandths(decimals: str, gender: str = "") -> list[str]:
    """Decimals of exact times and rates: trescientos catorce, cero cero cinco."""
    return decimal_words(decimals) if decimals[0] == "0" else cardinal_words(decimals, gender)


def in_race(match: re.Match[str]) -> bool:
    """35" de ventaja; el segundo clasificado, a 12"."""
    if _LEAD_AFTER.match(match.string, match.end()):
        return True
    gap = _GAP_BEFORE.search(text_before(match)) and _RACE.search(match.string)
    return bool(gap and not _SIZED.search(match.string))


def lap(match: re.Match[str]) -> list[str] | None:
    """1:16.314, 3:41,2; but "a las 10:15,30 personas", "dilución 1:10.2"."""
    if _NO_LAP_BEFORE.search(text_before(match)):
        return None
    time = [*cardinal_words(match[1]), *decimal_words(match[2])]
    return [*time, "punto" if match[3] == "." else "coma", *thousandths(match[4])]
