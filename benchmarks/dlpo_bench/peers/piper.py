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
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from dlpo.errors import EngineError, InputError, MissingExtraError
from dlpo_bench.interleave import Tell, silent
from dlpo_bench.peers.measure import Peer

PACKAGE = "piper-tts==1.8.0"  # has the training modules, which the random voice is made with
PUBLISHED_PARAMETERS = 15.7e6
"""Of en_US-lessac-medium, as https://huggingface.co/cstr/piper-en_US-lessac-medium-GGUF says."""
MAKER = Path(__file__).with_name("piper_model.py")
INSTALL = 'run "dlpo bench peers --install piper"'
HOME = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dlpo/peers/piper"
PYTHON = Path("env") / "bin" / "python"  # within the home


def piper(home: Path, voice: Path | None = None) -> Peer:
    """Piper with a voice of the medium size, on onnxruntime with one thread.

    Args:
        home: has its environment, and the voice with random weights.
        voice: a trained one, ONNX with its JSON in the same folder; None is the random one.
    """
    python, model = home / PYTHON, voice or home / "medium.onnx"
    absent = [path for path in (model, Path(f"{model}.json")) if not path.exists()]
    missing = ""
    if not python.exists():
        missing = f"piper is not installed in {home}; {INSTALL}"
    elif absent:
        missing = f"{absent[0]} does not exist" + ("" if voice else f"; {INSTALL}")
    settings = {"model": str(model), "adjust": voice is None}
    if voice:
        title, note = f"Piper, voice {voice.stem}", ""
        facts: dict[str, object] = {"weights": "trained"}
    else:
        title = "Piper medium's VITS, random weights"
        note = (
            "its weights are random: speed does not depend on them, and its length scale is set so"
            " that each text takes as long as from our voice"
        )
        known = {} if missing else json.loads((home / "facts.json").read_text("utf-8"))
        facts = {"weights": "random", "published_parameters": PUBLISHED_PARAMETERS, **known}
    return Peer("piper", title, "piper", settings, missing, python, note=note, facts=facts)


def install_piper(home: Path, tell: Tell = silent) -> None:
    """Make Piper's environment and a random voice in it, in place of what the folder had.

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
    packages = [PACKAGE, *_same_runtime()]
    tell(f"pip install {' '.join(packages)}")
    # Dependencies too: onnxruntime and pathvalidate, no PyTorch.
    _run("pip", home / PYTHON, "-m", "pip", "install", "--quiet", *packages)
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
