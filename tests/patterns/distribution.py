"""Every regular expression of the distribution, printed as JSON by a process of its own: pattern,
flags, place, and whether it is only used from the beginning of a text (`match`, `fullmatch`).

Found in two ways: those that `re` compiles while all modules are imported and a text is read, and
those in the source whose pattern is known at import. With `--late` those instead that are compiled
at their first use, and the written forms of every language.
"""

from __future__ import annotations

import ast
import importlib
import json
import pkgutil
import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

PACKAGES = ("dlpo", "dlpo_cli", "dlpo_serving", "dlpo_export", "dlpo_bench")
ROOTS = [
    Path(__file__).resolve().parents[2] / part
    for part in ("dlpo", "dlpo_cli", "serving", "export", "benchmarks")
]
ANCHORED = {"match", "fullmatch"}  # unless called with a place, which is any of a text
USES = ANCHORED | {"compile", "search", "findall", "finditer", "split", "sub", "subn"}
TEXT = "In 3 steps: Dr. A. said 'no' (x < 5) at https://a.bc, ``code`` [1] and 5 km."
found: dict[tuple[str, int], str] = {}
"""pattern and flags -> where"""


def record_late() -> list[str]:
    """Have a list note every pattern that `late` gets from now on; returns it."""
    from dlpo.text.common.patterns import _Late

    noted: list[str] = []
    begin = _Late.__init__

    def begin_and_note(self: _Late, pattern: str) -> None:
        noted.append(pattern)
        begin(self, pattern)

    _Late.__init__ = begin_and_note  # type: ignore[method-assign]
    return noted


def record_compiled() -> None:
    """Have `re` note every pattern that our code compiles from now on."""
    compiler: Any = importlib.import_module("re._compiler")
    compile_one = compiler.compile

    def compile_and_note(pattern: Any, flags: int = 0) -> Any:
        compiled = compile_one(pattern, flags)
        frame: Any = sys._getframe(1)
        while frame and frame.f_globals.get("__name__") in ("re", __name__):
            frame = frame.f_back
        name = frame.f_globals.get("__name__", "") if frame else ""
        if isinstance(pattern, str) and name.partition(".")[0] in PACKAGES:
            found.setdefault((pattern, compiled.flags), f"{name}:{frame.f_lineno}")
        return compiled

    compiler.compile = compile_and_note


def modules() -> Iterator[ModuleType]:
    for package in PACKAGES:
        top = importlib.import_module(package)
        for info in pkgutil.walk_packages(top.__path__, f"{package}."):
            if not info.name.endswith("__main__"):
                yield importlib.import_module(info.name)


def sources() -> Iterator[tuple[ModuleType, ast.Module]]:
    for module in modules():
        if module.__file__ and any(Path(module.__file__).is_relative_to(one) for one in ROOTS):
            yield module, ast.parse(Path(module.__file__).read_text("utf-8"))


def written_in(module: ModuleType, tree: ast.Module) -> Iterator[tuple[str, int, str, int]]:
    """Pattern, flags, method and line of each call of `re` whose pattern is known at import."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id="re"), attr=use), args=[pattern, *more]
            ) if use in USES and not (use == "compile" and more):
                try:
                    value = eval(compile(ast.Expression(pattern), "", "eval"), vars(module))  # noqa: S307  our own source
                except (NameError, TypeError):  # a local name: `record_compiled` finds it if used
                    continue
                if isinstance(value, str):
                    yield value, re.compile(value).flags, use, node.lineno


def named_patterns(module: ModuleType, kind: type) -> Iterator[tuple[str, re.Pattern[str]]]:
    for name, value in vars(module).items():
        if isinstance(value, kind):
            yield name, value


def full_name(module: ModuleType, name: str) -> str:
    return f"{module.__name__}.{name}" if name.startswith("_") else name


def form_patterns() -> Iterator[str]:
    """Those of written forms, which are tried where a form may begin."""
    from dlpo.text.en_us import normalize as english
    from dlpo.text.es import normalize as spanish

    for reader in (english.READER, spanish.READER):
        yield from (form.pattern for form in reader._forms)


def main() -> None:
    from dlpo.text.common.patterns import _Late

    late = "--late" in sys.argv
    noted = record_late()
    record_compiled()
    uses: defaultdict[tuple[str, int], set[str]] = defaultdict(set)
    methods: defaultdict[str, set[str]] = defaultdict(set)  # of a name, with its module if private
    names: defaultdict[tuple[str, int], set[str]] = defaultdict(set)
    for module, tree in sources():
        for pattern, flags, use, line in written_in(module, tree):
            found.setdefault((pattern, flags), f"{module.__name__}:{line}")
            if use != "compile":
                uses[pattern, flags].add(use)
        for name, compiled in named_patterns(module, _Late if late else re.Pattern):
            names[compiled.pattern, compiled.flags].add(full_name(module, name))
        for node in ast.walk(tree):
            match node:
                case ast.Call(
                    func=ast.Attribute(
                        value=ast.Name(id=name) | ast.Attribute(attr=name), attr=use
                    ),
                    args=[_, _, *_],
                ) if use in ANCHORED:
                    methods[full_name(module, name)].add("search")
                case ast.Attribute(value=ast.Name(id=name) | ast.Attribute(attr=name), attr=use):
                    methods[full_name(module, name)].add(use)
    rows = []
    if late:
        found.clear()
        forms = {(pattern, re.compile(pattern).flags) for pattern in form_patterns()}
        found.update(dict.fromkeys(forms, "a written form"))
        for key in forms:
            uses[key].add("match")
        found.update({(pattern, re.compile(pattern).flags): "late" for pattern in noted})
    else:
        from dlpo.text import TextFrontEnd

        TextFrontEnd().process(TEXT)
        TextFrontEnd().process_ssml(f"<speak>{TEXT.replace('<', '')}</speak>")
    for key, where in found.items():
        used = uses[key].union(*(methods[name] for name in names[key])) & USES
        rows.append([*key, where, bool(used) and used <= ANCHORED])
    print(json.dumps(rows))


if __name__ == "__main__":
    main()
