"""A server beyond its capacity, and the list of all measurements by name."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

import grpc

from dlpo.bundle import Bundle
from dlpo.errors import DlpoError, EngineError, InputError
from dlpo_bench.load.calls import TimedCall, first_audio_ms, parse_against, underrun_figures
from dlpo_bench.load.chaos import measure_chaos
from dlpo_bench.load.endpoints import open_endpoint
from dlpo_bench.load.knee import measure_knee, measure_streams
from dlpo_bench.load.levels import Level, client_processes
from dlpo_bench.load.servers import tested_servers
from dlpo_bench.load.single import measure_latency, measure_soak, measure_tokens, speak_in_turn
from dlpo_bench.load.texts import utterances
from dlpo_bench.machine import Interference, percentile
from dlpo_bench.options import LoadOptions
from dlpo_bench.record import RECORDS, Measured, write_record
from dlpo_serving.voices import find_voice

_log = logging.getLogger(__name__)


USUAL = ("latency", "knee", "tokens")
AGAINST = ("knee", "tokens")  # measurements that work on any server
KINDS = {  # measurements with a record kind of their own; the others: load
    "latency": "latency", "knee": "stream", "tokens": "stream",
}  # fmt: skip


async def measure_overload(options: LoadOptions) -> Measured:
    """Poisson arrivals at `options.overload` times the rate that keeps `options.capacity` busy.

    The rate follows from Little's law: the capacity divided by the mean length of an utterance,
    as measured by unloaded calls with texts of the same mix.

    Returns:
        First audio of admitted calls against unloaded calls of the same run, their gaps, the
        refused calls and their waiting time, and how late the clients were (`arrival_late_ms_p95`).

    Raises:
        EngineError: the capacity is 0, an unloaded call failed, or no call was admitted.
    """
    if not options.capacity:
        raise EngineError("the capacity is 0 streams; expected some to overload")
    async with tested_servers(options) as servers:
        server = servers.tested[0]
        async with open_endpoint(server) as endpoint:
            texts = islice(utterances(Random(options.seed)), options.calls)
            unloaded = await speak_in_turn(endpoint, texts)
        mean_s = sum(call.device.audio_s for call in unloaded) / len(unloaded)
        rate = options.overload * options.capacity / mean_s
        level = Level("open", rate, 0.0, options.overload_s, 0.0, options.seed)
        with client_processes(options.clients, options.connections) as clients:
            results, _ = await clients.play(server, level)
        servers.check_alive()
    calls = [call for result in results for call in result.calls]
    figures = overload_figures(calls, first_audio_ms(unloaded))
    return Measured({"capacity": options.capacity, "arrivals_per_s": rate, **figures})


def overload_figures(calls: Sequence[TimedCall], unloaded_ms: Sequence[float]) -> dict[str, float]:
    """Figures of the calls of an overload; those of refusals only if there were any.

    Raises:
        EngineError: no call was admitted.
    """
    refused = [call for call in calls if call.refused]
    admitted_ms = first_audio_ms(calls)
    if not admitted_ms:
        raise EngineError(f"none of {len(calls)} calls was admitted; see the server's log")
    refusals = {}
    if refused:
        waited_ms = [call.waited_ms for call in refused]
        refusals = {
            "retry_info_share": sum(c.retry_after_s is not None for c in refused) / len(refused),
            "refusal_ms_p50": percentile(waited_ms, 50),
            "refusal_ms_p99": percentile(waited_ms, 99),
        }
    unloaded_p95, admitted_p95 = percentile(unloaded_ms, 95), percentile(admitted_ms, 95)
    return {
        "arrivals": len(calls),
        "admitted": len(admitted_ms),
        "arrival_late_ms_p95": percentile([1000 * call.late_s for call in calls], 95),
        "unloaded_first_audio_ms_p95": unloaded_p95,
        "first_audio_ms_p50": percentile(admitted_ms, 50),
        "first_audio_ms_p95": admitted_p95,
        "first_audio_ratio": admitted_p95 / unloaded_p95,
        **underrun_figures([call.device for call in calls]),
        "refused_share": len(refused) / len(calls),
        "refused": len(refused),
        **refusals,
        "failed": sum(call.failed for call in calls),
    }


MEASUREMENTS: Mapping[str, Callable[[LoadOptions], Awaitable[Measured]]] = {
    "latency": measure_latency,
    "knee": measure_knee,
    "tokens": measure_tokens,
    "streams": measure_streams,
    "overload": measure_overload,
    "chaos": measure_chaos,
    "soak": measure_soak,
}


def chosen(options: LoadOptions) -> list[str]:
    """The requested measurements, in the order in which they run.

    Raises:
        InputError: there is no such measurement, it can't be run against an external server, or the
            address of such a server is malformed.
    """
    for address in options.against:
        parse_against(address)
    names, usual = options.measurements, AGAINST if options.against else USUAL
    wanted = set(MEASUREMENTS) if list(names) == ["all"] else set(names or usual)
    if unknown := sorted(wanted - set(MEASUREMENTS)):
        known = ", ".join(MEASUREMENTS)
        raise InputError(f"no measurement {', '.join(unknown)}; expected {known} or all")
    if options.against and (own := sorted(wanted - set(AGAINST))):
        raise InputError(
            f"{', '.join(own)} can't be measured --against a server that runs already, only"
            f" {' and '.join(AGAINST)}; leave the one or the other out"
        )
    if "overload" in wanted and options.capacity is None:
        wanted.add("streams")  # it measures the capacity
    return [name for name in MEASUREMENTS if name in wanted]


async def measure(names: list[str], options: LoadOptions) -> dict[str, Measured]:
    """Run measurements; one that fails is logged and left out."""
    found: dict[str, Measured] = {}
    for name in names:
        _log.info("%s", name)
        try:
            if name == "overload" and options.capacity is None:
                if "streams" not in found:
                    raise InputError("needs the capacity, which streams did not find")
                options = replace(options, capacity=round(found["streams"].figures["streams"]))
            found[name] = await MEASUREMENTS[name](options)
        except DlpoError as error:
            _log.error("%s: %s", name, error)
        except grpc.aio.AioRpcError as error:
            _log.error("%s: a call failed: %s %s", name, error.code().name, error.details())
    return found


def write_records(
    found: Mapping[str, Measured], options: LoadOptions, interference: Interference, command: str,
    out_dir: Path = RECORDS,
) -> list[Path]:  # fmt: skip
    """Write a record of each kind that was measured, and return the paths.

    Raises:
        InputError: they can't be written.
    """
    # The bundle of an external server is unknown.
    sha256 = None if options.against else Bundle.load(find_voice(options.voice)).sha256
    paths = []
    for kind in dict.fromkeys(KINDS.get(name, "load") for name in found):
        parts = {name: one for name, one in found.items() if KINDS.get(name, "load") == kind}
        figures: dict[str, Any] = {name: one.figures for name, one in parts.items()}
        samples: dict[str, Any] = {name: one.samples for name, one in parts.items()}
        if kind in parts:  # the only measurement: its figures are the record's
            figures, samples = dict(parts[kind].figures), dict(parts[kind].samples)
        figures["machine"] = asdict(interference)
        if skipped := {what: why for one in parts.values() for what, why in one.skipped.items()}:
            figures["skipped"] = skipped
        if problems := [problem for one in parts.values() for problem in one.problems]:
            figures["problems"] = problems
        samples["options"] = asdict(options)
        measured = Measured(figures, samples, bundle_sha256=sha256)
        paths.append(write_record(kind, measured, command, out_dir))
    return paths
