"""Every command and program of the README, the tutorial and the how-to guides is run.

A page is a session: its blocks of `sh` and `python` are run in order, in one folder, by bash and by
this Python. What is not run says so and why, in the page, as the first line of its block:

    # not run by the tests: it needs a GPU

A program whose first line is its name, such as `# stream.py`, is saved under it. Servers run until
the page ends. Of every page, run or not, all options of `dlpo` exist.

Four things differ from what a reader does. Hours are made seconds, by options (`SHORTER`). What
takes more than a command, training for hours and people who listen, is laid in its place
(`MEANWHILE`). pip installs into a folder, without dependencies, which the tests have. And commands
that need torch are run in this process, which has loaded it.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from dlpo_bench.listening.answers import RaterAnswer, read_key
from dlpo_cli import app
from tests.callers import free_port

pytestmark = pytest.mark.full

ROOT = Path(__file__).resolve().parents[2]
MINI = ROOT / "voices/mini/checkpoint"
HOW_TO = sorted(f"docs/howto/{page.name}" for page in (ROOT / "docs/howto").glob("*.md"))
PAGES = [
    "README.md", "docs/tutorial.md", "docs/explain/dlpo.md", "docs/gpu.md", "docs/train-base.md",
    *HOW_TO,
]  # fmt: skip
HAS = {  # page -> fixtures: what its reader has beside a checkout
    "docs/gpu.md": ("trained",),
    "docs/howto/listening-test.md": ("trained",),
    "docs/howto/own-judge.md": ("trained",),
    "docs/howto/train-a-voice.md": ("recorded", "checkpoints"),
    "docs/train-base.md": ("recorded",),
}
FENCE = re.compile(r"^```(sh|python)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMENT = re.compile(r"(^|\s+)# .*")
NOT_RUN = "# not run by the tests: "
TOOLS = ("curl",)  # of the system, that pages use

# What is added to a command, by how it begins, so that it takes seconds.
OF_TUNING = (
    "--set updates=1 --set sentences=1 --set validation_sentences=1 --set longest_s=2"
    " --set window_batch=1"
)
SHORTER = {
    "make": "--dry-run",  # of a demo that the tutorial runs, and of these tests
    "pip install": "--target installed --upgrade --no-deps --no-build-isolation --no-index",
    "dlpo train spectral": "--set updates=2 --set batch=1 --set window=8 --set acoustic_batch=1"
    " --set acoustic_window=24 --set timing_batch=1 --set precision=no",
    "dlpo train mini": "--set updates=2 --set batch=1 --set window=8 --set mel_updates=1"
    " --set mel_batch=1 --set precision=no",
    "dlpo train contour": "--set updates=2 --set reading_updates=1 --set batch=1"
    " --set precision=no",
    "dlpo schedule": "--clips 1",
    "dlpo tune": OF_TUNING,
    "python my_judge.py": "1",
    "dlpo export": "--steps 1 --default-steps 1 --precision fp32",
    "dlpo eval": "--clips 1",
}
FEWER_STEPS = ("steps 10", "steps 1")  # of a chain, whose graph takes minutes
NEEDS_TORCH = tuple(
    f"dlpo {command}" for command in ("prepare", "train", "schedule", "tune", "export", "eval")
)
SERVERS = {  # how a command begins that runs until it is ended -> what it says when it is ready
    "dlpo serve": "SERVING",
}


@dataclass(frozen=True, slots=True)
class Block:
    """Commands or a program, as a page shows them."""

    language: str
    code: str

    def commands(self) -> list[str]:
        """Its lines, continued ones joined, without comments."""
        lines = self.code.replace("\\\n", "").splitlines()
        return [line for line in (COMMENT.sub("", line) for line in lines) if line]


def blocks(page: str) -> list[Block]:
    """Those that are run."""
    text = (ROOT / page).read_text(encoding="utf-8")
    found = [Block(*found) for found in FENCE.findall(text)]
    return [block for block in found if not block.code.startswith(NOT_RUN)]


def of_command(table: dict[str, Any], command: str) -> Any:
    return next((value for start, value in table.items() if command.startswith(start)), None)


class Session:
    """One reader at one page: a folder, servers, ports of their own."""

    def __init__(self, folder: Path, checkpoint: Path) -> None:
        self.folder = folder
        self.checkpoint = checkpoint
        self.servers = ExitStack()
        self.ports = {port: str(free_port()) for port in ("50051", "8080")}
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        self.environment = {**os.environ, "PATH": path}

    def run(self, block: Block) -> None:
        """Run what a block has, in order."""
        code = re.sub("|".join(self.ports), lambda port: self.ports[port[0]], block.code)
        code = code.replace(*FEWER_STEPS)
        if block.language == "python":
            self._program(code)
            return
        for command in Block("sh", code).commands():
            self._command(f"{command} {of_command(SHORTER, command) or ''}".strip())
            if lay := of_command(MEANWHILE, command):
                lay(self, command)

    def _program(self, code: str) -> None:
        if name := re.match(r"# (\w+\.py)\n", code):
            (self.folder / name[1]).write_text(code, encoding="utf-8")
        else:
            self._checked([sys.executable, "-W", "error", "-c", code], code)

    def _command(self, command: str) -> None:
        ready = of_command(SERVERS, command)
        if ready is not None:
            self._serve(command, ready)
        elif command.startswith(NEEDS_TORCH):
            self._here(command)
        else:
            self._checked(["bash", "-euo", "pipefail", "-c", command], command)

    def _here(self, command: str) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(self.folder)
            done = CliRunner().invoke(app, shlex.split(command)[1:], catch_exceptions=False)
        assert done.exit_code == 0, f"{command}\n{done.stdout}\n{done.stderr}"

    def _checked(self, arguments: list[str], shown: str) -> None:
        done = subprocess.run(
            arguments,
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{shown}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"

    def _serve(self, command: str, ready: str) -> None:
        process = self.servers.enter_context(
            subprocess.Popen(
                shlex.split(command),
                cwd=self.folder,
                env={**self.environment, "PYTHONUNBUFFERED": "1"},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        )
        self.servers.callback(process.terminate)
        assert process.stdout is not None  # it is a pipe
        said = []
        for line in process.stdout:
            said.append(line)
            if ready in line:
                return
        raise AssertionError(f"{command} ended: {''.join(said)}")


def hours_pass(session: Session, command: str) -> None:
    """Of training: a checkpoint of a few thousand random weights, whose words are long enough; of
    `mini` this repository's."""
    (out,) = re.findall(r"--out (\S+)", command)
    made = MINI if command.startswith("dlpo train mini") else session.checkpoint
    shutil.copytree(made, session.folder / out / "checkpoint", dirs_exist_ok=True)


def people_answer(session: Session, command: str) -> None:
    """Three of them, who agree."""
    key = read_key(session.folder / "listening-test")
    (session.folder / "answers").mkdir()
    for number, rater in enumerate(("Ann", "Bob", "Eve")):
        with (session.folder / "answers" / f"{rater}.jsonl").open("w", encoding="utf-8") as file:
            for trial in key.trials:
                liked = min(trial.sounds, key=lambda name: trial.sounds[name])
                answer = RaterAnswer(
                    test=key.test_id, session=f"{number:032x}", rater=rater,
                    trial=trial.trial_id, first=liked, choice="first",
                    revision=1, plays_first=1, plays_second=1, utc="2026-01-31T12:00:00Z",
                )  # fmt: skip
                file.write(answer.to_json())


MEANWHILE: dict[str, Callable[[Session, str], None]] = {
    "dlpo train": hours_pass,
    "dlpo listen before=": people_answer,
}


@pytest.mark.parametrize("page", PAGES)
def test_every_command_and_program_of_a_page_runs(
    page: str, checkout: Path, slow_checkpoint: Path, request: pytest.FixtureRequest
) -> None:
    for tool in TOOLS:
        if any(f"{tool} " in block.code for block in blocks(page)) and not shutil.which(tool):
            pytest.skip(f"no {tool} on PATH")
    for possession in HAS.get(page, ()):
        request.getfixturevalue(possession)
    session = Session(checkout, slow_checkpoint)

    with session.servers:
        for block in blocks(page):
            session.run(block)

    for written in checkout.glob("*.wav"):
        assert written.stat().st_size > 10_000, written


@pytest.mark.parametrize("name", ["DeepgramClientEnvironment", "Cartesia"])
def test_constructors_in_the_text_are_those_that_are_tested(name: str) -> None:
    def keywords(text: str) -> set[str]:
        (call,) = re.findall(rf"{name}\(([^()]*)\)", text)
        return set(re.findall(r"(\w+)=", call)) - {"api_key"}

    client = "deepgram" if "Deepgram" in name else "cartesia"
    tested = (ROOT / f"tests/clients/{client}_sdk.py").read_text("utf-8")
    assert keywords((ROOT / "docs/http.md").read_text("utf-8")) == keywords(tested)
