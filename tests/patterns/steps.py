"""Counts the steps that backtracking takes: a regular expression's cost without a clock.

A pattern is translated to a small program with an explicit stack of choices, which tries the same
alternatives in the same order as `re` does; `re` itself tells nobody how many it tried.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from re import _constants as c  # type: ignore[attr-defined]
from re import _parser  # type: ignore[attr-defined]
from typing import Any

Test = Callable[[str, int], bool]
"""whether the program may go on at this place in a text"""
Node = tuple[Any, Any]
"""operator and argument, as `re`'s parser writes them"""
Loops = tuple[tuple[int, int], ...]
"""loops that have begun, by instruction, and groups, by name: their places in the text"""

MOST_INSTRUCTIONS = 100_000
HIGHEST = 40  # bound of a repeat: higher ones, whose growth is the same, count as this
_CATEGORIES: dict[Any, Callable[[str], bool]] = {
    c.CATEGORY_DIGIT: str.isdecimal,
    c.CATEGORY_SPACE: str.isspace,
    c.CATEGORY_WORD: lambda one: one.isalnum() or one == "_",
}
_NEGATED = {
    c.CATEGORY_NOT_DIGIT: c.CATEGORY_DIGIT,
    c.CATEGORY_NOT_SPACE: c.CATEGORY_SPACE,
    c.CATEGORY_NOT_WORD: c.CATEGORY_WORD,
}


class TooManyStepsError(Exception):
    """The budget of steps is used up."""


@dataclass
class Steps:
    """Steps taken so far, and how many there may be."""

    limit: int
    taken: int = 0


@dataclass
class Program:
    """Instructions: ("test", test, width), ("split", first, second), ("branch", ways), ("jump",
    to), ("loop", body, after, greedy), ("inside", program, width, wanted), ("whole", program),
    ("save", name), ("again", name), ("if", name, else) or ("end",). The names of a group's begin
    and end are negative."""

    code: list[tuple[Any, ...]] = field(default_factory=list)

    def add(self, *instruction: Any) -> int:
        """Add an instruction; returns its place."""
        assert len(self.code) < MOST_INSTRUCTIONS
        self.code.append(instruction)
        return len(self.code) - 1

    def run(self, text: str, place: int, steps: Steps, end: int | None = None) -> int | None:
        """Where a match that begins at `place` ends, or None; it must be at `end` if given."""
        code, length = self.code, len(text)
        choices: list[tuple[int, int, Loops]] = [(0, place, ())]
        while choices:
            at, place, loops = choices.pop()
            while True:
                steps.taken += 1
                if steps.taken > steps.limit:
                    raise TooManyStepsError
                step = code[at]
                kind = step[0]
                if kind == "test":
                    if place + step[2] > length or not step[1](text, place):
                        break
                    at, place = at + 1, place + step[2]
                elif kind == "split":
                    choices.append((step[2], place, loops))
                    at = step[1]
                elif kind == "branch":
                    ways = step[1](text, place)
                    if not ways:
                        break
                    choices += [(way, place, loops) for way in ways[:0:-1]]
                    at = ways[0]
                elif kind == "jump":
                    at = step[1]
                elif kind == "loop":
                    _, body, after, greedy = step
                    if (at, place) in loops:  # its body has matched nothing
                        at = after
                        continue
                    loops = (*(one for one in loops if one[0] != at), (at, place))
                    first, second = (body, after) if greedy else (after, body)
                    choices.append((second, place, loops))
                    at = first
                elif kind == "end":
                    if end is None or place == end:
                        return place
                    break
                elif kind == "inside":
                    _, program, width, wanted = step
                    found = place >= width and program.run(text, place - width, steps) is not None
                    if found != wanted:
                        break
                    at += 1
                elif kind == "save":
                    loops = (*(one for one in loops if one[0] != step[1]), (step[1], place))
                    at += 1
                elif kind == "if":
                    at = at + 1 if step[1] in dict(loops) else step[2]
                elif kind == "again":
                    saved = dict(loops)
                    said = text[saved[step[1]] : saved[step[1] - 1]]
                    if not text.startswith(said, place):
                        break
                    at, place = at + 1, place + len(said)
                elif (inner := step[1].run(text, place, steps)) is None:
                    break
                else:
                    at, place = at + 1, inner
        return None


def program_of(nodes: Any, flags: int) -> Program:
    """The program of a parsed pattern."""
    program = Program()
    _translate(program, list(nodes), flags)
    program.add("end")
    return program


def _translate(program: Program, nodes: list[Node], flags: int) -> None:
    for operator, argument in nodes:
        match operator:
            case c.LITERAL | c.NOT_LITERAL | c.ANY | c.IN:
                program.add("test", test_of((operator, argument), flags), 1)
            case c.AT:
                program.add("test", _place_test(argument, flags), 0)
            case c.SUBPATTERN:
                group, on, off, inner = argument
                if group:
                    program.add("save", -2 * group)
                _translate(program, list(inner), (flags | on) & ~off)
                if group:
                    program.add("save", -2 * group - 1)
            case c.GROUPREF:
                program.add("again", -2 * argument)
            case c.GROUPREF_EXISTS:
                _condition(program, *argument, flags)
            case c.BRANCH:
                _branch(program, argument[1], flags)
            case c.MAX_REPEAT | c.MIN_REPEAT:
                _repeat(program, *argument, flags, operator is c.MAX_REPEAT)
            case c.POSSESSIVE_REPEAT:
                inner = program_of([(c.MAX_REPEAT, argument)], flags)
                program.add("whole", inner)
            case c.ATOMIC_GROUP:
                program.add("whole", program_of(argument, flags))
            case c.ASSERT | c.ASSERT_NOT:
                direction, inner = argument
                width = inner.getwidth()[0] if direction < 0 else 0
                program.add("inside", program_of(inner, flags), width, operator is c.ASSERT)
            case _:
                raise NotImplementedError(f"{operator} in a pattern; teach tests/patterns/steps.py")


def _branch(program: Program, alternatives: list[Any], flags: int) -> None:
    """Alternatives, of which those that can't begin at a character cost nothing, as in `re`."""
    begins: list[tuple[Test | None, int]] = []
    ends = []
    branch = program.add("branch", None)
    for alternative in alternatives:
        first = alternative[0] if len(alternative) else (None, None)
        test = test_of(first, flags) if first[0] in (c.LITERAL, c.IN) else None
        begins.append((test, len(program.code)))
        _translate(program, list(alternative), flags)
        ends.append(program.add("jump", 0))
    for end in ends:
        program.code[end] = ("jump", len(program.code))
    program.code[branch] = ("branch", _ways(begins))


def _ways(begins: list[tuple[Test | None, int]]) -> Callable[[str, int], list[int]]:
    """Where the alternatives are that may match at a place in a text."""
    known: dict[str, list[int]] = {}

    def ways(text: str, place: int) -> list[int]:
        one = text[place : place + 1]
        if one not in known:
            known[one] = [at for test, at in begins if test is None or (one and test(one, 0))]
        return known[one]

    return ways


def _condition(program: Program, group: int, met: Any, unmet: Any, flags: int) -> None:
    condition = program.add("if", 0, 0)
    _translate(program, list(met), flags)
    leave = program.add("jump", 0)
    program.code[condition] = ("if", -2 * group - 1, len(program.code))
    _translate(program, list(unmet or ()), flags)
    program.code[leave] = ("jump", len(program.code))


def _repeat(program: Program, least: int, most: Any, inner: Any, flags: int, greedy: bool) -> None:
    nodes, least = list(inner), min(least, HIGHEST)
    for _ in range(least):
        _translate(program, nodes, flags)
    if most == c.MAXREPEAT:
        loop = program.add("loop", 0, 0, greedy)
        _translate(program, nodes, flags)
        program.add("jump", loop)
        program.code[loop] = ("loop", loop + 1, len(program.code), greedy)
        return
    splits = []
    for _ in range(min(most, HIGHEST) - least):
        splits.append(program.add("split", 0, 0))
        _translate(program, nodes, flags)
    for split in splits:
        ways = (split + 1, len(program.code))
        program.code[split] = ("split", *(ways if greedy else ways[::-1]))


def test_of(node: Node, flags: int) -> Test:
    """The test of one character."""
    operator, argument = node
    known: dict[str, bool] = {}

    def holds(one: str) -> bool:
        match operator:
            case c.ANY:
                return bool(flags & re.DOTALL) or one != "\n"
            case c.LITERAL:
                return ord(one) == argument
            case c.NOT_LITERAL:
                return ord(one) != argument
        members = [member for member in argument if member[0] is not c.NEGATE]
        return any(_is_member(one, member) for member in members) != (len(members) < len(argument))

    def test(text: str, place: int) -> bool:
        one = text[place]
        if one not in known:
            forms = {one, one.lower(), one.upper()} if flags & re.IGNORECASE else {one}
            known[one] = any(holds(form) for form in forms if len(form) == 1)
        return known[one]

    return test


def _is_member(one: str, member: Node) -> bool:
    operator, argument = member
    match operator:
        case c.LITERAL:
            return ord(one) == argument
        case c.RANGE:
            return bool(argument[0] <= ord(one) <= argument[1])
    if argument in _NEGATED:
        return not _CATEGORIES[_NEGATED[argument]](one)
    return _CATEGORIES[argument](one)


def _place_test(place_kind: Any, flags: int) -> Test:
    word = _CATEGORIES[c.CATEGORY_WORD]

    def test(text: str, place: int) -> bool:
        before, after = text[place - 1 : place] if place else "", text[place : place + 1]
        match place_kind:
            case c.AT_BEGINNING:
                return not place or (bool(flags & re.MULTILINE) and before == "\n")
            case c.AT_BEGINNING_STRING:
                return not place
            case c.AT_END:
                lines = bool(flags & re.MULTILINE) and after == "\n"
                return place >= len(text) - (text[-1:] == "\n") or lines
            case c.AT_END_STRING:
                return place == len(text)
        at_boundary = (before != "" and word(before)) != (after != "" and word(after))
        return at_boundary == (place_kind is c.AT_BOUNDARY)

    return test


def translated(pattern: re.Pattern[str]) -> Program:
    """The program of a compiled pattern."""
    return program_of(_parser.parse(pattern.pattern, pattern.flags), pattern.flags)


def steps_of_match(program: Program, text: str, limit: int) -> int:
    """Steps of `fullmatch`, which tries at least what `match` tries."""
    steps = Steps(limit)
    program.run(text, 0, steps, len(text))
    return steps.taken


def steps_of_finditer(program: Program, text: str, limit: int) -> int:
    """Steps of `list(finditer(text))`, as of `findall`, `sub`, or a `search` in vain."""
    steps = Steps(limit)
    place = 0
    while place <= len(text):
        end = program.run(text, place, steps)
        place = max(place + 1, end or 0)
    return steps.taken
