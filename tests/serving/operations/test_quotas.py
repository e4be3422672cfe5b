"""Each caller's share, in simulated time."""

from __future__ import annotations

import pytest

from dlpo_serving.errors import QuotaError
from dlpo_serving.operations.keys import Quota
from dlpo_serving.operations.quotas import Quotas


class Clock:
    """Seconds that pass when a test says so."""

    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def quotas(clock: Clock, **shares: Quota) -> Quotas:
    return Quotas(lambda caller: shares.get(caller, Quota()), clock)


def test_streams_beyond_the_share_are_refused_until_one_ends() -> None:
    admit = quotas(Clock(), alice=Quota(max_streams=2))

    with admit.stream("alice"):
        with admit.stream("alice"):
            with pytest.raises(QuotaError, match="all 2 streams") as caught:
                admit.stream("alice").__enter__()
            assert caught.value.caller == "alice"
            assert caught.value.retry_after_s > 0
        with admit.stream("alice"):
            pass


def test_a_stream_that_fails_gives_its_place_back() -> None:
    admit = quotas(Clock(), alice=Quota(max_streams=1))

    for _ in range(3):
        with pytest.raises(ZeroDivisionError), admit.stream("alice"):
            raise ZeroDivisionError


def test_characters_come_back_at_the_rate_of_the_share() -> None:
    clock = Clock()
    admit = quotas(clock, alice=Quota(characters_per_minute=600))  # 10 a second
    admit.take_characters("alice", 600)

    with pytest.raises(QuotaError, match="600 characters a minute") as caught:
        admit.take_characters("alice", 50)
    assert caught.value.retry_after_s == pytest.approx(5)

    clock.now_s = 4.9
    with pytest.raises(QuotaError):
        admit.take_characters("alice", 50)
    clock.now_s = 5.0
    admit.take_characters("alice", 50)


def test_a_refused_text_costs_nothing() -> None:
    clock = Clock()
    admit = quotas(clock, alice=Quota(characters_per_minute=60))
    admit.take_characters("alice", 60)

    for _ in range(10):
        with pytest.raises(QuotaError):
            admit.take_characters("alice", 30)

    clock.now_s = 30
    admit.take_characters("alice", 30)


def test_a_text_longer_than_a_minutes_worth_is_taken_when_the_share_is_full_and_paid_off() -> None:
    clock = Clock()
    admit = quotas(clock, alice=Quota(characters_per_minute=60))

    admit.take_characters("alice", 180)

    with pytest.raises(QuotaError) as caught:
        admit.take_characters("alice", 1)
    assert caught.value.retry_after_s == pytest.approx(121)


def test_audio_may_overdraw_and_stops_the_next_call_until_it_is_paid_off() -> None:
    clock = Clock()
    admit = quotas(clock, alice=Quota(audio_s_per_minute=60))
    admit.check_audio("alice")
    admit.take_audio("alice", 90)

    with pytest.raises(QuotaError, match="seconds of audio") as caught:
        admit.check_audio("alice")
    assert caught.value.retry_after_s == pytest.approx(30)

    clock.now_s = 30
    admit.check_audio("alice")


def test_waiting_as_long_as_told_is_always_enough() -> None:
    clock = Clock()
    admit = quotas(clock, alice=Quota(characters_per_minute=77))
    taken = 0

    for count in (13, 50, 7, 99, 1, 30) * 5:
        try:
            admit.take_characters("alice", count)
        except QuotaError as error:
            clock.now_s += error.retry_after_s + 1e-9
            admit.take_characters("alice", count)
        taken += count

    assert taken <= 77 * (clock.now_s / 60 + 1) + 99  # a minute's worth at first, one overdraft
