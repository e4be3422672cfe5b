"""Days of the week by their letters and short names, -> spoken words: M-F, Sat. & Sun."""

from __future__ import annotations

import re

from dlpo.text.common.calendar import full_name
from dlpo.text.en_us.tables import words_of

_WEEKDAYS = words_of("weekdays")
_LETTER_DAYS = {
    "M": "monday", "Tu": "tuesday", "T": "tuesday", "W": "wednesday", "Th": "thursday",
    "F": "friday", "Sa": "saturday", "Su": "sunday",
}  # fmt: skip


def day_words(written: str) -> list[str]:
    """``"Sat."`` -> saturday."""
    return [full_name(_WEEKDAYS, written)]


def letter_days(match: re.Match[str]) -> list[str]:
    """M-F: monday to friday; MWF: monday, wednesday and friday."""
    days = [_LETTER_DAYS[day] for day in re.findall("Tu|Th|Sa|Su|[MTWF]", match[0])]
    if "-" in match[0] or "–" in match[0]:
        return [days[0], "to", days[-1]]
    return [*days[:-1], "and", days[-1]]
