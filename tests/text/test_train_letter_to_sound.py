"""The script that trains the net, and that numpy reads its weights as torch does."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from dlpo.text.letter_to_sound import LETTERS, LetterToSound

torch = pytest.importorskip("torch", reason="needs the train extra")
SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "train_letter_to_sound.py"
DICTIONARY = """\
cat K AE1 T # a comment
cat(2) K AA1 T
dog D AO1 G
o'dell OW0 D EH1 L
3d TH R IY1 D IY1
"""


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


def test_script_trains_and_writes_a_net(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, output = tmp_path / "dictionary", tmp_path / "net.npz"
    path.write_text(DICTIONARY)
    options = ["--epochs", "1", "--hidden", "4", "--output", str(output)]
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), str(path), *options])
    script.main()
    assert LetterToSound(output).logits("dog").shape[0] == 10
