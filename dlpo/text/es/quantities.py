"""Written money, measures, fractions, ordinals and plain numbers -> spoken words."""

from __future__ import annotations

import re
from functools import lru_cache

from dlpo.text.common.forms import (
    digits_in_groups,
    text_before,
    with_pause,
)
from dlpo.text.common.patterns import late
from dlpo.text.common.scores import Sets
from dlpo.text.common.tables import any_key
from dlpo.text.es.abbreviations import spelled
from dlpo.text.es.calendar import MONTHS
from dlpo.text.es.nouns import NOUNS
from dlpo.text.es.numbers import (
    cardinal_words,
    decimal_words,
    digit_words,
    ended_ordinal_words,
    number_words,
    part_words,
    split_decimals,
)
from dlpo.text.es.races import LEAD, in_race, thousandths
from dlpo.text.es.tables import TABLES, any_of, table

_SETS = Sets(TABLES, "y", cardinal_words)

_UNITS = table("units")  # unit -> its name, singular and plural, and gender
_CURRENCIES = table("currencies")  # sign or code -> name, singular and plural, gender; small coins
SIGN = any_key({key for key in _CURRENCIES if not key.isalpha()})
CODE = any_key({key for key in _CURRENCIES if key.isalpha() and len(key) > 1})
UNIT = any_key(_UNITS.keys() - {'"', "'", "in"})
AMOUNT_CODE = (  # but the climate conference COP30, the line L1, the quarter Q3
    r"(?:(?<=uesta )|(?<=uestan )|(?<=vale )|(?<=pagué )|(?<=pagó )|(?<=costó )|(?<=precio ))"
    rf"[QL]\.?(?=\s?\d)|(?!COP\d{{2}}(?!\d|[.,]\d))(?!(?<=[Ll]a )COP)(?:{CODE})"
    r"(?:\$|(?<!EUR)(?<!GBP)(?<!BTC)\s\$)?(?=\s?\d)"
    r"|Q\.?(?!\s?[1-4](?!\d|[.,]\d))(?=\s?\d)|L\.?(?=\d{2}|\s\d{3}|\d[.,]\d)"
)
BIG = r"(?:\s(?:mil\s)?(?:millones|millón|billones|billón|mil|mill\.|bill\.)(?!\w))"
TO = r"(?:\s?[-–]\s?)"
_ID_BEFORE = late(
    r"(?i)(?<!\bpor )(?<!\bcada )\b(?!(?:pedido|ticket|boleto|producto|entrada|caja): )"
    rf"(?:{any_of('things with ids')})"
    r"\.?:? (?:(?:es|el|la|n[.º°ro]{1,3}) )?$"
)
_ACCOUNT_BEFORE = late(rf"(?i)\b(?:{any_of('accounts')})(?: (?:es|n[.º°ro]{{1,3}}))?:? #?$")
_BILL_BEFORE = late(
    r"(?i)(?<!de )(?<!en )\bla (?:cuenta|factura): $"
    rf"|\b(?:{any_of('of bills')})\b[^:]{{0,24}}(?: es)?: $"
)
_PRICE_BEFORE = late(rf"(?i)\b(?:{any_of('before prices')}) $")
_BEFORE_DIGITS = re.compile(
    rf"(?i)\b(?:{any_of('spelled codes')})"
    r"(?: de(?:l(?= wi-?fi| correo| portal| cajero)| (?:la|el|su|tu))? [\w-]{1,14}){0,2}"
    rf"(?: (?:{any_of('kinds of codes')}))?(?: (?:en|es|era|será))?:? (?:\d{{2,18}} ){{0,6}}$"
)
_CARD_BEFORE = re.compile(
    r"(?i)\b(?:tarjetas?|cuentas?|cta\.?|td[cd]|visa|mastercard|amex|débito|crédito|nómina|ahorros?)"
    r"(?: \w{2,14}){0,2}:? ?[*.…]{1,16} ?$|\*{4,16} ?$|\*{3}$"
    r"|\b(?:tarjeta|cuenta|cta\.?|td[cd]|visa|mastercard|amex)(?: \w{2,14}){0,2} \($"
)
_TAIL_BEFORE = late(  # la cta 8830, mi cuenta es la 4471
    r"(?i)\b(?:cta\.?|(?:tu|su|mi) cuenta)"
    r"(?: (?:de )?ahorros?| corriente| cte\.?| nómina)?(?: es la)? $"
)
_YEAR = re.compile(r"(?:19|20)\d\d")
_CODE_AFTER = re.compile(
    r" es (?:tu|su|el) (?:\w{2,12} ){0,2}(?:c[oó]digo|clave|pin|nip|contraseña|token)\b"
    r"|(?: como (?:tu )?c[oó]digo)? para (?:iniciar|entrar|verificar|confirmar|acceder|validar) "
)
_CODE_USED = re.compile(r"(?i)(?:^|[.,;:>] )(?:(?:usa|use|ingresa|ingrese|introduce|escribe) )?$")
_COUNTED_AFTER = re.compile(r"\s[a-záéíóúñ]{2,20}s\b")
_CODE_BEFORE = re.compile(  # but "páginas", "códigos"
    r"(?i)\b(?:c[oó]digo|clave|contraseña|pin|nip|otp|token|folio|clabe)(?! (?:postal|de error))"
    r"(?: (?:de (?:la |el |su |tu )?)?\w{1,14}){0,2}(?: (?:en|es|era|será))?:? $"
)
_SECRET_BEFORE = re.compile(r"(?i)\b(?:pin|nip|otp)\b[^.]{0,20}$")
_GROUP_AFTER = re.compile(r" \d{1,18}(?!\w|[.,]\d)")
_BEFORE_CALLED = re.compile(
    r"(?i)\b(?:llam(?:en?|ar?|ando)(?: \w{1,12})? al|marqu(?:e|en|es)|marcar?|marcando|disque"
    r"|comuníquese (?:al|con el)) $"
)
_EMERGENCY = re.compile(r"(?i)\b(?:al|el|del|emergencias?:?) $")
_MADE_OF_TWO = re.compile(
    r"(?:#|[Nn]\.?[º°]|[Nn](?:[uú]m|o)\.|Boeing|Airbus|Embraer|Cessna|avenida|calle|carrera"
    r"|\bse fue de|\bbate(?:ó|ar|aba) de) ?$"
)  # # 45-67, Boeing 737-800, bateó de 4-2
_OF_YEAR_BEFORE = late(rf"(?i)\b(?:{any_of('numbered by year')}):?(?: (?:n[\w.º°]{{1,5}}|#))? $")
_SUM_BEFORE = re.compile(
    r"(?i)(?:\bcuánto (?:es|son|da)|\bresultado de|\bcalcul\w{1,4}|[×÷+*=√])"
    r"(?: ?[\d.,×÷+*()√\s]{0,20})?$"
)
_SUM_AFTER = re.compile(r"\s?(?:[×÷+*]|(?:es|da|son|igual a)\b)\s?\d")
_GRADED = re.compile(
    r"(?i)\b(?:sac\w{1,5}|nota|notas|calificaci[oó]n|puntuaci[oó]n|puntaje|obtuv\w{1,5}|obten\w{1,5}"
    r"|rating|promedio|dolor|valoraci[oó]n|doy|dio|di|merece)(?: (?:un|una|de|es|fue|con)){0,2}:? $"
)
_HEALTH_BEFORE = re.compile(r"(?i)\b(?:hp|xp|pv|vida|salud|man[aá]|energía|progreso):? $")
_POPULATION_BEFORE = late(
    r"(?i)\b(?:pob\.|población|habitantes|usuarios|vistas|ventas):? (?:de )?$"
)
_MOLAR_BEFORE = late(rf"(?i)\b(?:{any_of('of solutions')})\b(?: de)?(?: [A-Z]\w{{1,8}})? $")
_COMPANY_BEFORE = late(r"(?i)(?:^|\b(?:empresa|compañía|marca|en|cintas?|mascarillas?)) ?$")
_MILLIONS_AFTER = late(
    rf" a \d[\d.,]{{0,6}} ?M\b| en (?:19|20)\d\d\b| (?:de )?(?:{any_of('come in thousands')})\b"
)
_AMOUNT_NAMED_BEFORE = late(rf"(?i)\b(?:{any_of('measured in parts')}): $")
_LABEL_BEFORE = re.compile(r"[^\W\d_]{3,20}: $")
_RATED_BEFORE = re.compile(r"(?:^|[,;.(\n] ?)(?:(?!Ley|Decreto)[^\W\d_]{3,20} )?$")
_STEP_BEFORE = late(rf"(?i)\b(?:{any_of('done in steps')}):? $")
_COUNTED_DAY_BEFORE = late(r"(?i)\bdía $")
_EYE_BEFORE = late(r"(?i)\b(?:ojo|visi[oó]n|visual|od|oi|av)\b[^;\n]{0,30}$")
_PART_BEFORE = late(r"(?i)\b(?:de paso:?|hoja) $")  # llave de paso 3/4, hoja 1/2 carta
_PHYSICS_BEFORE = late(
    rf"(?i:\b(?:{any_of('physics')})\b)(?:(?!\b(?i:{any_of('no place of units')})\b)[^.;]){{0,40}}"
    r"(?<!\bal )(?<!\bel )(?<!os de )$|(?<![a-záéíóúñ]{4} )[=≈] ?$"
    r"|\d ?[km]?(?:[VW] ?(?:/|,|y)|[NJA] ?/) ?$"
)
_PHYSICS_AFTER = late(
    r"\s?(?:(?:/|,|y|a)\s?\d[\d.,]{0,6}\s?[km]?(?:V|W|Hz)|/\s?\d[\d.,]{0,6}\s?[ANJ]|/(?:kg|m|s|mol))\b"
    rf"|\s(?:de )?(?:{any_of('physics')})\b"
)
_BREATHS_BEFORE = re.compile(
    r"(?:(?:^|[,;.(] )FR|[Ff]recuencia [Rr]espirat\w{1,6})(?: es)?(?: de)?:? $"
)
_DEGREES_BEFORE = late(rf"(?i)\b(?:{TABLES.patterns('before degrees')}) $")
_TEMPERATURE_BEFORE = late(
    rf"(?i)(?<!\w)(?:{TABLES.patterns('before temperatures')})"
    rf"(?:[:,]? (?:{TABLES.patterns('between temperatures')})){{0,6}}:? $"
)
_TEMPERATURE_AFTER = late(
    rf"(?:,| [yao] \d{{1,2}}º)? (?:{TABLES.patterns('after temperatures')})\b"
)
_OPEN_QUOTATION = {
    '"': re.compile(r"(?:^|[\s(\[¿¡])\"[^\"]{0,300}$"),
    "'": re.compile(r"(?:^|[\s(\[¿¡])'[^']{0,300}$"),
}
_OF_RATES = {"S/": "34", "S/.": "34", "R$": "456", "Bs": "679", "Q": "78"}  # a dollar costs
_RATE = re.compile(r"[1-9][.,](?!\d00)\d{3}")
_RATE_BEFORE = late(
    r"(?i)\bventa: $"
    r"|\b(?:(?:dólar|euro|tipo de cambio|t\. ?c\.)\b(?:[^\n,;]{0,40}|,[^\n;]{0,50} en "
    r"|[^\n;]{0,40}\b(?:compra|venta)\b[^\n;]{0,24})|compra: (?:[^\n]{0,20}venta: )?)$"
)
_DECIMAL_COMMA = re.compile(
    r"(?<![\d.,])(?:\d{1,3}(?:\.\d{3}){0,5},\d{1,2}|0,\d{3,9})(?![\d.,]*\d)"
)
_DECIMAL_POINT = re.compile(r"(?<![\d.,])\d{1,3}\.\d{1,2}(?![\d.,]*\d)|(?<![\d.,])\d{1,3},\d{3}\b")
_OF_DECIMALS = re.compile(r"(?i)\b(?:ph|promedio|tasa|pi|índice)\b[^.,]{0,24}$")
_PRECISE = re.compile(r"(-?\d{1,2})\.(?!000)(\d{3})")
_LENGTH_AFTER = late(r"(?: y|[,.]) (?:(?i:mid\w{1,2}|talla):? )?[345]\d(?:[.,]\d)? cm\b(?! de\b)")
_LIGHT_BEFORE = late(rf"(?i)\b(?:{TABLES.patterns('before light weights')}) $")
_GOODS_AFTER = late(r" (?:de (?!peso)|por |al (?!nacer))")
_TIMED = late(rf"(?i)\b(?:{TABLES.patterns('timed to the thousandth')})\b")
_LAWS_YEAR = re.compile(r"(?:1[89]|20)\d\d")
_MINUTES = TABLES.patterns("before minutes")
_MINUTES_BEFORE = late(
    rf"(?i)(?<!\bmide )(?<!\bmiden )\b(?:{_MINUTES})"
    rf"(?: (?:{_MINUTES}|de|es de|fue de|será de|tiene))?:? (?:\d{{1,3}}', ){{0,4}}$"
)
_MARKED_TIME_BEFORE = late(
    r"(?i)(?:\d\s?h(?:oras?|s|rs)?\.?(?: y)? |\bhora y |\b(?:al|en el|del|minutos?|intervalos? de) "
    r"|\bgol(?:es)?\b[^.]{0,60})$"
)
_LATE_AFTER = late(rf" (?i:de (?:{_MINUTES}))|{LEAD}")
_ANGLE_BEFORE = re.compile(r"°\s?(?:\d{1,2}'\s?)?$")
_OF_FLAT = re.compile(r"\s(?:izq|izda|dch|dcha|der|cent|[A-F]\b)")
_LETTER_AFTER = re.compile(
    r"[ABDGH]\b|\s[ABDGH](?=[.,;:)]|$|\s(?:y|e|o|en|de|del|al)\b)(?!\.\s?\w)"
)
_PARTICIPLE_AFTER = late(r" (?:sido|hecho|puesto|visto|dicho|llegado|salido|enviado|entregado)\b")
_NO_POWER_BEFORE = late(
    r"(?i)\b(?:mand|envi|recib|revis|adjunt|le[íy]|guard)\w{1,5} (?:unos )?$"
    r"|\b(?:vuelo|grupo) $"
)
_OF_CHILD = late(r"(?i)\b(?:embaraz\w{1,4}|gestaci[oó]n|parto|presión|fetal)\b")
_OF_STUDIES = late(
    r"(?i)\b(?:aprob|curs)\w{1,4} \d{1,2} sem\.|\bsem\. (?:de (?:carrera|derecho|medicina"
    r"|licenciatura|ingeniería|universidad)|en la (?:uni|facultad|carrera))"
)
_INITIALS = re.compile(r"\b[A-Z]\. [A-ZÁÉÍÓÚÑ][a-záéíóúñ]")
_NAME_AFTER_L = late(r"\.\s[A-ZÁÉÍÓÚÑ][a-záéíóúñ]")
_SCALE_AFTER = re.compile(r"\s?[CF]\b")
_FLAT_BEFORE = re.compile(
    r"(?i)(?<!debajo )(?<!encima )(?<!alrededor )(?<!cerca )"
    r"\b(?:del|el|al|piso|grado|curso|salón|va en|(?:alumn\w{1,2}|niñ\w{1,2}|grupo) de) $"
)
ORDINAL_LETTERS = "er|ro|do|to|mo|vo|no|ra|da|ta|ma|va|na"
ORDINAL_END = (
    rf"(?:{ORDINAL_LETTERS})s?|[ao](?=\.(?:[-,;)]|\s[^\W\d]|$))|[ao](?=\s(?:"
    + any_of("come in an order")
    + r")\b)"
)
_LETTERED_BEFORE = late(rf"(?i)\b(?:{any_of('lettered parts')})\.? $")
_END_AFTER = late(r"\.(?:$|[,;)]| (?![a-záéíóúñ]))")
_EXCHANGED_BEFORE = late(r"(?i)\b(?:dólar|euro|cambio|compra|venta)\b[^.;]{0,16}$")
_EXCHANGE_RATE = late(TABLES.with_lists(r"(?i)(?:{before exchange rates})\0{shape of a rate}"))
_LEAST_GOAL = 1000  # a smaller part is of a rate: 12/100.000
_POWERS = {"2": "cuadrado", "3": "cúbico"}
_UNIT_NAME_BEFORE = late(r"\b(pies|yardas|pulgadas|millas|(?:centí|kiló)?metros)$")
_GENDERS = {many: gender for _, many, gender in _UNITS.values()}
MONTHS_A_YEAR = 12
_GOALS = TABLES.word_list("counted toward a goal")
_RAISED = {"2": ["al", "cuadrado"], "3": ["al", "cubo"]}
_FIRST_ITEM = late(r"(?:^|[:.;\n] )1\. ")
_OPTION = re.compile(r" [a-h]\)")
_OPTION_BEFORE = late(r"(?<![\w(])[a-g]\) [^()\n]{0,40}$")
_OF_WOMEN = late(r" de (?:ellas|[nv]osotras|las \d{1,6} (?!horas\b)[^\W\d]{4})")
_NUMBERED_BEFORE = late(
    rf"(?i)\b(?:{any_of('numbered things')}|{any_of('done in steps')}|{any_of('numbered places')}"
    r"|número|top|día) $"
)
_OF_MONTH = late(rf" de (?:{'|'.join(MONTHS)}|(?:{'|'.join(month[:3] for month in MONTHS)})t?\.)")
_DAYS_A_MONTH = 31
_OF_MARATHON = ("42.195", "42,195", "21.097", "21,097")  # km
_LONG_ACCOUNT = 10  # characters
_LONG_GROUP = 4  # digits
_MOST_BREATHS = 80  # a minute
_FLOORS = 12  # the highest with lettered flats
CODE_DIGITS = 7  # from which a number without separators is a code or a telephone
_PRICED = re.compile(
    rf"\d\s?(?:(?:{UNIT})(?:/(?:{UNIT}))?|{SIGN}|{CODE})(?:\^?[23])?$|(?:{SIGN})\s?[\d.,]*$"
)
_PRICE_NAMED = late(r"(?i)\b(?:precio|costo|coste|tarifa|valor|sueldo|pago|renta|consumo)s?\s?$")
_SCALE_BEFORE = re.compile(r"(?i)\b(?:escala|maqueta|mapa|plano)\b[^.:]{0,20}$")
_COUNTED = re.compile(r"\d$")  # 7,500/mm³
_PER_VOLUME = ("mm", "µl", "µL", "ml", "mL", "dL", "L")
_RANGE_AFTER = re.compile(r"\s(?:a|o|al)\s\d")
_ORDER_AFTER = late(
    rf"\s(?:(?:{any_of('come in an order by degree')})\b()"
    rf"|de (?:primaria|secundaria|preparatoria|bachillerato|kínder|{any_of('months')})\b)"
)
_ORDER_BEFORE = late(
    r"(?i)\b(?:llegó|quedó|terminó|acabó|art\.|artículo|arts\.|lugar|puesto|cláusula|piso) $"
)
_SHORT_NUMBER = re.compile(  # 4/día
    rf"(?<![/\d.,])\d{{1,3}}(?:\s(?:{any_of('counted by time')}))?$"
)
_PER_TIME = TABLES.words("rates")  # as written -> in words


_NAME_AFTER = re.compile(r"\s(?!Mil)((?:[A-ZÁÉÍÓÚÑ]|i[A-Z])[\wáéíóúñ]{1,20})")
_COUNTS_BEFORE = late(rf"(?i)\b(?:{any_of('before counted names')}) $")
_STRESSED_A = late(rf"\s(?:{any_of('begin with a stressed a')})\b")
NAMES = any_key({name.split()[0] for row in _CURRENCIES.values() for name in row[:2] if row[3]})
_CURRENCY_NAME = re.compile(rf"\s(?:{NAMES})\b")

_NAMED_BEFORE = late(
    r"(?:(?:\b[A-ZÁÉÍÓÚÑ][\wáéíóúñ]* ){2}[A-ZÁÉÍÓÚÑ]\w*|\b[a-z][A-Z]\w{1,12}"
    rf"|\b(?i:{any_of('numbered places')})) $"
)
_CAPITAL_BEFORE = late(r"\b[a-z]?[A-ZÁÉÍÓÚÑ][^\W\d_]{0,20} $")
_DAY_BEFORE = late(r"\b[Ee]l $")
_OF_MODEL = late(r" \d{3}(?:(?:[GTM]B|MP)\b()| (?:[GTM]B|cv|CV)\b)")
PER_TIME = any_key(_PER_TIME)
SETS_PATTERN = _SETS.pattern
quantities_numbers_2 = _SETS.words


@lru_cache(maxsize=8)  # each number of a text asks
def has_decimal_commas(text: str) -> bool:
    """Whether a writer uses commas for decimals: 1,5 or 0,875."""
    return _DECIMAL_COMMA.search(text) is not None


@lru_cache(maxsize=8)
def _has_decimal_points(text: str) -> bool:
    return _DECIMAL_POINT.search(text) is not None


def amount_words(
    number: str, name: tuple[str, str], gender: str, decimal_comma: bool = False
) -> list[str]:
    """A number and what it counts: un kilo, dos kilos, un millón de kilos."""
    one, many = name
    whole, _, decimals = split_decimals(number.lstrip("-−"), decimal_comma)
    words = number_words(number, gender, decimal_comma)
    of = ["de"] if words[-1].endswith(("llón", "llones")) else []
    return [*words, *of, *(one if whole == "1" and not decimals else many).split()]


def money(match: re.Match[str]) -> list[str] | None:
    sign = match["currency"] or match["currency_after"]
    if (sign.endswith(" $") and _is_exchange_rate(match)) or (sign in ("Q", "L") and _is_id(match)):
        return None
    if sign == "$" and match["money_code"]:  # $15.50 MXN
        sign = match["money_code"]
    sign = (sign if sign in _CURRENCIES else sign.rstrip(".")).replace(" ", "")
    one, many, gender, *coins = _CURRENCIES.get(sign) or _CURRENCIES[sign.removesuffix("$")]
    number = match["money"] or match["money_before"]
    big = _whole_words(match["money_big"] or match["before_big"])
    if big and big[0] in ("M", "MM"):
        big = ["millón" if number == "1" else "millones"]
    elif big and big[0] in "kK":
        big = ["mil"]
    words = ["menos"] * bool(match["money_sign"])
    if match["money_from"]:
        words += [*number_words(match["money_from"], gender), "a"]
    if (
        number[0] in _OF_RATES.get(sign, ())
        and _RATE.fullmatch(number)
        and _RATE_BEFORE.search(text_before(match, 90))
    ):
        point = "punto" if number[1] == "." else "coma"
        return [*cardinal_words(number[0]), point, *thousandths(number[2:], gender), *many.split()]
    if re.fullmatch(r"\d{1,3}(?:,\d{3})+", number):  # $1,200: no currency has three decimals
        number = number.replace(",", "")
    if big:
        words += [*number_words(number, "m"), *big]
    if _CURRENCY_NAME.match(match.string, match.end()):  # $20 dólares, $5 millones de pesos
        words += [] if big else number_words(number, gender)
        return [*words, *["de"] * words[-1].endswith(("llón", "llones"))]
    if big:
        return [*words, *["de"] * (big[-1] != "mil"), *many.split()]
    whole, _, decimals = split_decimals(number)
    if not decimals or len(decimals) > 2 or not coins[0]:
        return words + amount_words(number, (one, many), gender)
    cents = int(decimals.ljust(2, "0"))
    small = [*cardinal_words(str(cents), "m"), coins[cents != 1]] if cents else []
    if small and whole.strip("0") == "":
        return words + small
    words += amount_words(whole, (one, many), gender)
    return [*words, *["con"] * bool(small), *small]


def _whole_words(big: str | None) -> list[str]:
    """Of " mil mill.": mil, millones."""
    return [re.sub(r"ill\.$", "illones", word) for word in (big or "").split()]


def _is_exchange_rate(match: re.Match[str]) -> bool:
    """El USD $17.20, a rate in pesos; but "en venta USD $7200"."""
    before, at = text_before(match), match.string[match.start() : match.end() + 30]
    return _EXCHANGE_RATE.search(f"{before}\0{at}") is not None


def _is_id(match: re.Match[str]) -> bool:
    """Lote L21, Q15-220: letters of codes, not of quetzales and lempiras."""
    before = text_before(match)
    if not match[0][1:2].isdigit() or re.search(r"\d[., ]\d", match[0]):
        return False
    first, last = match["money_from"], match["money"]
    has_tail = first or re.match(r"-\d", match.string[match.end() :])
    rises = first and last[0] != "0" and int(first) < int(last) < 10 * int(first)  # Q50-75
    is_priced = rises or _PRICE_BEFORE.search(before)
    return bool(_ID_BEFORE.search(before) or (has_tail and not is_priced))


def millions(match: re.Match[str]) -> list[str] | None:
    """2M de vistas, población: 128 M; but "el 8M", of March, and "talla 5 M"."""
    before = text_before(match)
    if _MOLAR_BEFORE.search(before):
        return [*number_words(match[1], decimal_comma=True), "molar"]
    of_many = match.string.startswith(" de ", match.end())
    is_company = match[0] == "3M" and _COMPANY_BEFORE.search(before)
    if not of_many and (is_company or match[1][:2] in ("0,", "0.")):
        return None
    sure = not match[1].isdigit() or _POPULATION_BEFORE.search(before)
    if match[2] and not (sure or _MILLIONS_AFTER.match(match.string, match.end())):
        return None
    if before.endswith(("el ", "El ")) and match[1].isdigit():
        return [*cardinal_words(match[1]), *spelled("M")]
    of = ["de"] * bool(NOUNS.after(match.string, match.end()))
    return [*number_words(match[1], "m"), "millón" if match[1] == "1" else "millones", *of]


def thousands(match: re.Match[str]) -> list[str]:
    number = match[0][:-1].strip()
    return [*(number_words(number, "m") if number != "1" else []), "mil"]


def percent(match: re.Match[str]) -> list[str]:
    words = [*number_words(match["percent_from"]), "a"] if match["percent_from"] else []
    sign = {"%": ["por", "ciento"], "‰": ["por", "mil"]}[match["percent_sign"]]
    found = _PRECISE.fullmatch(match["percent"])
    if found and found[2][-1] != "0" and not words:  # 2.375 %, not 1.500 %
        return [*words, *number_words(found[1]), "punto", *decimal_words(found[2]), *sign]
    return [*words, *number_words(match["percent"], decimal_comma=True), *sign]


def fraction(match: re.Match[str]) -> list[str] | None:
    whole = match["fraction_whole"]
    above = int(match["above"])
    below = int(match["below"])
    unit = _UNITS.get(match["fraction_unit"] or "")
    if match["fraction_unit"] == '"' and _OPEN_QUOTATION['"'].search(text_before(match, 300)):
        unit = None
    noun = NOUNS.after(match.string, match.end(), one=True)
    of_many = len(match["above"]) > 3 and noun not in _GOALS  # 1500/2000 pesos
    if of_many and not any(p.search(text_before(match)) for p in (_OF_YEAR_BEFORE, _HEALTH_BEFORE)):
        return None
    if whole and (not above or below < 2 or above > below > 10):
        return None
    if unit and _opens_option(match):
        return [*part_words(above, below), *spelled(match["fraction_unit"])]
    if not whole and (words := _two_numbers(match, noun, unit)):
        return words
    if noun == "partes" and not whole and 2 < below < 11:  # las 2/3 partes
        return [*cardinal_words(match["above"]), *ended_ordinal_words(below, "as")]
    gender = unit[2] if unit else NOUNS.gender(noun) if noun else "m"
    at_hour = not (noun or unit) and text_before(match, 4).endswith("las ")
    half = "media" if gender == "f" or at_hour else "medio"
    if whole:
        part = ["y", half] if (above, below) == (1, 2) else ["y", *part_words(above, below)]
        if unit:
            return amount_words(whole, (unit[0], unit[1]), gender) + part
        return [*cardinal_words(whole, "f" if noun and gender == "f" else ""), *part]
    if (above, below) == (1, 2) and (noun or unit):
        return [half, *(unit[0].split() if unit else [])]
    return part_words(above, below) + (["de", *unit[0].split()] if unit else [])


def _opens_option(match: re.Match[str]) -> bool:
    """The last letter of "c) 3/4 d) Ninguna", which is no unit; but "a) Espera (3 h)"."""
    is_letter = _OPTION.match(match.string, match.end() - 2)
    return bool(is_letter and _OPTION_BEFORE.search(text_before(match, 60)))


def _two_numbers(match: re.Match[str], noun: str, unit: tuple[str, ...] | None) -> list[str] | None:
    """What is no part: 24/7, a 12/24 °C, le doy un 8/10, ley 100/1993, 9/10 preguntas."""
    above, below = int(match["above"]), int(match["below"])
    name = unit[1] if unit else ""
    if (above, below) == (24, 7):
        return ["veinticuatro", "siete"]
    goal = next((counted for counted in (noun, name) if counted in _GOALS), "")
    before = text_before(match)
    in_steps = above < below and match["above"][0] != "0"
    of_days = below > MONTHS_A_YEAR and _COUNTED_DAY_BEFORE.search(before)  # día 12/30
    in_steps = in_steps and bool(of_days or _STEP_BEFORE.search(before))
    of_whole = match.string.startswith((" de final", " de l"), match.end())
    in_steps = in_steps and not (unit or of_whole or _PART_BEFORE.search(before))
    few = below < 5 or above == 1  # 1/2 °C
    if "grados" in (noun, name.split(" ")[0]) and above < below and not few:
        between = "a"
    elif in_steps:
        between = "de"
    elif above == 20 and _EYE_BEFORE.search(before):  # 20/40
        between = ""
    elif _is_graded(match, bool(noun or unit)) or not above or below < 2:
        between = "sobre"
    elif above == below:
        return 2 * cardinal_words(match["above"])
    elif _LAWS_YEAR.fullmatch(match["below"]) or goal:
        between = "de"
    elif above > below > 10:
        between = "sobre"
    elif unit and above > 1 and below > 10 and below not in (12, 16, 32, 64, 100, 1000):  # 20/30 cm
        between = ""
    else:
        return None
    gender = NOUNS.gender(goal) if goal else ""
    words = [*cardinal_words(match["above"], gender), *between.split()]
    return [*words, *cardinal_words(match["below"], gender), *name.split()]


def _is_graded(match: re.Match[str], counts: bool) -> bool:
    """Le doy un 8/10, comida: 8/10, 10/10 lo recomiendo; but "sal: 1/5 de taza"."""
    before, text = text_before(match), match.string
    if match["below"] not in ("5", "10", "20", "100"):
        few = int(match["below"]) < 5
        return not (counts or few) and _HEALTH_BEFORE.search(before) is not None
    if _GRADED.search(before) or _HEALTH_BEFORE.search(before):
        return True
    if _AMOUNT_NAMED_BEFORE.search(before):
        return False
    if counts or text.startswith((" de", " ="), match.end()):
        return False
    rated = match["below"] == "10" and (match["above"] == "10" or _RATED_BEFORE.search(before))
    return bool(rated or _LABEL_BEFORE.search(before))


def ordinal(match: re.Match[str]) -> list[str] | None:
    text = match.string
    if _SCALE_AFTER.match(text, match.end()) and not ("." in match[0] or _is_flat(match)):  # 4º C
        return None
    noun = NOUNS.after(text, match.end(), one=True)
    if match["ordinal_sign"] == "º" and not noun and _is_temperature(match):
        return None
    end = match["ordinal_sign"] or match["ordinal_end"]
    ends = end == "a" and _END_AFTER.match(text, match.end())
    if ends and _LETTERED_BEFORE.search(text_before(match)):  # figura 2a.
        return None
    before_noun = noun != "" and not _OF_FLAT.match(text, match.end())
    return ended_ordinal_words(int(match["ordinal"]), end, before_noun)


def _is_temperature(match: re.Match[str]) -> bool:
    """A 180º, hará 28º, mínima de 4º, 33º de máxima; but "la máxima goleadora quedó 3º"."""
    before = text_before(match, 60)
    many = len(match["ordinal"]) > 1 and _DEGREES_BEFORE.search(before)
    after = _TEMPERATURE_AFTER.match(match.string, match.end())
    return bool(many or after or _TEMPERATURE_BEFORE.search(before))


def capital_ordinal(match: re.Match[str]) -> list[str]:
    words = ended_ordinal_words(int(match[1]), match[2])
    return [*words, *spelled(match[3] or "")]


def _is_flat(match: re.Match[str]) -> bool:
    """Del 4º C, alumnos de 4º C; but "a 4º C"."""
    return 0 < int(match[1]) <= _FLOORS and _FLAT_BEFORE.search(text_before(match, 24)) is not None


def _unit_words(written: str, many: bool, power: str | None) -> tuple[list[str], str]:
    """The words of a unit and its gender."""
    one, plural, gender = _UNITS[written]
    words = (plural if many else one).split()
    if power:
        words.append(_power_adjective(power[-1], gender == "f") + "s" * many)
    return words, gender


def _power_adjective(power: str, feminine: bool) -> str:
    return _POWERS[power][:-1] + "a" if feminine else _POWERS[power]


def _lasts(match: re.Match[str]) -> bool:
    """Por 40', 30' de retraso; but "por 40' de tela"."""
    if match.string.startswith(" de", match.end()):
        return _LATE_AFTER.match(match.string, match.end()) is not None
    before = text_before(match, 70)
    return bool(_MINUTES_BEFORE.search(before) or _MARKED_TIME_BEFORE.search(before))


def _is_exact(match: re.Match[str], unit: str) -> bool:
    """A 38.214 s del líder, nació con 3.150 kg; but 3.600 s, "un camión de 3.150 kg"."""
    text, (start, end) = match.string, match.span()
    if _has_decimal_points(text) or (unit == "km" and match["measure"] in _OF_MARATHON):
        return True
    if has_decimal_commas(text):
        return False
    name = _UNITS[unit][1]
    if name == "segundos":  # a clock to the thousandth rarely stops at a round number
        timed = _TIMED.search(text, max(0, start - 60), end + 30)
        return bool(timed) and not match["measure"].endswith("0")
    light = _LIGHT_BEFORE.search(text_before(match, 60)) or _LENGTH_AFTER.match(text, end)
    return name in ("kilogramos", "kilos") and bool(light) and not _GOODS_AFTER.match(text, end)


def measure(match: re.Match[str]) -> list[str] | None:
    number, unit = match["measure"], match["unit"] or match["mark"]
    few = number.isdigit() and int(number) <= _MOST_BREATHS
    if (unit == "t" and "(t)" in match.string) or _opens_option(match):  # h(t) = 5t
        return None
    is_initial = unit == "L" and _NAME_AFTER_L.match(match.string, match.end())
    if is_initial and len(_INITIALS.findall(match.string)) > 1:  # 7 C. Ronaldo, 10 L. Messi
        return None
    if unit == "ha" and _PARTICIPLE_AFTER.match(match.string, match.end()):  # 5 ha llegado
        return None
    if unit in ("cv", "UA") and _NO_POWER_BEFORE.search(text_before(match)):  # mandé 5 cv
        return None
    if unit == "sem." and _OF_STUDIES.search(match.string) and not _OF_CHILD.search(match.string):
        unit = "semestre"
    if unit == "rpm" and few and _BREATHS_BEFORE.search(text_before(match, 24)):
        unit = "resp/min"
    if match["mark"] and _OPEN_QUOTATION[match["mark"]].search(text_before(match, 300)):
        return None
    of_angle = match["mark"] and text_before(match, 6)
    if unit == "'" and _lasts(match):
        unit = "min"
    elif unit == '"' and in_race(match):
        unit = "s"
    elif of_angle and _ANGLE_BEFORE.search(of_angle):  # 37° 15' 20"
        unit = "min" if unit == "'" else "s"
    gender = _UNITS[unit][2]
    words = [*number_words(match["measure_from"], gender), "a"] if match["measure_from"] else []
    if big := [w.replace("M", "millones") for w in _whole_words(match["measure_big"])]:
        of = [] if big[-1] == "mil" else ["de"]
        counted = _unit_words(unit, True, match["power"])[0]
        return [*words, *number_words(number, "m"), *big, *of, *counted]
    names = [" ".join(_unit_words(unit, plural, match["power"])[0]) for plural in (False, True)]
    decimal_comma = has_decimal_commas(match.string) or number in _OF_MARATHON
    found = _PRECISE.fullmatch(number)
    if found and _is_exact(match, unit):
        exact = [*number_words(found[1]), "punto", *thousandths(found[2])]
        return [*words, *exact, *names[1].split()]
    return [*words, *amount_words(number, (names[0], names[1]), gender, decimal_comma)]


def physical(match: re.Match[str]) -> list[str] | None:
    """Una fuerza de 10 N, 20 A / 127 V; but "depto. 2 A", "5 N"."""
    after = _PHYSICS_AFTER.match(match.string, match.end())
    if not (after or _PHYSICS_BEFORE.search(text_before(match, 60))):
        return None
    one, many, gender = _UNITS[match[2]]
    return amount_words(match[1], (one, many), gender, has_decimal_commas(match.string))


def of_goal(match: re.Match[str]) -> list[str]:
    """1.200/5.000 pasos, 1,800/2,000 kcal; 12/100.000 habitantes, dólar a 980/1.020."""
    _, many, gender = _UNITS.get(match[3] or "", ("", "", ""))
    gender = gender or NOUNS.gender_at(match.string, match.start(), match.end())
    part, whole = (int(re.sub("[.,]", "", match[group])) for group in (1, 2))
    between = ["de"]
    if part > whole or _EXCHANGED_BEFORE.search(text_before(match)):
        between = []
    elif match[2].strip("0.,") == "1" and part < _LEAST_GOAL and not many:
        between = ["por"]  # a rate
    words = [*number_words(match[1], gender), *between, *number_words(match[2], gender)]
    return [*words, *many.split()]


def per(match: re.Match[str]) -> list[str] | None:
    """ "/h" after a measure or an amount."""
    before = text_before(match)
    of_time = match["per"] in _PER_TIME and _SHORT_NUMBER.search(before)
    of_volume = match["per"] in _PER_VOLUME and _COUNTED.search(before)
    if not (of_time or of_volume or _PRICED.search(before) or _PRICE_NAMED.search(before)):
        return None
    unit = match["per"]
    if unit in _PER_TIME:
        return ["por", *_PER_TIME[unit]]
    return ["por", *_unit_words(unit, False, match["per_power"])[0]]


def _scale(match: re.Match[str]) -> list[str] | None:
    """A escala 1:50.000; but "a la 1:50", "hizo 1:16.314"."""
    is_round = len(match[1]) > 4 and match[1].endswith("00")
    is_scale = is_round or _SCALE_BEFORE.search(text_before(match))
    return ["uno", "a", *number_words(match[1])] if is_scale else None


def with_check_digit(match: re.Match[str]) -> list[str]:
    """RUT 12.345.678-5, NIT 900.123.456-7."""
    digit = digit_words(match[2]) if match[2].isdigit() else ["ka"]
    return [*number_words(match[1]), "guion", *digit]


def raised(match: re.Match[str]) -> list[str]:
    exponent, named = match[0][1:], _UNIT_NAME_BEFORE.search(text_before(match))
    if named and exponent in _POWERS:  # 14 pies³
        return [_power_adjective(exponent, _GENDERS[named[1]] == "f") + "s"]
    return _RAISED.get(exponent) or ["elevado", "a", *number_words(exponent)]


def range(match: re.Match[str]) -> list[str]:
    first, last = match["range_first"], match["range_last"]
    if _SUM_BEFORE.search(text_before(match, 40)) or _SUM_AFTER.match(match.string, match.end()):
        return [*number_words(first), "menos", *number_words(last)]
    gender = NOUNS.gender_at(match.string, match.start(), match.end())
    before = text_before(match, 60)
    is_long = len(first) > 2 or first[0] == "0"
    is_code = (is_long or _SECRET_BEFORE.search(before)) and _CODE_BEFORE.search(before)
    if is_code and not _COUNTED_AFTER.match(match.string, match.end()):
        return digit_words(first + last)
    checked = len(last) == 1 and len(first) >= CODE_DIGITS  # DUI 01234567-8
    named = len(first + last) > 3 and _ACCOUNT_BEFORE.search(before)
    if first.isdigit() and last.isdigit() and (checked or named):
        return digits_in_groups(f"{first}-{last}", digit_words)
    may_be_year = _LAWS_YEAR.fullmatch(last) or len(first) > len(last) == 2
    of_year = may_be_year and _OF_YEAR_BEFORE.search(before) and not _LAWS_YEAR.fullmatch(first)
    apart = of_year or _MADE_OF_TWO.search(before)  # oficio 1123-25
    of_days = first.isdigit() and last.isdigit() and int(first) < int(last) <= _DAYS_A_MONTH
    of_days = of_days and before.lower().endswith("del ")
    of_month = of_days and _OF_MONTH.match(match.string, match.end())
    to = "y" if before.endswith("ntre ") else "al" if of_month else "a"
    between = [] if apart else [to]
    own_gender = "" if first == "1" and gender == "m" else gender  # uno a dos comprimidos
    return [*number_words(first, own_gender), *between, *number_words(last, gender)]


def _account(match: re.Match[str]) -> list[str] | None:
    """Cuenta 123-456789-0, 0012-3456-78-9012345678; but "2020-2021-2022"."""
    groups = match[0].split("-")
    years = all(_LAWS_YEAR.fullmatch(group) for group in groups)
    if len(match[0]) < _LONG_ACCOUNT or years or max(map(len, groups)) < _LONG_GROUP:
        return None
    return digits_in_groups(match[0], digit_words)


def sizes(match: re.Match[str]) -> list[str]:
    """2x1, 20x30x10 cm, 3x80 g."""
    *others, last = re.findall(r"\d+", match[0])
    words = [word for number in others for word in [*cardinal_words(number), "por"]]
    if not (unit := match["size_unit"]):
        return words + cardinal_words(last)
    one, many, gender = _UNITS[unit]
    return words + amount_words(last, (one, many), gender)


def graded(match: re.Match[str]) -> list[str]:
    """8,5/10; 2.4/5 GHz."""
    name = _UNITS[match[3]][1].split() if match[3] else []
    between = "y" if name else "sobre"
    return [*number_words(match[1]), between, *cardinal_words(match[2]), *name]


def degree(match: re.Match[str]) -> list[str] | None:
    """Of who has no º: el 3° piso, llegó 2°, art. 1°; but "a 3° bajo cero"."""
    if _SCALE_AFTER.match(match.string, match.end()):
        return ended_ordinal_words(int(match[1]), "º") if _is_flat(match) else None
    if int(match[1]) <= _FLOORS and _LETTER_AFTER.match(match.string, match.end()):  # 5° B
        return ended_ordinal_words(int(match[1]), "º")
    ordered = _ORDER_AFTER.match(match.string, match.end())
    if not (ordered or _ORDER_BEFORE.search(text_before(match, 24))):
        return None
    before_noun = ordered is not None and ordered.lastindex == 1
    return ended_ordinal_words(int(match[1]), "º", before_noun)


def unit_alone(match: re.Match[str]) -> list[str]:
    """Millones de km², el precio por m², la masa en kg."""
    many = text_before(match, 8).endswith(("ones de ", "les de ", " en ", "("))
    return _unit_words(match[1], many, match[2])[0]


def rate_alone(match: re.Match[str]) -> list[str]:
    """La aceleración en m/s², mg/dL; "cada m/s" is one."""
    one = text_before(match, 8).endswith(("cada ", "por ", " un "))
    below = _unit_words(match[3], False, match[4])[0]
    return [*_unit_words(match[1], not one, match[2])[0], "por", *below]


def of_name(match: re.Match[str]) -> list[str] | None:
    """A number that is no thousands of the next: iPhone 13 128 GB, sala 3 200 personas."""
    before = text_before(match, 30)
    if match[0] == "1" and before[:-1].rpartition(" ")[2][:1].isupper():  # Bugatti 1 500 cv
        return None
    of_model = _OF_MODEL.match(match.string, match.end())
    glued = of_model and of_model.lastindex
    named = (_CAPITAL_BEFORE if of_model else _NAMED_BEFORE).search(before)
    named_or_dated = named or (len(match[0]) == 2 and _DAY_BEFORE.search(before))  # el 15 300 votos
    apart = glued or named_or_dated or len(match[0]) > 3
    return cardinal_words(match[0]) if apart else None


def _is_code(match: re.Match[str], before: str) -> bool:
    """Tarjeta *8823, cuenta: 4471, pedido 449871, 739201 es tu código."""
    year = _YEAR.fullmatch(match[0])
    labelled = _ACCOUNT_BEFORE.search(before) and (before.endswith(": ") or len(match[0]) > 4)
    labelled = labelled and not _BILL_BEFORE.search(before)
    used = _CODE_USED.search(before) and _CODE_AFTER.match(match.string, match.end())
    masked = before.endswith(("* ", "(")) and "**" in before
    card = _CARD_BEFORE.search(before) and (masked or not (year and before.endswith((" ", "("))))
    tail = _TAIL_BEFORE.search(before) and not match.string.startswith(" más IVA", match.end())
    return bool((labelled and not year) or used or card or tail)


def number(match: re.Match[str]) -> list[str]:
    number, text = match[0], match.string
    before = text_before(match, 60)
    called = len(number) > 2 and _BEFORE_DIGITS.search(before) is not None
    if called and " " in number and number.replace(" ", "").isdigit():
        return digits_in_groups(number, digit_words)
    if number.isdigit() and len(number) > 3 and not NOUNS.after(text, match.end()):
        called = called or _is_code(match, before)
    if len(number) == 3 and not NOUNS.after(text, match.end()):
        called = called or _BEFORE_CALLED.search(before) is not None
        called = called or (number == "911" and _EMERGENCY.search(before) is not None)
    if number.isdigit() and (called or len(number) >= CODE_DIGITS):
        *digits, last = digit_words(number)
        return [*digits, f"{last}," if _GROUP_AFTER.match(text, match.end()) else last]
    decimal_comma = has_decimal_commas(text) or _OF_DECIMALS.search(before) is not None
    whole, _, decimals = split_decimals(number.lstrip("-"), decimal_comma)
    big = re.match(BIG, text[match.end() : match.end() + 12])
    gender = "m" if big else NOUNS.gender_at(text, match.start(), match.end(), whole == "1")
    if whole == "1" and gender == "m" and _RANGE_AFTER.match(text, match.end()):  # grupos 1 a 3
        gender = ""
    if decimals:
        return number_words(number, decimal_comma=decimal_comma)
    of_women = _OF_WOMEN.match(text, match.end())  # 21 de ellas
    if of_women and not (_NAMED_BEFORE.search(before) or _NUMBERED_BEFORE.search(before)):
        gender = "f"
    named = _NAME_AFTER.match(text, match.end()) if whole in ("1", "21", "31") else None
    if named and not gender and _COUNTS_BEFORE.search(before):
        gender = NOUNS.gender(named[1].lower())
    elif whole == "1" and gender == "f" and _STRESSED_A.match(text, match.end()):
        gender = "m"
    if big is not None and big[0].strip() == "mil":
        gender = NOUNS.gender_at(text, match.start(), match.end()) or "m"
    words = number_words(number, gender)
    noun = NOUNS.after(text, match.end())
    return [*words, "de"] if noun and words[-1].endswith(("llón", "llones")) else words


def _item(match: re.Match[str]) -> list[str] | None:
    """1. Toluca 37 pts., 2. Tigres, in a line; but "Goles: 1. Faltas: 2.", "Betis, 1. Jaén, 2."."""
    number, before = int(match[1]), text_before(match, 400)
    after = match.string[match.end() : match.end() + 150]
    sign = before[-2]
    first = number == 1 and sign != "," and re.search(r"[.,;] 2\. ", after)
    later = sign != ":" and re.search(rf"[:.,;] {number - 1}\. ", before[-150:])
    if not first and not (later and (sign != "," or _FIRST_ITEM.search(before))):
        return None
    return with_pause(cardinal_words(match[1]))


def quantities_measures_2(match: re.Match[str]) -> list[str] | None:
    return [*number_words(match[1]), *_UNITS[match[2].lower()][1].split()]


def quantities_measures_16(m: re.Match[str]) -> list[str] | None:
    return [*cardinal_words(m[1]), *spelled("w"), *cardinal_words(m[2])]


def quantities_numbers_3(match: re.Match[str]) -> list[str] | None:
    return amount_words(match[0].rstrip(" d."), ("día", "días"), "m")
