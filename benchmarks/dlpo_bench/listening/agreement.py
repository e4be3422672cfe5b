"""How far raters agree beyond chance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence


def krippendorff_alpha(units: Iterable[Sequence[str]]) -> float | None:
    """Krippendorff's alpha for nominal values, with any number of raters and missing values.

    Args:
        units: for each thing that was judged, the values that its raters gave.

    Returns:
        1 for agreement, 0 for what chance makes, below for less; None where no two raters judged
        the same thing, or all values are the same one, so that chance is unknown.

    Reference: Krippendorff, Computing Krippendorff's Alpha-Reliability, 2011, section D.
    """
    agreeing = 0.0  # sum of o_cc: pairs of equal values within units
    totals: Counter[str] = Counter()  # n_c: values that can be paired
    for values in units:
        if len(values) < 2:
            continue
        counts = Counter(values)
        totals += counts
        agreeing += sum(c * (c - 1) for c in counts.values()) / (len(values) - 1)
    n = sum(totals.values())
    expected = n * (n - 1) - sum(count * (count - 1) for count in totals.values())
    if not expected:
        return None
    observed = n - agreeing
    return 1 - observed * (n - 1) / expected
