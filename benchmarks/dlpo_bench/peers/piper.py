"""Piper's own environment, and a voice of its medium size.

piper-tts is under the GPL: it is installed on request, into a cache, and runs in processes of its
own. Nothing of dlpo depends on it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from dlpo.errors import EngineError, InputError, MissingExtraError
from dlpo_bench.peers.comparison import Contestant

PACKAGE = "piper-tts==1.8.0"  # has the training modules, which the random voice is made with
PUBLISHED_PARAMETERS = 15.7e6
"""Of en_US-lessac-medium, as https://huggingface.co/cstr/piper-en_US-lessac-medium-GGUF says."""
MAKER = Path(__file__).with_name("piper_model.py")
INSTALL = 'run "dlpo bench peers --install piper"'


def peers_cache() -> Path:
    """Where peers live that dlpo installs."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dlpo" / "peers"


@dataclass(frozen=True, slots=True)
class Piper:
    """Piper with a voice of the medium size."""

    home: Path
    """its environment, and the voice with random weights"""
    voice: Path | None = None
    """a trained voice, ONNX with its JSON beside it; None is the one with random weights"""

    @property
    def name(self) -> str:
        """As the command line knows it."""
        return "piper"

    @property
    def python(self) -> Path:
        """Interpreter of its environment."""
        return self.home / "env" / "bin" / "python"

    @property
    def random_voice(self) -> Path:
        """The voice with random weights."""
        return self.home / "medium.onnx"

    def missing(self) -> str | None:
        """Its environment or its voice is not there."""
        if not self.python.exists():
            return f"piper is not installed in {self.home}; {INSTALL}"
        voice = self.voice or self.random_voice
        absent = [path for path in (voice, Path(f"{voice}.json")) if not path.exists()]
        if absent:
            return f"{absent[0]} is not there" + ("" if self.voice else f"; {INSTALL}")
        return None

    def contestant(self) -> Contestant:
        """On onnxruntime with one thread, as Piper runs its voices."""
        if self.voice:
            return Contestant(
                self.name,
                f"Piper, voice {self.voice.stem}",
                "piper",
                {"model": str(self.voice), "adjust": False},
                self.python,
                facts={"weights": "trained"},
            )
        facts = json.loads((self.home / "facts.json").read_text("utf-8"))
        return Contestant(
            self.name,
            "Piper medium's VITS, random weights",
            "piper",
            {"model": str(self.random_voice), "adjust": True},
            self.python,
            note="its weights are random: speed does not depend on them, and its length scale is"
            " set so that each text takes as long as from our voice",
            facts={"weights": "random", "published_parameters": PUBLISHED_PARAMETERS, **facts},
        )


def install_piper(home: Path, tell: Callable[[str], None]) -> None:
    """Make Piper's environment and a random voice in it; what was there is replaced.

    Args:
        home: directory, made where it isn't there.
        tell: told what is done.

    Raises:
        MissingExtraError: PyTorch or ONNX, which make the voice, are not installed here.
        InputError: the directory can't be written.
        EngineError: pip or the making failed; their messages are on standard error.
    """
    for package in ("torch", "onnx"):
        if find_spec(package) is None:
            raise MissingExtraError(package, "export")
    env = home / "env"
    try:
        shutil.rmtree(home, ignore_errors=True)
        tell(f"an environment in {env}")
        venv.EnvBuilder(with_pip=True).create(env)
    except (OSError, subprocess.CalledProcessError) as error:
        raise InputError(f"can't make an environment in {env}: {error}") from error
    python = Piper(home).python
    packages = [PACKAGE, *_same_runtime()]
    tell(f"pip install {' '.join(packages)}")
    # Dependencies too: onnxruntime and pathvalidate, no PyTorch.
    _run("pip", python, "-m", "pip", "install", "--quiet", *packages)
    tell("a voice of the medium size with random weights")
    paths = {"base": str(env), "platbase": str(env)}
    site_packages = sysconfig.get_path("purelib", "venv", vars=paths)
    # -P: `piper` is Piper's, not this module. The tracer warns of Piper's code, not of ours.
    maker = ("-P", "-W", "ignore", str(MAKER), site_packages, str(home))
    _run("making the voice", Path(sys.executable), *maker)
    tell(f"piper is in {home}")


def _same_runtime() -> list[str]:
    """Our version of onnxruntime, so that the run-times don't make the difference."""
    try:
        return [f"onnxruntime=={version('onnxruntime')}"]
    except PackageNotFoundError:  # ours is that for GPUs, or none
        return []


def _run(what: str, program: Path, *arguments: str) -> None:
    done = subprocess.run([str(program), *arguments], stdout=sys.stderr)
    if done.returncode:
        raise EngineError(
            f"{what} ended with {done.returncode}; see its message above, then {INSTALL} again"
        )
