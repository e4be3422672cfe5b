"""Did voices get better or worse between two records of judges? Clip by clip, where clips agree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlpo.errors import DataError
from dlpo_bench.judging import CHARACTER_ERRORS, WORD_ERRORS
from dlpo_bench.measures import verdict
from dlpo_bench.paired import Paired, paired
from dlpo_bench.record import Record

KINDS = ("quality", "tuning-comparison", "pareto", "texts", "controls", "learning-curve")
"""Records whose samples are what judges said of clips, system by system."""
DIGITS = 3  # of a difference; a judge's own arithmetic differs by 1e-6 between machines
Scores = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Change:
    """One measure of one system that both records have."""

    system: str
    measure: str
    paired: Paired
    """the second record minus the first, over clips that both judged"""

    @property
    def verdict(self) -> str:
        """better, worse, undecided, or none where neither way is known to be good."""
        return verdict(self.measure, self.paired.difference.value > 0, self.paired.decided)


def compare_clips(before: Record, after: Record) -> tuple[list[Change], list[str]]:
    """Compare systems of one name on the clips that both records have with the same text.

    Returns:
        The changes, system by system; and what was left out or makes them doubtful.

    Raises:
        DataError: no clip or no system in common, or samples of another layout.
    """
    try:
        return _compare(before.samples, after.samples)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise DataError(
            f"the samples are not those of judges ({type(error).__name__}: {error}); measure again"
            " with this version"
        ) from error


def _compare(olds: Mapping[str, Any], news: Mapping[str, Any]) -> tuple[list[Change], list[str]]:
    problems = []
    pairs, other_text = _same_clips(olds, news)
    if other_text:
        problems.append(f"left out, for their texts differ: {', '.join(other_text)}")
    if not pairs:
        raise DataError("nothing to compare: the records have no clip in common")
    most = max(len(olds["clips"]), len(news["clips"]))
    if len(pairs) < most:
        problems.append(f"{len(pairs)} clips of up to {most} are in both records")
    if olds.get("level_matched") != news.get("level_matched"):
        problems.append("clips were not brought to one level in the same way in both records")
    who = [samples["recognisers"] for samples in (olds, news) if "recognisers" in samples]
    if len(who) == 2 and who[0] != who[1]:
        problems.append("words were not understood by the same recognisers in both records")
    systems = [name for name in olds["systems"] if name in news["systems"]]
    if not systems:
        raise DataError(
            f"nothing to compare: the systems are {', '.join(olds['systems'])} in one record,"
            f" {', '.join(news['systems'])} in the other"
        )
    if others := sorted(olds["systems"].keys() ^ news["systems"].keys()):
        problems.append(f"only in one record: {', '.join(others)}")
    first, second = (np.array(places) for places in zip(*pairs, strict=True))
    changes = []
    for system in systems:
        old, new = _scores(olds, system), _scores(news, system)
        for measure in (m for m in old if m in new):
            (before, weights), (after, _) = old[measure], new[measure]
            apart = np.round(after[second] - before[first], DIGITS)
            judged = np.isfinite(apart)
            if judged.any():
                under = None if weights is None else weights[first][judged]
                changes.append(Change(system, measure, paired(apart[judged], under)))
    return changes, problems


def _same_clips(
    olds: Mapping[str, Any], news: Mapping[str, Any]
) -> tuple[list[tuple[int, int]], list[str]]:
    """Places of the clips that both have; and names of those whose texts differ."""
    there = {clip: place for place, clip in enumerate(news["clips"])}
    shared = [(i, there[clip]) for i, clip in enumerate(olds["clips"]) if clip in there]
    if "texts" not in olds or "texts" not in news:  # records before the texts were kept
        return shared, []
    same = [(i, j) for i, j in shared if olds["texts"][i] == news["texts"][j]]
    return same, [olds["clips"][i] for i, j in shared if (i, j) not in same]


def _scores(samples: Mapping[str, Any], system: str) -> dict[str, tuple[Scores, Scores | None]]:
    """Measure -> (clips,) values, NaN where the judge failed; and what to count them out of."""
    heard = samples["systems"][system]
    found: dict[str, tuple[Scores, Scores | None]] = {
        measure: (_floats(values), None) for measure, values in heard["values"].items()
    }
    if "errors" in heard:
        for measure, errors in heard["errors"].items():
            unit = "characters" if measure.startswith(CHARACTER_ERRORS) else "words"
            found[measure] = (_floats(errors), _floats(samples[unit]))
    elif "word_errors" in heard:  # records before several recognisers: pairs of errors and words
        found[WORD_ERRORS] = (
            _floats([errors for errors, _ in heard["word_errors"]]),
            _floats([words for _, words in heard["word_errors"]]),
        )
    return found


def _floats(values: Sequence[float | None]) -> Scores:
    return np.array([np.nan if x is None else x for x in values], np.float64)
