"""Runs the jobs of a recipe: what is done is not done again, what was stopped goes on.

`WORK/recipe.jsonl` has a line for each attempt: job, sha256 of what it does, commit, how it ended,
processor and wall time in seconds. `WORK/running/` has the attempts that aren't over.
"""

from __future__ import annotations

import json
import math
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import psutil
from filelock import FileLock, Timeout

from dlpo.commit import current_commit
from dlpo.config.strict import from_dict
from dlpo.errors import ConfigError
from recipe.signals import on_stop
from recipe.stages import Job

Ending = Literal["done", "failed", "stopped", "lost"]
LOG, RUNNING = "recipe.jsonl", "running"
LOOK_S = 5.0  # between looks at a job's processor time, which would be lost with this process
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
    ended: Ending
    """lost: the machine or this program went away"""
    cpu_s: float
    wall_s: float


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
        self._log = threading.Lock()
        self._stopping = threading.Event()
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        (work / RUNNING).mkdir(parents=True, exist_ok=True)

    def attempts(self) -> list[Attempt]:
        """The log, then the attempts that aren't over or were lost, as far as they came.

        Raises:
            ConfigError: a line is damaged.
        """
        logged = self._logged()
        return logged + self._not_over(logged)

    def _logged(self) -> list[Attempt]:
        file = self.work / LOG
        lines = file.read_text().splitlines() if file.exists() else []
        try:
            return [from_dict(Attempt, json.loads(line)) for line in lines]
        except ValueError as error:
            raise ConfigError(f"{file}: damaged ({error}); remove the last line") from error

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
            with FileLock(self.work / "lock", blocking=False):
                return self._run(at_once)
        except Timeout as error:
            raise ConfigError(
                f"{self.work}: another process follows a recipe here; wait until it ends"
            ) from error

    def _run(self, at_once: int) -> bool:
        for lost in self._not_over(self._logged()):
            self._write(lost)
        for file in (self.work / RUNNING).glob("*.json"):
            file.unlink()
        waiting = self.waiting()
        missing = {job.name for job in waiting}
        threads = str(max(1, (os.cpu_count() or 1) // at_once))
        running: dict[Future[bool], Job] = {}
        with on_stop(self._stop), ThreadPoolExecutor(at_once) as pool:
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
        began, clock = datetime.now(UTC).isoformat(timespec="seconds"), time.monotonic()
        commit = current_commit()
        command = [*PROGRAMS.get(job.words[0], (job.words[0],)), *job.words[1:]]
        env = {"OMP_NUM_THREADS": threads, **os.environ}
        try:  # in a session of its own: Ctrl-C reaches it once, through us
            process = subprocess.Popen(command, env=env, start_new_session=True)
        except OSError as error:
            raise ConfigError(f"{job.name}: {error}; install {command[0]}") from error
        self._processes[job.name] = process
        held = self.work / RUNNING / f"{job.name.replace(' ', '-')}.json"
        cpu_s = 0.0

        def attempt(ended: Ending) -> Attempt:
            took = round(time.monotonic() - clock, 1)
            spent = round(cpu_s, 1)
            return Attempt(job.name, job.sha256, commit, began, ended, spent, took)

        ends, in_time = clock + (job.stage.seconds or math.inf), True
        while process.returncode is None:
            cpu_s = max(cpu_s, _cpu_s(process.pid))
            so_far = held.with_suffix(".part")
            so_far.write_text(json.dumps(asdict(attempt("lost"))))
            so_far.replace(held)  # at once: `recipe status` may be reading it
            try:
                process.wait(min(LOOK_S, max(0.1, ends - time.monotonic())))
            except subprocess.TimeoutExpired:
                if in_time and time.monotonic() >= ends:
                    in_time = False
                    process.send_signal(signal.SIGINT)
        del self._processes[job.name]
        saved = not in_time and not self._stopping.is_set()
        good = job.makes.exists() and (saved or process.returncode == 0)
        one = attempt("done" if good else "stopped" if self._stopping.is_set() else "failed")
        self._write(one)
        held.unlink(missing_ok=True)
        self.tell(f"{job.name}: {one.ended} after {one.cpu_s / 3600:.2f} core-hours")
        if process.returncode == 0 and not good:
            self.tell(f"{job.name}: {job.makes} is not there, though the command ended well")
        return good

    def _not_over(self, logged: Sequence[Attempt]) -> list[Attempt]:
        """Attempts that run or were lost, as last noted."""
        found, over = list[Attempt](), {(one.job, one.began) for one in logged}
        for file in sorted((self.work / RUNNING).glob("*.json")):
            try:
                noted = from_dict(Attempt, json.loads(file.read_text()))
            except FileNotFoundError:
                continue  # it has just ended
            except ValueError as error:
                raise ConfigError(f"{file}: damaged ({error}); remove it") from error
            if (noted.job, noted.began) not in over:
                found.append(noted)
        return found

    def _write(self, attempt: Attempt) -> None:
        with self._log, (self.work / LOG).open("a") as log:
            log.write(json.dumps(asdict(attempt)) + "\n")

    def _stop(self, *_: object) -> None:
        self._stopping.set()
        for process in list(self._processes.values()):
            process.send_signal(signal.SIGINT)


def core_hours(attempts: Sequence[Attempt]) -> Mapping[str, float]:
    """Processor time of each job, whatever its attempts ended in."""
    spent: dict[str, float] = {}
    for one in attempts:
        spent[one.job] = spent.get(one.job, 0.0) + one.cpu_s / 3600
    return spent


def _cpu_s(pid: int) -> float:
    """Of a process and its children."""
    total = 0.0
    try:
        parent = psutil.Process(pid)
        for process in (parent, *parent.children(recursive=True)):
            times = process.cpu_times()
            total += times.user + times.system
            if process is parent:
                total += times.children_user + times.children_system
    except psutil.Error:
        return total
    return total
