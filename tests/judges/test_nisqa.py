"""The networks against computations written out, and their weight files, made here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from dlpo.errors import CheckpointError
from dlpo.judges.nisqa import SETTINGS, Nisqa, NisqaNetwork, NisqaTtsNetwork

AUTHORS_NAMES = {
    "NISQA_DIM": {"cnn.": "cnn.model.", "pool.": "pool_layers.0.model."},
    "NISQA": {
        "cnn.": "cnn.model.",
        "fc_out.": "cnn.model.fc_out.",
        "linear.": "pool.model.linear.",
    },
}
DAMAGE: list[Callable[[dict[str, Any]], object]] = [
    lambda content: content["model_state_dict"].pop("cnn.model.conv1.weight"),
    lambda content: content.pop("args"),
    lambda content: content["args"].update(ms_n_mels=64),
    lambda content: content.update(args=Path("/")),  # a class that unpickling would call
]


def authors_file(model: str) -> dict[str, Any]:
    """Random weights in the layout of the published file."""
    torch.manual_seed(0)
    network = NisqaNetwork() if model == "NISQA_DIM" else NisqaTtsNetwork()
    state = {}
    for key, value in network.state_dict().items():
        moved = next((p for p in AUTHORS_NAMES[model] if key.startswith(p)), "")
        prefix = AUTHORS_NAMES[model].get(moved, "time_dependency.model.")
        state[prefix + key.removeprefix(moved)] = value
    arguments = {"model": model, "ms_seg_hop_length": 4, "ms_fmax": 20_000, **SETTINGS}
    return {"args": arguments, "model_state_dict": state}


@pytest.fixture
def speechlike() -> np.ndarray:
    return 0.1 * np.random.default_rng(0).standard_normal(22_050).astype(np.float32)


@pytest.mark.parametrize(("model", "name"), [("NISQA_DIM", "NISQA"), ("NISQA", "NISQA-TTS")])
def test_authors_file_becomes_the_network_it_was_saved_from(
    model: str, name: str, tmp_path: Path, speechlike: np.ndarray
) -> None:
    path = tmp_path / "weights.tar"
    torch.save(authors_file(model), path)
    judge = Nisqa(path)
    assert judge.name == name
    score = judge.score([speechlike], 22_050)
    waveform = torch.from_numpy(speechlike).requires_grad_()
    ours = judge.score_with_gradient(waveform, "")
    np.testing.assert_allclose(ours.detach().numpy(), score[0], atol=1e-3)
    (gradient,) = torch.autograd.grad(ours, waveform)
    assert gradient.isfinite().all()
    assert gradient.any()


@pytest.mark.parametrize("damage", DAMAGE)
def test_file_of_another_model_is_refused(damage: Any, tmp_path: Path) -> None:
    content = authors_file("NISQA_DIM")
    damage(content)
    torch.save(content, tmp_path / "weights.tar")
    with pytest.raises(CheckpointError, match=r"weights\.tar"):
        Nisqa(tmp_path / "weights.tar")
