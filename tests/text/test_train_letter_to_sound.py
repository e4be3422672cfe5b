"""The script that trains the net, and that numpy reads its weights as torch does."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from dlpo.text.letter_to_sound import LETTERS, LetterToSound

torch = pytest.importorskip("torch", reason="needs the train extra")
SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "train_letter_to_sound.py"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location(SCRIPT.stem, SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_numpy_computes_what_torch_trained(script: ModuleType, tmp_path: Path) -> None:
    torch.manual_seed(1)
    net = script.LetterNet(embedding=8, hidden=6, dropout=0.5).eval()
    for parameter in net.parameters():  # the file is in half precision
        parameter.data = parameter.data.half().float()
    np.savez(tmp_path / "net.npz", **net.arrays())
    letters = torch.tensor([[LETTERS.index(letter) for letter in "^word$"]])
    with torch.no_grad():
        expected = net(letters)[0].numpy()
    logits = LetterToSound(tmp_path / "net.npz").logits("word")
    found = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    np.testing.assert_allclose(found, expected, atol=1e-5)
