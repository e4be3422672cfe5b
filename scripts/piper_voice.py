#!/usr/bin/env python3
"""Install Piper for `dlpo bench peers`, and make a medium-size voice with random weights.

    python scripts/piper_voice.py

piper-tts is under the GPL: it is installed in a separate environment in a cache, and dlpo does not
depend on it. The voice is built from Piper's own modules and exported as Piper does; its speed does
not depend on its weights.
"""

from __future__ import annotations

import json
import sys
import sysconfig
from math import prod
from pathlib import Path
from typing import Any

import onnx
import torch
from torch import nn

from dlpo_bench.peers.measure import HOME, install

SEED = 1234
OPSET = 15  # Piper's
SCALES = (0.667, 1.0, 0.8)  # Piper's noise, length and noise of the durations
# A sentence of 80 characters: approximate number of ids, with Piper's blanks between phonemes.
IDS = 170
SPECTRUM = 513  # bins; of the posterior encoder, which synthesis does not use
SIZES = (
    "inter_channels", "hidden_channels", "filter_channels", "n_heads", "n_layers", "kernel_size",
    "p_dropout", "resblock", "resblock_kernel_sizes", "resblock_dilation_sizes", "upsample_rates",
    "upsample_initial_channel", "upsample_kernel_sizes", "n_speakers", "gin_channels", "use_sdp",
)  # fmt: skip


def main() -> None:
    """Replace the contents of the cache."""
    home = HOME / "piper"
    install("piper", tell=print)  # the package includes the training modules
    env = home / "env"
    paths = {"base": str(env), "platbase": str(env)}
    sys.path.append(sysconfig.get_path("purelib", "venv", vars=paths))
    make_voice(home)
    print(f"piper is in {home}")


def make_voice(folder: Path) -> None:
    """Write `medium.onnx`, Piper's settings for it, and `facts.json`."""
    from piper.phoneme_ids import (  # type: ignore[import-not-found, unused-ignore]
        DEFAULT_PHONEME_ID_MAP,
    )
    from piper.train.vits.config import (  # type: ignore[import-not-found, unused-ignore]
        ModelAudioConfig,
        ModelConfig,
    )
    from piper.train.vits.models import (  # type: ignore[import-not-found, unused-ignore]
        SynthesizerTrn,
    )

    torch.manual_seed(SEED)
    # Piper's "low" and "medium" have the same size; medium has the higher sample rate.
    config = ModelConfig(num_symbols=256, n_speakers=1, audio=ModelAudioConfig.low_quality())
    model = SynthesizerTrn(
        n_vocab=config.num_symbols,
        spec_channels=SPECTRUM,
        segment_size=config.segment_size // config.mel.hop_length,
        **{name: getattr(config, name) for name in SIZES},
    ).eval()
    model.dec.remove_weight_norm()
    path = folder / "medium.onnx"
    export(Inference(model), path)
    settings = {
        "audio": {"sample_rate": config.mel.sample_rate},
        "espeak": {"voice": "en-us"},
        "num_symbols": config.num_symbols,
        "num_speakers": 1,
        "phoneme_id_map": DEFAULT_PHONEME_ID_MAP,
    }
    Path(f"{path}.json").write_text(json.dumps(settings), "utf-8")
    facts = {"parameters": parameters(path)}
    (folder / "facts.json").write_text(json.dumps(facts), "utf-8")


class Inference(nn.Module):
    """Ids, their number and the three scales -> audio (B, 1, T)."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(
        self, ids: torch.Tensor, lengths: torch.Tensor, scales: torch.Tensor
    ) -> torch.Tensor:
        audio: torch.Tensor = self.model.infer(
            ids,
            lengths,
            noise_scale=scales[0],
            length_scale=scales[1],
            noise_scale_w=scales[2],
        )[0]
        return audio.unsqueeze(1)


def export(voice: nn.Module, path: Path) -> None:
    """Export the way Piper does."""
    ids = torch.randint(0, 256, (1, IDS))
    torch.onnx.export(
        voice,
        (ids, torch.tensor([IDS]), torch.tensor(SCALES)),
        path,
        opset_version=OPSET,
        input_names=["input", "input_lengths", "scales"],
        output_names=["output"],
        dynamic_axes={
            "input": {0: "batch_size", 1: "phonemes"},
            "input_lengths": {0: "batch_size"},
            "output": {0: "batch_size", 2: "time"},
        },
        dynamo=False,  # the exporter used for Piper's voices
    )


def parameters(path: Path) -> int:
    """Number of weights in the graph, which excludes those needed only for training."""
    graph = onnx.load(str(path)).graph
    floats = onnx.TensorProto.FLOAT
    return sum(prod(weight.dims) for weight in graph.initializer if weight.data_type == floats)


if __name__ == "__main__":
    main()
