"""Markup that is not Markdown: HTML, a model's thoughts, pauses, stage directions.

What is taken out becomes as many blanks, or characters that are silent, so that every offset stays.
"""

from __future__ import annotations

import re
from functools import partial
from typing import NamedTuple

from dlpo.text.common.characters import PICTURES
from dlpo.text.common.forms import text_before
from dlpo.text.common.formulas import SILENT, padded
from dlpo.text.common.patterns import late
from dlpo.text.common.tables import Tables

LONGEST_S = 10.0  # of a pause
STRENGTHS = {
    "none": 0.0, "x-weak": 0.1, "weak": 0.25, "medium": 0.5, "strong": 0.8, "x-strong": 1.2,
}  # fmt: skip
"""of a pause, in seconds"""
_INLINE_TAGS = (
    "a|abbr|b|big|bdi|cite|code|del|dfn|em|font|i|ins|kbd|label|mark|q|s|samp|small|span|strike"
    "|strong|sub|sup|tt|u|var|wbr"
)
_BLOCK_TAGS = (
    "article|aside|blockquote|body|br|button|center|dd|details|div|dl|dt|figcaption|figure|footer"
    "|form|h[1-6]|head|header|hr|html|img|input|li|main|nav|ol|option|p|pre|section|select|summary"
    "|table|tbody|td|tfoot|th|thead|title|tr|ul|video|audio|svg|path|iframe|link|meta"
)
_ATTRIBUTES = r"(?:\s[^<>\n]{0,300})?/?"
_TAG = late(rf"(?i)</?(?:({_BLOCK_TAGS})|{_INLINE_TAGS}){_ATTRIBUTES}>|<!--[^<>]{{0,300}}-->")
_BEFORE_NAMED_TAG = late(r"(?i)(?:\b(?:the|an?|each|every|etiqueta|elemento|un|una) |`)$")
_NAMED_TAG = late(  # <p> tag, the <p>, <p> is
    r"`?( (?:tags?|elements?)\b)|`(?!\w)|[.,;:)](?!\w)| (?:es|se|is|are)\b"
)
_RAISED_BEFORE = late(r"\d$|(?<![A-Za-z])[a-z]$|\bmc$")  # 10, x, E = mc
_AMOUNT = late(r"[$£€]\d{1,5}$")
_YEAR_OR_COUNT = late(r"(?:\b(?:1[5-9]|20)\d\d|,\d{3})$")  # that has a note
_NUMBER_OR_STOP = late(r"[\d.]$")
_THOUGHT = late(r"(?i)<(/?)(?:think|thinking|reasoning|scratchpad|script|style)>")
_ENTITY = late(r"&(?:#(\d{1,7})|#[xX]([\da-fA-F]{1,6})|([A-Za-z]\w{1,30}));")
_SECONDS = r"(\d{0,4}\.?\d{1,4})\s?(m?s(?:ec(?:onds?)?)?)?"
_PAUSE = late(
    rf"(?i)<break(?:\s[^<>]{{0,60}}?\btime\s?=\s?[\"'“”]{_SECONDS}[\"'“”])?[^<>]{{0,60}}>"
    rf"|\[(?:pause|break|silence)(?:\s?[:=]?\s?{_SECONDS})?\]"
)
_DIRECTION = late(r"\[([a-z]{2,20})(?: [a-z]{2,20}){0,3}\](?!\()")
# What an actor does, as models write it where a sentence begins: *laughs softly* Well. (sighs) No.
_ACTION = late(
    r"(\A\s{0,8}|[.,!?…—\n\"”]\s{1,4})(?:\*([a-z]{3,20}(?:s|ing))(?: [a-z]{2,20}){0,3}\*(?!\*)"
    r"|\(([a-z]{3,20}s)(?: throat)?\))(?=\s{1,4}[\"“A-Z]|\s{0,4}$)"
)
_TABLES = Tables(__file__)
_DIRECTIONS = _TABLES.table("directions")
_ACTIONS = _DIRECTIONS.keys() - {"starts"}  # (starts today)
_STRENGTH = late(r"strength\s?=\s?[\"'](\w[\w-]{3,7})")
_HIGHLIGHT = late(r"==(?=[^\s=`])([^=\n]{1,200}[^\s=])==(?!=)")
_ITEM = late(
    r"(\A|\n)([ \t]{0,12}(?:\*\*|__)?"
    r"(?:\(?[1-9]?\d|0\d|[1-9]\d\d|[ivx]{2,5}|\(?[A-Za-z](?=[.)][ \t]+[^\d\s])))([.)])(?=[ \t]+\S)"
)
_LETTER = late(r"(?<![A-Za-z])[A-Za-z]$")  # that is alone
ITEM_SO_FAR = late(r"[ \t]{0,12}(?:\*\*|__)?\(?(?:\d{1,3}|[ivx]{2,5}|[A-Za-z])[.)]")
"""A line of which only the number of an item is there."""
_PICTURE = rf"[{PICTURES}]\ufe0f?"
_UNFINISHED = late(
    r"(?:[,;–—&(\[-]|(?:\A|\s)[A-Z][a-z]{1,3}\."
    rf"|\b(?:{_TABLES.any_of('in an unfinished line')}))\Z"
)
_JOINED = late(rf"(?<![\w-])(?:{_TABLES.any_of('in a wrapped line')})\Z")  # but "Sign in"
_BEFORE_PICTURE = late(rf"\b(?:{_TABLES.any_of('before a picture in a line')})\Z")
_AT_PICTURE = late(_PICTURE)
_LINE_END = late(  # but not before a line that Markdown marks
    r"(?<=\S)[^\S\n]{0,40}\n(?=[ \t]{0,12}(?![-*+•>][ \t]|#{1,6}[ \t]|\||\[[ xX]\])\S)"
)
_QUOTED = late(r"\n> ?(?=[^\W\d_])")  # a line of a quoted mail
_SAID_BY = late(r"(?:\[[^\]\n]{1,24}\] )?[^\W\d_][\w.-]{0,24}(?: [\w.-]{1,20}){0,2}: ")
_FEW = 2  # blanks of a line such as "Sign in", which isn't joined to the next
_NARROW, _WIDE = 25, 50  # characters: a line that may be wrapped before a small letter, a capital
_BEFORE_OPENING = late(  # gracias 🎉 ¡Nos vemos!
    rf"(?<=[\w)])( ?(?:{_PICTURE}[\U0001f3fb-\U0001f3ff\u200d]?){{1,6}}) [¡¿]"
)
_ROW = late(r"(\t[^\n\t]{1,80})\n(?=[^\n\t]{1,80}\t)")  # of a table with tabs
_LINE = 200  # characters of a line that are looked at
# Code between graves, and a grave inside a word, which stands for an apostrophe: don`t, O`Brien.
_GRAVE = late(r"(?<!\w)`[^`\n]{1,300}`|(?<=[^\W\d_])(`)(?=[^\W\d_])")


class Pause(NamedTuple):
    """Silence that the writer asks for."""

    place: int
    """in the passage"""
    seconds: float


def blank(match: re.Match[str]) -> str:
    """As many blanks."""
    return " " * len(match[0])


def without_thoughts(text: str, thinking: bool) -> tuple[str, bool]:
    """Text with blanks in place of thoughts, and whether one is still open.

    ``thinking``: whether one is open at its beginning.
    """
    parts, position = [], 0
    for tag in _THOUGHT.finditer(text):
        before = text[position : tag.start()]
        parts += [" " * len(before) if thinking else before, blank(tag)]
        thinking, position = not tag[1], tag.end()
    rest = text[position:]
    return "".join([*parts, " " * len(rest) if thinking else rest]), thinking


def without_pauses(text: str) -> tuple[str, list[Pause]]:
    """Text with blanks in place of pauses, and these."""
    found: list[Pause] = []

    def pause(match: re.Match[str]) -> str:
        number, unit = match[1] or match[3], match[2] or match[4] or "s"
        strength = _STRENGTH.search(match[0])
        if number is None:
            seconds = STRENGTHS.get(strength[1] if strength else "", STRENGTHS["medium"])
        else:
            seconds = float(number) / (1000 if unit.lower().startswith("ms") else 1)
        found.append(Pause(match.start(), min(seconds, LONGEST_S)))
        return "\f" + " " * (len(match[0]) - 1)

    return _PAUSE.sub(pause, text), found


def without_tags(text: str) -> str:
    """Text without HTML; characters in place of its entities."""
    text = _TAG.sub(_tag, text)
    return _ENTITY.sub(_character, text) if "&" in text else text


def _tag(match: re.Match[str]) -> str:
    """The end of a block, or silent characters, so that H<sub>2</sub>O stays one word.

    Blanks between words that tags or a comment part; a sign where a power or cents are raised.
    """
    tag, text = match[0].lower(), match.string
    named = _NAMED_TAG.match(text, match.end())
    opens_element = named and named[1] and tag[1] != "/"  # <p> tag, but <i>this</i> tag
    if opens_element or (named and _BEFORE_NAMED_TAG.search(text_before(match, 12))):
        return f" {match[0][1:-1]} "
    if match[1]:
        return "\f" + " " * (len(tag) - 1)
    before, after = text_before(match, 24), text[match.end() : match.end() + 2]
    if tag == "<sup>" and _AMOUNT.search(before) and after.isdigit():
        first = "."
    elif tag == "<sup>" and _RAISED_BEFORE.search(before) and after[:1] in "-−0123456789":
        first = " " if _YEAR_OR_COUNT.search(before) else "^"
    else:
        parts = tag[:2] == "<!" or (tag[1] == "/" and after[:1] == "<")
        parts |= bool(_NUMBER_OR_STOP.search(before)) and after[:1].isdigit()
        first = " " if parts else ""
    return padded(first, match)


def without_followed_tags(text: str) -> str:
    """Text without the tags and pauses that are followed, and are therefore not missed."""
    return _TAG.sub(" ", _PAUSE.sub(" ", text))


def _character(match: re.Match[str]) -> str:
    from html.entities import html5  # few texts have entities

    decimal, hexadecimal, name = match.groups()
    code = int(decimal) if decimal else int(hexadecimal or "0", 16)
    found = html5.get(f"{name};") if name else chr(code) if 31 < code < 0x110000 else None
    if found is None or 0xD800 <= code < 0xE000:
        return match[0]
    return found + SILENT * (len(match[0]) - len(found))


def without_directions(text: str) -> str:
    """Text with blanks in place of stage directions, such as "[laughs]" or "*sighs*"."""

    def action(match: re.Match[str]) -> str:
        before, *does = match.groups()
        is_action = _ACTIONS.intersection(does)
        return before + " " * (len(match[0]) - len(before)) if is_action else match[0]

    text = _DIRECTION.sub(lambda m: blank(m) if m[1] in _DIRECTIONS else m[0], text)
    return _ACTION.sub(action, text)


def with_items(text: str, before: int) -> str:
    """Text in which items with a number or a picture begin a block, and numbers belong to them.

    ``before``: characters of its first line that came before it.
    """

    def item(match: re.Match[str]) -> str:
        if not match[1] and before:
            return match[0]
        is_initial = match[3] == "." and _LETTER.search(match[2])
        return ("\f" if match[1] else "") + match[2] + ("." if is_initial else ",")

    text = _ROW.sub("\\1\f", text) if "\t" in text else text
    text = _BEFORE_OPENING.sub(r"\1. ", text) if "¡" in text or "¿" in text else text
    text = _ITEM.sub(item, text)
    text = _QUOTED.sub(_unquoted, text) if "\n>" in text else text
    return _LINE_END.sub(partial(_line_end, before=before), text)


def _unquoted(match: re.Match[str]) -> str:
    """Blanks in place of the sign of a quotation, where it goes on before a small letter."""
    text, place = match.string, match.start()
    line = text[max(0, text.rfind("\n", 0, place) + 1, place - _LINE) : place]
    goes_on = text[match.end()].islower() and line[:1] == ">" and len(line) >= _WIDE
    return "\n" + " " * (len(match[0]) - 1) if goes_on else match[0]


def _line_end(match: re.Match[str], before: int) -> str:
    """A form feed in place of the end of a line, unless the text looks wrapped there.

    It does after a comma, an abbreviation or a joining word, inside brackets, before a small
    letter if the line isn't short, and before a capital if both lines are long; but not where both
    begin with who says them.
    """
    text, (place, end) = match.string, match.span()
    line = re.split(r"[\n\f]", text[max(0, place - _LINE) : place])[-1]
    following = re.split(r"[\n\f]", text[end : end + _LINE], maxsplit=1)[0].lstrip()
    wraps = _UNFINISHED.search(line) is not None or line.count("(") > line.count(")")
    width = len(line) + (before if len(line) == place else 0)
    if following[0].islower() or line.count(" ") >= _FEW:
        wraps = wraps or _JOINED.search(line) is not None
    if _AT_PICTURE.match(following):
        wraps = wraps or _BEFORE_PICTURE.search(line) is not None
    elif following[0].islower():
        wraps = wraps or width >= _NARROW
    elif following[0].isalpha():
        wraps = wraps or min(width, len(following)) >= _WIDE
    wraps = wraps and not (_SAID_BY.match(line) and _SAID_BY.match(following))
    return match[0] if wraps else match[0][:-1] + "\f"


def plain_marks(text: str) -> str:
    """Text with apostrophes in place of graves in words, and without highlighting."""
    if "`" in text:
        text = _GRAVE.sub(lambda match: "'" if match[1] else match[0], text)
    return _HIGHLIGHT.sub(lambda match: f"  {match[1]}  ", text) if "==" in text else text


def in_tag(text: str, place: int) -> bool:
    """Whether a place is inside a tag or a pause."""
    start = max(text.rfind("<", 0, place), text.rfind("[", 0, place))
    if start < 0 or place - start > 300:
        return False
    tag = _TAG.match(text, start) or _PAUSE.match(text, start)
    return tag is not None and place < tag.end()
