"""Who is computed next, and who is refused, in simulated time."""

from __future__ import annotations

import random
from typing import Any

import pytest

from dlpo_serving.errors import DeadlineError, OverloadError
from dlpo_serving.scheduling.stream import AdmissionPolicy, Stream

CAPACITY = 2 / (0.0002 * 75)  # seconds of audio that two lanes make in a second: 133
ALONE_S = 0.002 + 0.003 + 0.001 + 0.0001 * 38  # first audio of a caller who is alone


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[int(share * (len(values) - 1))]


def poisson(simulation: Any, load: float, seconds: float, mean_s: float = 5.0) -> None:
    """Callers of mixed lengths, who together ask for `load` times the capacity."""
    generator = random.Random(1)
    time_s = 0.0
    while time_s < seconds:
        time_s += generator.expovariate(load * CAPACITY / mean_s)
        simulation.arrive(time_s, generator.uniform(0.5, 2 * mean_s - 0.5))


def test_a_lone_caller_is_served_at_once(simulate: Any) -> None:
    simulation = simulate()
    simulation.arrive(1.0, 10.0)
    simulation.run()
    (caller,) = simulation.listeners
    assert caller.first_audio_s == pytest.approx(ALONE_S)
    assert caller.underrun_s == 0


def test_a_newcomer_finds_a_lane_while_another_is_far_ahead_of_its_listener(simulate: Any) -> None:
    simulation = simulate()
    simulation.arrive(0.0, 600.0)
    simulation.arrive(0.0, 600.0)
    simulation.arrive(1.0, 5.0)
    simulation.run(until_s=2.0)
    assert simulation.listeners[2].first_audio_s == pytest.approx(ALONE_S)


def test_a_newcomer_goes_before_those_who_have_audio_in_store(simulate: Any) -> None:
    simulation = simulate(lanes=1)
    for number in range(5):
        simulation.arrive(0.2 * number, 60.0)
    simulation.arrive(3.0, 5.0)
    simulation.run(until_s=4.0)
    longest_unit_s = 0.001 + 0.0001 * 158
    assert simulation.listeners[5].first_audio_s <= ALONE_S + longest_unit_s


def test_who_is_about_to_run_dry_goes_before_a_newcomer(simulate: Any) -> None:
    policy = AdmissionPolicy(first_audio_s=1000.0)
    simulation = simulate(policy, lanes=1)
    simulation.arrive(0.0, 3.0)
    simulation.arrive(0.007, 3.0)  # while the other has its first chunk made
    simulation.run()
    first, second = simulation.listeners
    assert first.ended_s is not None
    assert simulation.order.index(second) == len(first.batches)  # not before the other had all
    assert first.underrun_s == 0


def test_at_eighty_percent_of_the_capacity_nobody_waits_long_and_nobody_runs_dry(
    simulate: Any,
) -> None:
    simulation = simulate()
    poisson(simulation, 0.8, seconds=15.0)
    simulation.run()
    first = [caller.first_audio_s for caller in simulation.listeners]
    assert not simulation.refusals
    assert percentile(first, 0.95) < 4 * ALONE_S
    assert sum(caller.underrun_s for caller in simulation.listeners) == 0
    assert all(caller.ended_s is not None for caller in simulation.listeners)


def test_at_four_times_the_capacity_those_who_are_admitted_notice_little(simulate: Any) -> None:
    simulation = simulate()
    poisson(simulation, 4.0, seconds=15.0)
    simulation.run(until_s=15.0)
    assert simulation.busy_s / (2 * 15.0) > 0.8  # nobody is refused before
    simulation.run()
    first = [caller.first_audio_s for caller in simulation.listeners]
    assert len(simulation.refusals) > len(simulation.listeners)
    assert percentile(first, 0.95) < 4 * ALONE_S
    assert max(caller.underrun_s for caller in simulation.listeners) < 0.001


def test_a_machine_that_slows_down_admits_fewer(simulate: Any) -> None:
    admitted = []
    for slowness in (1.0, 3.0):
        simulation = simulate(slowness=slowness, belief=slowness)
        for _ in range(500):
            simulation.arrive(0.0, 20.0)
        simulation.run(until_s=0.0)
        admitted.append(len(simulation.listeners))
    assert admitted[1] < admitted[0] / 2


def test_a_burst_is_admitted_only_as_far_as_first_sounds_come_in_time(simulate: Any) -> None:
    simulation = simulate()
    for _ in range(100):
        simulation.arrive(0.0, 1.0)
    simulation.run()
    assert simulation.refusals
    assert max(caller.first_audio_s for caller in simulation.listeners) < 0.2
    refusal = simulation.refusals[0]
    assert isinstance(refusal, OverloadError)
    assert 0.1 <= refusal.retry_after_s <= 10.0


def test_the_time_to_retry_is_when_the_stream_that_is_in_the_way_will_end(simulate: Any) -> None:
    simulation = simulate(AdmissionPolicy(max_streams=1))
    playing, newcomer = (Stream(simulation.costs, 3, 0.0, 8.0) for _ in range(2))
    simulation.scheduler.admit(playing, 0.0)
    with pytest.raises(OverloadError) as early:
        simulation.scheduler.admit(newcomer, 0.0)
    playing.made(8.0, 0.0)
    playing.untaken_s = 0.0  # its caller plays it
    with pytest.raises(OverloadError) as late:
        simulation.scheduler.admit(newcomer, 6.0)
    assert [early.value.retry_after_s, late.value.retry_after_s] == pytest.approx([8.0, 2.0])


def test_who_comes_back_when_told_to_is_admitted(simulate: Any) -> None:
    simulation = simulate()
    for _ in range(300):
        simulation.arrive(0.0, 20.0)
    simulation.run(until_s=0.0)
    refused = len(simulation.refusals)
    assert refused
    admitted = len(simulation.listeners)
    simulation.arrive(simulation.refusals[-1].retry_after_s, 5.0)
    simulation.run()
    assert len(simulation.refusals) == refused
    assert len(simulation.listeners) == admitted + 1


def test_the_first_caller_is_admitted_however_slow_the_machine_is(simulate: Any) -> None:
    simulation = simulate(slowness=1000.0, belief=1000.0)
    simulation.arrive(0.0, 5.0)
    simulation.run()
    assert len(simulation.listeners) == 1


def test_a_small_request_does_not_wait_for_a_book(simulate: Any) -> None:
    simulation = simulate(lanes=1)
    simulation.arrive(0.0, 900.0, slack_s=2.0)
    for second in range(1, 10):
        simulation.arrive(float(second), 1.0)
    simulation.run()
    book, *small = simulation.listeners
    longest_unit_s = 0.001 + 0.0001 * 158
    assert all(caller.first_audio_s <= ALONE_S + longest_unit_s for caller in small)
    assert book.ended_s is not None


def test_a_book_gets_on_beside_many_small_requests(simulate: Any) -> None:
    simulation = simulate()
    simulation.arrive(0.0, 60.0, slack_s=2.0)
    poisson(simulation, 0.7, seconds=60.0, mean_s=2.0)
    simulation.run()
    book = simulation.listeners[0]
    assert book.ended_s is not None
    assert book.ended_s < 62.0


def test_who_hangs_up_frees_the_place_at_once(simulate: Any) -> None:
    simulation = simulate(AdmissionPolicy(max_streams=1))
    simulation.arrive(0.0, 600.0)
    simulation.leave(1.0, 0)
    simulation.arrive(1.0, 5.0)
    simulation.run()
    assert not simulation.refusals
    assert simulation.listeners[1].first_audio_s < 2 * ALONE_S + 0.02


def test_a_storm_of_hang_ups_leaves_the_others_as_they_were(simulate: Any) -> None:
    simulation = simulate()
    generator = random.Random(2)
    stays = 0
    for number in range(2000):
        simulation.arrive(number * 0.005, 1.0 if number % 50 else 8.0)
    simulation.run(until_s=0.0)
    for number in range(1, 2000):
        if number % 50:
            leaves_s = number * 0.005 + generator.uniform(0.0, 0.02)
            simulation.at(leaves_s, lambda number=number: hang_up(simulation, number))
        else:
            stays += 1
    simulation.run()
    staying = [caller for caller in simulation.listeners if caller.stream.expected_audio_s == 8.0]
    assert len(staying) >= stays / 2
    assert all(caller.ended_s is not None for caller in staying)
    assert sum(caller.underrun_s for caller in staying) == 0
    assert not simulation.scheduler.streams


def hang_up(simulation: Any, number: int) -> None:
    if number < len(simulation.listeners):
        simulation.scheduler.remove(simulation.listeners[number].stream)


def test_equal_units_share_a_batch_up_to_what_the_engine_takes(simulate: Any) -> None:
    simulation = simulate(lanes=1)
    for _ in range(6):
        simulation.arrive(0.0, 30.0, max_batch=4)
    simulation.run(until_s=5.0)
    batches = [size for caller in simulation.listeners for size in caller.batches]
    assert max(batches) == 4
    assert batches.count(4) > batches.count(1) / 2


def test_voices_do_not_share_a_batch(simulate: Any) -> None:
    simulation = simulate(lanes=1)
    for voice in ("a", "b"):
        simulation.arrive(0.0, 30.0, max_batch=4, voice=voice)
    simulation.run(until_s=5.0)
    assert {size for caller in simulation.listeners for size in caller.batches} == {1}


def test_audio_that_nobody_takes_is_not_made_without_end(simulate: Any) -> None:
    simulation = simulate(AdmissionPolicy(max_untaken_s=5.0), takes=False)
    simulation.arrive(0.0, 600.0)
    simulation.run(until_s=15.0)
    stream = simulation.listeners[0].stream
    assert 5.0 < stream.made_s < 5.0 + 2 * 128 / 75
    stream.untaken_s = 0.0
    assert simulation.scheduler.next_batch(15.0)


def test_who_could_not_wait_for_the_first_sound_is_told_so(simulate: Any) -> None:
    simulation = simulate()
    simulation.arrive(0.0, 5.0, ends_s=0.5 * ALONE_S)
    simulation.run()
    assert [type(refusal) for refusal in simulation.refusals] == [DeadlineError]


def test_a_stream_may_be_cut_by_its_deadline_but_a_unary_call_is_refused_before(
    simulate: Any,
) -> None:
    simulation = simulate()
    simulation.arrive(0.0, 600.0, ends_s=1.0)
    simulation.arrive(0.0, 600.0, ends_s=1.0, slack_s=2.0)
    simulation.run(until_s=0.0)
    assert len(simulation.listeners) == 1
    assert [type(refusal) for refusal in simulation.refusals] == [DeadlineError]


def test_there_is_an_end_to_the_number_of_streams(simulate: Any) -> None:
    simulation = simulate(AdmissionPolicy(max_streams=3))
    for _ in range(5):
        simulation.arrive(0.0, 0.5)
    simulation.run(until_s=0.0)
    assert len(simulation.listeners) == 3
    assert all("all 3 streams are taken" in str(refusal) for refusal in simulation.refusals)


@pytest.mark.parametrize(("lanes", "contention"), [(1, 1.0), (2, 1.0), (2, 1.5), (16, 1.5)])
@pytest.mark.parametrize("belief", [16.0, 1 / 16])
def test_costs_converge_from_any_start_within_a_minute_of_one_call_a_second(
    simulate: Any, lanes: int, belief: float, contention: float
) -> None:
    # On a slow machine, so that a minute of calls is work: 0.4 s for a call of 6 s.
    simulation = simulate(lanes=lanes, slowness=5.0, belief=5.0 * belief, contention=contention)
    for second in range(60):
        simulation.arrive(float(second), 6.0)
    simulation.run()
    assert simulation.costs.slowdown * belief == pytest.approx(1.0, rel=0.6)
    late = [refusal for refusal in simulation.refusals if simulation.refused_s(refusal) > 15.0]
    assert not late


@pytest.mark.parametrize("lanes", [1, 2, 16])
@pytest.mark.parametrize("factor", [8.0, 1 / 8])
def test_a_machine_that_becomes_slower_or_quicker_is_followed(
    simulate: Any, lanes: int, factor: float
) -> None:
    simulation = simulate(lanes=lanes, slowness=2.0, belief=2.0, contention=1.3)
    for second in range(90):
        simulation.arrive(float(second), 6.0)
    simulation.run(until_s=26.0)
    simulation.slowness *= factor
    simulation.run()
    assert simulation.costs.slowdown == pytest.approx(factor, rel=0.4)


@pytest.mark.parametrize("belief", [16.0, 1 / 16])
def test_after_a_wrong_start_nobody_runs_dry_at_four_times_the_capacity(
    simulate: Any, belief: float
) -> None:
    simulation = simulate(belief=belief)
    for second in range(60):
        simulation.arrive(float(second), 6.0)
    simulation.run()
    begun = len(simulation.listeners)
    generator = random.Random(1)
    time_s = simulation.now
    while time_s < 66.0:
        time_s += generator.expovariate(4.0 * CAPACITY / 5.0)
        simulation.arrive(time_s, generator.uniform(0.5, 9.5))
    simulation.run()
    crowd = simulation.listeners[begun:]
    assert len(crowd) > 100
    assert max(caller.underrun_s for caller in crowd) < 0.001
    assert percentile([caller.first_audio_s for caller in crowd], 0.95) < 4 * ALONE_S


def test_callers_find_a_lane_each_however_slow_the_machine_seems(simulate: Any) -> None:
    simulation = simulate(lanes=4, belief=1000.0)
    for _ in range(6):
        simulation.arrive(0.0, 5.0)
    simulation.run(until_s=0.0)
    assert len(simulation.listeners) == 4
    assert len(simulation.refusals) == 2


@pytest.mark.parametrize("conversations", [30, 150])
def test_text_that_comes_later_waits_and_silences_nobody(simulate: Any, conversations: int) -> None:
    simulation = simulate(lanes=2, slowness=10.0, belief=10.0)
    simulation.arrive(0.0, 24.0)
    for _ in range(conversations):
        simulation.converse(0.1, text_s=0.4, audio_s=500.0)
    simulation.run(until_s=26.0)
    assert 5 < len(simulation.listeners) < conversations
    assert sum(caller.underrun_s for caller in simulation.listeners) == 0
    assert simulation.listeners[0].ended_s is not None


def test_a_conversation_that_plays_finds_room_for_its_next_sentence(simulate: Any) -> None:
    simulation = simulate()
    simulation.converse(0.0, text_s=0.0, audio_s=5.0)
    for _ in range(500):
        simulation.arrive(0.5, 20.0)
    simulation.run(until_s=3.0)
    assert simulation.refusals
    stream = simulation.listeners[0].stream
    simulation.scheduler.extend(stream, 5.0, simulation.now)
    assert stream.left_s == 5.0


@pytest.mark.parametrize("peer", ["", "a proxy that all callers share"])
def test_whoever_waits_for_text_loses_a_place_that_another_needs(simulate: Any, peer: str) -> None:
    simulation = simulate(AdmissionPolicy(max_streams=3, peer_share=1.0))
    for number in range(3):
        simulation.converse(0.1 * number, text_s=100.0, audio_s=5.0, peer=peer)
    simulation.arrive(1.0, 5.0, peer=peer)
    simulation.run(until_s=2.0)
    assert not simulation.refusals
    assert sorted(stream.arrived_s for stream in simulation.scheduler.streams) == [0.1, 0.2]


def test_one_peer_leaves_a_part_of_the_places_and_of_the_lanes_to_others(simulate: Any) -> None:
    simulation = simulate(AdmissionPolicy(peer_share=0.5))
    for number in range(600):
        simulation.arrive(0.01 * number, 600.0, peer="greedy")
    simulation.run(until_s=6.0)
    greedy = len(simulation.listeners)
    for number in range(20):
        simulation.arrive(6.0 + 0.1 * number, 60.0, peer=f"other {number}")
    simulation.run(until_s=10.0)
    assert greedy > 20
    assert len(simulation.listeners) == greedy + 20
    assert sum(caller.underrun_s for caller in simulation.listeners) == 0
