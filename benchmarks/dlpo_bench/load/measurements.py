"""The measurements of a server by name, and the kind of record of each."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path

import grpc

from dlpo.bundle import Bundle
from dlpo.errors import DlpoError, InputError
from dlpo_bench.load.calls import parse_against
from dlpo_bench.load.capacity import measure_knee, measure_overload, measure_streams
from dlpo_bench.load.chaos import measure_chaos
from dlpo_bench.load.full_server import measure_freed_places, measure_refusals, measure_soak
from dlpo_bench.load.options import LoadOptions
from dlpo_bench.load.single_stream import (
    measure_cold_start,
    measure_first_audio,
    measure_latency,
    measure_tokens,
)
from dlpo_bench.machine import Interference
from dlpo_bench.record import RECORDS, Measured, write_record
from dlpo_serving.voices import find_voice

MEASUREMENTS: Mapping[str, Callable[[LoadOptions], Awaitable[Measured]]] = {
    "latency": measure_latency,
    "cold-start": measure_cold_start,
    "knee": measure_knee,
    "tokens": measure_tokens,
    "first-audio": measure_first_audio,
    "streams": measure_streams,
    "refusals": measure_refusals,
    "overload": measure_overload,
    "freed-places": measure_freed_places,
    "soak": measure_soak,
    "chaos": measure_chaos,
}
USUAL = ("latency", "knee", "tokens")
AGAINST = ("knee", "tokens")  # those that measure any server
KINDS = {  # of records; others: load
    "latency": "latency", "cold-start": "cold-start", "knee": "stream", "tokens": "stream",
}  # fmt: skip

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
    """Make measurements; one that fails is logged and left out."""
    found: dict[str, Measured] = {}
    for name in names:
        _log.info("%s", name)
        try:
            if name == "overload" and options.capacity is None:
                if "streams" not in found:
                    _log.error("overload: needs the capacity, which streams did not find")
                    continue
                options = replace(options, capacity=round(found["streams"].figures["streams"]))
            found[name] = await MEASUREMENTS[name](options)
        except DlpoError as error:
            _log.error("%s: %s", name, error)
        except grpc.aio.AioRpcError as error:
            _log.error("%s: a call failed: %s %s", name, error.code().name, error.details())
    return found


def write_records(
    found: Mapping[str, Measured],
    options: LoadOptions,
    interference: Interference,
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
        if kind in ("latency", "cold-start"):  # one measurement: its figures are the record's
            (figures,) = (dict(one.figures) for one in parts.values())
            (samples,) = (dict(one.samples) for one in parts.values())
        else:
            figures = {name: one.figures for name, one in parts.items()}
            samples = {name: one.samples for name, one in parts.items()}
        skipped = {what: why for one in parts.values() for what, why in one.skipped.items()}
        problems = [problem for one in parts.values() for problem in one.problems]
        figures |= {"machine": interference.figures()}
        figures |= {"skipped": skipped} if skipped else {}
        figures |= {"problems": problems} if problems else {}
        samples["options"] = asdict(options)
        sha256 = bundle.sha256 if bundle else None
        paths.append(
            write_record(kind, figures, command, out_dir, samples=samples, bundle_sha256=sha256)
        )
    return paths
