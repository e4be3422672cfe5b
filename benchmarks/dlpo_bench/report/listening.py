"""The section on blind listening tests: whom people prefer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dlpo_bench.bootstrap import Estimate
from dlpo_bench.paired import SIGNIFICANT
from dlpo_bench.plots import Point, draw_panels
from dlpo_bench.report.sections import Found, Section
from dlpo_bench.report.tables import table

HEADER = ("systems", "raters", "answers", "first", "second", "same", "first of decided", "p",
          "agreement", "preferred")  # fmt: skip
PREFERENCE = "answers for the first minus for the second, % of the decided ones"


def listening(found: Sequence[Found]) -> Section:
    """Every test that was recorded, each by its newest record."""
    newest: dict[str, Found] = {}
    for one in found:
        newest.setdefault(one.record.figures["test_id"], one)
    tests = [one.record.figures for one in newest.values()]
    text = (
        "Blind tests in pairs, of raters who found what was degraded on purpose. In brackets exact"
        " 95 % intervals; p of a two-sided binomial test; agreement is Krippendorff's alpha. How it"
        " is done: [listen.md](listen.md).\n\n"
    )
    text += table(HEADER, map(_row, tests))
    points = [point for test in tests if (point := _point(test))]
    pictures = {}
    if points:
        seen = "Preference of listeners"
        pictures[seen] = draw_panels(seen, {PREFERENCE: points}, zero=True)
    return Section("Which voice listeners prefer", text, list(newest.values()), pictures)


def _row(test: Mapping[str, Any]) -> list[str]:
    pooled, alpha = test["pooled"], test["alpha"]
    p = pooled["p_value"]
    return [
        _name(test),
        f"{len(test['counted'])} of {len(test['raters'])}",
        str(pooled["a"]["of"]),
        *(_share(pooled[which]) for which in ("a", "b", "same", "a_of_decided")),
        "–" if p is None else "< 0.001" if p < 0.001 else f"{p:.3f}",
        "–" if alpha is None else f"{alpha:.2f}",
        _verdict(test),
    ]


def _point(test: Mapping[str, Any]) -> Point | None:
    """None where nobody preferred either."""
    share = test["pooled"]["a_of_decided"]
    if share["share"] is None:
        return None
    apart = Estimate(*(100 * (2 * share[key] - 1) for key in ("share", "low", "high")))
    verdict = _verdict(test)
    return Point(_name(test), apart, "plain" if verdict == "undecided" else "good", verdict)


def _verdict(test: Mapping[str, Any]) -> str:
    pooled = test["pooled"]
    if pooled["p_value"] is None or pooled["p_value"] >= SIGNIFICANT:
        return "undecided"
    winner: str = test["systems"]["a" if pooled["a_of_decided"]["share"] > 0.5 else "b"]
    return winner


def _name(test: Mapping[str, Any]) -> str:
    return f"{test['systems']['a']} or {test['systems']['b']}"


def _share(share: Mapping[str, Any]) -> str:
    if share["share"] is None:
        return "–"
    return f"{share['share']:.0%} [{share['low']:.0%}, {share['high']:.0%}]"
