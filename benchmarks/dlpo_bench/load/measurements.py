"""The measurements of a server by name, and the kind of record of each."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import grpc

from dlpo.bundle import Bundle
from dlpo.errors import DlpoError, InputError
from dlpo_bench.load.calls import parse_against
from dlpo_bench.load.capacity import measure_knee, measure_overload, measure_streams
from dlpo_bench.load.chaos import measure_chaos
from dlpo_bench.load.single import (
    measure_cold_start,
    measure_first_audio,
    measure_latency,
    measure_tokens,
)
from dlpo_bench.load.soak import measure_soak
from dlpo_bench.machine import Interference
from dlpo_bench.options import LoadOptions
from dlpo_bench.record import RECORDS, Measured, write_record
from dlpo_serving.voices import find_voice

MEASUREMENTS: Mapping[str, Callable[[LoadOptions], Awaitable[Measured]]] = {
    "latency": measure_latency,
    "cold-start": measure_cold_start,
    "knee": measure_knee,
    "tokens": measure_tokens,
    "first-audio": measure_first_audio,
    "streams": measure_streams,
    "overload": measure_overload,
    "chaos": measure_chaos,
    "soak": measure_soak,
}
USUAL = ("latency", "knee", "tokens")
AGAINST = ("knee", "tokens")  # those that measure any server
KINDS = {  # of records; others: load
    "latency": "latency", "cold-start": "cold-start", "knee": "stream", "tokens": "stream",
}  # fmt: skip

_log = logging.getLogger(__name__)


def chosen(options: LoadOptions) -> list[str]:
    """The measurements that were requested, in the order in which they are made.

    Raises:
        InputError: there is no such measurement, it can't be made of a server that runs already,
            or the address of such a server is none.
    """
    for address in options.against:
        parse_against(address)
    names, usual = options.measurements, AGAINST if options.against else USUAL
    wanted = set(MEASUREMENTS) if names == ["all"] else set(names or usual)
    if unknown := sorted(wanted - set(MEASUREMENTS)):
        known = ", ".join(MEASUREMENTS)
        raise InputError(f"no measurement {', '.join(unknown)}; expected {known} or all")
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
    """Write a record of each kind that was measured, and return where they are.

    Raises:
        InputError: they can't be written.
    """
    # The bundle of a server that ran already is unknown.
    sha256 = None if options.against else Bundle.load(find_voice(options.voice)).sha256
    paths = []
    for kind in dict.fromkeys(KINDS.get(name, "load") for name in found):
        parts = {name: one for name, one in found.items() if KINDS.get(name, "load") == kind}
        figures: dict[str, Any] = {name: one.figures for name, one in parts.items()}
        samples: dict[str, Any] = {name: one.samples for name, one in parts.items()}
        if kind in parts:  # one measurement: its figures are the record's
            figures, samples = dict(parts[kind].figures), dict(parts[kind].samples)
        figures["machine"] = interference.figures()
        if skipped := {what: why for one in parts.values() for what, why in one.skipped.items()}:
            figures["skipped"] = skipped
        if problems := [problem for one in parts.values() for problem in one.problems]:
            figures["problems"] = problems
        samples["options"] = asdict(options)
        paths.append(
            write_record(kind, figures, command, out_dir, samples=samples, bundle_sha256=sha256)
        )
    return paths
