"""Benchmark records: figures with everything needed to trust and to reproduce them."""

from __future__ import annotations

import json
import platform
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from itertools import count
from pathlib import Path
from typing import Annotated, Any, Literal

import psutil

from dlpo.commit import git
from dlpo.config.strict import from_dict, like
from dlpo.errors import ConfigError, DataError, InputError, writing
from dlpo.operating_system import usable_cores

RECORDS = Path("benchmarks") / "records"  # relative to the root of a checkout
LIBRARIES = ("numpy", "onnxruntime", "torch", "grpcio", "scipy", "soxr", "distillmos",
             "pocketsphinx")  # fmt: skip
CPU_FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_bf16", "amx_int8")


@dataclass(frozen=True, slots=True)
class Record:
    """One benchmark run."""

    format: Literal[1]
    """Version of this layout."""
    kind: Annotated[str, like("[a-z0-9]+(-[a-z0-9]+)*")]
    """What was measured, e.g. "quality", "latency"; also the first part of the file's name."""
    command: Annotated[str, like("(?s).+")]
    """The command that reproduces it."""
    utc: Annotated[str, like(".+")]
    """When it ended, ISO 8601."""
    machine: dict[str, Any]
    """CPU model, usable cores, which of `CPU_FLAGS` it has, memory in MB, system."""
    software: dict[str, str]
    """Python and the installed libraries -> version."""
    commit: dict[str, Any] | None
    """{"hash", "dirty"} of the checkout; null outside of one."""
    bundle_sha256: Annotated[str, like("[0-9a-f]{64}")] | None
    """Of the bundle's manifest, which in turn hashes every file; null without a bundle."""
    figures: dict[str, Any]
    """The results that tables quote."""
    samples: dict[str, Any]
    """The raw measurements that the figures were computed from."""


@dataclass(frozen=True, slots=True)
class Measured:
    """The result of a measurement."""

    figures: Mapping[str, Any]
    """The results that tables quote."""
    samples: Mapping[str, Any] = field(default_factory=dict)
    """The raw measurements that the figures were computed from."""
    skipped: Mapping[str, str] = field(default_factory=dict)
    """What could not be measured here -> why."""
    problems: Sequence[str] = ()
    """What went wrong or disturbed the run, though the rest was measured."""
    bundle_sha256: str | None = None
    """Of the measured bundle's manifest."""


def write_record(kind: str, measured: Measured, command: str, out_dir: Path = RECORDS) -> Path:
    """Write `<kind>-<UTC time>.json` and return its path.

    Raises:
        InputError: a malformed name or hash, figures that JSON can't hold (NaN included), or a
            directory that can't be written.
    """
    now = datetime.now(UTC)
    record = Record(
        1, kind, command, now.isoformat(timespec="seconds"), machine(), _software(), _commit(),
        measured.bundle_sha256, dict(measured.figures), dict(measured.samples),
    )  # fmt: skip
    try:
        text = json.dumps(asdict(record), indent=1, allow_nan=False)
        from_dict(Record, json.loads(text))
    except ConfigError as error:
        raise InputError(f"can't record {kind}: {error}") from error
    except (TypeError, ValueError) as error:
        raise InputError(
            f"can't record {kind}: {error}; figures and samples must be finite numbers, texts,"
            " lists and dictionaries"
        ) from error
    with writing(f"a record to {out_dir}"):
        out_dir.mkdir(parents=True, exist_ok=True)
        names = (f"-{number}" if number > 1 else "" for number in count(1))  # several in one second
        paths = (out_dir / f"{kind}-{now:%Y%m%dT%H%M%SZ}{name}.json" for name in names)
        path = next(path for path in paths if not path.exists())
        path.write_text(text + "\n", "utf-8")
    return path


def check_recordable(out_dir: Path = RECORDS) -> None:
    """Check that a record can be written; call it before a measurement rather than after.

    Raises:
        InputError: `out_dir` is in this checkout, which has uncommitted changes, so the measurement
            could not be reproduced; or the directory can't be written, or its disk is full.
    """
    commit, root = _commit(), Path(__file__).resolve().parents[2]
    if commit is not None and commit["dirty"] and out_dir.resolve().is_relative_to(root):
        raise InputError(
            f"{root} has uncommitted changes, and a record there names a commit; nothing was"
            " measured, commit or stash them first"
        )
    with writing(f"records to {out_dir}", "nothing was measured"):
        out_dir.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out_dir) as file:
            file.write(bytes(1 << 20))  # twice the largest record


def read_record(path: Path) -> Record:
    """Read a record from a file.

    Raises:
        DataError: missing, not JSON, in a newer format, or not in the layout of `Record`.
    """
    try:
        return from_dict(Record, json.loads(path.read_bytes()))
    except OSError as error:
        raise DataError(f"{path}: can't be read as a record ({error})") from error
    except (ConfigError, ValueError) as error:
        raise DataError(f"{path}: {error}; write it again with this version") from error


def machine() -> dict[str, Any]:
    """The processor, its cores and flags, the memory and the system."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:  # not Linux
        lines = []
    cpu = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    flags = cpu.get("flags", "").split()
    return {
        "cpu": cpu.get("model name") or platform.processor() or platform.machine(),
        **_processor(cpu),
        "cores": usable_cores(),
        "flags": [flag for flag in CPU_FLAGS if flag in flags],
        "memory_mb": psutil.virtual_memory().total // 2**20,
        "system": platform.platform(),
    }


def _processor(cpu: Mapping[str, str]) -> dict[str, float]:
    """Family, model and MHz of /proc/cpuinfo: many processors share a name such as "AMD EPYC"."""
    keys = {"cpu_family": "cpu family", "cpu_model": "model", "cpu_mhz": "cpu MHz"}
    try:
        return {name: float(cpu[key]) for name, key in keys.items()}
    except (LookupError, ValueError):  # not x86 Linux
        return {}


def _software() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for library in LIBRARIES:
        with suppress(PackageNotFoundError):
            found[library] = version(library)
    return found


def _commit() -> dict[str, Any] | None:
    here = Path(__file__).parent
    try:
        changes = git(here, "status", "--porcelain", "--untracked-files=no")
        return {"hash": git(here, "rev-parse", "HEAD"), "dirty": bool(changes)}
    except (OSError, subprocess.SubprocessError):
        return None
