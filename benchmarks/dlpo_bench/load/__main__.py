"""Measure the server under load: python -m dlpo_bench.load [MEASUREMENT ...]

    first-audio   of one stream, 80 characters
    streams       largest number of listeners without a gap
    refusals      of a full server
    overload      four times the capacity; without --capacity, streams is measured first
    freed-places  how soon a cancelled stream's place can be had
    soak          memory over 20,000 requests
    ways          stream = one reply = offline, while others listen
    concurrent    50 streams at once = each alone

All of them, if none is named. See docs/load.md.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import shlex
import signal
import sys
from dataclasses import asdict
from typing import get_args

from dlpo.bundle import Bundle
from dlpo.errors import DlpoError
from dlpo_bench.load.equality import measure_concurrent, measure_ways
from dlpo_bench.load.first_audio import measure_first_audio
from dlpo_bench.load.full_server import measure_freed_places, measure_refusals
from dlpo_bench.load.options import LoadOptions, Measured
from dlpo_bench.load.overload import measure_overload
from dlpo_bench.load.report import details, table
from dlpo_bench.load.soak import measure_soak
from dlpo_bench.load.streams import measure_streams
from dlpo_bench.record import write_record
from dlpo_serving.engines import EngineName, EnginePrecision
from dlpo_serving.voices import find_voice

MEASUREMENTS = {
    "first-audio": measure_first_audio,
    "streams": measure_streams,
    "refusals": measure_refusals,
    "overload": None,  # needs the capacity that streams finds
    "freed-places": measure_freed_places,
    "soak": measure_soak,
    "ways": measure_ways,
    "concurrent": measure_concurrent,
}
HELP = {  # numbers of `LoadOptions`, which says more
    "connections": "TCP connections of the client",
    "seed": "of texts and arrivals",
    "calls": "one after the other: first audio, and unloaded before the overload",
    "level_s": "seconds of each level of the search",
    "ramp_s": "seconds over which the listeners of a level come",
    "attempts": "tries of a level before it counts as failed",
    "start_listeners": "first level of the search",
    "most_listeners": "highest level of the search",
    "overload": "arrivals, times the capacity",
    "overload_s": "seconds of arrivals",
    "places": "--max-streams of the server that is to be full",
    "refusals": "calls on the full server",
    "cancels": "streams cancelled on the full server",
    "requests": "of the soak",
    "workers": "calls at the same time in the soak",
    "others": "listeners meanwhile, in ways",
    "texts": "compared in ways",
    "concurrent": "streams at the same time, in concurrent",
}

_log = logging.getLogger(__name__)


async def measure(names: list[str], options: LoadOptions) -> dict[str, Measured]:
    """Make the measurements named, in the order of `MEASUREMENTS`; one that fails is left out."""
    found: dict[str, Measured] = {}
    for name, function in MEASUREMENTS.items():
        if name not in names:
            continue
        _log.info("%s", name)
        try:
            if function:
                found[name] = await function(options)
                continue
            capacity = options.capacity
            if capacity is None:
                if "streams" not in found:
                    found["streams"] = await measure_streams(options)
                capacity = round(found["streams"].figures["streams"])
            found[name] = await measure_overload(options, capacity)
        except DlpoError as error:
            _log.error("%s: %s", name, error)
    return found


def main() -> int:
    """Print the table and all figures; with --record, keep them."""
    parser = argparse.ArgumentParser(
        "dlpo_bench.load",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    defaults = LoadOptions()
    parser.add_argument("measurements", nargs="*", metavar="MEASUREMENT")
    parser.add_argument("--voice", default=defaults.voice, help="a name or the path of a bundle")
    parser.add_argument("--engine", default=defaults.engine, choices=get_args(EngineName))
    parser.add_argument("--precision", choices=get_args(EnginePrecision))
    parser.add_argument("--capacity", type=int, help="streams in real time; else it is measured")
    parser.add_argument(
        "--server-options", type=shlex.split, default=(), help='of the server, as in "--port 0"'
    )
    for name, text in HELP.items():
        value = getattr(defaults, name)
        flag = f"--{name.replace('_', '-')}"
        help_text = f"{text} (%(default)s)"
        parser.add_argument(flag, type=type(value), default=value, metavar="N", help=help_text)
    parser.add_argument("--record", action="store_true", help="write a benchmark record")
    arguments = vars(parser.parse_args())
    record, names = arguments.pop("record"), arguments.pop("measurements") or list(MEASUREMENTS)
    if unknown := sorted(set(names) - set(MEASUREMENTS)):
        parser.error(f"no measurement {', '.join(unknown)}; there are {', '.join(MEASUREMENTS)}")
    arguments["server_options"] = tuple(arguments["server_options"])
    options = LoadOptions(**arguments)
    logging.basicConfig(level="INFO", format="%(asctime)s %(message)s")

    found = asyncio.run(measure(names, options))
    figures = {name: measured.figures for name, measured in found.items()}
    print("\n".join([*table(figures), "", *details(figures)]))
    if record and found:
        samples = {name: measured.samples for name, measured in found.items()}
        command = f"python -m dlpo_bench.load {shlex.join(sys.argv[1:])}"
        bundle = Bundle.load(find_voice(options.voice))
        samples["options"] = asdict(options)
        print(write_record("load", figures, command, samples=samples, bundle_sha256=bundle.sha256))
    return 0 if set(names) <= set(found) else 1


if __name__ == "__main__":
    # As Ctrl-C does: the server that runs must not stay behind.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main())
