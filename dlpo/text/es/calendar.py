"""Written dates and times of day -> spoken words."""

from __future__ import annotations

import re

from dlpo.text.common.calendar import DAY, ISO, full_name
from dlpo.text.common.forms import only_after, text_before, with_pause
from dlpo.text.common.patterns import late
from dlpo.text.common.roman import roman_value
from dlpo.text.common.tables import any_key
from dlpo.text.es.abbreviations import BOOKS, NUMBERED_BOOKS, is_other, spelled
from dlpo.text.es.numbers import cardinal_words
from dlpo.text.es.tables import any_of, words_of

MONTHS = words_of("months")
MONTH_NAME = rf"(?:{'|'.join(MONTHS)}|setiembre)"
_DECADE_BEFORE = re.compile(r"(?i)\b(?:los|años|[2-9]0s y(?: los)?) $")
_DECADE_AFTER = re.compile(r" y (?:los )?[2-9]0s\b")
_SECONDS_BEFORE = re.compile(
    r"(?i)\b(?:durante|esper\w{1,4}|tard\w{1,4}|descans\w{1,4}|series? de|entre|paus\w{1,3}"
    r"|cada|timeout)\b[^.;]{0,14}$"
)
_SECONDS_AFTER = re.compile(
    r"(?: y (?:los )?[2-9]0s)? (?:de (?:espera|pausa|descanso|plancha|reposo)|finales|restantes)\b"
)
SHORT_MONTH = rf"(?:{'|'.join(month[:3] for month in MONTHS)}|sept|set)"
YEAR = r"[12]\d{3}"
PERIOD = r"(?:\s?[ap]\.?\s?m\b\.?|\s?[AP]\.?\s?M\b\.?)"
HOURS = r"\s?(?:(?i:h|hs|hrs|horas)\b|[ap]\.?\s?m\b)"
SENTENCE = rf"(?!(?:{any_of('after hours')})\b)[A-ZÁÉÍÓÚÑ][a-záéíóúñ]"
POINTED = rf"(?:\s?(?:-|–|al?|y|o|de|las?|hasta)\b|\s?-?\d{{1,2}}[.,][0-5]\d){{0,8}}{HOURS}"
"""after minutes that a point or a comma precedes: 8.30 hs, 9.00 a 21.00 h"""
SAID_TIME = (
    rf"[0-5]\d(?:[.;:)?!]|,\s|$|{HOURS}|\s(?:\(|AM\b|PM\b)"
    rf"|\s(?!(?:mil|que|{any_of('units after no date')})\b)"
    rf"(?!(?!horas|{any_of('weekdays')})\w{{3,12}}(?:as|[a-zñ]es)\b)[^\W\d])"
)
SHORT_DAY = r"(?i:lun|mar|mi[eé]|jue|vie|s[aá]b|dom)"
_BEFORE_DATE = re.compile(
    rf"(?i)\b(?:(?:{any_of('before dates')})(?: d[ií]a)?|(?:{any_of('weekdays')}),?"
    rf"|(?!mar\b[^.]){SHORT_DAY}\.?,?) $"
)
_WEEKDAYS = words_of("weekdays")
_LETTER_DAYS = dict(zip("LMXJVSD", _WEEKDAYS, strict=True))
_LABEL_OF_DATE = re.compile(
    rf"(?i)\b(?:(?:{any_of('dated')}):|fecha(?: l[ií]mite| de \w+):?|l[ií]mite|vencen?|caducan?"
    r"|(?:vto|venc)\.:?) $"
)
_FRACTIONS = ("1/2", "1/3", "2/3", "1/4", "3/4")
_NO_DATE_BEFORE = re.compile(rf"(?i)(?:\b(?:{any_of('before no date')})\.?:?|[=+*/<>]) $")
_MAYBE_DATE_BEFORE = re.compile(rf"(?i)(?:^|[:,;(\n–-]\s?|\b(?:{any_of('may precede dates')}) )$")
_BEFORE_DASHED_DATE = re.compile(
    r"(?i)\b(?:(?:antes|después|a partir) del|(?:desde|hasta|vence|para) el"
    r"|fecha:?|l[ií]mite:?|día) $"
)
COUNTED = rf"\s?(?:[%°‰]|(?:{any_of('units after no date')}|por ciento)\b)"
_EXPIRES = re.compile(
    r"(?i)\b(?:vence|vencimiento|venc\.|vto\.|caduca|caducidad|exp\.|v[aá]lid[ao] hasta)"
    r"(?: (?:el|en|es))?:? $"
)
_NOON_BEFORE = re.compile(r"(?i)\b(?:las|[ap]\.? ?m\.? ?(?:a|y|hasta|-|–)) ?$")
_LASTING_BEFORE = re.compile(
    r"(?i)(?<!\blas )\b(?:dur\w{1,6}|tard\w{1,5}|demor\w{1,4}|lleva|faltan?|vuelo|viaje|en|por"
    r"|trabaj\w{1,5}|jornadas?|total|unas|casi)(?: (?:es|de|dura|casi|unas|cerca)){0,2}:? $"
)
_EVENT_BEFORE = re.compile(
    r"(?i)\b(?:llega|sale|citas?|empieza|inicia|comienza|termina|cierra|abre|junta|reunión"
    r"|(?<!de la )mañana|hoy) $"
)
_LIMIT_BEFORE = re.compile(
    r"(?i)\b(?:entre|hasta|desde|(?:antes|después|a partir) de"
    r"|entre (?:las? )?\d\d?(?::\d\d)?(?: ?[ap]\.? ?m\.?| ?hr?s?\.?)? y) $"
    r"|(?<![\dmhs.] )(?<![\dmhs.])\ba $"
)
_SPENT_BEFORE = late(rf"(?i)\b(?:{any_of('of times spent')})(?: (?!las?\b)[\w:]{{1,9}}){{0,4}} $")
_CAPITAL_AFTER = re.compile(r" (?!Hora|Tiempo)[A-ZÁÉÍÓÚÑ][a-záéíóúñ]")
_LASTING_AFTER = re.compile(r" de (?!la\b|hoy|ayer|mañana|lunes|ma|mi|jue|vie|s[áa]b|dom)")
_AFTER_SPAN = late(r"(?i)\b(?:después de|tras|durante|unas) $")
_RATIO_BEFORE = late(rf"(?i)\b(?:{any_of('before ratios')})\b(?: (?!las?\b)[\w:]{{1,9}}){{0,4}} $")
_DECIMALS_AFTER = re.compile(r"[.,]\d")
_SPENT_AFTER = late(
    r"(?: y \d\d?:\d\d)?(?:\s?(?:min(?:utos?)?|seg(?:undos)?|(?:por|el|cada) k(?:m|ilómetro))\b"
    rf"| del? (?:la |su )?(?:{any_of('leads')}|final|meta)\b"
    r"|(?:(?<=h)|(?<=[hH]rs)|(?<=hs)|(?<=horas)|\s?(?:h|hs|hrs|horas))"
    r" (?:antes\b|después\b|de (?!la\b|hoy|ayer|mañana|lunes|ma|mi|jue|vie|s[áa]b|dom)))"
)
_WEEK_BEFORE = late(
    r"\b(?:L\s?[-–aA]\s?[VS]|(?i:lun\w{0,3}\.?\s?(?:-|–|al?)\s?(?:vie|s[áa]b)\w{0,4}))\b"
    r"[^\n]{0,50} $"
)
_LETTERED_BEFORE = re.compile(r"(?i)\b(?:tallas?|grupos?|líneas?|plan(?:es)?) $")
_MONTH_BEFORE = late(r"(?:\d|\b(?:de|en|desde|hasta|a|y)|[-–]) ?$")
_YEAR_AFTER = late(r"\s(?:de\s)?(?:19|20)\d\d\b|\s?[-–]\s?[a-z]")
ROMAN_MONTH = "I|II|III|IV|V|VI|VII|VIII|IX|X|XI|XII"
_BOOK_BEFORE = late(
    rf"(?i)\b(?:({any_of('books of verses')}|sura|cor[áa]n) \(?"
    rf"|((?-i:{any_key(BOOKS.keys() - NUMBERED_BOOKS)}))\.? |[123] (?-i:{any_key(BOOKS)})\.? )$"
)
_MEASURED_AFTER = late(rf"\s?(?:[%°$€]|(?:mil|{any_of('units after no date')}|\w{{3,20}}s)\b)")
_SURE_BEFORE = late(r"\b(?:Mt|Mc|Lc|Jn|Gn|Hch) $|\bSal\. $|\b(?:[123]|[Ss]an|S\.) \w+ $")
_LAST_VERSE = 176
_LONG_HOURS = 7
_HOUR_AFTER = late(r"\s?(?:[ap]\.?\s?m|hs?\b|hrs\b|de\b|con\b|en\b)")
MONTHS_A_YEAR = 12
NIGHT = 7  # the hour from which p. m. is night
DAY = DAY
calendar_9 = only_after(_WEEK_BEFORE, lambda match: [_LETTER_DAYS[match[0]]], 60)
calendar_14 = only_after(late(f"\\b{SHORT_DAY}\\.?$"), "")
ISO = ISO


def date_words(day: str, month: int | str, year: str | None) -> list[str]:
    """``("3", 5, "2024")`` -> tres de mayo de dos mil veinticuatro."""
    words = ["primero"] if int(day) == 1 else cardinal_words(str(int(day)))
    words += ["de", month if isinstance(month, str) else MONTHS[month - 1]]
    return words + (["de", *year_words(year)] if year else [])


def year_words(year: str) -> list[str]:
    """A year; one of two digits is of this century up to 49."""
    if len(year) == 2:
        year = ("20" if year < "50" else "19") + year
    return cardinal_words(year)


def _month_name(written: str) -> str:
    """Sept. and set. are septiembre."""
    return full_name(MONTHS, re.sub("(?i)^set", "sep", written))


def numeric(match: re.Match[str]) -> list[str]:
    day, month = match["day"], match["month"]
    if int(month) > 12:  # month first, as in the United States
        day, month = month, day
    return date_words(day, int(month), match["year"])


def iso(match: re.Match[str]) -> list[str]:
    words = date_words(match["iso_day"], int(match["iso_month"]), match["iso_year"])
    if match["iso_hour"]:
        hour, minute = match["iso_hour"], match["iso_minute"]
        second = match["iso_second"] or ""
        exact = second.strip("0") != ""
        clock = duration_words(hour, minute, second) if exact else clock_words(hour, minute)
        words += ["a", "las", *clock]
    return words


def named(match: re.Match[str]) -> list[str]:
    return date_words(match["day_of"], match["named"].lower(), match["year_of"])


def short_name(match: re.Match[str]) -> list[str]:
    return date_words(match["short_day"], _month_name(match["short"]), match["short_year"])


def month_alone(match: re.Match[str]) -> list[str] | None:
    """En feb., dic. 2024, ene.-mar."""
    after = _YEAR_AFTER.match(match.string, match.end())
    return [_month_name(match[1])] if after or _MONTH_BEFORE.search(text_before(match, 8)) else None


def month_year(match: re.Match[str]) -> list[str]:
    return [_month_name(match["my_month"]), "de", *year_words(match["my_year"])]


def short_numeric(match: re.Match[str]) -> list[str] | None:
    """El 5/9; nos vemos 31/12 or 03/08, which are no fractions; antes del 31-10, not "el 5-10"."""
    day, month = match["sd"], match["sm"]
    before = text_before(match, 20)
    written = date_words(day, int(month), None)
    no_fraction = len(month) == 2 and int(day) > MONTHS_A_YEAR
    if match["s_sign"] == "-":
        return written if no_fraction and _BEFORE_DASHED_DATE.search(before) else None
    labelled = _LABEL_OF_DATE.search(before) and f"{day}/{month}" not in _FRACTIONS
    if _BEFORE_DATE.search(before) or labelled:
        return written
    no_fraction = no_fraction or "0" in (day[0], month[0])
    expected = _MAYBE_DATE_BEFORE.search(before) and not _NO_DATE_BEFORE.search(before)
    return written if no_fraction and expected else None


def clock_words(hour: str, minutes: str, period: str = "") -> list[str]:
    """A time of day: siete y quince, catorce treinta, dieciséis horas.

    ``period``: the words after an hour of twelve, of the morning, say.
    """
    words = cardinal_words(str(int(hour)), "f")
    if int(minutes) == 0:
        return words + (["horas"] if (int(hour) > 12 or int(hour) == 0) and not period else [])
    if int(hour) == 0:
        return [*words, "horas", "con", *cardinal_words(str(int(minutes))), "minutos"]
    if int(hour) < 13:
        half = int(minutes) == 30
        return [*words, "y", *(["media"] if half else cardinal_words(str(int(minutes))))]
    return [*words, *cardinal_words(minutes)]


def duration_words(hours: str, minutes: str, seconds: str) -> list[str]:
    """Hours, minutes and seconds; those that are zero aren't said."""
    words: list[str] = []
    units = ((hours, "hora", "f"), (minutes, "minuto", "m"), (seconds, "segundo", "m"))
    for number, one, gender in units:
        if int(number or 0):
            words += [*cardinal_words(str(int(number)), gender), one + "s" * (int(number) != 1)]
    return words or ["cero", "segundos"]


def _period_words(written: str | None, hour: int) -> list[str]:
    if not written:
        return []
    if written.strip()[0] in "aA":
        return ["de", "la", "noche" if hour == 12 else "mañana"]
    if hour == 12:
        return ["del", "mediodía"]
    return ["de", "la", "noche" if NIGHT <= hour < 12 else "tarde"]


def clock(match: re.Match[str]) -> list[str] | None:
    hour, minutes = match["hour"], match["minute"]
    seconds = match["second"]
    if ":" not in match[0] and _lasts(match):  # dura 1,50 h
        return None
    if seconds:
        return duration_words(hour, minutes, seconds)
    if not (match["horas"] or match["period"]) and _RATIO_BEFORE.search(text_before(match)):
        if _DECIMALS_AFTER.match(match.string, match.end()):  # 1:10.2
            return None
        return [*cardinal_words(hour), "a", *cardinal_words(minutes)]
    if _is_spent(match):
        return _spent_words(match)
    period = _period_words(match["period"], int(hour))
    words = clock_words(hour, minutes, " ".join(period))
    if match["horas"] and words[-1] != "horas" and int(minutes) == 0:
        of_clock = int(hour) == 1 and text_before(match, 3).endswith("la ")  # a la 1:00 horas
        words += [] if of_clock else ["hora" if int(hour) == 1 else "horas"]
    return _paused([*_article(match, hour), *words, *period], match)


def _lasts(match: re.Match[str]) -> bool:
    before = _LASTING_BEFORE.search(text_before(match, 30))
    return bool(before or _LASTING_AFTER.match(match.string, match.end()))


def _is_spent(match: re.Match[str]) -> bool:
    """Hasta 12:30 h de uso, entre 2:30 y 3:00 minutos, bajó su marca a 2:03."""
    before = text_before(match)
    short = match["horas"] and int(match["hour"]) < _LONG_HOURS and _AFTER_SPAN.search(before)
    after = _SPENT_AFTER.match(match.string, match.end())
    if match["period"] or _EVENT_BEFORE.search(before) or before.endswith(("las ", "Salida ")):
        return False
    return bool(after or short or _SPENT_BEFORE.search(before))


def _spent_words(match: re.Match[str]) -> list[str]:
    hour, minutes = match["hour"], match["minute"]
    if not match["horas"]:
        return _elapsed_words(hour, minutes)
    if int(hour) and minutes == "30":
        return [*duration_words(hour, "", ""), "y", "media"]
    return duration_words(hour, minutes, "")


def _article(match: re.Match[str], hour: str) -> list[str]:
    """What is said before an hour that has none: entre las 10:00 y las 2:00, cita a las 5 pm."""
    before = text_before(match)
    at = ["a"] * (_EVENT_BEFORE.search(before) is not None)
    if not (at or _LIMIT_BEFORE.search(before)):
        return []
    return [*at, "la" if int(hour) == 1 else "las"]


def hour(match: re.Match[str]) -> list[str]:
    hour = int(match["hour_only"])
    words = [*cardinal_words(str(hour), "f"), *_period_words(match["hour_period"], hour)]
    return _paused([*_article(match, match["hour_only"]), *words], match)


def _paused(words: list[str], match: re.Match[str]) -> list[str]:
    """Words of a time with a pause before what may be a sentence: "8 a. m. Regreso 5 p. m."."""
    pauses = match[0].endswith(".") and _CAPITAL_AFTER.match(match.string, match.end())
    return with_pause(words) if pauses else words


def _elapsed_words(minutes: str, seconds: str) -> list[str]:
    """2:03 as dos cero tres."""
    words = cardinal_words(str(int(minutes)))
    if not int(seconds):
        return words
    return [*words, *["cero"] * (seconds[0] == "0"), *cardinal_words(str(int(seconds)))]


def noon(match: re.Match[str]) -> list[str] | None:
    """Of Colombia: a las 12:00 m., de 8 a. m. a 12 m.; but "12 m de tela"."""
    is_hour = ":" in match[0] or _NOON_BEFORE.search(text_before(match, 20))
    return ["doce", "del", "mediodía"] if is_hour else None


def expiry(match: re.Match[str]) -> list[str] | None:
    """Vence 09/28; but "vence 09/05"."""
    if int(match[2]) <= MONTHS_A_YEAR or not _EXPIRES.search(text_before(match, 24)):
        return None
    of_month = ["mes", "de"] if text_before(match, 3) == "el " else []
    return [*of_month, MONTHS[int(match[1]) - 1], "de", *year_words(match[2])]


def roman_month(match: re.Match[str]) -> list[str]:
    """21-XI-2001."""
    return date_words(match[1], roman_value(match[2]) or 1, match[3])


def letter_days(match: re.Match[str]) -> list[str] | None:
    """L-V 8:00, S y D cerrado; but "talla L-V 8"."""
    if _LETTERED_BEFORE.search(text_before(match, 12)):
        return None
    first, between, last = match.groups()
    return [_LETTER_DAYS[first], "a" if between in "-–" else between, _LETTER_DAYS[last]]


def verse(match: re.Match[str]) -> list[str] | None:
    """Juan 3:16, Mt 5,3.9; Génesis 1,26, but "Juan 3,5 y Marcos 4,2", which are marks."""
    before, comma = text_before(match, 30), match[2] == ","
    no_verse = _MEASURED_AFTER if comma else _HOUR_AFTER
    book, sure = _BOOK_BEFORE.search(before), _SURE_BEFORE.search(before)
    if not book or (no_verse.match(match.string, match.end()) and not (comma and sure)):
        return None
    if comma and (match[1] == "0" or int(match[3]) > _LAST_VERSE):
        return None
    if comma and not sure and (name := book[1] or book[2]) and is_other(name, match):
        return None
    numbers = re.findall(r"([-–])?(\d+)", f"{match[1]} {match[3]}{match[4]}")
    return [w for to, n in numbers for w in [*["a"] * bool(to), *cardinal_words(n)]]


def _weekday(written: str) -> str:
    return next(day for day in _WEEKDAYS if _plain(day).startswith(_plain(written[:3])))


def _plain(written: str) -> str:
    return written.lower().replace("á", "a").replace("é", "e")


def two_days(match: re.Match[str]) -> list[str]:
    """lun. a vie."""
    between = "a" if match["between"] in "-–" else match["between"]
    return [_weekday(match["first_day"]), between, _weekday(match["last_day"])]


def decade(match: re.Match[str]) -> list[str] | None:
    """La música de los 90s, 80s y 90s; but "espera los 20s", "series de 20s y 30s"."""
    before = text_before(match)
    named = _DECADE_BEFORE.search(before) or _DECADE_AFTER.match(match.string, match.end())
    of_time = _SECONDS_BEFORE.search(before) or _SECONDS_AFTER.match(match.string, match.end())
    is_decade = named or match[0].startswith(("18", "19"))
    return cardinal_words(match[0].rstrip("'s")) if is_decade and not of_time else None


def months(match: re.Match[str]) -> list[str]:
    """Oct.-dic., ene-mar 2025."""
    first, last = (_month_name(match[group]) for group in (1, 2))
    return [first, "a", last, *(["de", *year_words(match[3])] if match[3] else [])]


def lettered_time(match: re.Match[str]) -> list[str]:
    """A las 22h30; but "dura 1h30"."""
    before = text_before(match)
    lasts = _LASTING_BEFORE.search(before) or match[0].endswith("min")
    lasts = lasts or (int(match["h"]) < 6 and not before.endswith("las "))
    return (
        duration_words(match["h"], match["m"], "") if lasts else clock_words(match["h"], match["m"])
    )


def time_zone(match: re.Match[str]) -> list[str]:
    """UTC-3, GMT-06:00."""
    sign = "más" if match[2] == "+" else "menos"
    minutes = cardinal_words(match[4]) if match[4] and int(match[4]) else []
    return [*spelled(match[1]), sign, *cardinal_words(match[3]), *minutes]


def calendar_10(match: re.Match[str]) -> list[str] | None:
    return [_LETTER_DAYS[day] for day in match[0].split("/")]


def calendar_12(match: re.Match[str]) -> list[str] | None:
    return [_weekday(match[0])]


def calendar_13(match: re.Match[str]) -> list[str] | None:
    return [_weekday(match[0])]


def calendar_23(match: re.Match[str]) -> list[str] | None:
    return duration_words(match[1], match[2], "")
