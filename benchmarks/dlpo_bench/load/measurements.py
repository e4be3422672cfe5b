"""What can be measured of a server, by name, and which kind of record keeps it."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from pathlib import Path

import grpc

from dlpo.bundle import Bundle
from dlpo.errors import DlpoError, InputError
from dlpo_bench.latency import measure_latency
from dlpo_bench.load.equality import measure_concurrent, measure_ways
from dlpo_bench.load.first_audio import measure_first_audio
from dlpo_bench.load.full_server import measure_freed_places, measure_refusals
from dlpo_bench.load.loaded_server import server_arguments
from dlpo_bench.load.options import LoadOptions, Measured
from dlpo_bench.load.overload import measure_overload
from dlpo_bench.load.soak import measure_soak
from dlpo_bench.load.streams import measure_streams
from dlpo_bench.noise import Noise
from dlpo_bench.record import RECORDS, write_record
from dlpo_bench.stream.chaos import measure_chaos
from dlpo_bench.stream.contestants import parse_against
from dlpo_bench.stream.knee import measure_knee
from dlpo_bench.stream.tokens import measure_tokens
from dlpo_serving.voices import find_voice


async def _latency(options: LoadOptions) -> Measured:
    return Measured(*measure_latency(options.voice, options.calls, *server_arguments(options)))


async def _overload(options: LoadOptions) -> Measured:
    assert options.capacity is not None  # `measure` sees to it
    return await measure_overload(options, options.capacity)


MEASUREMENTS: Mapping[str, Callable[[LoadOptions], Awaitable[Measured]]] = {
    "latency": _latency,
    "knee": measure_knee,
    "tokens": measure_tokens,
    "first-audio": measure_first_audio,
    "streams": measure_streams,
    "refusals": measure_refusals,
    "overload": _overload,
    "freed-places": measure_freed_places,
    "soak": measure_soak,
    "chaos": measure_chaos,
    "ways": measure_ways,
    "concurrent": measure_concurrent,
}
USUAL = ("latency", "knee", "tokens")
AGAINST = ("knee", "tokens")  # those that measure any server
KINDS = {"latency": "latency", "knee": "stream", "tokens": "stream"}  # of records; others: load

_log = logging.getLogger(__name__)


def chosen(names: list[str], options: LoadOptions) -> list[str]:
    """The measurements that were asked for, in the order in which they are made.

    Raises:
        InputError: there is no such measurement, it can't be made of somebody else's server, or
            that server's address is none.
    """
    for address in options.against:
        parse_against(address)
    usual = AGAINST if options.against else USUAL
    wanted = set(MEASUREMENTS) if names == ["all"] else set(names or usual)
    if unknown := sorted(wanted - set(MEASUREMENTS)):
        known = ", ".join(MEASUREMENTS)
        raise InputError(f"no measurement {', '.join(unknown)}; there are {known}, and all")
    if options.against and (own := sorted(wanted - set(AGAINST))):
        raise InputError(
            f"{', '.join(own)} can't be measured --against a server that runs already, only"
            f" {' and '.join(AGAINST)}; leave the one or the other out"
        )
    if "overload" in wanted and options.capacity is None:
        wanted.add("streams")  # which finds it
    return [name for name in MEASUREMENTS if name in wanted]


async def measure(names: list[str], options: LoadOptions) -> dict[str, Measured]:
    """Make measurements; one that fails is told, and left out."""
    found: dict[str, Measured] = {}
    for name in names:
        _log.info("%s", name)
        try:
            if name == "overload" and options.capacity is None:
                if "streams" not in found:
                    _log.error("overload: it needs the capacity that streams did not find")
                    continue
                capacity = round(found["streams"].figures["streams"])
                found[name] = await measure_overload(options, capacity)
            else:
                found[name] = await MEASUREMENTS[name](options)
        except DlpoError as error:
            _log.error("%s: %s", name, error)
        except grpc.aio.AioRpcError as error:
            _log.error("%s: a call failed: %s %s", name, error.code().name, error.details())
    return found


def write_records(
    found: Mapping[str, Measured],
    options: LoadOptions,
    noise: Noise,
    command: str,
    out_dir: Path = RECORDS,
) -> list[Path]:
    """Write a record of each kind that was measured; where they are.

    Raises:
        InputError: they can't be written.
    """
    # Of somebody else's server it is not known what speaks.
    bundle = None if options.against else Bundle.load(find_voice(options.voice))
    paths = []
    for kind in dict.fromkeys(KINDS.get(name, "load") for name in found):
        parts = {name: one for name, one in found.items() if KINDS.get(name, "load") == kind}
        if kind == "latency":  # of one measurement: its figures stand at the top
            (figures,) = (dict(one.figures) for one in parts.values())
            (samples,) = (dict(one.samples) for one in parts.values())
        else:
            figures = {name: one.figures for name, one in parts.items()}
            samples = {name: one.samples for name, one in parts.items()}
        skipped = {what: why for one in parts.values() for what, why in one.skipped.items()}
        problems = [problem for one in parts.values() for problem in one.problems]
        figures |= {"machine": noise.figures()}
        figures |= {"skipped": skipped} if skipped else {}
        figures |= {"problems": problems} if problems else {}
        samples["options"] = asdict(options)
        sha256 = bundle.sha256 if bundle else None
        paths.append(
            write_record(kind, figures, command, out_dir, samples=samples, bundle_sha256=sha256)
        )
    return paths
