"""What a reader of the docs has, each in the folder that he works in."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.toys import praat_tier

ROOT = Path(__file__).resolve().parents[2]
TO_INSTALL = (
    "Makefile", "constraints.txt", "deploy/locks", "pyproject.toml", "hatch_build.py", "README.md",
    "LICENSE", "dlpo", "dlpo_cli", "serving/dlpo_serving", "export/dlpo_export",
    "benchmarks/dlpo_bench",
)  # fmt: skip


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with what `make` and `pip install .` need."""
    for name in TO_INSTALL:
        link = tmp_path / name
        link.parent.mkdir(exist_ok=True)
        link.symlink_to(ROOT / name)
    return tmp_path


@pytest.fixture
def checkpoints(checkout: Path) -> None:
    """What `pip install ./voices` makes a wheel of."""
    for name in ("voices", "recipe"):
        (checkout / name).symlink_to(ROOT / name)


@pytest.fixture
def recorded(checkout: Path, tiny_corpus: Path) -> None:
    """A corpus, by the name of the guide, alignments, no judge's weights."""
    for name in ("my-voice", "corpus"):
        (checkout / name).symlink_to(tiny_corpus)
    (checkout / "judges").mkdir()
    grids = checkout / "textgrids"
    grids.mkdir()
    for row in (tiny_corpus / "alignments.tsv").read_text().splitlines()[1:]:
        clip, phonemes, durations, words = row.split("\t")
        grid = text_grid(phonemes.split(), durations.split(), words.split())
        (grids / f"{clip}.TextGrid").write_text(grid)


@pytest.fixture
def trained(checkout: Path, wordy_dataset: Path, slow_checkpoint: Path) -> None:
    """A voice of one's own, before and after tuning, and the embedded one: tiny, as random."""
    from dlpo.checkpoint import load_checkpoint, save_checkpoint

    for name in ("runs/contour/checkpoint", "voices/spectral/tuned"):
        shutil.copytree(slow_checkpoint, checkout / name)
    loaded = load_checkpoint(slow_checkpoint)
    weights = loaded.model.state_dict()
    weights["spectrum_out.weight"] *= 1.1
    save_checkpoint(checkout / "runs/tuned/best", weights, loaded.config, loaded.provenance)
    (checkout / "data").mkdir()
    (checkout / "data/mine").symlink_to(wordy_dataset)


def text_grid(phonemes: list[str], durations_ms: list[str], words: list[str]) -> str:
    """An alignment as MFA writes it."""
    ends = [0.0]
    for milliseconds in durations_ms:
        ends.append(ends[-1] + float(milliseconds) / 1000)
    phones = zip(ends, ends[1:], phonemes, strict=False)
    spoken = []
    for word in words:
        label, _, places = word.partition(":")
        first, last = map(int, places.split("-"))
        spoken.append((ends[first], ends[last], label))
    return praat_tier(1, "words", spoken) + praat_tier(2, "phones", phones)
