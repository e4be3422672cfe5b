"""Checks of an image in a running container."""

from __future__ import annotations

import json
import os
import signal
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path

import numpy as np
from container_build import Image
from humming_corpus import write_corpus

import dlpo
from dlpo.bundle import Bundle
from dlpo.errors import DlpoError, EngineError
from dlpo_serving.client import SpeechClient, SpeechRequest
from dlpo_serving.voice_names import DEFAULT_VOICE
from dlpo_serving.voices import find_voice

MAX_MB = 500.0  # unpacked size of the target cpu
MAX_START_S = 2.0  # until SERVING
STARTS = 5  # the fastest counts: others may have been using the CPU
USER = 10001
LONG = "Noise becomes speech, step by step, and nobody has to wait for the end of it. " * 20
SHELLS = ("/usr/bin/dash", "/usr/bin/bash")
LIFE = (  # commands of a voice's life in the image train; seconds for each
    "prepare ljspeech corpus --alignments corpus/alignments.tsv --out data",
    "train spectral --data data --out run --set updates=2 --set part=denoiser --set batch=1"
    " --set window=8 --set precision=no",
    "export run/checkpoint --out voice --steps 2 --default-steps 2",
)
SEALED = (
    "--read-only", "--cap-drop", "all", "--security-opt", "no-new-privileges",
    "--ulimit", "nofile=4096:4096", "--ulimit", "nproc=4096:4096",
)  # fmt: skip
# No capabilities, no writable folder, no shell: the strictest that a platform may impose.
HARDENED = (
    *SEALED, "--network", "host", "--read-only-tmpfs=false",
    "--cpu-shares", "262144",  # exclude other load on the machine
    "--pids-limit", "256", "--memory", "1g",
    *(word for shell in SHELLS for word in ("--volume", f"/dev/null:{shell}:ro")),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the table."""

    name: str
    found: str
    """human-readable"""
    holds: bool | None = None
    """None if nothing was promised"""


def check_cpu(image: Image) -> list[Row]:
    """Everything that the target cpu guarantees."""
    return [
        *_size(image, MAX_MB),
        *_contents(image, without=("torch", "pip")),
        *_labels(image),
        *_starts(image),
        *_service(image),
        *_refusals(image, {"cuda": "is the build for CPUs"}),
    ]


def check_gpu(image: Image) -> list[Row]:
    """Checks of the target gpu that need no GPU."""
    return [
        *_size(image, None),
        *_contents(image, without=("torch", "pip")),
        *_labels(image),
        *_refusals(image, {"cuda": "no NVIDIA GPU", "tensorrt": "no NVIDIA GPU"}),
    ]


def check_train(image: Image) -> list[Row]:
    """The guarantees of the target train on a machine without a GPU: a voice from a corpus."""
    return [
        *_size(image, None),
        *_contents(image, without=("pip",)),
        *_labels(image),
        *_voice_from_corpus(image),
    ]


@contextmanager
def _running(image: Image, *options: str, port: int = 50_051) -> Iterator[tuple[str, float]]:
    """A container of the image accepting calls: its name, and its seconds to readiness."""
    name = "dlpo-check"
    image.podman("rm", "--force", "--ignore", name)
    image.podman("create", "--name", name, *HARDENED, *options, image.name)
    try:
        start = time.monotonic()
        image.podman("start", name)
        with SpeechClient(f"127.0.0.1:{port}") as client:
            client.wait_until_serving(60.0)
        yield name, time.monotonic() - start
    except DlpoError:
        print(image.podman("logs", name, check=False))
        raise
    finally:
        image.podman("rm", "--force", "--time", "0", name)


@contextmanager
def _files(image: Image) -> Iterator[Path]:
    """The image's root file system."""
    yield Path(image.podman("image", "mount", image.name).strip())
    image.podman("image", "unmount", image.name)


def _size(image: Image, limit_mb: float | None) -> list[Row]:
    size = image.inspect()["Size"]
    assert isinstance(size, int)  # podman's format
    megabytes = size / 1e6
    with _files(image) as root:
        (site,) = root.glob("opt/dlpo/lib/python3*/site-packages")
        ours = {path.name: _bytes(path) for path in site.iterdir()}
        parts = {"its base": megabytes * 1e6 - _bytes(root / "opt"), **ours}
        parts["compiled code"] = _bytes(root / "opt/dlpo/pycache")
    largest = sorted(parts, key=parts.__getitem__, reverse=True)[:8]
    value = ", ".join(f"{name} {parts[name] / 1e6:.0f}" for name in largest)
    holds = None if limit_mb is None else megabytes <= limit_mb
    return [Row("size", f"{megabytes:.0f} MB", holds), Row("largest parts, MB", value)]


def _bytes(path: Path) -> int:
    if path.is_symlink() or path.is_file():
        return path.lstat().st_size
    return sum(_bytes(inner) for inner in path.iterdir())


def _contents(image: Image, without: tuple[str, ...]) -> list[Row]:
    with _files(image) as root:
        (site,) = root.glob("opt/dlpo/lib/python3*/site-packages")
        installed = {one.name.lower(): one.version for one in distributions(path=[str(site)])}
        bill = json.loads((root / "opt/dlpo/sbom.cdx.json").read_text("utf-8"))
        inside = [name for name in without if name in installed or (site / name).exists()]
    parts = [bill["metadata"]["component"], *bill["components"]]
    listed = {part["name"].lower(): part.get("version") for part in parts}
    missing = sorted(set(installed.items()) - set(listed.items()) - {("dlpo", dlpo.__version__)})
    return [
        Row(f"no {', '.join(without)}", ", ".join(inside) or "none of them", not inside),
        Row(
            "list of what is inside",
            f"CycloneDX {bill['specVersion']}, {len(parts)} components, {len(installed)} installed"
            + (f", NOT LISTED: {missing}" if missing else ""),
            "dlpo" in listed and not missing,
        ),
    ]


def _labels(image: Image) -> list[Row]:
    labels = image.inspect()["Labels"]
    assert isinstance(labels, dict)  # podman's format
    expected = {
        "title": "dlpo",
        "version": dlpo.__version__,
        "revision": image.revision,
        "licenses": "Apache-2.0",
    }
    found = {name: labels.get(f"org.opencontainers.image.{name}") for name in expected}
    with _files(image) as root:
        (package,) = root.glob("opt/dlpo/lib/python3*/site-packages/dlpo")
        inside = (package / "COMMIT").read_text("utf-8").strip()
    value = f"{', '.join(map(str, found.values()))}; dlpo itself says {inside[:7]}"
    return [Row("labels", value, found == expected and inside == image.revision)]


def _starts(image: Image) -> list[Row]:
    seconds = []
    for _ in range(STARTS):
        with _running(image) as (_, start_s):
            seconds.append(start_s)
    least = min(seconds)
    value = f"{least:.2f} s, the least of " + ", ".join(f"{s:.2f}" for s in seconds)
    return [Row("start to SERVING", value, least <= MAX_START_S)]


def _service(image: Image) -> list[Row]:
    """One container from start to end, with its voice mounted."""
    voice = (
        "--volume",
        f"{find_voice(DEFAULT_VOICE)}:/voices/ann:ro",
        "--env",
        "DLPO_VOICES=/voices/ann",
    )
    with _running(image, *voice) as (name, _), SpeechClient("127.0.0.1:50051") as client:
        rows = [*_process(image, name), *_services(image, name, client)]
        stream = client.stream(SpeechRequest(LONG))
        samples = len(next(iter(stream)).samples)
        image.podman("kill", "--signal", "TERM", name)
        samples += sum(len(chunk.samples) for chunk in stream)
        code = image.podman("wait", name, timeout_s=90.0).strip()
        whole = stream.totals is not None and stream.totals.samples == samples
        seconds = samples / stream.info.format.sample_rate_hz
        value = f"{seconds:.0f} s of speech {'all came' if whole else 'CUT'}, exit code {code}"
        rows.append(Row("SIGTERM amid a stream", value, whole and code == "0"))
    return [*rows, _early_end(image)]


def _process(image: Image, name: str) -> list[Row]:
    pid = image.podman("inspect", "--format", "{{.State.Pid}}", name).strip()
    lines = Path(f"/proc/{pid}/status").read_text("utf-8").splitlines()
    status = {key: value.split() for key, _, value in (line.partition(":") for line in lines)}
    mounts = [line.split() for line in Path(f"/proc/{pid}/mounts").read_text("utf-8").splitlines()]
    (root,) = [options for _, place, _, options, *_ in mounts if place == "/"]
    temporary = {place for _, place, *_ in mounts} & {"/tmp", "/var/tmp", "/run"}
    free = {int(number, 16) for number in (*status["CapEff"], *status["CapBnd"])} == {0}
    own = set(status["Uid"] + status["Gid"]) == {str(USER)}
    sealed = "ro" in root.split(",") and not temporary
    shell = image.podman("exec", name, "/bin/sh", "-c", "echo here", check=False)
    first = status["NSpid"][-1] == "1"
    return [
        Row("user", f"uid {status['Uid'][0]}, gid {status['Gid'][0]}", own),
        Row("capabilities", "none" if free else f"{status['CapEff']}", free),
        Row("root file system", root.partition(",lowerdir")[0], sealed),
        Row("shell", "there is none" if not shell else "it works", not shell),
        Row("process", f"number {status['NSpid'][-1]} of its namespace", first),
        Row("memory", f"{int(status['VmHWM'][0]) / 1e3:.0f} MB at most until then"),
    ]  # fmt: skip


def _services(image: Image, name: str, client: SpeechClient) -> list[Row]:
    start = time.monotonic()
    image.podman("healthcheck", "run", name)  # EngineError unless its exit code is 0
    healthy_s = time.monotonic() - start
    with urllib.request.urlopen("http://127.0.0.1:8080/metrics") as reply:
        metrics = reply.read().decode()
    start = time.monotonic()
    stream = client.stream(SpeechRequest("Hello from inside.", seed=1))
    first = next(iter(stream)).samples
    first_s = time.monotonic() - start
    audio = np.concatenate([first, *(chunk.samples for chunk in stream)])
    loud = float(np.sqrt(np.mean(audio**2)))
    seconds = len(audio) / stream.info.format.sample_rate_hz
    value = f"{seconds:.1f} s, the first of it after {1e3 * first_s:.0f} ms"
    return [
        Row("health check", f"exit code 0 within {healthy_s:.1f} s, with podman's own part", True),
        Row("metrics", f"{len(metrics.splitlines())} lines", "dlpo_model_info{" in metrics),
        Row("speech over gRPC", value, loud > 0.01),
    ]


def _voice_from_corpus(image: Image) -> list[Row]:
    """Each command of a voice's life in a container of its own, on a humming corpus."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        write_corpus(work / "corpus")
        for path in (work, *work.rglob("*")):
            os.chown(path, USER, USER)
        for command in LIFE:
            start = time.monotonic()
            image.podman(
                "run", "--rm", *SEALED, "--network", "none", "--volume", f"{work}:/work",
                image.name, *command.split(), timeout_s=600.0,
            )  # fmt: skip
            value = f"exit code 0 after {time.monotonic() - start:.0f} s"
            rows.append(Row(" ".join(command.split()[:2]), value, True))
        sealed = Bundle.load(work / "voice")  # DlpoError if it is damaged
        value = f"{sealed.manifest.voice}, {sorted(sealed.manifest.graphs)}"
        rows.append(Row("its bundle, read outside", value, True))
    return rows


def _early_end(image: Image) -> Row:
    """SIGTERM to a process that is still loading: PID 1 must handle the signals it wants."""
    name, codes = "dlpo-check", []
    for delay_s in (0.05, 0.3, 0.6):
        image.podman("rm", "--force", "--ignore", name)
        image.podman("create", "--name", name, *HARDENED, image.name)
        image.podman("start", name)
        time.sleep(delay_s)
        image.podman("kill", "--signal", str(int(signal.SIGTERM)), name)
        try:
            codes.append(image.podman("wait", name, timeout_s=15.0).strip())
        except EngineError:
            codes.append("still there after 15 s")
    image.podman("rm", "--force", "--time", "0", name)
    ended = all(code.isdecimal() for code in codes)
    return Row("SIGTERM while it starts", f"exit codes {', '.join(codes)}", ended)


def _refusals(image: Image, engines: dict[str, str]) -> list[Row]:
    """Invalid settings end the container immediately, with one line and exit code 1."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:  # owned by root, so unreadable inside
        voice = ("--volume", f"{folder}:/voices/ann:ro")
        cases = {
            **{
                f"engine {name}": ((), ("--engine", name), value) for name, value in engines.items()
            },
            "a voice that is absent": ((), ("--voice", "/voices/ann"), "no voice '/voices/ann'"),
            "a voice of another user": (voice, ("--voice", "/voices/ann"), "can't be read"),
        }
        for name, (options, arguments, expected) in cases.items():
            command = ("run", "--rm", *HARDENED, *options, image.name, "serve", *arguments)
            try:
                image.podman(*command)
                found = "it started"
            except EngineError as error:
                found = str(error).partition("\n")[2]
            rows.append(Row(name, found[:200], found.startswith("dlpo: ") and expected in found))
    return rows
