"""Which packages are installed: those that matter by version, and every extra of dlpo."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping, Set
from importlib import metadata

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import dlpo
from dlpo.commit import source_commit
from dlpo.nvidia import INSTALL_TENSORRT
from dlpo_serving.doctor.observation import Observation, State
from dlpo_serving.encodings import MAX_RATE_HZ, Encoding, warm_encoders

LIBRARIES = (
    "numpy", "onnxruntime", "onnxruntime-gpu", "grpcio", "protobuf", "aiohttp", "soundfile",
    "soxr", "av", "openvino", "torch", "onnx", "tensorrt-cu13", "tensorrt-cu13-bindings",
    "cuda-bindings",
)  # fmt: skip
SPEAKING = ("serve", "gpu")  # one of them has to be complete
OWN_ENVIRONMENT = ("gpu", "riva")  # their packages exclude those of other extras
DOES_AS_WELL = {"onnxruntime": "onnxruntime-gpu"}  # the same module


def versions() -> dict[str, str]:
    """Python, the system, dlpo with its commit, and the libraries that are installed."""
    commit = source_commit()
    found = {
        "python": platform.python_version(),
        "system": platform.platform(),
        "dlpo": dlpo.__version__ + (f" ({commit})" if commit else ""),
    }
    for library in LIBRARIES:
        if version := _version(library):
            found[library] = version
    return found


def look_at_packages() -> Iterator[Observation]:
    """One observation for each extra, then what excludes what."""
    extras = {extra: _of_extra(extra) for extra in _extras()}
    lacking = {extra: _lacking(needed) for extra, needed in extras.items()}
    speaking = any(not lacking.get(extra, {extra: ""}) for extra in SPEAKING)
    for extra, missing in lacking.items():
        subject = f"extra {extra}"
        if not missing:
            yield Observation(subject, "ok", f"complete, {len(extras[extra])} packages")
            continue
        state: State = "problem" if extra == "serve" and not speaking else "absent"
        yield Observation(subject, state, _told(missing, len(extras[extra])), _install(extra))
    yield from _encodings()
    if _version("onnxruntime") and _version("onnxruntime-gpu"):
        yield Observation(
            "onnxruntime",
            "problem",
            "onnxruntime and onnxruntime-gpu are both installed; they overwrite each other's files",
            "pip uninstall -y onnxruntime onnxruntime-gpu && pip install 'dlpo[serve]', or"
            " 'dlpo[gpu]' for a GPU",
        )


def _encodings() -> Iterator[Observation]:
    missing = warm_encoders(MAX_RATE_HZ)
    for encoding, error in missing.items():
        why, _, remedy = error.violations[0].message.partition("; ")
        yield Observation(f"encoding {encoding}", "absent", why, remedy.rpartition(": ")[2])
    offered = [encoding for encoding in Encoding if encoding not in missing]
    yield Observation("encodings", "ok", ", ".join(offered))


def _told(missing: Mapping[str, str], asked_for: int) -> str:
    absent = [name for name, found in missing.items() if not found]
    if len(absent) == asked_for:
        return "not installed"
    old = [f"{name} is {found}" for name, found in missing.items() if found]
    return "; ".join([f"without {', '.join(absent)}"] * bool(absent) + old)


def _extras() -> list[str]:
    """Those of the dlpo that is installed; none where it runs from a folder on the path."""
    try:
        return metadata.metadata("dlpo").get_all("Provides-Extra") or []
    except metadata.PackageNotFoundError:
        return []


def _of_extra(extra: str, distribution: str = "dlpo") -> list[Requirement]:
    """What an extra asks for beside the base install."""
    try:
        declared = [Requirement(line) for line in metadata.requires(distribution) or ()]
    except metadata.PackageNotFoundError:
        return []
    return [
        needed
        for needed in declared
        if needed.marker
        and needed.marker.evaluate({"extra": extra})
        and not needed.marker.evaluate({"extra": ""})
    ]


def _lacking(needed: list[Requirement], seen: Set[str] = frozenset()) -> Mapping[str, str]:
    """Package -> nothing if it is absent, else its version and what is asked for."""
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
    command = f"pip install 'dlpo[{extra}]'"
    return f"in an environment of its own: {command}" if extra in OWN_ENVIRONMENT else command


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None
