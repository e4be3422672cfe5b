"""The contract between export and serving: a directory (or a `.dlpo` zip of it) that speaks.

A bundle is data: the manifest `voice.json`, ONNX graphs and their weights, all plain files in one
folder. Loading checks the format, every name, every size and every sha256 before anything is used;
nothing in it is executed or unpickled, and no name can lead outside the folder.
"""

from __future__ import annotations

from dlpo.bundle.load import Bundle
from dlpo.bundle.manifest import (
    FORMAT,
    MANIFEST,
    CheckpointInfo,
    FileInfo,
    GraphInfo,
    Manifest,
    PlanInfo,
    Precision,
    ProsodyInfo,
    ScheduleInfo,
    SourceInfo,
    TensorInfo,
)
from dlpo.bundle.write import write_bundle

__all__ = [
    "FORMAT",
    "MANIFEST",
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
    "write_bundle",
]
