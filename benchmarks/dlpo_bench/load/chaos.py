"""Well-behaved listeners under a seeded mixture of hostile clients and operator changes.

    dlpo bench stream chaos --minutes 5 --record

Hostile clients run in a process of their own, one kind after the other; the operator's changes and
the honest listeners run in this one. A round is every kind once, in random order, and ends
without calls, to read the server's memory, threads and files. docs/speed.md has the figures.
"""

from __future__ import annotations

import asyncio
import logging
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random
from statistics import median

from dlpo.errors import EngineError
from dlpo_bench.load.honest import GAP_S, TEXTS, Results, Target, alone, listen
from dlpo_bench.load.hostile import HOSTILE, hostile_process
from dlpo_bench.load.operator_changes import OPERATOR, Operator
from dlpo_bench.load.servers import server_arguments
from dlpo_bench.machine import memory_growth
from dlpo_bench.options import LoadOptions
from dlpo_bench.record import Measured
from dlpo_serving.local.local_server import local_server
from dlpo_serving.operations.keys import new_key
from dlpo_serving.voices import find_voice

LISTENERS = 2
QUIET_S = 5.0  # without calls, at the end of each round
REST_S = 30.0  # without calls, at the end: gRPC ends its extra threads after 20 s
STOP_S = (2.0, 22.0)  # how long the process is stopped: usually, and in the second round

_log = logging.getLogger(__name__)


async def measure_chaos(options: LoadOptions) -> Measured:
    """Attack one of our servers for `options.minutes`; a round is always finished.

    Returns:
        For the honest listeners: calls, refusals, gaps (excluding time in which the server was
        stopped), calls whose bits differ from the reference, calls that ended otherwise. For the
        server: memory, threads and open files before the first round and after the last, without
        calls; `memory_growth` over the ends of the rounds after the first tenth of them.
    """
    with tempfile.TemporaryDirectory() as folder:
        voices, keys = Path(folder) / "voices", Path(folder) / "keys.toml"
        voices.mkdir()
        tokens = [new_key(keys, caller) for caller in ("honest", "hostile")]
        arguments = (
            "--http-port", "0", "--voice-directory", str(voices), "--voice-poll-s", "0.5",
            "--keys-file", str(keys), "--log-level", "error",
        )  # fmt: skip
        with local_server(options.voice, *server_arguments(options), *arguments) as server:
            http_port = int(server.page_url.rpartition(":")[2])
            target = Target(server.address, http_port, *tokens)
            operator = Operator(
                server.process.pid, voices, keys, find_voice(options.voice), server.page_url
            )
            with hostile_process(target, options.seed) as hostile:
                measured = await _attack(target, operator, hostile, options)
            if (code := server.process.poll()) is not None:
                raise EngineError(f"the server ended with exit code {code} amid the chaos")
    return measured


async def _attack(
    target: Target, operator: Operator, hostile: Connection, options: LoadOptions
) -> Measured:
    random, results = Random(options.seed), Results()
    references = {text: await alone(target, text) for text in TEXTS}
    choices = [Random(number) for number in range(LISTENERS)]
    begin_s = time.perf_counter()
    begin = operator.holds()
    held = list[dict[str, float]]()
    while not held or time.perf_counter() - begin_s < 60 * options.minutes:
        names, done = [*HOSTILE, *OPERATOR], asyncio.Event()
        random.shuffle(names)
        async with asyncio.TaskGroup() as listeners:
            for choice in choices:
                listeners.create_task(listen(target, references, results, done, choice))
            for name in names:
                _log.info("round %d: %s", len(held) + 1, name)
                results.attack = name
                if name in HOSTILE:
                    hostile.send(name)
                    await asyncio.to_thread(hostile.recv)
                else:
                    stop_s = STOP_S[len(held) == 1]
                    await asyncio.to_thread(OPERATOR[name], operator, results, stop_s)
            results.attack = "none"
            done.set()
        await asyncio.sleep(QUIET_S)
        held.append(operator.holds())
        _log.info("round %d: %s %s %s", len(held), dict(results.endings), results.gaps_s, held[-1])
    minutes = (time.perf_counter() - begin_s) / 60
    await asyncio.sleep(REST_S)
    end, warm = operator.holds(), [one["resident_mb"] for one in held[len(held) // 10 :]]
    endings, total = results.endings, results.endings.total()
    figures = {
        "minutes": minutes,
        "rounds": len(held),
        "honest_calls": total,
        "refused": endings["refused"],
        "wrong_bits": endings["wrong bits"],
        "unanswered": total - endings["ok"] - endings["refused"] - endings["wrong bits"],
        "gaps": len(results.gaps_s),
        "gaps_not_stolen": sum(gap_s - taken_s > GAP_S for _, gap_s, taken_s in results.gaps_s),
        "longest_gap_s": max((gap_s for _, gap_s, _ in results.gaps_s), default=0.0),
        "longest_deleted_s": max(results.deleted_s, default=0.0),
        "longest_resume_s": max(results.resumed_s, default=0.0),
        "first_audio_ms_p50": 1000 * median(results.first_audio_s),
        "memory_growth": memory_growth(list(enumerate(warm))),
        **{f"{name}_begin": value for name, value in begin.items()},
        **{f"{name}_end": value for name, value in end.items()},
    }
    samples = {
        "endings": dict(endings), "gaps_s": results.gaps_s, "held": held,
        "stopped_s": [end - begin for begin, end in results.stopped],
    }  # fmt: skip
    return Measured(figures, samples)
