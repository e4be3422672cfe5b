"""Written text -> tokens, each with the words it is spoken as and its place in the text."""

from __future__ import annotations

import re
from collections.abc import Container

from dlpo.text.common.forms import FormReader, text_before
from dlpo.text.common.patterns import late
from dlpo.text.common.rows import forms_of, rows_of
from dlpo.text.common.tables import any_key
from dlpo.text.es import (
    abbreviations,
)
from dlpo.text.es.abbreviations import (
    ABBREVIATION_WORDS,
    ACRONYMS,
    CAPITAL_PARTS,
    LETTERS,
    LONGEST_ACRONYM,
    acronym_words,
    sayable,
    spelled,
)
from dlpo.text.es.english import english_syllables, is_listed
from dlpo.text.es.nouns import NOUNS
from dlpo.text.es.numbers import cardinal_words, digit_words, ended_ordinal_words
from dlpo.text.es.quantities import amount_words
from dlpo.text.es.tables import EXCEPTIONS, TABLES

_SIGNS = TABLES.words("signs")
SIGN = (
    r"[=!]==|[<>!=]=|=>|->|&&|[&+=%@°º©§×÷±→≈≤≥≠$£€¥¢]|#(?=\w)|~(?=[$€]?\d)|(?<=[\w)])\^(?=[\w(])"
    r"|[√π∞]|(?<=\s)[<>*](?=\s)|(?<=\d)\*(?=\d)|(?<=[\w.])/(?=\w)"
)
# Words and abbreviations that some form may read.
_HAVE_FORMS = TABLES.word_list("have forms")
_HAVE_FORMS |= {*filter(str.isalpha, {*abbreviations.IN_CONTEXT.keys, *ABBREVIATION_WORDS})}
PLAIN = (
    r"(?<![\w.@])(?=[a-zñ]{0,9}[aeiouyáéíóúü])"
    rf"(?!(?:et al|{any_key(_HAVE_FORMS)})\b)"
    r"(?!(?:lun|mar|mi[eé]|jue|vie|s[aá]b|dom) (?:(?:al?|y|o) |\d{1,2}\b))"
    r"[a-záéíóúüñ]{2,60}"
    r"(?=[ ,;!?\n](?!\((?:de |a )?las?\)| -[ao])|(?<=[a-záéíóúüñ]{7})\.\s)"
)
WORD = rf"[{LETTERS}]{{1,60}}(?:'[{LETTERS}]{{1,20}}){{0,3}}"
_VOWEL = re.compile("[aeiouyáéíóúü]")
_SPOKEN_LETTERS = frozenset("aeouy")  # words of one letter


_OF_MATCH = re.compile(
    r"(?i)\b(?:al|a los|minutos?|min\.|gol(?:es)?(?: de \w{2,15})?)"
    r" (?:\d{1,3}(?:\+\d{1,2})?'(?:,| y|, y) ){0,4}$"
)
_SCORED = re.compile(  # Díaz (12'), Díaz 12', Díaz (p.) 12', fue expulsado (85')
    r"[A-ZÁÉÍÓÚÑ][a-záéíóúñ]{1,20} \(?(?:\d{1,3}'(?:,| y) ){0,4}$|\b(?:p|pen)\.\) $"
    rf"|\b(?:{TABLES.patterns('matches')}) \($"
)
_TEAM = r"[A-ZÁÉÍÓÚÑ][^()\d]{2,30}"
_SCORERS = rf"\({_TEAM} \d{{1,3}}'"
_GOALS = re.compile(
    rf"(?i)\b(?:{TABLES.patterns('matches')})\b|\b(?:p|pen)\.\) \d"
    r"|\d'\W(?!y \d)[^()]{1,60}[ (]\d{1,3}'[,;.)]|\b\d{1,2}-\d{1,2}\b"
    rf"|[a-záéíóúñ] \d{{1,2}} {_SCORERS}[^()]{{0,60}}\)\W{{1,3}}{_TEAM} \d{{1,2}}\b(?!')"
    rf"|[a-záéíóúñ] \d{{1,2}}\W{{1,3}}{_TEAM} \d{{1,2}} {_SCORERS}"
)
_NO_MATCH = late(rf"(?i)\b(?:{TABLES.any_of('given in feet or minutes')})\b")
_MORE_THAN_AFTER = late(
    r"(?:\d[\d.,]{1,9}|\d[\d.,]{0,9} (?:mil|millones))(?: de)? (?!pesos|dólares|euros)"
    rf"(?:{TABLES.any_of('counted at least')}|{TABLES.any_of('come in thousands')})\b"
    rf"(?! (?:{TABLES.patterns('given on top')})\b|[^\n]{{0,30}} [-−–]\d)"
)
_ADDED_BEFORE = late(rf"(?i)(?:{TABLES.patterns('before additions')})$")
_OF_LENGTHS = re.compile(r"\bde (?:\d{1,3}', ){0,4}$")
_LISTED_BEFORE = re.compile(r"\d'(?:,| y) $")  # 34', 78'
_LISTED_AFTER = re.compile(r"', (?:\d{1,3}'(?: ?[,;.)]|$)|[A-ZÁÉÍÓÚÑ][a-záéíóúñ]+\))")
_MINUTE_END = late(r"[),;.]|$| pe?n?\.| y (?:\d|[A-ZÁÉÍÓÚÑ])")
_HALF_AFTER = late(r" ?[PS]T\b")
_LAST_MINUTE = 120  # of a match
_DIALED = re.compile(r"(?i)\b(?:mar(?:c|qu)|dis(?:c|qu)|llam|digit)\w{1,4}\b[^.]{0,50}$")
_FREE_CALL = late(r" (?:desde (?:tu|su) (?:cel|tel|móvil)|sin costo|gratis)")
_STRETCHED = re.compile(r"([^\W\d_])(?:\1\1{1,40}|(?<=[a-zñ]a)a\b)")
_MIXED = {acronym for acronym in ACRONYMS if not acronym.isalpha()}  # SpO2
_ROUTES = {"vo": "oral", "im": "intramuscular", "iv": "intravenosa", "sc": "subcutánea"}
_DOSE_BEFORE = late(
    r"(?:\b(?:mg|m[lL]|g|mcg|UI|comp|tab|cáps)\.?|\bc/\s?\d{1,2}\s?(?:h|hs|hrs|horas)"
    rf"|\d (?i:{TABLES.any_of('doses')})s?) $"
)
_POINTS = {
    "N": "norte", "S": "sur", "E": "este", "O": "oeste",
    "NE": "noreste", "NO": "noroeste", "SE": "sureste", "SO": "suroeste", "W": "oeste",
}  # fmt: skip
_DOSE_AROUND = late(
    rf"\d ?(?:mg|m[lL]|g|mcg|UI)\b|\b(?:c/|cada|por) ?\d{{1,2}} ?(?:d[ií]as|h|hrs|horas)\b"
    rf"|\b(?i:{TABLES.any_of('doses')})s?\b"
)
_NUMBERED_BEFORE = late(rf"(?i)\b(?:{TABLES.any_of('regnal names')}|el|tomo) $")
_EVERY_AFTER = late(r" (?:c/ ?|cada )\d|c/|,? dosis\b")
_MEETING_BEFORE = late(rf"(?i)\b(?:{TABLES.any_of('meetings')})\b(?:(?!\ben )[^.,;]){{0,14}}$")
_PLACE_BEFORE = late(r"(?i)(?:^|\n|\b(?:en|la|por|de|entre|esquina|dirección):?) ?$")
_STREET_AFTER = late(
    r"\s?(?:[A-ZÁÉÍÓÚÑ][\wáéíóúñ.]{1,20}|del?)"
    r"(?: (?:[A-ZÁÉÍÓÚÑ][\wáéíóúñ.]{1,20}|del?)){0,3},? \d"
)
_NAME_OF_X_BEFORE = late(rf"(?i)\b(?:{TABLES.any_of('before x as a name')}) $")
_TITLE_AFTER = late(r"\s?(?:Dra?|Lic|Ing|Arq|Sra?|Srta|Prof|Mtr[oa])\.")
_WOMAN_AFTER = late(rf"\s?(?i:{TABLES.any_of('names of women')})\b")
_KEY_BEFORE = re.compile(
    r"(?i)[a-z]\($|(?:\bselect|\b(?:marqu\w{1,3}|marc\w{1,3}|presion\w{1,4}|puls\w{1,3}|oprim\w{1,4}|digit\w{1,4}"
    r"|teclas?|signos?|botón|símbolos?|o|y|u|luego|después)|[*#])(?:\sla)?(?:\stecla)?\s$"
)
_LETTER_BEFORE = re.compile(
    r"(?i)\b(?:letras?|variables?|ejes?|puntos?|valor(?:es)?(?: de)?|sea|si|[a-z] y) $"
)
_AFTER_QUE = re.compile(rf"\s(?:{TABLES.any_of('after qué')})\b")


START = r"(?:(?<![^\n])|(?<=[.!?] ))"
_ASKING = late(r"(?i)(?:^|[.;:!?¿]|\b(?:por|x)) ?$")
_ASKED = re.compile(r"[^.!?]{0,80}\?")
_SMALL_WORDS = TABLES.word_list("unstressed")
_SMALL_AFTER = late(rf" (?!(?:{TABLES.any_of('after an acronym')})\b)[a-záéíóúñ]{{2,20}}")
_NAMED_BEFORE = late(r"(?:\b[A-ZÁÉÍÓÚÑi][\wáéíóúñ]*[a-záéíóúñA-Z]{2} |: |\b(?:en|de) )$")
_HOW = late(
    r"(?i)(?:(?:^|[.,;:!?¿¡\n] ?|\b(?:hola|y|pero|oye|oiga|saber|dime|dígame) )c[oó]mo"
    r"|\bd[oó]nde|\b(?:t[uú]|ya)) $"
)
_STATE_AFTER = late(rf" (?:{TABLES.patterns('after está')})\b")
_THIS_BEFORE = late(rf"(?i)\b(?:{TABLES.patterns('before esta without accent')}) $")
_EMPHASIZED = TABLES.word_list("words of two letters")
_CAPITALS_BEFORE = late(rf"(?<![{LETTERS}])[A-ZÁÉÍÓÚÑ]{{4,20}} $|[ÁÉÍÓÚ][A-ZÁÉÍÓÚÑ]{{1,20}} $")
_CAPITALS_AFTER = late(rf" [A-ZÁÉÍÓÚÑ]{{3,20}}(?![{LETTERS}\d])")
_KEYS = {"*": ["asterisco"], "#": ["numeral"]}
NO_HEART = (
    r"(?!(?<=<)3(?!\d|[.,]\d|\s?(?:%|[mk]?[gm]|m[lL]|años|meses|semanas|días|horas|h|veces)\b))"
)

_CLASS_BEFORE = late(
    r"(?i)\b(?:películas?|impresoras?|asientos?|grupos?|salón|salones|aulas?|alumn\w{1,2} de) $"
)
_MENU_NAME_BEFORE = late(rf"\b(?i:{TABLES.any_of('menus')}) $|> ?[A-ZÁÉÍÓÚÑ\d]\w{{1,20}} $")
_TERM_BEFORE = late(r"(?:(?:^|[=+*/(] ?)\d{1,6}|(?<!\w)[b-df-xz]) $")
_BLOOD = late(rf"(?i)\b(?:{TABLES.any_of('blood')})\b[^.]{{0,40}}$|\b(?:rh|AB)$")
_GRADED = late(rf"(?i)\b(?:{TABLES.patterns('graded')})\b[^.]{{0,40}}$")
_WIND_BEFORE = late(
    rf"(?i)\b(?:(?:{TABLES.any_of('winds')}|{TABLES.any_of('before winds')})\b"
    r"(?:[^.;]{0,40}\b(?:del?|al|el|hacia|dirección|[NS][EO] y))?|zonas?|sector(?:es)?|km/h) $"
)
_WIND = late(rf"(?i)\b(?:{TABLES.any_of('winds')})\b")
_GUSTS = late(r"(?i)\b(?:viento|brisa|racha|ráfaga)s?\b")
_PHRASE_END = late(r"[,;.)]|$")
_ANGLE_BEFORE = late(r"\d°\s?(?:\d{1,2}(?:[.,]\d{1,4})?['\"]\s?){0,2}$")
_ROAD_BEFORE = late(r"\b(?:I|US|SR)-\d{1,3} $")
_OF_PLACE = late(r" de (?!Microsoft|Apple|Google|Windows|Android|Linux)(?:la |el )?[A-ZÁÉÍÓÚÑ]")
_OF_BOTH = late(
    rf"(?!(?:{TABLES.any_of('only once')})[(/][ao])(?:(?:\w\w+(?:o|or|[áíó]n|[aei]nte|ñol)|\w*un"
    r"|\w+gún|jefe|nene|est?e|juez|concejal).a|\w\w+[oe]s.as|\w\w+or?\(as|\w\w+a.o|\w\w+as.os|\w+[b-df-hj-nñp-tv-z].es"
    r"|(?:\w*[aeiouáéíóúy]|web|app|link|ticket|chat|\w*bot|post|blog|test|e?mail).s)"
)
_WITHOUT_ACCENTS = str.maketrans("áóíú", "aoiu")
_SPANISH = late(
    rf"(?=[a-zñ]{{0,9}}[aeiou])(?!(?:{TABLES.any_of('parts of paths')})$)[a-zñ]{{2,19}}[aeoslnrdz]"
)
_ARTICLES = frozenset(("el", "él", "la", "ella", "los", "las", "al", "del"))
_WORD_BEFORE = late(rf"(\d\s)?\b([{LETTERS}]{{2,20}})\.?$")
_WORD_AFTER = late(rf"(\d{{1,2}}\s(?:{TABLES.any_of('after slash')})\b)|([{LETTERS}]{{2,20}})\b")
_PATH_BEFORE = late(rf"[./@_-][{LETTERS}]{{2,20}}\.?$")
_FOLDER_BEFORE = late(
    rf"(?i)\b(?:carpeta|directorio|ruta|rama|repo(?:sitorio)?) [{LETTERS}]{{2,20}}$"
)
_PATH_AFTER = late(r"[/@_-]|\.\w")
_MONTHS_BEFORE = late(
    r"(?i)(?<![\w.,$])(?<!\b(?:rtx|gtx|ram) )(?:3|6|9|10|12|13|15|18|20|24|30|36|48) ?$"
)

_STEP_BEFORE = late(r"(?:[^\W\d]{2}|\")[\s*_]{1,6}$")
_AMOUNT_BEFORE = late(
    r"(?:\d\s?(?:°\s?[CF]?|m[lL]|[mkµ]?[gVAWN]|mcg|UI|mEq|HP|hp|[MGkT]bps|[KMGT]B|[KMG]Hz|k[mg]|[ap]\.?\s?m\.?|[AP]\.?M\.?)"
    r"(?: [A-Z]{2,4})?|\d-\d)\s?$"
)
_DOSE_AT_END = late(r"(?:mg|mcg|\dg|\d g|UI|mEq|m[lL])\s?$")
_VOLUME_AFTER = late(r"\s?\d[\d.,]{0,6}\s?(?:m[lL]|L|l|cc|dosis)\b")
_HUNDRED_AFTER = late(r"\s?100\s?(?:g|m[lL]|kcal)\b")
_HOURS_AFTER = late(r"\s?\d{1,2}\s?(?:h|hs|hrs|horas)\b")
AGAINST = r"c/\s?(?:[a-z]{2,3} )?(?!IVA)[A-ZÁÉÍÓÚÑ]"
ABOUT = rf"s/\s?(?:{TABLES.any_of('subjects of lawsuits')})"
_ABOUT_AFTER = late(rf"[^;\n]{{0,60}}\b{ABOUT}")
_AGAINST_BEFORE = late(rf"\b{AGAINST}")
AFTER_ESTA = TABLES.patterns("after está")
MIXED = any_key(_MIXED)
AFTER_QUA = TABLES.any_of("after qué")
READER = FormReader(
    r"(?P<a>[a-záéíóúüñç])|(?P<A>[A-ZÁÉÍÓÚÜÑÇ])|(?P<d>\d)|!(?==|(?<=[\dn]!)\s?[=*×·/y])|[^\s.,;:!?\"')\]}]"
    r"|(?<![\w.])\.(?=[a-z\d]{2,12}\b)|[\"'](?<=\d.)|\s(?=[-–])|:(?<=\d\s:)(?=\s\d{1,9}\s=)|:(?<=\d:)(?=\d)",
    forms_of(
        rows_of(TABLES, "dlpo.text.es"),
        {1260: abbreviations.IN_CONTEXT.form, 1350: abbreviations.ABBREVIATIONS.form},
    ),
)


def estar(match: re.Match[str]) -> list[str] | None:
    """Without its accent: "como estas?", "esta bien"; but "un día como esta", "en esta muy"."""
    before = text_before(match, 20)
    verb = _STATE_AFTER.match(match.string, match.end()) and not _THIS_BEFORE.search(before)
    return [match[0].replace("a", "á")] if verb or _HOW.search(before) else None


def key(match: re.Match[str]) -> list[str] | None:
    """A key of a telephone: presione # o *."""
    is_key = _KEY_BEFORE.search(text_before(match, 40))
    return _KEYS[match[0]] if is_key else None


def que(match: re.Match[str]) -> list[str] | None:
    """Of chats: "q tal" as "qué tal", "dijo q sí" as "dijo que sí"; but "la letra q"."""
    if _LETTER_BEFORE.search(text_before(match, 16)):
        return None
    ends = match.string.startswith("?", match.end()) and text_before(match).endswith((" o ", " y "))
    asks = (
        ends
        or _AFTER_QUE.match(match.string, match.end())
        or (_ASKING.search(text_before(match, 5)) and _ASKED.match(match.string, match.end()))
    )
    return ["qué" if asks else "que"]


def por(match: re.Match[str]) -> list[str] | None:
    """Of chats: "x favor"; but "el eje x"."""
    return None if _LETTER_BEFORE.search(text_before(match, 16)) else ["por"]


def minute(match: re.Match[str]) -> list[str] | None:
    text, before = match.string, text_before(match)
    ends = _MINUTE_END.match(text, match.end()) is not None
    follows = _LISTED_AFTER.match(text, match.start() + len(match[1]))
    listed_before = _LISTED_BEFORE.search(before)
    listed = (follows or (listed_before and before[-2] == ",")) and not _OF_LENGTHS.search(before)
    named = _SCORED.search(before) and _GOALS.search(text)
    known = (listed and (_GOALS.search(text) or _SCORED.search(before))) or named
    scored = int(match[1]) <= _LAST_MINUTE and ends and known and not _NO_MATCH.search(text)
    of_half = _HALF_AFTER.match(text, match.end())  # 30' ST
    counted = _OF_MATCH.search(before)  # al 30'
    if not (match[2] or scored or of_half or counted):
        return None
    added = ["más", *cardinal_words(match[2])] if match[2] else []
    first = (scored or (of_half and not counted)) and not (added or listed_before)
    return [*["minuto"] * bool(first), *cardinal_words(match[1]), *added]


def without_interest(match: re.Match[str]) -> list[str] | None:
    """A 12 MSI: months without interest; but "laptop 27 MSI"."""
    is_paid = _MONTHS_BEFORE.search(text_before(match, 24))
    return ["meses", "sin", "intereses"] if is_paid else None


def route(match: re.Match[str]) -> list[str] | None:
    """400 mg VO, VO cada 12 h, vía s.c., por 5 días V.O."""
    before = text_before(match, 60)
    of_way = re.search(r"(?i)\bv[ií]a $", before)
    dotted = "." in match[0] and _DOSE_AROUND.search(before)
    given = of_way or dotted or _DOSE_BEFORE.search(before)
    every = _EVERY_AFTER.match(match.string, match.end()) and not _NUMBERED_BEFORE.search(before)
    named = match[0] == "IV" and re.match(" [A-ZÁÉÍÓÚÑ]", match.string[match.end() :])
    if named or not (given or every):
        return None
    route = _ROUTES[re.sub(r"\W", "", match[0]).lower()]
    return ["vía"] * (route == "oral" and not of_way) + [route]


def blood_or_grade(match: re.Match[str]) -> list[str] | None:
    """Sangre A-, Rh+; sacó B-."""
    before = text_before(match, 60)
    if _BLOOD.search(before):
        return ["positivo" if match[0] == "+" else "negativo"]
    return ["menos"] if match[0] != "+" and _GRADED.search(before) else None


def more_than(match: re.Match[str]) -> list[str] | None:
    """+5 mil personas, +20 años de experiencia; but "+5 puntos", "+120 fans, -15 clientes"."""
    before = text_before(match)
    if f" {before}".lower().endswith((" más de ", " mas de ", "mayores de ")):
        return []
    counted = _MORE_THAN_AFTER.match(match.string, match.end())
    return ["más", "de"] if counted and not _ADDED_BEFORE.search(before) else None


def _flat(match: re.Match[str]) -> list[str] | None:
    """Of a flat: 2D/1B; but "salón 3D/3B"."""
    if _CLASS_BEFORE.search(text_before(match)):
        return None
    baths = amount_words(match[2], ("baño", "baños"), "m")
    return [*amount_words(match[1], ("dormitorio", "dormitorios"), "m"), *baths]


def compass(match: re.Match[str]) -> list[str] | None:
    """Al SO de Acapulco; vientos del NNO, lluvias en el NE y el SO."""
    written, before = match[0], text_before(match, 60)
    if _ANGLE_BEFORE.search(before) or _ROAD_BEFORE.search(before):
        return [_POINTS[written]]
    is_place = before.endswith((" al ", " del ")) and (
        len(written) == 3 or _OF_PLACE.match(match.string, match.end())
    )
    is_wind = _WIND_BEFORE.search(before) and (len(written) > 1 or _WIND.search(before))
    if before.endswith("km/h ") and not _GUSTS.search(before):  # iba a 80 km/h NO a 90
        is_wind = _PHRASE_END.match(match.string, match.end())
    if not (is_place or is_wind):
        return None
    if len(written) == 3:
        return [_POINTS[written[0]].replace("norte", "nor") + _POINTS[written[1:]]]
    return [_POINTS[written]]


def either(match: re.Match[str]) -> list[str] | None:
    """Usuario(a), niños/as, día(s); but trabajadores(as) as "trabajadores y trabajadoras"."""
    word, end = match[1].lower(), match[2] or match[4]
    if not _OF_BOTH.fullmatch(word + match[0][len(word)] + end):
        return None
    added = match[3] or ""
    stem = re.sub("(?:[oa]|e(?=s?$))?s?$", "", word) if end[0] in "ao" else word
    other = (stem.translate(_WITHOUT_ACCENTS) if stem[-1:] == "n" else stem) + end + added
    if added or match[2] == "as":
        return [word + added, "e" if other.startswith(("i", "hi")) else "y", other]
    return [word, "u" if other.startswith(("o", "ho")) else "o", other]


def slash_of_amounts(match: re.Match[str]) -> list[str] | None:
    """250 mg/5 mL, 5 ml/8 h, 5 g/100 g; a pause in 5 V/3 A, 7 PM ET / 6 PM CT, 6-3/6-4."""
    if not _AMOUNT_BEFORE.search(text_before(match, 16)):
        return None
    of_dose = _DOSE_AT_END.search(text_before(match, 8))
    if _HOURS_AFTER.match(match.string, match.end()):
        return ["cada"] if of_dose else None
    if _HUNDRED_AFTER.match(match.string, match.end()):
        return ["por", "cada"]
    return ["en"] if of_dose and _VOLUME_AFTER.match(match.string, match.end()) else []


def with_somebody(match: re.Match[str]) -> list[str] | None:
    """Junta c/ Luis, cita c/ Ana; but "vive en c/ Goya 12"."""
    if _STREET_AFTER.match(match.string, match.end()):
        return None
    before = text_before(match, 40)
    named = _WOMAN_AFTER.match(match.string, match.end()) or _TITLE_AFTER.match(
        match.string, match.end()
    )
    is_person = named and not _PLACE_BEFORE.search(before)
    return ["con"] if is_person or _MEETING_BEFORE.search(before) else None


def compared(match: re.Match[str]) -> list[str] | None:
    """IMC >30, con <100; x <5 is "menor que"; "Ajustes >2" is a menu."""
    before = text_before(match, 90)
    if match[0][0] == ">" and _MENU_NAME_BEFORE.search(before):
        return []
    if _TERM_BEFORE.search(before):
        return ["menor" if match[0][0] == "<" else "mayor", "que"]
    return ["menos" if match[0][0] == "<" else "más", "de"]


def ordered(match: re.Match[str]) -> list[str]:
    """2x tacos, 1x agua."""
    gender = NOUNS.gender_at(match.string, match.start(), match.end())
    return cardinal_words(match[1], gender or "m")


def _times(match: re.Match[str]) -> list[str] | None:
    """Pack x2; but "bmw x5", "el eje x2"."""
    return None if _NAME_OF_X_BEFORE.search(text_before(match)) else ["por"]


def of_lawsuit(match: re.Match[str]) -> list[str] | None:
    """Gómez c/ Pérez s/ cobro: contra, sobre."""
    if match[0][0] == "c":
        return ["contra"] if _ABOUT_AFTER.match(match.string, match.end()) else None
    return ["sobre"] if _AGAINST_BEFORE.search(text_before(match, 60)) else None


def pair(match: re.Match[str]) -> list[str] | None:
    """The slash of niños/niñas, el/la, 2 dorm/1 baño."""
    text = match.string
    before, after = _WORD_BEFORE.search(text_before(match)), _WORD_AFTER.match(text, match.end())
    if not (before and after):
        return None
    if after[1]:
        return [] if before[1] else None
    words = {before[2].lower(), after[2].lower()}
    stems = {re.sub("[oae]?s?$", "", word) for word in words}
    if len(words) == 2 and (len(stems) == 1 or words <= _ARTICLES):
        return ["o"]
    if (
        (before[2] + after[2]).isupper()
        or _PATH_BEFORE.search(text_before(match))
        or _FOLDER_BEFORE.search(text_before(match))
        or _PATH_AFTER.match(text, after.end())
    ):
        return None
    return [] if "." in before[0] or all(map(_is_spanish, words)) else None  # negro/blanco


def _is_spanish(word: str) -> bool:
    """Whether a word in lower case looks so, unlike parts of a path: src, utils, main."""
    return not word.isascii() or bool(_SPANISH.fullmatch(word) and not english_syllables(word))


def short_code(match: re.Match[str]) -> list[str] | None:
    """Marque *611, *123*1#; but "*50 % de descuento"."""
    free = _FREE_CALL.match(match.string, match.end())
    if match[0][-1] != "#" and not (free or _DIALED.search(text_before(match, 60))):
        return None
    return [w for key in re.findall(r"\d+|\D", match[0]) for w in _KEYS.get(key, digit_words(key))]


def sound(match: re.Match[str]) -> list[str]:
    """Hmm, mmmm, shhh: as pronunciations.tsv has them."""
    written = _STRETCHED.sub(r"\1\1", match[0].lower())
    return [{"hm": "hmm", "mm": "mmm", "zz": "zzz"}.get(written, written)]


def _unstretched(written: str) -> str:
    """No Spanish word has a letter three times or ends in aa: "holaaaa" is "hola"; but "Saa"."""
    plain = _STRETCHED.sub(r"\1", written)
    return plain if len(plain) > 1 and _VOWEL.search(plain.lower()) else written


def signs_and_words_5(match: re.Match[str]) -> list[str] | None:
    return ACRONYMS[match[0]]


def signs_and_words_6(match: re.Match[str]) -> list[str] | None:
    return [*ended_ordinal_words(int(match[0]), "a"), "de"]


def signs_and_words_9(m: re.Match[str]) -> list[str] | None:
    return [*spelled(m[1] or m[3]), "a", *spelled(m[2] or m[4])]


def signs_and_words_33(match: re.Match[str]) -> list[str] | None:
    return spelled(match[0])


def signs_and_words_40(match: re.Match[str]) -> list[str] | None:
    return [] if _STEP_BEFORE.search(text_before(match, 8)) else None


def signs_and_words_44(match: re.Match[str]) -> list[str] | None:
    return [re.sub("(?<=or|nt)@", "e", match[0].lower()).replace("@", "o")]


def signs_and_words_52(match: re.Match[str]) -> list[str] | None:
    return _SIGNS[match[0]]


def word_of(match: re.Match[str], given: Container[str], capitals: bool) -> list[str]:
    """The words of a run of letters, see `FormLanguage.word`."""
    written = _unstretched(match[0].replace("'", ""))
    is_joined = "_" in (match.string[match.end() : match.end() + 1], text_before(match, 1))
    is_word = len(match[0]) > 2 and _VOWEL.search(match[0].lower())
    if is_joined and is_word and is_listed(match[0].lower()):  # DB_HOST
        return [match[0].lower()]
    if match.re.pattern == PLAIN or match[0].lower() in given:
        return [match[0].lower()] if match[0].lower() in given else [written]
    if len(written) == 1:
        return _letter(written, match, capitals)
    in_capitals = written.isupper() and (_among_capitals(match) or _stressed_by_capitals(match))
    if in_capitals or (written.isupper() and not written.isascii()):
        return [written.lower()]  # CIUDAD DE MÉXICO, es MI casa, BOGOTÁ
    return _words_of(written, capitals)


def _among_capitals(match: re.Match[str]) -> bool:
    """Whether a small word is part of a name in capitals."""
    return match[0].lower() in _SMALL_WORDS and (
        _CAPITALS_BEFORE.search(text_before(match)) is not None
        or _CAPITALS_AFTER.match(match.string, match.end()) is not None
    )


def _letter(written: str, match: re.Match[str], capitals: bool) -> list[str]:
    """One letter: a word such as y, also where a sentence begins with it, or its name."""
    if written.lower() in _SPOKEN_LETTERS:
        begins = (
            not text_before(match).strip(" ¿¡\"'(—\n") or text_before(match).rstrip()[-1:] in ".!?:"
        )
        if written.islower() or begins or not capitals:
            return [written.lower()]
    return spelled(written)


def _stressed_by_capitals(match: re.Match[str]) -> bool:
    """Es MI casa, YO; but "vive en LA", "iPhone SE", "norma EN 71"."""
    word = match[0].lower()
    if word not in _EMPHASIZED or _NAMED_BEFORE.search(text_before(match, 24)):
        return False
    return word == "yo" or _SMALL_AFTER.match(match.string, match.end()) is not None


def _words_of(written: str, capitals: bool) -> list[str]:
    """A run of letters -> words: plain, as an acronym, or split at capitals."""
    if written.lower() in EXCEPTIONS:
        return [written.lower()]
    if written in ACRONYMS and (capitals or not sayable(written)):
        return ACRONYMS[written]
    stem = written.removesuffix("s")
    if capitals and len(stem) > 1 and stem.isupper() and len(stem) <= LONGEST_ACRONYM:
        return acronym_words(written)
    unsayable = len(stem) < 5 and stem.isupper() and stem.isascii() and not sayable(stem)  # shouted
    if unsayable or not _VOWEL.search(written.lower()):
        return spelled(written)
    parts = CAPITAL_PARTS.findall(written) if not written.isupper() and written.isascii() else []
    if len(parts) > 1:
        return [said for part in parts for said in _words_of(part, capitals)]
    return [written.lower()]
