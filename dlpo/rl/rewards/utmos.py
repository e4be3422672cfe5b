"""UTMOS's strong learner from a user's local checkpoint: the reward of the DLPO paper.

Two published layouts are read:
    SpeechMOS       utmos22_strong_step7459_v1.pt, a plain dictionary of tensors
    Lightning       epoch=3-step=7459.ckpt of its authors, with the tensors under `state_dict`
Nothing is unpickled but tensors and plain values. A Lightning file whose hyperparameters are
objects of its training code is refused for that; the SpeechMOS file holds the same weights.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dlpo.errors import CheckpointError
from dlpo.judges.judge import Scores, Waveform, listen_at, load_torch_weights
from dlpo.rl.rewards.utmos_network import UtmosNetwork

SAMPLE_RATE = 16_000  # Hz
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
        """See `Judge.score`."""
        heard = listen_at(SAMPLE_RATE, waveforms, sample_rate_hz)
        with torch.inference_mode():
            scores = [float(self.network(torch.from_numpy(waveform)[None])) for waveform in heard]
        return np.array(scores, np.float64)


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
