"""UTMOS's strong learner from a user's local checkpoint: the reward of the DLPO paper.

The file is SpeechMOS's utmos22_strong_step7459_v1.pt, a plain dictionary of tensors.

The network, with sizes read from the checkpoint (C is 768 as published):

    (B, T) at 16 kHz -> convolutions -> (B, frames, C) -> transformer (wav2vec 2.0)
    -> concatenated embeddings of domain and listener -> bidirectional LSTM -> two layers -> mean

wav2vec 2.0 comes from transformers.

References:
    Saeki et al., UTMOS: UTokyo-SaruLab System for VoiceMOS Challenge 2022, Interspeech 2022.
    Baevski et al., wav2vec 2.0, NeurIPS 2020, "base".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from dlpo.errors import CheckpointError, needs
from dlpo.judges.judge import WaveformJudge, load_torch_weights, without_torchaudio

STRIDES = (5, 2, 2, 2, 2, 2, 2)  # of the convolutions; the only sizes that no weight shows
HEAD_WIDTH = 64  # channels of an attention head
SCALE, SHIFT = 2.0, 3.0  # from the network's output to 1..5
LAYERS, POSITIONS = "speech.encoder.layers.", "speech.encoder.pos_conv_embed.conv"

SPEECHMOS = {
    "wav2vec2.": "speech.",
    "domain_emb": "domain",
    "judge_emb": "listener",
    "blstm.": "blstm.",
    "projection.0.": "hidden.",
    "projection.2.": "out.",
}
FAIRSEQ = {  # names of wav2vec 2.0 in the published files -> in transformers
    r"(conv_layers\.\d+)\.0\.": r"\1.conv.",
    r"(conv_layers\.0)\.2\.": r"\1.layer_norm.",
    r"^speech\.layer_norm\.": "speech.feature_projection.layer_norm.",
    r"post_extract_proj\.": "feature_projection.projection.",
    r"pos_conv\.0\.weight_g": "pos_conv_embed.conv.parametrizations.weight.original0",
    r"pos_conv\.0\.weight_v": "pos_conv_embed.conv.parametrizations.weight.original1",
    r"pos_conv\.0\.": "pos_conv_embed.conv.",
    r"self_attn_layer_norm\.": "layer_norm.",
    r"self_attn\.": "attention.",
    r"\.fc1\.": ".feed_forward.intermediate_dense.",
    r"\.fc2\.": ".feed_forward.output_dense.",
}
UNUSED = ("mask_emb", "quantizer.", "project_q.", "final_proj.")  # of wav2vec's own training


class Utmos(WaveformJudge):
    """Scores about 1..5; deaf above 8 kHz, and known to be easily fooled: guard it.

    Args:
        weights: SpeechMOS's file.

    Raises:
        CheckpointError: missing, damaged, or another model.
        MissingExtraError: transformers is not installed.
    """

    name = "UTMOS"

    def __init__(self, weights: Path) -> None:
        content = load_torch_weights(weights)
        try:
            self.network = UtmosNetwork(_renamed(content))
        except (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError) as error:
            raise CheckpointError(
                f"{weights}: not the weights of UTMOS's strong learner ({error}); expected"
                " utmos22_strong_step7459_v1.pt of SpeechMOS"
            ) from error
        self.network.eval().requires_grad_(False)


def _renamed(content: Mapping[str, Any]) -> dict[str, Tensor]:
    """The file's tensors by the names of `UtmosNetwork`."""
    state: dict[str, Tensor] = {}
    for key, value in content.items():
        prefix = next((prefix for prefix in SPEECHMOS if key.startswith(prefix)), None)
        if prefix is None:
            raise KeyError(key)
        name = SPEECHMOS[prefix] + key.removeprefix(prefix)
        if name.removeprefix("speech.").startswith(UNUSED):
            continue
        for theirs, ours in FAIRSEQ.items():
            name = re.sub(theirs, ours, name)
        state[name] = value.float()
    state["domain"] = state["domain"][0]
    state["listener"] = state["listener"][0]
    return state


class UtmosNetwork(nn.Module):
    """Waveforms to scores.

    Args:
        state: parameters by the names of this module; sizes are read from them.

    Raises:
        KeyError, RuntimeError, ValueError: they don't belong to such a network.
    """

    def __init__(self, state: Mapping[str, Tensor]) -> None:
        super().__init__()
        with needs("bench"), without_torchaudio():  # only used to read files
            from transformers import Wav2Vec2Config, Wav2Vec2Model
        convolutions = "speech.feature_extractor.conv_layers"
        kernels = [state[f"{convolutions}.{i}.conv.weight"].shape for i in range(len(STRIDES))]
        layers = [int(name.split(".")[3]) for name in state if name.startswith(LAYERS)]
        width, share, kernel = state[f"{POSITIONS}.parametrizations.weight.original1"].shape
        config = Wav2Vec2Config(
            hidden_size=width,
            num_hidden_layers=1 + max(layers),
            num_attention_heads=width // HEAD_WIDTH,
            intermediate_size=len(state[f"{LAYERS}0.feed_forward.intermediate_dense.bias"]),
            conv_dim=tuple(out for out, _, _ in kernels),
            conv_kernel=tuple(size for _, _, size in kernels),
            conv_stride=STRIDES,
            num_conv_pos_embeddings=kernel,
            num_conv_pos_embedding_groups=width // share,
            mask_time_prob=0.0,
        )
        self.speech: nn.Module = Wav2Vec2Model(config)
        self.domain = nn.Parameter(torch.empty_like(state["domain"]))
        self.listener = nn.Parameter(torch.empty_like(state["listener"]))
        gates, into = state["blstm.weight_ih_l0"].shape
        self.blstm = nn.LSTM(into, gates // 4, batch_first=True, bidirectional=True)
        inner, hidden = state["hidden.weight"].shape
        self.hidden = nn.Linear(hidden, inner)
        self.out = nn.Linear(inner, 1)
        self.load_state_dict(dict(state))

    def forward(self, waveforms: Tensor) -> Tensor:
        """(B, T) at 16 kHz -> (B,) scores, about 1..5."""
        x = self.speech(waveforms).last_hidden_state
        embeddings = torch.cat([self.domain, self.listener]).expand(*x.shape[:2], -1)
        x, _ = self.blstm(torch.cat([x, embeddings], dim=-1))
        frames = self.out(functional.relu(self.hidden(x)))  # (B, frames, 1)
        scores: Tensor = frames.mean(dim=(1, 2)) * SCALE + SHIFT
        return scores
