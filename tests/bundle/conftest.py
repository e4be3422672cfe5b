"""A bundle of a few bytes, and hands to damage it with."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dlpo.bundle import (
    MANIFEST,
    CheckpointInfo,
    GraphInfo,
    Manifest,
    ScheduleInfo,
    TensorInfo,
    write_bundle,
)
from dlpo.bundle.voice_json import SEAL, seal

EditManifest = Callable[[Path, Callable[[dict[str, Any]], object]], None]


@pytest.fixture
def files() -> dict[str, bytes]:
    """What is in the graphs' files: no graphs."""
    return {"encoder.onnx": b"encoder" * 50, "frames.onnx": b"frames", "denoiser_2.onnx": b"d" * 99}


@pytest.fixture
def manifest(files: dict[str, bytes]) -> Manifest:
    tensor = TensorInfo("phonemes", "int64", (1, "P"))
    graphs = {
        name.removesuffix(".onnx"): GraphInfo({"fp32": name}, (tensor,), (tensor,))
        for name in files
    }
    return Manifest(
        voice="test",
        language="en-US",
        sample_rate_hz=22050,
        hop_length=300,
        symbols=("_", "^"),
        parametrisation="x0",
        noise_schedule=ScheduleInfo("cosine"),
        steps=2,
        context_frames_per_step=7,
        graphs=graphs,
        licence="CC0",
        corpus="none",
        checkpoint=CheckpointInfo("0" * 64, "abc", 3),
    )


@pytest.fixture
def content(tmp_path: Path, files: dict[str, bytes]) -> Path:
    folder = tmp_path / "content"
    folder.mkdir()
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return folder


@pytest.fixture
def directory(tmp_path: Path, manifest: Manifest, content: Path) -> Path:
    return write_bundle(tmp_path / "voice", manifest, content)


@pytest.fixture
def zipped(tmp_path: Path, manifest: Manifest, content: Path) -> Path:
    return write_bundle(tmp_path / "voice.dlpo", manifest, content)


@pytest.fixture(params=["voice", "voice.dlpo"])
def out(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A place for a bundle, in a folder of its own."""
    return tmp_path / "voices" / str(request.param)


@pytest.fixture
def edit_manifest() -> EditManifest:
    """Changes the values of a directory's manifest and seals it again, as another writer would."""

    def edit_and_seal(directory: Path, edit: Callable[[dict[str, Any]], object]) -> None:
        values = json.loads((directory / MANIFEST).read_bytes())
        del values[SEAL]
        edit(values)
        (directory / MANIFEST).write_bytes(seal(values))

    return edit_and_seal
