"""What long commands say of the time that is left."""

from __future__ import annotations

from dlpo_cli.options import RemainingTime


def test_the_time_left_is_estimated_from_the_first_timed_update() -> None:
    remaining = RemainingTime(10, 110)

    # The first update of a resumed run takes 60 s, for what it loads; the others 2 s each.
    said = [remaining.estimate(update, 60.0 + 2.0 * (update - 11)) for update in range(11, 111)]

    assert [one for one in said if one] == ["about 3 minutes for the other 98 updates"]


def test_short_runs_are_counted_in_seconds_or_not_at_all() -> None:
    remaining = RemainingTime(0, 26)
    said = [remaining.estimate(update, float(update)) for update in range(1, 27)]
    assert [one for one in said if one] == ["about 24 s for the other 24 updates"]

    short = RemainingTime(0, 2)
    assert not any(short.estimate(update, float(update)) for update in range(1, 3))


def test_a_run_whose_bar_nobody_sees_is_reported_each_minute() -> None:
    remaining = RemainingTime(0, 100, 60.0)
    said = {update: remaining.estimate(update, 7.0 * update) for update in range(1, 101)}
    assert [update for update, one in said.items() if one] == [2, *range(11, 100, 9)]
