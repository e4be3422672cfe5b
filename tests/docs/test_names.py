"""Commands and options, tests, files and functions that the docs name exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from dlpo_cli import app
from dlpo_serving.settings.sources import settings_parser

ROOT = Path(__file__).resolve().parents[2]
OF_THE_PAST = ("CHANGELOG.md",)
SECURITY = (ROOT / "docs/security.md").read_text("utf-8")
PAGES = sorted(
    str(page.relative_to(ROOT))
    for page in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"))
    if page.name not in OF_THE_PAST
)
FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`([^`]+)`")
CALL = re.compile(r"(?:^|[|&;] *|bin/)dlpo +([^|&;#\n]+)", re.MULTILINE)
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z0-9-]*")
FOREIGN = {  # of docker, podman, npm, pip and mypy
    "--backend-config", "--build-arg", "--env", "--format", "--platform", "--save-dev", "--tmpfs",
    "--volume",
}  # fmt: skip
COMMANDS: Any = get_command(app)
OF_SERVE = set(OPTION.findall(settings_parser("dlpo serve").format_help()))  # it reads its own


def options_of(command: Any) -> set[str]:
    """Its options and those of the commands below it."""
    found = {option for p in command.params for option in (*p.opts, *p.secondary_opts)}
    if command.name == "serve" and "--port" not in found:
        return OF_SERVE | found
    return found.union({"--help"}, *map(options_of, getattr(command, "commands", {}).values()))


def unknown(call: str) -> set[str]:
    """Commands and options that don't exist, in the words after `dlpo`."""
    words = re.sub(r'"[^"]*"', "QUOTED", call).split()
    found = COMMANDS
    while words and hasattr(found, "commands") and not words[0].startswith("-"):
        name = words.pop(0)
        if name not in found.commands and "make" not in found.commands:
            return {name}
        found = found.commands.get(name) or found.commands["make"]  # `dlpo listen A B`
    return set(OPTION.findall(" ".join(words))) - options_of(found)


@pytest.mark.parametrize("page", PAGES)
def test_commands_of_a_page_and_their_options_exist(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    shown = [code.replace("\\\n", "") for lang, code in FENCE.findall(text) if lang in ("", "sh")]
    spans = [span.replace("\n", " ") for span in INLINE.findall(FENCE.sub("", text))]

    calls = [call for code in (*shown, *spans) for call in CALL.findall(code)]
    wrong = {call: missing for call in calls if (missing := unknown(call))}
    alone = {option for span in spans if span.startswith("--") for option in OPTION.findall(span)}

    assert not wrong
    assert not alone - options_of(COMMANDS) - FOREIGN


def test_every_stop_of_the_map_exists() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    stops = re.findall(r"`([\w/]+\.py)(?::([\w.]+))?`", text)
    assert len(stops) > 20
    for path, name in stops:
        found: Any = ast.parse((ROOT / path).read_text("utf-8"))
        for part in filter(None, name.split(".")):  # a class and its method
            found = next((n for n in found.body if getattr(n, "name", None) == part), None)
            assert found, f"{path}:{name}"


def test_every_test_that_the_page_names_is_there() -> None:
    named, missing = re.findall(r"`([\w/]+\.py)(?:::(\w+))?`", SECURITY), []
    for file, function in named:
        (path, *_) = [p for p in (ROOT / "tests" / file, ROOT / file) if p.exists()] or [None]
        if not (path and re.search(rf"^(async )?def {function}\b", path.read_text("utf-8"), re.M)):
            missing.append(f"{file}::{function}")

    assert len(named) > 30
    assert missing == []


def test_every_row_of_the_table_names_a_test() -> None:
    _, _, rest = SECURITY.partition("## What is enforced")
    rows = [line for line in rest.partition("\n## ")[0].splitlines() if line.startswith("| ")]

    assert [row for row in rows[1:] if ".py" not in row and "---" not in row] == []
