"""Runs the jobs of a recipe: what is done is not done again, what was stopped goes on.

`WORK/recipe.jsonl` has two lines for each attempt, when it begins and when it ends: job, sha256 of
what it does, commit, how it ended, processor and wall time in seconds.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from filelock import FileLock, Timeout

from dlpo.commit import current_commit
from dlpo.config.strict import from_dict
from dlpo.errors import ConfigError
from recipe.stages import Job

LOG = "recipe.jsonl"
PROGRAMS = {
    "python": (sys.executable,),
    "dlpo": (sys.executable, "-m", "dlpo"),
    "bash": ("bash",),
}


@dataclass(frozen=True, slots=True)
class Attempt:
    """A line of the log."""

    job: str
    sha256: str
    commit: str
    began: str
    """ISO 8601, UTC"""
    ended: Literal["done", "failed", "stopped", "lost"] = "lost"
    """lost: it has not ended yet, or the machine or this program went away"""
    cpu_s: float = 0.0
    wall_s: float = 0.0


class Runner:
    """A folder in which a recipe is followed.

    Args:
        work: the folder; holds the log.
        todo: all jobs of the recipe, in order.
        tell: gets a line when a job begins or ends.
    """

    def __init__(self, work: Path, todo: Sequence[Job], tell: Callable[[str], None]) -> None:
        self.work = work
        self.todo = todo
        self.tell = tell
        self._stopping = threading.Event()
        self._running: dict[str, int] = {}  # job -> process
        work.mkdir(parents=True, exist_ok=True)

    def attempts(self) -> list[Attempt]:
        """As last logged, in the order in which they began; ConfigError if a line is damaged."""
        file = self.work / LOG
        try:
            lines = file.read_text().splitlines() if file.exists() else []
            logged = [from_dict(Attempt, json.loads(line)) for line in lines]
        except ValueError as error:
            raise ConfigError(f"{file}: damaged ({error}); remove the last line") from error
        return list({(one.job, one.began): one for one in logged}.values())

    def waiting(self) -> list[Job]:
        """The jobs that are to be done, in order.

        Raises:
            ConfigError: a job was done by another command than the recipe has now.
        """
        last = {one.job: one for one in self.attempts()}
        done = {name: one.sha256 for name, one in last.items() if one.ended == "done"}
        made = [job for job in self.todo if job.name in done and job.makes.exists()]
        for job in made:
            if done[job.name] != job.sha256:
                raise ConfigError(
                    f"{job.name} or what it needs has changed in the recipe since it was run;"
                    " to run it again, remove the folder that it wrote, with"
                    f" {job.makes}; or work in another folder"
                )
        return [job for job in self.todo if job not in made]

    def run(self, at_once: int) -> bool:
        """Run what waits, `at_once` jobs at a time; returns whether all of it is done.

        SIGINT and SIGTERM are passed on to the jobs, which save and stop.

        Raises:
            ConfigError: another process runs jobs here, or see `waiting`.
        """
        try:
            with FileLock(self.work / "lock", blocking=False), on_stop(self._stop):
                return self._run(at_once)
        except Timeout as error:
            raise ConfigError(
                f"{self.work}: another process follows a recipe here; wait until it ends"
            ) from error

    def _run(self, at_once: int) -> bool:
        waiting = self.waiting()
        missing = {job.name for job in waiting}
        threads = str(max(1, (os.cpu_count() or 1) // at_once))
        running: dict[Future[bool], Job] = {}
        with ThreadPoolExecutor(at_once) as pool:
            while not self._stopping.is_set():
                for job in [one for one in waiting if not missing & set(one.needs)]:
                    if len(running) < at_once:
                        waiting.remove(job)
                        running[pool.submit(self._do, job, threads)] = job
                if not running:
                    break
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    job = running.pop(future)
                    if future.result():
                        missing.discard(job.name)
                    else:
                        self._stopping.set()  # the others end what they are at
        return not missing

    def _do(self, job: Job, threads: str) -> bool:
        self.tell(f"{job.name}: {shlex.join(job.words)}")
        began, clock = datetime.now(UTC).isoformat(), time.monotonic()
        attempt = Attempt(job.name, job.sha256, current_commit(), began)
        self._write(attempt)
        command = [*PROGRAMS.get(job.words[0], (job.words[0],)), *job.words[1:]]
        env = {"OMP_NUM_THREADS": threads, **os.environ}
        try:  # in a session of its own: Ctrl-C reaches it once, through us
            process = subprocess.Popen(command, env=env, start_new_session=True)
        except OSError as error:
            raise ConfigError(f"{job.name}: {error}; install {command[0]}") from error
        self._running[job.name] = process.pid
        limit = threading.Timer(job.stage.seconds, os.kill, (process.pid, signal.SIGINT))
        if job.stage.seconds:
            limit.start()
        _, status, used = os.wait4(process.pid, 0)  # with the time of its children
        process.returncode = os.waitstatus_to_exitcode(status)
        del self._running[job.name]
        in_time = not job.stage.seconds or limit.is_alive()
        limit.cancel()
        stopped = self._stopping.is_set()
        saved = process.returncode == 0 or not (in_time or stopped)
        good = saved and job.makes.exists()
        one = replace(
            attempt,
            ended="done" if good else "stopped" if stopped else "failed",
            cpu_s=round(used.ru_utime + used.ru_stime, 1),
            wall_s=round(time.monotonic() - clock, 1),
        )
        self._write(one)
        self.tell(f"{job.name}: {one.ended} after {one.cpu_s / 3600:.2f} core-hours")
        if process.returncode == 0 and not good:
            self.tell(f"{job.name}: {job.makes} is missing, though the command ended well")
        return good

    def _write(self, attempt: Attempt) -> None:
        with (self.work / LOG).open("a") as log:
            log.write(json.dumps(asdict(attempt)) + "\n")  # one write: threads share the file

    def _stop(self, *_: object) -> None:
        self._stopping.set()
        for pid in list(self._running.values()):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGINT)


def core_hours(attempts: Sequence[Attempt]) -> Mapping[str, float]:
    """Processor time of each job, whatever its attempts ended in."""
    spent: dict[str, float] = {}
    for one in attempts:
        spent[one.job] = spent.get(one.job, 0.0) + one.cpu_s / 3600
    return spent


@contextmanager
def on_stop(stop: Callable[..., None]) -> Iterator[None]:
    """Within the block, SIGINT and SIGTERM call `stop`."""
    before = {one: signal.signal(one, stop) for one in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
