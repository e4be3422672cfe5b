"""UTMOS's strong learner from a user's local checkpoint: the reward of the DLPO paper.

Two published layouts are read:
    SpeechMOS       utmos22_strong_step7459_v1.pt, a plain dictionary of tensors
    Lightning       epoch=3-step=7459.ckpt of its authors, with the tensors under `state_dict`
Nothing is unpickled but tensors and plain values. A Lightning file whose hyperparameters are
objects of its training code is refused for that; the SpeechMOS file holds the same weights.

The network, at the sizes of whatever checkpoint it is built from (C is 768 as published):

    (B, T) at 16 kHz -> convolutions -> (B, frames, C) -> transformer (wav2vec 2.0)
    -> concatenated embeddings of domain and listener -> bidirectional LSTM -> two layers -> mean

Parameter names inside wav2vec 2.0 are those of the published files, so that loading renames
prefixes only.

References:
    Saeki et al., UTMOS: UTokyo-SaruLab System for VoiceMOS Challenge 2022, Interspeech 2022.
    Baevski et al., wav2vec 2.0, NeurIPS 2020, "base".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from dlpo.errors import CheckpointError
from dlpo.judges.judge import Scores, Waveform, listen_at, load_torch_weights

SAMPLE_RATE = 16_000  # Hz
STRIDES = (5, 2, 2, 2, 2, 2, 2)  # of the convolutions; the only sizes that no weight has
HEAD_WIDTH = 64  # channels of an attention head
SCALE, SHIFT = 2.0, 3.0  # from the network's output to 1..5
DOMAIN, LISTENER = 0, 288  # rows of the Lightning file's embeddings that its authors score with

SPEECHMOS = {
    "wav2vec2.feature_extractor.conv_layers.": "convolutions.",
    "wav2vec2.": "",
    "domain_emb": "domain",
    "judge_emb": "listener",
    "blstm.": "blstm.",
    "projection.0.": "hidden.",
    "projection.2.": "out.",
}
LIGHTNING = {
    "feature_extractors.0.ssl_model.feature_extractor.conv_layers.": "convolutions.",
    "feature_extractors.0.ssl_model.": "",
    "feature_extractors.1.embedding.weight": "domain",
    "output_layers.0.judge_embedding.weight": "listener",
    "output_layers.0.decoder_rnn.": "blstm.",
    "output_layers.1.net.0.": "hidden.",
    "output_layers.1.net.3.": "out.",
}
UNUSED = ("mask_emb", "quantizer.", "project_q.", "final_proj.")  # of wav2vec's own training


class Utmos:
    """Scores about 1..5; blind above 8 kHz, and known to be easily pleased: guard it.

    Args:
        weights: file in one of the two layouts.

    Raises:
        CheckpointError: missing, damaged, or another model.
    """

    name = "UTMOS"
    sample_rate_hz = SAMPLE_RATE
    takes_bfloat16 = True

    def __init__(self, weights: Path) -> None:
        content = load_torch_weights(weights)
        try:
            self.network = UtmosNetwork(_renamed(content))
        except (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError) as error:
            raise CheckpointError(
                f"{weights}: not the weights of UTMOS's strong learner ({error}); expected"
                " utmos22_strong_step7459_v1.pt of SpeechMOS, or its authors' checkpoint without"
                " phoneme encoder"
            ) from error
        self.network.eval().requires_grad_(False)

    def score(self, waveforms: Sequence[Waveform], sample_rate_hz: int) -> Scores:
        resampled = listen_at(SAMPLE_RATE, waveforms, sample_rate_hz)
        with torch.inference_mode():
            scores = [
                float(self.network(torch.from_numpy(waveform)[None])) for waveform in resampled
            ]
        return np.array(scores, np.float64)

    def score_with_gradient(self, waveform: Tensor, text: str) -> Tensor:
        """See `GradientJudge`; the text doesn't matter."""
        score: Tensor = self.network(waveform[None])
        return score.reshape(())


def _renamed(content: Mapping[str, Any]) -> dict[str, Tensor]:
    """The tensors of either layout, by the names of `UtmosNetwork`."""
    lightning = "state_dict" in content
    prefixes = LIGHTNING if lightning else SPEECHMOS
    state: dict[str, Tensor] = {}
    for key, value in (content["state_dict"] if lightning else content).items():
        prefix = next((prefix for prefix in prefixes if key.startswith(prefix)), None)
        if prefix is None:
            raise KeyError(key)
        name = prefixes[prefix] + key.removeprefix(prefix)
        if not name.startswith(UNUSED):
            state[name] = value
    state["domain"] = state["domain"][DOMAIN if lightning else 0]
    state["listener"] = state["listener"][LISTENER if lightning else 0]
    # Weight norm over all but the kernel's positions: w = g v / |v|.
    gain, direction = (
        state.pop("encoder.pos_conv.0.weight_g"),
        state.pop("encoder.pos_conv.0.weight_v"),
    )
    norm = direction.square().sum(dim=(0, 1), keepdim=True).sqrt()
    state["encoder.pos_conv.0.weight"] = gain * direction / norm
    return {name: value.float() for name, value in state.items()}


class ConvolutionLayer(nn.Sequential):
    """A convolution without bias, group norm after the first one, GELU; keys `0` and `2`."""

    def __init__(self, weight: Tensor, stride: int, norm: bool) -> None:
        out, into, kernel = weight.shape
        layers: list[nn.Module] = [
            nn.Conv1d(into, out, kernel, stride, bias=False),
            nn.Identity(),
            nn.GroupNorm(out, out) if norm else nn.Identity(),
            nn.GELU(),
        ]
        super().__init__(*layers)


class TransformerLayer(nn.Module):
    """Self-attention and two linear layers, norms after the sums."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.self_attn = nn.ModuleDict(
            {name: nn.Linear(width, width) for name in ("q_proj", "k_proj", "v_proj", "out_proj")}
        )
        self.self_attn_layer_norm = nn.LayerNorm(width)
        self.fc1, self.fc2 = nn.Linear(width, inner), nn.Linear(inner, width)
        self.final_layer_norm = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, frames, C) -> the same shape."""
        query, key, value = (
            self.self_attn[name](x).unflatten(-1, (-1, HEAD_WIDTH)).transpose(1, 2)
            for name in ("q_proj", "k_proj", "v_proj")
        )
        attention = functional.scaled_dot_product_attention(query, key, value)
        attended = self.self_attn["out_proj"](attention.transpose(1, 2).flatten(-2))
        x = self.self_attn_layer_norm(x + attended)
        out: Tensor = self.final_layer_norm(x + self.fc2(functional.gelu(self.fc1(x))))
        return out


class TransformerEncoder(nn.Module):
    """Positions by a grouped convolution, then the layers."""

    def __init__(self, state: Mapping[str, Tensor]) -> None:
        super().__init__()
        width, share, kernel = state["pos_conv.0.weight"].shape
        self.pos_conv = nn.Sequential(
            nn.Conv1d(width, width, kernel, padding=kernel // 2, groups=width // share)
        )
        self.layer_norm = nn.LayerNorm(width)
        count = 1 + max(int(key.split(".")[1]) for key in state if key.startswith("layers."))
        inner = len(state["layers.0.fc1.weight"])
        self.layers = nn.ModuleList(TransformerLayer(width, inner) for _ in range(count))

    def forward(self, x: Tensor) -> Tensor:
        """(B, frames, C) -> the same shape."""
        frames = x.shape[1]
        position = self.pos_conv(x.transpose(1, 2))[:, :, :frames]  # an even kernel makes one more
        x = self.layer_norm(x + functional.gelu(position).transpose(1, 2))
        for layer in self.layers:
            x = layer(x)
        return x


class UtmosNetwork(nn.Module):
    """Waveforms to scores.

    Args:
        state: parameters by the names of this module; sizes are read from them.

    Raises:
        KeyError, RuntimeError, ValueError: they are not those of such a network.
    """

    def __init__(self, state: Mapping[str, Tensor]) -> None:
        super().__init__()
        kernels = [state[f"convolutions.{i}.0.weight"] for i in range(len(STRIDES))]
        self.convolutions = nn.Sequential(
            *(
                ConvolutionLayer(kernel, stride, norm=i == 0)
                for i, (kernel, stride) in enumerate(zip(kernels, STRIDES, strict=True))
            )
        )
        width, features = state["post_extract_proj.weight"].shape
        self.layer_norm = nn.LayerNorm(features)
        self.post_extract_proj = nn.Linear(features, width)
        prefix = "encoder."
        self.encoder = TransformerEncoder(
            {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
        )
        self.domain = nn.Parameter(torch.empty_like(state["domain"]))
        self.listener = nn.Parameter(torch.empty_like(state["listener"]))
        gates, into = state["blstm.weight_ih_l0"].shape
        self.blstm = nn.LSTM(into, gates // 4, batch_first=True, bidirectional=True)
        inner, hidden = state["hidden.weight"].shape
        self.hidden, self.out = nn.Linear(hidden, inner), nn.Linear(inner, 1)
        self.load_state_dict(dict(state))

    def forward(self, waveforms: Tensor) -> Tensor:
        """(B, T) at 16 kHz -> (B,) scores, about 1..5."""
        features = self.convolutions(waveforms[:, None]).transpose(1, 2)
        x = self.encoder(self.post_extract_proj(self.layer_norm(features)))
        embeddings = torch.cat([self.domain, self.listener]).expand(*x.shape[:2], -1)
        x, _ = self.blstm(torch.cat([x, embeddings], dim=-1))
        frames = self.out(functional.relu(self.hidden(x)))  # (B, frames, 1)
        scores: Tensor = frames.mean(dim=(1, 2)) * SCALE + SHIFT
        return scores
