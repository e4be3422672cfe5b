"""UTMOS from a stand-in checkpoint: the published layout and shapes at smaller widths.

The weights themselves can't be shipped; the arithmetic is checked against torch's own layers.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from dlpo.errors import CheckpointError
from dlpo.judges.utmos import Utmos

# published: 768, 512, 3072, 12
WIDTH = 128
CHANNELS = 24
INNER = 40
LAYERS = 2
KERNELS, STRIDES = (10, 3, 3, 3, 3, 2, 2), (5, 2, 2, 2, 2, 2, 2)
# published: 128, 512, 2048
EMBEDDED = 6
RNN = 10
PROJECTED = 12
RATE = 16_000  # Hz
State = dict[str, Tensor]


@pytest.fixture(scope="module")
def wav2vec() -> State:
    """Names and shapes of fairseq's wav2vec 2.0 "base" without its training parts."""
    torch.manual_seed(0)
    state: State = {"mask_emb": torch.zeros(WIDTH)}

    def linear(name: str, out: int, into: int) -> None:
        state[f"{name}.weight"] = torch.randn(out, into) / into**0.5
        state[f"{name}.bias"] = 0.1 * torch.randn(out)

    def norm(name: str, width: int) -> None:
        state[f"{name}.weight"] = 1 + 0.1 * torch.randn(width)
        state[f"{name}.bias"] = 0.1 * torch.randn(width)

    into = 1
    for i, kernel in enumerate(KERNELS):
        weight = torch.randn(CHANNELS, into, kernel) * (2 / (into * kernel)) ** 0.5
        state[f"feature_extractor.conv_layers.{i}.0.weight"] = weight
        into = CHANNELS
    norm("feature_extractor.conv_layers.0.2", CHANNELS)
    norm("layer_norm", CHANNELS)
    linear("post_extract_proj", WIDTH, CHANNELS)
    state["encoder.pos_conv.0.bias"] = 0.1 * torch.randn(WIDTH)
    state["encoder.pos_conv.0.weight_g"] = torch.rand(1, 1, 128)
    state["encoder.pos_conv.0.weight_v"] = torch.randn(WIDTH, WIDTH // 16, 128)
    norm("encoder.layer_norm", WIDTH)
    for i in range(LAYERS):
        layer = f"encoder.layers.{i}"
        for name in ("k_proj", "v_proj", "q_proj", "out_proj"):
            linear(f"{layer}.self_attn.{name}", WIDTH, WIDTH)
        norm(f"{layer}.self_attn_layer_norm", WIDTH)
        linear(f"{layer}.fc1", INNER, WIDTH)
        linear(f"{layer}.fc2", WIDTH, INNER)
        norm(f"{layer}.final_layer_norm", WIDTH)
    return state


@pytest.fixture(scope="module")
def head() -> tuple[nn.LSTM, nn.Linear, nn.Linear, Tensor, Tensor]:
    """LSTM, both layers, and the embeddings of domain and listener."""
    torch.manual_seed(1)
    lstm = nn.LSTM(WIDTH + 2 * EMBEDDED, RNN, batch_first=True, bidirectional=True)
    layers = nn.Linear(2 * RNN, PROJECTED), nn.Linear(PROJECTED, 1)
    return lstm, *layers, torch.randn(1, EMBEDDED), torch.randn(1, EMBEDDED)


@pytest.fixture
def speechmos(wav2vec: State, head: tuple[nn.LSTM, nn.Linear, nn.Linear, Tensor, Tensor]) -> State:
    lstm, hidden, out, domain, listener = head
    state = {f"wav2vec2.{name}": value for name, value in wav2vec.items()}
    state |= {f"blstm.{name}": value for name, value in lstm.state_dict().items()}
    state |= {f"projection.0.{name}": value for name, value in hidden.state_dict().items()}
    state |= {f"projection.2.{name}": value for name, value in out.state_dict().items()}
    state["domain_emb"] = domain
    state["judge_emb"] = listener
    return state


def saved(path: Path, content: Any) -> Path:
    torch.save(content, path)
    return path


def noise(seconds: float, seed: int = 0) -> np.ndarray[Any, np.dtype[np.float32]]:
    random = np.random.default_rng(seed)
    return 0.1 * random.standard_normal(round(seconds * RATE)).astype(np.float32)


@torch.no_grad()
def by_torchs_own_layers(state: State, head: Any, waveform: Tensor) -> float:
    """The published network from what torch has: its transformer layer and its weight norm."""
    x = waveform[None, None]
    for i, stride in enumerate(STRIDES):
        x = functional.conv1d(x, state[f"feature_extractor.conv_layers.{i}.0.weight"], None, stride)
        if i == 0:
            weight, bias = (
                state[f"feature_extractor.conv_layers.0.2.{n}"] for n in ("weight", "bias")
            )
            x = functional.group_norm(x, CHANNELS, weight, bias)
        x = functional.gelu(x)

    def normed(name: str, x: Tensor) -> Tensor:
        weight, bias = state[f"{name}.weight"], state[f"{name}.bias"]
        return functional.layer_norm(x, x.shape[-1:], weight, bias)

    x = normed("layer_norm", x.mT)
    x = functional.linear(x, state["post_extract_proj.weight"], state["post_extract_proj.bias"])
    position = torch._weight_norm(
        state["encoder.pos_conv.0.weight_v"], state["encoder.pos_conv.0.weight_g"], 2
    )
    moved = functional.conv1d(
        x.mT, position, state["encoder.pos_conv.0.bias"], padding=64, groups=16
    )
    x = normed("encoder.layer_norm", x + functional.gelu(moved[:, :, :-1]).mT)
    for i in range(LAYERS):
        own = {
            name.removeprefix(f"encoder.layers.{i}."): value
            for name, value in state.items()
            if name.startswith(f"encoder.layers.{i}.")
        }
        layer = nn.TransformerEncoderLayer(WIDTH, WIDTH // 64, INNER, 0.0, "gelu", batch_first=True)
        renamed = {
            f"self_attn.in_proj_{part}": torch.cat(
                [own[f"self_attn.{which}_proj.{part}"] for which in "qkv"]
            )
            for part in ("weight", "bias")
        }
        for theirs, ours in {
            "self_attn.out_proj": "self_attn.out_proj", "linear1": "fc1", "linear2": "fc2",
            "norm1": "self_attn_layer_norm", "norm2": "final_layer_norm",
        }.items():  # fmt: skip
            renamed |= {f"{theirs}.{part}": own[f"{ours}.{part}"] for part in ("weight", "bias")}
        layer.load_state_dict(renamed)
        x = layer.train()(x)  # in eval mode torch takes another path; there is no dropout
    lstm, hidden, out, domain, listener = head
    message = torch.cat([domain[0], listener[0]]).expand(1, x.shape[1], -1)
    frames = out(hidden(lstm(torch.cat([x, message], -1))[0]).relu())
    return float(frames.mean()) * 2 + 3


def test_score_equals_that_of_torchs_own_layers(
    tmp_path: Path,
    speechmos: State,
    wav2vec: State,
    head: tuple[nn.LSTM, nn.Linear, nn.Linear, Tensor, Tensor],
) -> None:
    judge = Utmos(saved(tmp_path / "utmos.pt", speechmos))
    waveforms = [noise(0.5), noise(0.8, seed=1)]
    expected = [by_torchs_own_layers(wav2vec, head, torch.from_numpy(w)) for w in waveforms]
    np.testing.assert_allclose(judge.score(waveforms, RATE), expected, rtol=1e-4)
    assert expected[0] != pytest.approx(expected[1], rel=1e-3)


def test_files_that_are_not_utmos_are_refused(tmp_path: Path, speechmos: State) -> None:
    (tmp_path / "torn.pt").write_bytes(b"torn")
    missing = {k: v for k, v in speechmos.items() if k != "wav2vec2.encoder.layers.0.fc1.weight"}
    foreign = {"state_dict": {}, "hyper_parameters": {"cfg": Path("x")}}  # of training code
    paths = [tmp_path / "absent.pt", tmp_path / "torn.pt"]
    for i, content in enumerate((
        missing, speechmos | {"phoneme_encoder.weight": torch.zeros(3)},
        speechmos | {"blstm.weight_hh_l0": torch.zeros(3, 3)}, {"epoch": 3},
        {"state_dict": [1, 2]}, foreign,
    )):  # fmt: skip
        paths.append(saved(tmp_path / f"{i}.pt", content))
    for path in paths:
        with pytest.raises(CheckpointError, match=path.name):
            Utmos(path)
