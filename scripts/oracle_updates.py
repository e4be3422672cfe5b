#!/usr/bin/env python3
"""Three updates of every method by the tree that PYTHONPATH names: losses, rewards, weights.

    python scripts/oracle_updates.py VALUES.json

Run by `scripts/oracle`. By the command line alone: a humming corpus is prepared, and the shipped
checkpoint is tuned on it, on one thread. Figures are those of TensorBoard's file, which isn't
rounded as the log is.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import humming_corpus
import numpy as np
import torch
from safetensors.numpy import load_file
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
from tensorboard.util.tensor_util import make_ndarray
from typer.testing import CliRunner

from dlpo_cli import app

CHECKPOINT, TEXTS = Path("voices/spectral/checkpoint"), Path("recipe/texts/conversation-a.csv")
RATE_HZ = 24_000  # the checkpoint's
PROMPTS = 200  # that endings are drawn from
CHAIN = {"steps": "2", "reward": "distillmos=1"}
RUNS: dict[str, dict[str, str]] = {
    "dlpo": {"method": "dlpo"},
    "dlpo-return": {"method": "dlpo", "guide": "return"},
    **{name: {"method": name} for name in (
        "rwr", "ddpo", "dpok", "klinr", "onlydl", "awm", "control", "direct",
    )},
    **{f"endings-{name}": {"method": name, "reward": "endings"} for name in (
        "dlpo", "control", "awm", "direct",
    )},
}  # fmt: skip
SHORT = {
    "updates": 3, "log_every": 1, "validate_every": 3, "save_every": 3, "precision": "no",
    "sentences": 2, "seed": 5,
}  # fmt: skip
SHORT_CHAIN = SHORT | {
    "group": 2, "rows": 2, "longest_s": 2.5, "window_batch": 2, "window": 12, "warm_up": 2,
    "adversary_warm_up": 1, "validation_sentences": 1,
}  # fmt: skip
SHORT_ENDINGS = SHORT | {"draws": 6, "learned": 4, "validation_endings": 1}
NOT_COMPARED = {"seconds", "seconds_per_update", "sample"}  # parts of a tag


def prepared_corpus(scratch: Path) -> Path:
    """The folder of the humming corpus, prepared."""
    corpus, data = scratch / "corpus", scratch / "data"
    humming_corpus.RATE_HZ = RATE_HZ
    humming_corpus.write_corpus(corpus)
    humming_corpus.add_sentences(corpus)
    dlpo(
        "prepare", "ljspeech", corpus, "--alignments", corpus / "alignments.tsv",
        "--out", data, "--sample-rate", RATE_HZ, "--quiet",
    )  # fmt: skip
    return data


def dlpo(*words: object) -> None:
    """Run the command in this process, which has loaded torch already."""
    result = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
    if result.exit_code:
        raise RuntimeError(f"dlpo {' '.join(map(str, words))}: {result.output[-500:]}")


def tune(options: dict[str, str], data: Path, texts: Path, out: Path) -> None:
    ends = options.get("reward") == "endings"
    words = {"texts": str(texts)} | options if ends else CHAIN | options | {"guard": "off"}
    settings = SHORT_ENDINGS if ends else SHORT_CHAIN
    dlpo(
        "tune", CHECKPOINT, "--data", data, "--out", out, "--quiet",
        *(f"--{name}={value}" for name, value in words.items()),
        *(word for name, value in settings.items() for word in ("--set", f"{name}={value}")),
    )  # fmt: skip


def figures_of(run: Path) -> Iterator[tuple[str, str]]:
    """Each figure of each update, and a hash of each tensor file that the run wrote."""
    for file in sorted(run.glob("**/events.out.tfevents.*")):
        for event in EventFileLoader(str(file)).Load():
            for value in event.summary.value:
                if not NOT_COMPARED & {*value.tag.split("/")}:
                    yield f"{value.tag}/{event.step}", repr(make_ndarray(value.tensor).item())
    for file in sorted(run.glob("**/*.safetensors")):
        found = hashlib.sha256()
        for name, tensor in sorted(load_file(file).items()):
            found.update(name.encode() + np.ascontiguousarray(tensor).tobytes())
        yield f"weights/{file.relative_to(run)}", found.hexdigest()[:16]


def main() -> None:
    out = Path(sys.argv[1])
    torch.set_num_threads(1)
    values: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as scratch:
        data, texts = prepared_corpus(Path(scratch)), Path(scratch, "texts")
        texts.write_text("\n".join(TEXTS.read_text("utf-8").splitlines()[:PROMPTS]) + "\n", "utf-8")
        for name, options in RUNS.items():
            run = Path(scratch, name)
            try:
                tune(options, data, texts, run)
                found = dict(figures_of(run))
            except Exception as error:
                found = {"ends": f"failed: {type(error).__name__} {error}"[:400]}
            values |= {f"updates/{name}/{item}": value for item, value in found.items()}
            shutil.rmtree(run, ignore_errors=True)
    out.write_text(json.dumps(values, indent=1))


if __name__ == "__main__":
    main()
