#!/usr/bin/env python3
"""Exports of a toy and of the shipped voice by the tree that PYTHONPATH names: what is in them.

    python scripts/oracle_export.py VALUES.json

Run by `scripts/oracle`. By the command line alone: the toy is trained for two updates on the
humming corpus, both are exported with one step. An item is a field of the manifest, or the nodes,
the inputs and outputs, or the initializers of a graph.
"""

from __future__ import annotations

import hashlib
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import onnx
import torch
from onnx import numpy_helper
from oracle_updates import CHECKPOINT, RATE_HZ, dlpo, prepared_corpus

# What names the time, the commit or the sum of other items.
NOT_COMPARED = {"manifest_sha256", "files", "checkpoint", "parity", "created", "commit"}
TOY = {
    "updates": 2, "precision": "no", "batch": 2, "window": 16, "acoustic_batch": 2,
    "model.sample_rate_hz": RATE_HZ, "acoustic_window": 24, "timing_batch": 2,
    "adversarial_from": 2, "warmup": 1, "log_every": 1,
    "validate_every": 2, "save_every": 2, "model.hidden_channels": 16, "model.encoder_blocks": 1,
    "model.prosody_blocks": 1, "model.mel_blocks": 1, "model.conditioning_channels": 16,
    "model.conditioning_blocks": 1, "model.width": 16, "model.blocks": 2, "model.level_channels": 8,
}  # fmt: skip
EXPORTS = {
    "toy": ("--steps", 1, "--steps", 2, "--default-steps", 2),
    "shipped": ("--steps", 1, "--default-steps", 1, "--precision", "fp32", "--weight-bits", 8),
}


def sha256(*values: bytes) -> str:
    return hashlib.sha256(b"\0".join(values)).hexdigest()[:16]


def graph_items(path: Path) -> Iterator[tuple[str, str]]:
    """Hashes of a graph, without the source lines and comments that torch leaves in it."""
    graph = onnx.load(path).graph
    for node in graph.node:
        node.ClearField("doc_string")
        node.ClearField("metadata_props")
    nodes = [node.SerializeToString(deterministic=True) for node in graph.node]
    yield "nodes", f"{len(nodes)} {sha256(*nodes)}"
    ends = [one.SerializeToString(deterministic=True) for one in (*graph.input, *graph.output)]
    yield "ends", sha256(*ends)
    found = []
    for one in sorted(graph.initializer, key=lambda one: one.name):
        array = numpy_helper.to_array(one, str(path.parent))
        found += [f"{one.name} {array.dtype} {array.shape}".encode(), array.tobytes()]
    yield "initializers", f"{len(graph.initializer)} {sha256(*found)}"


def bundle_items(bundle: Path) -> Iterator[tuple[str, str]]:
    """Each field of the manifest, and each graph."""
    manifest = json.loads((bundle / "voice.json").read_text("utf-8"))
    for name, value in manifest.items():
        if name not in NOT_COMPARED:
            written = json.dumps(value, sort_keys=True)
            yield f"manifest/{name}", written if len(written) < 40 else sha256(written.encode())
    for path in sorted(bundle.glob("*.onnx")):
        yield from ((f"{path.name}/{item}", value) for item, value in graph_items(path))


def main() -> None:
    torch.set_num_threads(1)
    values: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as scratch:
        toy = Path(scratch, "toy")
        settings = [word for key, value in TOY.items() for word in ("--set", f"{key}={value}")]
        data = prepared_corpus(Path(scratch))
        dlpo("train", "spectral", "--data", data, "--out", toy, "--quiet", *settings)
        for name, options in EXPORTS.items():
            bundle = Path(scratch, f"{name}-bundle")
            start = toy / "checkpoint" if name == "toy" else CHECKPOINT
            dlpo("export", start, "--out", bundle, "--quiet", *options)
            values |= {f"export/{name}/{item}": one for item, one in bundle_items(bundle)}
    Path(sys.argv[1]).write_text(json.dumps(values, indent=1))


if __name__ == "__main__":
    main()
