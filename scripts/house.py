#!/usr/bin/env python3
"""How readable code base and docs are, against limits, and their language against banned words.

    scripts/house.py            a line of measures, and each place that a limit rejects

Reads the Python that git tracks, scripts without an extension included, except for generated stubs.
Exits with 1 if anything is rejected.
"""

from __future__ import annotations

import ast
import io
import re
import subprocess
import sys
import tokenize
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

# Physical lines of all Python, and words of docs/ as `wc -w` counts them. A limit only falls: lower
# it when much goes, and say each fact on one page.
MOST_LINES = 111_250
MOST_WORDS = 28_500
P95_FUNCTION_LINES = 35
MOST_PARAMETERS = 8  # outside the command line, where each is an option
LONGEST_TEST_NAME = 60  # characters
PRODUCT = ("dlpo", "dlpo_cli", "serving", "export", "benchmarks")
# Its strings are sentences to speak.
SPOKEN = {Path("benchmarks/dlpo_bench/load/texts.py")}

BANNED = {  # what reads as translated -> what to write
    r"\banew\b": "again",
    r"\blikewise\b": "too, or say it again",
    r"\bmend(s|ed|ing)?\b": "fix",
    r"\btold\b": "reported, passed",
    r"\b(stands?|stood) (there|beside|in|on|behind|below|above)\b": "is",
    r"\blies? (there|beside|in|on|behind|below|above)\b": "is",
    r"(^|[,;] )else \w+ (would|will|could|is|are|has|have|must)\b": "otherwise",
    r"(^|[.:;,] |\()(who|whoever) (speaks?|asks?|comes?|reads?|wants?|runs?|hears?)\b": "a noun",
    r"\bwhat is (there|here)\b": "what exists; name it",
    r"\bnobody's\b": "unowned, unused",
    r"\b(is|are) of nobody\b": "no such ...",
}
BANNED_IN_NAMES = BANNED | {  # of tests and of what modules define
    r"(?<!there )\bis no (?!longer|more)": "is not a, or a word for it",
    r"^test (who|whoever)\b": "a noun: caller, listener, operator",
    r"\b(doors?|rooms?)\b(?! for)": "server, endpoint, protocol, executor",
}
Function = ast.FunctionDef | ast.AsyncFunctionDef


class Module:
    """A file, parsed."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.text = file.read_text()
        self.body = ast.parse(self.text).body
        self.nodes = [node for statement in self.body for node in ast.walk(statement)]
        self.functions = [node for node in self.nodes if isinstance(node, Function)]


def tracked(*patterns: str) -> list[Path]:
    found = subprocess.check_output(["git", "ls-files", "--", *patterns], text=True)
    return [Path(line) for line in found.splitlines()]


def is_python(file: Path) -> bool:
    if file.suffix:
        return file.suffix == ".py" and "_pb2" not in file.name
    return file.parts[0] == "scripts" and file.read_text().startswith("#!/usr/bin/env python")


def is_command(file: Path, function: Function) -> bool:
    """Whether a function's parameters are options of a command line."""
    return file.is_relative_to("dlpo_cli") or function.name == "main"


def parameters(function: Function) -> int:
    """Number of parameters without `self` and `cls`."""
    given = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    return sum(parameter.arg not in ("self", "cls") for parameter in given)


def names_in(node: ast.AST, context: type[ast.expr_context]) -> set[str]:
    return {
        name.id
        for name in ast.walk(node)
        if isinstance(name, ast.Name) and isinstance(name.ctx, context)
    }


def late_constants(module: Module) -> Iterator[int]:
    """Lines of constants after the first class or function that need nothing defined above."""
    defined: set[str] = set()
    for node in module.body:
        if isinstance(node, Function | ast.ClassDef):
            defined.add(node.name)
        elif defined and isinstance(node, ast.Assign | ast.AnnAssign):
            if names_in(node, ast.Load) & defined:
                defined |= names_in(node, ast.Store)
            else:
                yield node.lineno
        elif defined:
            defined |= names_in(node, ast.Store)


def packed(module: Module) -> Iterator[int]:
    """Lines that assign several values at once: to attributes of `self`, or to three targets."""
    for node in module.nodes:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Tuple):
            for target in node.targets:
                parts = target.elts if isinstance(target, ast.Tuple) else []
                if len(parts) > 2 or any(is_own(part) for part in parts):
                    yield node.lineno


def is_own(target: ast.expr) -> bool:
    """Whether this is an attribute of `self`."""
    return (
        isinstance(target, ast.Attribute)
        and isinstance(target.value, ast.Name)
        and target.value.id == "self"
    )


def rejected(modules: Iterable[Module]) -> Iterator[str]:
    """Each place that a limit rejects, and what to do."""
    classes: Counter[str] = Counter()
    for module in modules:
        file = module.file
        for line in late_constants(module):
            yield f"{file}:{line}: constant below a class or function; move it above the first"
        for line in packed(module):
            yield f"{file}:{line}: several values packed into one assignment; a line for each"
        for function in module.functions:
            where = f"{file}:{function.lineno}: {function.name}"
            given = parameters(function)
            if given > MOST_PARAMETERS and not is_command(file, function):
                yield f"{where} has {given} parameters, at most {MOST_PARAMETERS}; pass an object"
            if function.name.startswith("test_") and len(function.name) > LONGEST_TEST_NAME:
                yield f"{where}: {len(function.name)} characters, at most {LONGEST_TEST_NAME}"
        if file.parts[0] in PRODUCT:
            classes.update(node.name for node in module.nodes if isinstance(node, ast.ClassDef))
    yield from (f"class {name}: {count} have it" for name, count in classes.items() if count > 1)


def prose(file: Path) -> Iterator[tuple[int, str]]:
    """Line numbers and text of Markdown, outside fences."""
    fenced = False
    for number, line in enumerate(file.read_text().splitlines(), 1):
        fenced ^= line.startswith("```")
        if not fenced:
            yield number, line


def words(module: Module) -> Iterator[tuple[int, str]]:
    """Line numbers and text of a module's comments, docstrings and other strings."""
    strings = [] if module.file in SPOKEN else module.nodes
    for node in strings:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from enumerate(node.value.splitlines(), node.lineno)
    for token in tokenize.generate_tokens(io.StringIO(module.text).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def names(module: Module) -> Iterator[tuple[int, str]]:
    """Line numbers and words of the names of tests and of what a module defines."""
    found = {
        (node.lineno, node.name)
        for node in [*module.functions, *module.body]
        if isinstance(node, ast.ClassDef)
        or (isinstance(node, Function) and (node in module.body or node.name.startswith("test_")))
    }
    for node in module.body:
        if isinstance(node, ast.Assign | ast.AnnAssign):
            found |= {(node.lineno, name) for name in names_in(node, ast.Store)}
    for line, name in sorted(found):
        yield line, re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).replace("_", " ").strip()


def banned(modules: Iterable[Module]) -> Iterator[str]:
    """Each banned construction with its replacement; records quote what a run printed."""
    read = [(file, text, BANNED) for file in tracked("*.md") for text in prose(file)]
    for module in modules:
        read += [(module.file, text, BANNED) for text in words(module)]
        read += [(module.file, text, BANNED_IN_NAMES) for text in names(module)]
    for file, (number, line), patterns in read:
        if "records" in file.parts or not re.search("|".join(patterns), line, re.IGNORECASE):
            continue
        for pattern, instead in patterns.items():
            if match := re.search(pattern, line.strip("# "), re.IGNORECASE):
                yield f'{file}:{number}: "{match[0].strip()}"; write: {instead}'


def words_of_docs() -> int:
    return sum(len(file.read_text().split()) for file in tracked("docs/*.md"))


def main() -> None:
    modules = [Module(file) for file in tracked() if is_python(file)]
    lines = sum(len(module.text.splitlines()) for module in modules)
    lengths = sorted(
        (function.end_lineno or 0) - function.lineno + 1
        for module in modules
        for function in module.functions
    )
    p95 = lengths[int(0.95 * len(lengths))]
    pages = words_of_docs()
    print(
        f"lines {lines} ({MOST_LINES})  function p95 {p95} ({P95_FUNCTION_LINES})"
        f"  words in docs {pages} ({MOST_WORDS})"
    )
    faults = [*rejected(modules), *banned(modules)]
    if lines > MOST_LINES:
        faults.append(f"{lines} lines of Python, at most {MOST_LINES}; delete or reuse")
    if pages > MOST_WORDS:
        faults.append(f"{pages} words in docs/, at most {MOST_WORDS}; one place per fact")
    if p95 > P95_FUNCTION_LINES:
        faults.append(f"p95 of function lines {p95}, at most {P95_FUNCTION_LINES}; split long ones")
    print("\n".join(faults), end="\n" if faults else "")
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
