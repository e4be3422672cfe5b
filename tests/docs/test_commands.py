"""Every command and program of the README, the tutorial and the how-to guides is run.

A page is a session: its blocks of `sh` and `python` are run in order, in one folder, by bash and by
this Python. What is not run says so and why, in the page, as the first line of its block:

    # not run by the tests: it takes hours

Its options are checked all the same. A program whose first line is its name, such as
`# stream.py`, is saved under it. Servers run until the page ends.

Three things differ from what a reader does: hours are made seconds (`SHORTER`), in the place of a
trained checkpoint lies one of a few thousand random weights, and commands that need torch are run
in this process, which has loaded it.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.core import TyperGroup
from typer.main import get_command
from typer.testing import CliRunner

from dlpo.bundle import Bundle, copy_bundle
from dlpo.cli import app
from dlpo_serving.settings.flags import flag_of
from dlpo_serving.settings.server_settings import ServerSettings

ROOT = Path(__file__).resolve().parents[2]
HOW_TO = sorted(f"docs/howto/{page.name}" for page in (ROOT / "docs/howto").glob("*.md"))
PAGES = ["README.md", "docs/tutorial.md", *HOW_TO]
FENCE = re.compile(r"^```(sh|python)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NOT_RUN = "# not run by the tests: "
TOOLS = ("curl",)  # of the system, that pages use
OF_CLI = "tests/cli and tests/export run it at toy size"
NOT_RUN_ON = {  # page -> how a command begins -> why it is not run, where the page does not say it
    "README.md": {
        "pip install": "the tests have an environment already",
        "dlpo bench": "it takes minutes; tests/bench runs it at toy size",
        "dlpo export": OF_CLI,
        "dlpo eval": OF_CLI,
        "dlpo listen": "tests/listening runs it at toy size",
    },
    "docs/howto/train-a-voice.md": {"dlpo": f"the README's commands, other names; {OF_CLI}"},
    "docs/howto/own-judge.md": {"dlpo export": OF_CLI},
    "docs/howto/gpu-node.md": {"dlpo export": OF_CLI},
}

# What is added to a command, by how it begins, so that it takes seconds.
OF_TUNING = (
    "--set updates=1 --set sentences=1 --set validation_sentences=1 --set longest_s=2"
    " --set window_batch=1"
)
SHORTER = {
    "dlpo train lite": "--set updates=2 --set batch=1 --set timing_batch=1 --set window=8"
    " --set acoustic_updates=1 --set adversarial_updates=0 --set precision=no",
    "dlpo schedule": "--clips 1",
    "dlpo tune": OF_TUNING,
    "python my_judge.py": "1",
    "dlpo listen serve": "--port 0",
}
NEEDS_TORCH = ("prepare", "train", "schedule", "tune")
SERVERS = {  # how a command begins that runs until it is ended -> what it says when it is ready
    "dlpo serve": "SERVING",
    "dlpo listen serve": "http://",
}


@dataclass(frozen=True, slots=True)
class Block:
    """Commands or a program, as a page shows them."""

    language: str
    code: str

    @property
    def reason(self) -> str | None:
        """Why it is not run."""
        first = self.code.partition("\n")[0]
        return first.removeprefix(NOT_RUN) if first.startswith(NOT_RUN) else None

    def commands(self) -> list[str]:
        """Its lines, continued ones joined, without comments."""
        lines = self.code.replace("\\\n", "").splitlines()
        return [line for line in lines if line.strip() and not line.startswith("#")]


def blocks(page: str) -> list[Block]:
    text = (ROOT / page).read_text(encoding="utf-8")
    return [Block(*found) for found in FENCE.findall(text)]


def reason_of(command: str, block: Block, page: str) -> str | None:
    """Why a command is not run; None if it is."""
    return block.reason or of_command(NOT_RUN_ON.get(page, {}), command)


def of_command(table: dict[str, str], command: str) -> str | None:
    return next((value for start, value in table.items() if command.startswith(start)), None)


class Session:
    """One reader at one page: a folder, servers, ports of their own.

    Args:
        folder: to work in.
        checkpoint: what lies in the place of a trained one, as soon as there is one.
    """

    def __init__(self, folder: Path, checkpoint: Path) -> None:
        self.folder, self.checkpoint, self.servers = folder, checkpoint, ExitStack()
        self.ports = dict(zip(("50051", "8080"), free_ports(2), strict=True))
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        self.environment = {**os.environ, "PATH": path}

    def run(self, block: Block, page: str) -> None:
        """Run what a block has, in order."""
        code = re.sub("|".join(self.ports), lambda port: self.ports[port[0]], block.code)
        here = Block(block.language, code)
        if block.language == "python":
            self._program(code)
            return
        for command in here.commands():
            if reason_of(command, here, page) is None:
                self._command(f"{command} {of_command(SHORTER, command) or ''}".strip())

    def _program(self, code: str) -> None:
        if name := re.match(r"# (\w+\.py)\n", code):
            (self.folder / name[1]).write_text(code, encoding="utf-8")
        else:
            self._checked([sys.executable, "-W", "error", "-c", code], code)

    def _command(self, command: str) -> None:
        ready = of_command(SERVERS, command)
        if ready is not None:
            self._serve(command, ready)
            return
        if command.split()[0] == "dlpo" and command.split()[1] in NEEDS_TORCH:
            self._here(command)
        else:
            self._checked(["bash", "-euo", "pipefail", "-c", command], command)
        if command.startswith("dlpo train lite"):
            (out,) = re.findall(r"--out (\S+)", command)
            shutil.copytree(self.checkpoint, self.folder / out / "checkpoint", dirs_exist_ok=True)

    def _here(self, command: str) -> None:
        words = shlex.split(command, comments=True)[1:]
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(self.folder)
            done = CliRunner().invoke(app, words, catch_exceptions=False)
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
                shlex.split(command, comments=True),
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


def free_ports(count: int) -> list[str]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [str(each.getsockname()[1]) for each in sockets]


@pytest.fixture
def session(slow_checkpoint: Path, tmp_path: Path) -> Iterator[Session]:
    session = Session(tmp_path, slow_checkpoint)
    with session.servers:
        yield session


@pytest.fixture
def recorded(tiny_corpus: Path, session: Session) -> None:
    """What a reader has who recorded a voice: a corpus, its alignments, no judge's weights."""
    shutil.copytree(tiny_corpus, session.folder / "LJSpeech-1.1")
    grids = session.folder / "textgrids"
    grids.mkdir()
    for row in (tiny_corpus / "alignments.tsv").read_text().splitlines()[1:]:
        clip, phonemes, durations, words = row.split("\t")
        grid = text_grid(phonemes.split(), durations.split(), words.split())
        (grids / f"{clip}.TextGrid").write_text(grid)
    (session.folder / "judges").mkdir()


@pytest.fixture
def trained(session: Session, wordy_dataset: Path, slow_checkpoint: Path) -> None:
    """What a reader has who trained one, in the places that the guides name."""
    shutil.copytree(slow_checkpoint, session.folder / "runs/mine/checkpoint")
    shutil.copytree(wordy_dataset, session.folder / "data/mine")


@pytest.fixture
def exported(session: Session, tiny_bundle: Path) -> None:
    """What a reader has who exported it."""
    copy_bundle(Bundle.load(tiny_bundle), session.folder / "mine.dlpo")


def text_grid(phonemes: list[str], durations_ms: list[str], words: list[str]) -> str:
    """An alignment as MFA writes it."""
    ends = [0.0]
    for milliseconds in durations_ms:
        ends.append(ends[-1] + float(milliseconds) / 1000)
    phones = zip(ends, ends[1:], phonemes, strict=False)
    spoken = []
    for word in words:
        label, _, places = word.partition(":")
        first, last = map(int, places.split("-"))
        spoken.append((ends[first], ends[last], label))
    tiers = [
        f'item [{number}]:\n  name = "{name}"\n'
        + "".join(f'  xmin = {a}\n  xmax = {b}\n  text = "{label}"\n' for a, b, label in tier)
        for number, (name, tier) in enumerate((("words", spoken), ("phones", phones)), 1)
    ]
    return "".join(tiers)


@pytest.mark.parametrize("page", PAGES)
def test_every_command_and_program_of_a_page_runs(
    page: str, session: Session, request: pytest.FixtureRequest
) -> None:
    shown = "".join(block.code for block in blocks(page))
    for tool in TOOLS:
        if f"{tool} " in shown and not shutil.which(tool):
            pytest.skip(f"no {tool} on PATH")
    if page == "README.md":
        request.getfixturevalue("recorded")
    if page in HOW_TO:
        request.getfixturevalue("trained")
    if page == "docs/howto/listening-test.md":
        request.getfixturevalue("exported")

    for block in blocks(page):
        session.run(block, page)

    for written in session.folder.glob("*.wav"):
        assert written.stat().st_size > 10_000, written


def unrun() -> Iterator[tuple[str, str]]:
    for page in PAGES:
        for block in blocks(page):
            if block.language == "sh":
                for command in block.commands():
                    if command.startswith("dlpo ") and reason_of(command, block, page):
                        yield page, command


@pytest.mark.parametrize(("page", "command"), list(unrun()))
def test_command_that_is_not_run_has_only_options_that_exist(page: str, command: str) -> None:
    words = shlex.split(command, comments=True)[1:]
    found = get_command(app)
    while isinstance(found, TyperGroup):
        name = words.pop(0) if words[0] in found.commands else "make"  # `dlpo listen A B`
        found = found.commands[name]

    known = {option for parameter in found.params for option in parameter.opts}
    if found.name == "serve":  # it reads its flags itself
        known = {flag_of(name) for name in ServerSettings.model_fields}

    assert {word for word in words if word.startswith("--")} <= known, page
