"""The contract between export and serving: a voice as a directory, or as a `.dlpo` zip of one.

A bundle is data: the manifest `voice.json`, ONNX graphs and their weights, all plain files in one
folder. Loading checks the format, every name, every size and every sha256, the manifest's own too,
before anything is used; nothing is executed or unpickled, and no name leads outside the folder.
docs/bundle.md describes it for other hosts.
"""

from __future__ import annotations

from dlpo.bundle.load import Bundle
from dlpo.bundle.manifest import MAX_VOICE_NAME, Manifest
from dlpo.bundle.parts import (
    CheckpointInfo,
    FileInfo,
    GraphInfo,
    PlanInfo,
    Precision,
    ProsodyInfo,
    ScheduleInfo,
    SourceInfo,
    TensorInfo,
)
from dlpo.bundle.voice_json import (
    DEFAULT_VOICE,
    ENCODER_NOISE,
    FORMAT,
    MANIFEST,
    SOURCE_TAPER,
    VOICES,
)
from dlpo.bundle.write import copy_bundle, write_bundle

__all__ = [
    "DEFAULT_VOICE",
    "ENCODER_NOISE",
    "FORMAT",
    "MANIFEST",
    "MAX_VOICE_NAME",
    "SOURCE_TAPER",
    "VOICES",
    "Bundle",
    "CheckpointInfo",
    "FileInfo",
    "GraphInfo",
    "Manifest",
    "PlanInfo",
    "Precision",
    "ProsodyInfo",
    "ScheduleInfo",
    "SourceInfo",
    "TensorInfo",
    "copy_bundle",
    "write_bundle",
]
