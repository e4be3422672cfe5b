"""What raters preferred, how sure that is, and whose ears can be trusted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dlpo.errors import DataError
from dlpo_bench.bootstrap import Estimate, ratio_of_sums
from dlpo_bench.listening.agreement import krippendorff_alpha
from dlpo_bench.listening.answers import Answer, Collected
from dlpo_bench.listening.key import SYSTEMS, Key, Kind, Trial

CONFIDENCE = 0.95
DEGRADED_RIGHT = 0.75  # the least share of degraded sounds that a listener finds
IDENTICAL_RIGHT = 0.5  # half, for some hear a difference wherever they are asked for one


@dataclass(frozen=True, slots=True)
class Share:
    """So many of so many, with its exact 95 % interval (Clopper and Pearson 1934)."""

    count: int
    of: int
    share: float | None
    """None of nothing."""
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Preference:
    """What some answers say."""

    a: Share
    """Preferred the first system."""
    b: Share
    """Preferred the second one."""
    same: Share
    """Heard no difference, or none that matters."""
    a_of_decided: Share
    """The first system's share where one was preferred."""
    p_value: float | None
    """Two-sided binomial test of that share against 1/2; None where nothing was decided."""


@dataclass(frozen=True, slots=True)
class Rater:
    """One person, or one sitting without a name."""

    name: str
    sessions: tuple[str, ...]
    preference: Preference
    degraded_found: Share
    """Trials in which the degraded sound was found to be the worse one."""
    identical_found: Share
    """Trials in which a sound was found to be no different from itself."""
    distrusted: str
    """Why the catch trials speak against this rater; empty where they do not."""


@dataclass(frozen=True, slots=True)
class Report:
    """The result of a listening test."""

    test_id: str
    systems: dict[str, str]
    """"a" and "b" -> the system's name."""
    pooled: Preference
    """Of all raters that count."""
    over_sentences: Estimate | None
    """`pooled.a_of_decided` with a 95 % bootstrap interval over sentences: how far it would move
    with others. None where nothing was decided."""
    raters: tuple[Rater, ...]
    """All of them."""
    counted: tuple[str, ...]
    """Names of those that count."""
    alpha: float | None
    """Agreement on the pairs: Krippendorff's alpha, see `krippendorff_alpha`."""
    first_of_decided: Share
    """How often the sound called A was preferred, where one was: 1/2 without a bias."""
    first_p_value: float | None
    replaced: int
    """Answers left out because the same rater gave a later one, in another sitting."""
    problems: tuple[str, ...]
    """Lines of answers that could not be read."""


def make_report(key: Key, collected: Collected, *, trust_all: bool = False) -> Report:
    """Count the answers to a test.

    Args:
        key: of the test.
        collected: its answers.
        trust_all: count raters whose catch trials went wrong as well.

    Raises:
        DataError: there are no answers.
    """
    if not collected.answers:
        raise DataError(
            "there are no answers yet; let raters listen ('dlpo listen serve'), or name the files"
            " that they sent"
        )
    trials = {trial.trial_id: trial for trial in key.trials}
    by_rater: dict[str, dict[str, Answer]] = defaultdict(dict)
    for answer in collected.answers:  # later sittings last
        by_rater[answer.who][answer.trial] = answer
    raters = [_rater(name, key, list(own.values())) for name, own in sorted(by_rater.items())]
    counted = [rater.name for rater in raters if trust_all or not rater.distrusted]
    decisive = [
        (trials[answer.trial], answer)
        for name in counted
        for answer in by_rater[name].values()
        if trials[answer.trial].kind == "pair"
    ]
    heard = [(trial, answer.liked(trial)) for trial, answer in decisive]
    decided = [answer.choice == "first" for _, answer in decisive if answer.choice != "same"]
    return Report(
        test_id=key.test_id,
        systems=dict(key.systems),
        pooled=preference([liked for _, liked in heard]),
        over_sentences=_over_sentences(heard),
        raters=tuple(raters),
        counted=tuple(counted),
        alpha=krippendorff_alpha(_by_trial(heard).values()),
        first_of_decided=share(sum(decided), len(decided)),
        first_p_value=p_value(sum(decided), len(decided)),
        replaced=len(collected.answers) - sum(map(len, by_rater.values())),
        problems=collected.problems,
    )


def preference(liked: Sequence[str]) -> Preference:
    """From "a", "b" or "same" for each answer."""
    a, b = liked.count("a"), liked.count("b")
    return Preference(
        share(a, len(liked)), share(b, len(liked)), share(liked.count("same"), len(liked)),
        share(a, a + b), p_value(a, a + b),
    )  # fmt: skip


def share(count: int, of: int) -> Share:
    """With its exact interval."""
    from scipy.stats import binomtest

    if not of:
        return Share(count, of, None, None, None)
    interval = binomtest(count, of).proportion_ci(CONFIDENCE, method="exact")
    return Share(count, of, count / of, float(interval.low), float(interval.high))


def p_value(count: int, of: int) -> float | None:
    """Of the two-sided binomial test against 1/2; None of nothing."""
    from scipy.stats import binomtest

    return float(binomtest(count, of).pvalue) if of else None


def _rater(name: str, key: Key, own: Sequence[Answer]) -> Rater:
    trials = {trial.trial_id: trial for trial in key.trials}
    liked: dict[Kind, list[str]] = {"pair": [], "identical": [], "degraded": []}
    for answer in own:
        trial = trials[answer.trial]
        liked[trial.kind].append(answer.liked(trial))
    degraded = share(sum(one in SYSTEMS for one in liked["degraded"]), len(liked["degraded"]))
    identical = share(liked["identical"].count("same"), len(liked["identical"]))
    kinds = {trial.kind for trial in key.trials}
    return Rater(
        name,
        tuple(sorted({answer.session for answer in own})),
        preference(liked["pair"]),
        degraded,
        identical,
        _distrust(degraded, identical) if "degraded" in kinds else "",
    )


def _distrust(degraded: Share, identical: Share) -> str:
    if degraded.share is None:
        return "answered no trial with a degraded sound"
    if degraded.share < DEGRADED_RIGHT:
        return f"found {degraded.count} of {degraded.of} degraded sounds"
    if identical.share is not None and identical.share < IDENTICAL_RIGHT:
        wrong = identical.of - identical.count
        return f"preferred one of two identical sounds in {wrong} of {identical.of} trials"
    return ""


def _by_trial(heard: Sequence[tuple[Trial, str]]) -> dict[str, list[str]]:
    values: dict[str, list[str]] = defaultdict(list)
    for trial, liked in heard:
        values[trial.trial_id].append(liked)
    return values


def _over_sentences(heard: Sequence[tuple[Trial, str]]) -> Estimate | None:
    values = list(_by_trial(heard).values())
    a = np.array([liked.count("a") for liked in values])
    decided = a + np.array([liked.count("b") for liked in values])
    return ratio_of_sums(a, decided) if decided.any() else None
