"""`dlpo doctor`: checks of this machine, each with a remedy.

    look_at_packages    the extras: complete, or what is missing
    look_at_machine     the CPU's features, the GPU, CUDA and TensorRT
    try_engines         every engine synthesizes, in a process of its own
    look_around         audio player
    look_at_mark        which key marks speech

Each yields findings. All of it runs with the base install alone and reports what is missing.

    python -m dlpo_serving.local.doctor ENGINE VOICE    one engine, as JSON lines, for `try_engines`
"""

from __future__ import annotations

import json
import platform
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Set
from dataclasses import asdict
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from dlpo.bundle import Bundle
from dlpo.commit import source_commit
from dlpo.errors import BundleError, DlpoError, EngineError, MissingExtraError, pip_install
from dlpo.nvidia import (
    DRIVERS,
    INSTALL_TENSORRT,
    Finding,
    State,
    cuda_version,
    find_gpu,
    install_gpu,
    load_tensorrt,
)
from dlpo.operating_system import usable_cores
from dlpo.version import __version__
from dlpo_serving.encodings.encoder import warm_encoders
from dlpo_serving.encodings.formats import MAX_RATE_HZ, Encoding
from dlpo_serving.engines import PRECISIONS, EngineName, EnginePrecision
from dlpo_serving.voices import find_voice

LIBRARIES = (
    "numpy", "onnxruntime", "onnxruntime-gpu", "grpcio", "protobuf", "aiohttp", "soundfile",
    "soxr", "av", "torch", "onnx", "tensorrt-cu13", "tensorrt-cu13-bindings",
    "cuda-bindings",
)  # fmt: skip
GPU = {"gpu": 13, "gpu-cuda12": 12}  # extra -> CUDA
DOES_AS_WELL = {"onnxruntime": "onnxruntime-gpu"}  # the same module
# Names as in /proc/cpuinfo: x86 in the line `flags`, ARM in `Features`.
WIDE = ("avx2", "avx512f", "asimd")
BYTES = ("avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm")
TRIAL_S = 120.0  # TensorRT builds its engines the first time
TEXT = "Hello there."


def versions() -> dict[str, str]:
    """Python, the system, dlpo with its commit, and the libraries that are installed."""
    commit = source_commit()
    found = {
        "python": platform.python_version(),
        "system": platform.platform(),
        "dlpo": __version__ + (f" ({commit})" if commit else ""),
    }
    for library in LIBRARIES:
        if version := _version(library):
            found[library] = version
    return found


def look_at_packages() -> Iterator[Finding]:
    """The base install, then each extra, the encodings, and any conflict between packages."""
    for extra in ["", *_extras()]:
        subject = f"extra {extra}" if extra else "base install"
        needed = _of_extra(extra)
        if not (missing := _lacking(needed)):
            yield Finding(subject, "ok", f"complete, {len(needed)} packages")
            continue
        state: State = "absent" if extra else "problem"
        yield Finding(subject, state, _summary(missing, len(needed)), _install(extra))
    yield from _encodings()
    if _version("onnxruntime") and _version("onnxruntime-gpu"):
        yield Finding(
            "onnxruntime",
            "problem",
            "onnxruntime and onnxruntime-gpu are both installed; they overwrite each other's files",
            "pip uninstall -y onnxruntime onnxruntime-gpu && pip install onnxruntime, or for a GPU"
            f" {install_gpu(13)}",
        )


def _encodings() -> Iterator[Finding]:
    missing = warm_encoders(MAX_RATE_HZ)
    for encoding, error in missing.items():
        why, _, remedy = error.violations[0].message.partition("; ")
        yield Finding(f"encoding {encoding}", "absent", why, remedy.rpartition(": ")[2])
    offered = [encoding for encoding in Encoding if encoding not in missing]
    yield Finding("encodings", "ok", ", ".join(offered))


def _summary(missing: Mapping[str, str], asked_for: int) -> str:
    absent = [name for name, found in missing.items() if not found]
    if len(absent) == asked_for:
        return "not installed"
    old = [f"{name} is {found}" for name, found in missing.items() if found]
    return "; ".join([f"without {', '.join(absent)}"] * bool(absent) + old)


def _extras() -> list[str]:
    """The extras of the installed dlpo; empty if it runs from a folder on the path."""
    try:
        return metadata.metadata("dlpo").get_all("Provides-Extra") or []
    except metadata.PackageNotFoundError:
        return []


def _of_extra(extra: str, distribution: str = "dlpo") -> list[Requirement]:
    """The requirements of an extra beside the base install, or with "" of that one."""
    try:
        declared = [Requirement(line) for line in metadata.requires(distribution) or ()]
    except metadata.PackageNotFoundError:
        return []
    return [
        needed
        for needed in declared
        if (not needed.marker or needed.marker.evaluate({"extra": extra}))
        and bool(extra) is not (not needed.marker or needed.marker.evaluate({"extra": ""}))
    ]


def _lacking(needed: list[Requirement], seen: Set[str] = frozenset()) -> Mapping[str, str]:
    """Package -> "" if absent, else its version and the expected one."""
    missing: dict[str, str] = {}
    for requirement in needed:
        name = canonicalize_name(requirement.name)
        found = _version(name) or _version(DOES_AS_WELL.get(name, name))
        if found is None:
            missing[name] = ""
        elif not requirement.specifier.contains(found, prereleases=True):
            missing[name] = f"{found}, expected {requirement.specifier}"
        elif name not in seen:
            for extra in requirement.extras:
                missing |= _lacking(_of_extra(extra, name), seen | {name})
    return missing


def _install(extra: str) -> str:
    if extra == "tensorrt":
        return INSTALL_TENSORRT
    command = install_gpu(GPU[extra]) if extra in GPU else pip_install(*filter(None, [extra]))
    apart = extra in GPU or extra == "riva"  # their packages conflict with other extras
    return f"in a separate environment: {command}" if apart else command


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def look_at_machine(cpuinfo: Path = Path("/proc/cpuinfo")) -> Iterator[Finding]:
    """The CPU, the GPU, CUDA, TensorRT. Only missing vector instructions are a problem.

    Args:
        cpuinfo: where Linux lists the features of the CPU.
    """
    yield from _cpu(cpuinfo)
    yield from _gpu()
    yield _tensorrt()


def _cpu(cpuinfo: Path) -> Iterator[Finding]:
    cores = usable_cores()
    try:
        rows = [line.partition(":") for line in cpuinfo.read_text("utf-8").splitlines()]
    except OSError:
        yield Finding("CPU", "ok", f"{platform.machine()}, {cores} cores, features unknown")
        return
    values = {name.strip(): value.strip() for name, _, value in reversed(rows)}
    flags = set((values.get("flags") or values.get("Features") or "").split())
    model = values.get("model name") or platform.machine()
    yield Finding("CPU", "ok", f"{model}, {cores} usable cores")
    yield _feature(
        "vectors", WIDE, flags, "problem", "synthesis may be slower than real time; use another CPU"
    )
    slower = "without them, graphs of 8 bits take longer"
    yield _feature("8 bits", BYTES, flags, "absent", slower)


def _feature(
    subject: str, wanted: tuple[str, ...], flags: set[str], state: State, remedy: str
) -> Finding:
    if found := [flag for flag in wanted if flag in flags]:
        return Finding(subject, "ok", ", ".join(found))
    none = f"none of {', '.join(wanted)}"
    return Finding(subject, state, none, remedy)


def _gpu() -> Iterator[Finding]:
    driver = _nvidia_smi()
    if driver:
        yield _driver(driver)
    try:
        gpu = find_gpu()
    except (MissingExtraError, EngineError) as error:
        if not driver:
            yield Finding("GPU", "absent", "no NVIDIA driver")
        elif isinstance(error, MissingExtraError):
            remedy = _install("gpu" if _release(driver) >= DRIVERS[13] else "gpu-cuda12")
            yield Finding("GPU", "absent", str(error).partition(";")[0], remedy)
        else:
            what, _, remedy = str(error).partition("; ")
            yield Finding("GPU", "problem", what, remedy)
        return
    size = f"{gpu.total_bytes / 2**30:.0f} GiB"
    detail = f"{gpu.name}, compute capability {gpu.compute_capability}, {size}"
    yield Finding("GPU", "ok", detail)
    yield Finding("CUDA", "ok", f"the driver supports up to {gpu.driver}")


def _driver(driver: str) -> Finding:
    """Which CUDA the driver can run, and whether that is the one that is installed."""
    runs = [cuda for cuda, oldest in DRIVERS.items() if _release(driver) >= oldest]
    if not runs:
        oldest = min(DRIVERS.values())
        return Finding("NVIDIA driver", "problem", driver, f"update it to {oldest} or newer")
    wanted = cuda_version()
    if wanted in runs:
        return Finding("NVIDIA driver", "ok", driver)
    what = f"{driver}; CUDA {wanted} needs {DRIVERS[wanted]} or newer"
    remedy = f"update it, or {_install('gpu-cuda12')}"
    return Finding("NVIDIA driver", "problem", what, remedy)


def _release(driver: str) -> int:
    """The first number of a driver's version, such as 580."""
    return int(driver.partition(".")[0]) if driver[:1].isdecimal() else 0


def _nvidia_smi() -> str:
    """Version of the driver and names of the GPUs, from nvidia-smi; empty without it."""
    if not (program := shutil.which("nvidia-smi")):
        return ""
    command = [program, "--query-gpu=driver_version,name", "--format=csv,noheader"]
    try:
        run = subprocess.run(command, capture_output=True, text=True, check=True, timeout=20)
    except (OSError, subprocess.SubprocessError):
        return ""
    return "; ".join(run.stdout.split("\n")).strip("; ")


def _tensorrt() -> Finding:
    try:
        return Finding("TensorRT", "ok", str(load_tensorrt().__version__))
    except EngineError as error:
        what = str(error).replace(INSTALL_TENSORRT, "").rstrip(": ")
        return Finding("TensorRT", "absent", what, INSTALL_TENSORRT)


def look_around() -> Iterator[Finding]:
    """The audio player; synthesis into a file needs none."""
    from dlpo_serving.local.player import PLAYERS

    names = [player.name for player in PLAYERS]
    if found := next(filter(shutil.which, names), None):
        yield Finding("audio player", "ok", found)
        return
    none = f"none of {', '.join(names)}; without -o, dlpo say writes speech.wav"
    remedy = "apt-get install alsa-utils, or write a file: dlpo say TEXT -o speech.wav"
    yield Finding("audio player", "absent", none, remedy)


def look_at_mark(voice: str) -> Iterator[Finding]:
    """Which key marks the speech of a voice, and how surely it is found; see docs/provenance.md."""
    try:
        manifest = Bundle.load(find_voice(voice)).manifest
    except DlpoError:  # `try_engines` reports it
        return
    if manifest.carries_mark(manifest.steps):
        found = f"the public key marks {voice}; z {manifest.mark[str(manifest.steps)]:g} in 5 s"
        yield Finding("mark", "ok", found)
        return
    what = f"{voice} is not known to carry the mark"
    yield Finding("mark", "absent", what, f"dlpo export {voice} --measure-mark")


def try_engines(voice: str) -> Iterator[Finding]:
    """One finding for each engine and precision worth reporting.

    Each engine runs in a process of its own: a library built for another machine may crash
    it. An engine that can't be opened at all is reported once.

    Args:
        voice: name or path of a bundle.
    """
    try:
        Bundle.load(find_voice(voice))
    except DlpoError as error:
        yield Finding(f"voice {voice}", "problem", str(error))
        return
    for engine in PRECISIONS:
        yield from _tried(engine, voice)


def _tried(engine: str, voice: str) -> Iterator[Finding]:
    subject = f"engine {engine}"
    command = [sys.executable, "-P", "-m", "dlpo_serving.local.doctor", engine, voice]
    try:
        run = subprocess.run(command, capture_output=True, text=True, timeout=TRIAL_S)
    except subprocess.TimeoutExpired:
        yield Finding(subject, "problem", f"no speech within {TRIAL_S:g} s")
        return
    for line in run.stdout.splitlines():
        if line.startswith("{"):
            yield Finding(**json.loads(line))
    if code := run.returncode:
        last = (run.stderr.strip().splitlines() or ["no message"])[-1]
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"exited with {code}"
        remedy = f"{pip_install('serve')} --force-reinstall"
        yield Finding(subject, "problem", f"the process {how}: {last}", remedy)


def try_precisions(engine: EngineName, voice: str) -> None:
    """Print a line of JSON for each precision of an engine; only one if none can be opened.

    The real-time factor is that of the second run; the first one allocates memory.
    """
    for precision in PRECISIONS[engine]:
        found = _synthesize_with(engine, precision, voice)
        print(json.dumps(asdict(found)), flush=True)
        if found.subject == f"engine {engine}":
            return


def _synthesize_with(engine: EngineName, precision: EnginePrecision, voice: str) -> Finding:
    subject = f"engine {engine} {precision}"
    try:
        from dlpo_serving.request import SpeechRequest
        from dlpo_serving.voices import open_voice

        begin = time.perf_counter()
        synthesizer = open_voice(voice, engine, precision)
        open_s = time.perf_counter() - begin
        request = SpeechRequest(TEXT)
        synthesizer.speak(request)
        begin = time.perf_counter()
        samples = len(synthesizer.speak(request))
        wall_s = time.perf_counter() - begin
    except BundleError as error:
        return _failed(subject, "absent", error)
    except (EngineError, MissingExtraError) as error:
        of_all = precision == PRECISIONS[engine][0]
        # The CPU engine must run on every machine; the others need not.
        state: State = "problem" if engine == "cpu" else "absent"
        return _failed(f"engine {engine}" if of_all else subject, state, error)
    except DlpoError as error:
        return _failed(subject, "problem", error)
    audio_s = samples / synthesizer.manifest.sample_rate_hz
    detail = f"RTF {wall_s / audio_s:.3f}, {audio_s:.2f} s of speech, opened in {open_s:.2f} s"
    return Finding(subject, "ok", detail)


def _failed(subject: str, state: State, error: Exception) -> Finding:
    what, _, remedy = " ".join(str(error).split()).partition("; ")
    return Finding(subject, state, what, remedy.removeprefix("run: "))


if __name__ == "__main__":
    try_precisions(sys.argv[1], sys.argv[2])  # type: ignore[arg-type]  # written by _tried
