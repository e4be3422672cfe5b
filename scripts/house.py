#!/usr/bin/env python3
"""Size of the code base against its budgets, and prose against banned constructions.

Prints one line of measures; exits with 1 if one exceeds its budget or prose has a banned
construction. Counts non-blank lines of tracked Python, excluding generated stubs.
"""

from __future__ import annotations

import ast
import io
import re
import subprocess
import sys
import tokenize
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

# Lower one whenever a change makes room; raise one only for a capability that a user asked for.
BUDGETS = {
    "product lines": 45_000,
    "test lines": 27_800,
    "research lines": 3_600,
    "modules": 305,
    "modules with one importer": 85,
    "class names used twice": 0,
}
PRODUCT = ("dlpo", "serving", "export", "benchmarks")

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
}


def tracked(*patterns: str) -> list[Path]:
    found = subprocess.check_output(["git", "ls-files", "--", *patterns], text=True)
    return [Path(line) for line in found.splitlines()]


def lines(files: list[Path]) -> int:
    """Number of non-blank lines."""
    return sum(bool(line.strip()) for file in files for line in file.read_text().splitlines())


def module_name(file: Path) -> str:
    """The name under which a file is imported."""
    parts = [] if file.stem == "__init__" else [file.stem]
    for folder in file.parents:
        if not (folder / "__init__.py").exists():
            break
        parts.insert(0, folder.name)
    return ".".join(parts)


def imports(tree: ast.Module) -> set[str]:
    """Modules, and names in modules, that a file imports; the project has no relative imports."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def measures() -> dict[str, int]:
    """The measures limited by `BUDGETS`."""
    files = [file for file in tracked("*.py") if "_pb2" not in file.name]
    rooms = defaultdict(list)
    for file in files:
        rooms[file.parts[0]].append(file)
    product = [file for room in PRODUCT for file in rooms[room]]
    trees = {file: ast.parse(file.read_text()) for file in files if file.parts[0] != "tests"}
    modules = {module_name(file): file for file in product if file.stem != "__init__"}
    importers: Counter[str] = Counter()
    for file, tree in trees.items():
        importers.update(imports(tree) & modules.keys() - {module_name(file)})
    classes = Counter(
        node.name
        for file in product
        for node in ast.walk(trees[file])
        if isinstance(node, ast.ClassDef)
    )
    return {
        "product lines": lines(product),
        "test lines": lines(rooms["tests"]),
        "research lines": lines(rooms["research"]),
        "modules": len(modules),
        "modules with one importer": sum(importers[name] == 1 for name in modules),
        "class names used twice": sum(count > 1 for count in classes.values()),
    }


def prose(file: Path) -> Iterator[tuple[int, str]]:
    """Line numbers and text: of Markdown outside fences, of Python comments and docstrings."""
    text = file.read_text()
    if file.suffix != ".py":
        fenced = False
        for number, line in enumerate(text.splitlines(), 1):
            fenced ^= line.startswith("```")
            if not fenced:
                yield number, line
        return
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            for number, line in enumerate(str(node.value.value).splitlines(), node.lineno):
                yield number, line
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def banned() -> list[str]:
    """Each banned construction in prose with its replacement; records quote what a run printed."""
    found = []
    for file in tracked("*.md", "*.py"):
        if "records" in file.parts or "_pb2" in file.name:
            continue
        for number, line in prose(file):
            for pattern, instead in BANNED.items():
                if match := re.search(pattern, line.strip("# "), re.IGNORECASE):
                    found.append(f'{file}:{number}: "{match[0].strip()}"; write: {instead}')
    return found


def main() -> None:
    found = measures()
    print("  ".join(f"{name} {value} ({BUDGETS[name]})" for name, value in found.items()))
    faults = [
        f"{name}: {value}, the budget is {BUDGETS[name]}; merge or delete (scripts/house.py)"
        for name, value in found.items()
        if value > BUDGETS[name]
    ]
    faults += banned()
    print("\n".join(faults), end="\n" if faults else "")
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
