"""Places of the server that are timed one by one: where Python's share of a stream goes.

Each is a function or method that runs from beginning to end on one thread. What it calls of the
others does not count as its own, so that the times add up.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any

from dlpo.errors import EngineError


@dataclass(frozen=True, slots=True)
class Place:
    """A function of the server."""

    words: str
    """what it does"""
    module: str
    name: str
    """as `Class.method`, or of a function"""

    @property
    def where(self) -> str:
        """For tables."""
        return f"{self.module.rpartition('.')[2]}.{self.name}"


RUNTIME = Place("the run-time computes", "onnxruntime", "InferenceSession.run")
_S = "dlpo_serving"
PLACES = (
    RUNTIME,
    Place("reads the text", f"{_S}.synthesizer", "Synthesizer.read"),
    Place("begins a sentence", f"{_S}.denoiser_input", "DenoiserInput.__init__"),
    Place("prepares a block of frames", f"{_S}.denoiser_input", "DenoiserInput.compute_block"),
    Place("makes the harmonic source", f"{_S}.source", "HarmonicSource.extend"),
    Place("draws noise", f"{_S}.denoiser_input", "DenoiserInput._make_source_and_noise"),
    Place("cuts a window", f"{_S}.rendering", "Rendering.window"),
    Place("joins windows to a batch", f"{_S}.engine_room", "compute_unit"),
    Place("hands arrays to the run-time", f"{_S}.engines.sentence_graphs", "run_session"),
    Place("brings samples to their level", f"{_S}.levels", "LevelShaper.apply"),
    Place("makes a chunk, with its words", f"{_S}.rendering", "Rendering.take"),
    Place("encodes samples", f"{_S}.encodings.encoder", "_ResamplingEncoder.encode"),
    Place("makes a piece of a chunk", f"{_S}.speech", "Speech.on_chunk"),
    Place("wakes the event loop", f"{_S}.speech", "Speech._pass"),
    Place("schedules, and waits for work", f"{_S}.engine_room", "EngineRoom._await_work"),
    Place("accounts for a unit", f"{_S}.engine_room", "EngineRoom._account"),
    Place("notes what was taken", f"{_S}.engine_room", "EngineRoom.took"),
    Place("gives memory back", f"{_S}.server", "give_memory_back"),
)
REST = "event loop, gRPC, threads and what no place covers"


def owner_of(place: Place) -> tuple[Any, str]:
    """The class or module that a place is an attribute of, and its name there.

    Raises:
        EngineError: the server has no such function any more.
    """
    *classes, name = place.name.split(".")
    try:
        owner: Any = importlib.import_module(place.module)
        for one in classes:
            owner = getattr(owner, one)
        getattr(owner, name)
    except (ImportError, AttributeError) as error:
        raise EngineError(
            f"{place.module} has no {place.name} ({error}); bring roofline/places.py up to date"
        ) from error
    return owner, name
