"""Commands made of the fields of dataclasses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import pytest
import typer
from typer.testing import CliRunner

from dlpo.config.fields import HIDDEN, Count, Flag, Share
from dlpo_cli.commands import Given, OfFields, of_fields


@dataclass(frozen=True)
class Colour:
    """Of a brush."""

    share: Share = 0.5
    """How much of it is seen."""


@dataclass(frozen=True)
class Brush:
    """What to paint with."""

    width: Annotated[Count, Flag("--broad")] = 3
    """Bristles, [counted]."""
    kinds: tuple[Literal["oil", "chalk"], ...] = ()
    """Kinds to mix."""
    names: Annotated[Mapping[str, float], Flag(metavar="NAME=NUMBER")] = field(default_factory=dict)
    """Weights by name."""
    wet: bool = False
    """Dip it first."""
    colour: Colour = Colour()
    secret: Annotated[int, HIDDEN] = 7


def run(command: Callable[..., None], *words: str) -> Any:
    app = typer.Typer()
    app.command(cls=OfFields)(of_fields(command))
    return CliRunner().invoke(app, words)


def painted(*words: str) -> Brush:
    found: list[Brush] = []

    def paint(brush: Brush) -> None:
        found.append(brush)

    result = run(paint, *words)
    assert result.exit_code == 0, result.output
    return found[0]


def test_options_make_the_dataclass_and_those_within() -> None:
    words = ("--broad", "9", "--kinds", "oil", "--kinds", "chalk", "--names", "a=1.5", "--wet")
    assert painted() == Brush()
    assert painted(*words, "--share", "1") == Brush(
        9, ("oil", "chalk"), {"a": 1.5}, True, Colour(1.0)
    )


def test_only_what_is_given_is_passed() -> None:
    found: list[dict[str, Any]] = []

    def paint(brush: Annotated[dict[str, Any], Given(Brush)], width: int = 1) -> None:
        found.append({"own": width, **brush})

    assert run(paint, "--width", "4", "--wet").exit_code == 0
    assert found == [{"own": 4, "wet": True, "colour": Colour()}]


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--broad", "0"), "'--broad': is 0; expected 1 or more"),
        (("--share", "2"), "'--share': is 2.0; expected 0 to 1"),
        (("--kinds", "ink"), "'--kinds': is 'ink'; expected one of 'oil', 'chalk'"),
        (("--names", "a"), "'--names': is 'a'; expected NAME=NUMBER"),
        (("--names", "a=b"), "'--names': is 'b'; expected a number"),
        (("--secret", "1"), "No such option"),
    ],
)
def test_a_wrong_value_names_its_flag(words: tuple[str, ...], complaint: str) -> None:
    def paint(brush: Brush) -> None:
        raise AssertionError(brush)

    result = run(paint, *words)
    assert result.exit_code == 2
    assert complaint in " ".join(result.output.replace("│", " ").split())


def test_help_is_the_text_below_a_field_with_its_range() -> None:
    def paint(brush: Brush) -> None:
        """Paint."""

    shown = " ".join(run(paint, "--help").output.replace("│", " ").split())
    assert "Bristles, [counted]. [range: 1 or more] [default: 3]" in shown
    assert "Kinds to mix." in shown
    assert "secret" not in shown
