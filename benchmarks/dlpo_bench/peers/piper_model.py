"""Make a Piper voice of the medium size with random weights, as Piper exports its own.

    python -P piper_model.py SITE_PACKAGES FOLDER

A process of its own runs it, since Piper's modules are under the GPL and belong to its environment:
they are found in SITE_PACKAGES, after PyTorch and ONNX of this interpreter. It writes into FOLDER
`medium.onnx`, Piper's settings beside it, and `facts.json`: parameters and multiplications.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import Any

import torch
from torch import nn

SEED = 1234
OPSET = 15  # Piper's
SCALES = (0.667, 1.0, 0.8)  # Piper's noise, length and noise of the durations
# A sentence of 80 characters: about so many ids, with Piper's blanks between the phonemes.
IDS = 170
COUNTED_LENGTH_SCALE = 3.0
SPECTRUM = 513  # bins; of the posterior encoder, which speaks no part of a text
PARTS = {"enc_p": "text encoder", "dp": "durations", "flow": "flow", "dec": "decoder"}


def main() -> None:
    """Write the three files."""
    site_packages, folder = sys.argv[1], Path(sys.argv[2])
    sys.path.append(site_packages)
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
    # Piper's "low" and "medium" are one size; medium has the higher sample rate.
    config = ModelConfig(num_symbols=256, n_speakers=1, audio=ModelAudioConfig.low_quality())
    names = (
        "inter_channels", "hidden_channels", "filter_channels", "n_heads", "n_layers",
        "kernel_size", "p_dropout", "resblock", "resblock_kernel_sizes",
        "resblock_dilation_sizes", "upsample_rates", "upsample_initial_channel",
        "upsample_kernel_sizes", "n_speakers", "gin_channels", "use_sdp",
    )  # fmt: skip
    model = SynthesizerTrn(
        n_vocab=config.num_symbols,
        spec_channels=SPECTRUM,
        segment_size=config.segment_size // config.mel.hop_length,
        **{name: getattr(config, name) for name in names},
    ).eval()
    model.dec.remove_weight_norm()
    voice = _Inference(model)
    onnx = folder / "medium.onnx"
    _export(voice, onnx)
    facts = {
        "parameters": _parameters(onnx),
        "gmac_per_audio_s": _multiplications(voice, config.mel.sample_rate),
    }
    settings = {
        "audio": {"sample_rate": config.mel.sample_rate},
        "espeak": {"voice": "en-us"},
        "num_symbols": config.num_symbols,
        "num_speakers": 1,
        "phoneme_id_map": DEFAULT_PHONEME_ID_MAP,
    }
    Path(f"{onnx}.json").write_text(json.dumps(settings), "utf-8")
    (folder / "facts.json").write_text(json.dumps(facts), "utf-8")


class _Inference(nn.Module):
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


def _inputs(length_scale: float = SCALES[1]) -> tuple[torch.Tensor, ...]:
    ids = torch.randint(0, 256, (1, IDS))
    return ids, torch.tensor([IDS]), torch.tensor([SCALES[0], length_scale, SCALES[2]])


def _export(voice: nn.Module, path: Path) -> None:
    torch.onnx.export(
        voice,
        _inputs(),
        path,
        opset_version=OPSET,
        input_names=["input", "input_lengths", "scales"],
        output_names=["output"],
        dynamic_axes={
            "input": {0: "batch_size", 1: "phonemes"},
            "input_lengths": {0: "batch_size"},
            "output": {0: "batch_size", 2: "time"},
        },
        dynamo=False,  # the exporter that Piper's voices were made with
    )


def _parameters(path: Path) -> int:
    """Weights in the graph; what only training needs is not in it."""
    import onnx

    graph = onnx.load(str(path)).graph
    floats = onnx.TensorProto.FLOAT
    return sum(prod(weight.dims) for weight in graph.initializer if weight.data_type == floats)


def _multiplications(voice: _Inference, sample_rate: int) -> dict[str, float]:
    """10^9 multiplications of the convolutions for a second of audio, by part."""
    with torch.no_grad(), _counted(voice.model) as counts:
        audio = voice(*_inputs(COUNTED_LENGTH_SCALE))
    seconds = audio.shape[-1] / sample_rate
    return {words: counts[part] / seconds / 1e9 for part, words in PARTS.items()}


@contextmanager
def _counted(model: nn.Module) -> Iterator[Counter[str]]:
    """Counts the multiplications of each part while the block runs."""
    counts: Counter[str] = Counter()
    hooks = []

    def hook(part: str) -> Any:
        def count(layer: Any, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
            # Each value that goes in (transposed) or comes out meets the kernel once.
            transposed = isinstance(layer, nn.ConvTranspose1d)
            values = inputs[0].numel() if transposed else output.numel()
            others = layer.out_channels if transposed else layer.in_channels
            counts[part] += values * others // layer.groups * layer.kernel_size[0]

        return count

    for name, layer in model.named_modules():
        if isinstance(layer, nn.Conv1d | nn.ConvTranspose1d):
            hooks.append(layer.register_forward_hook(hook(name.partition(".")[0])))
    try:
        yield counts
    finally:
        for handle in hooks:
            handle.remove()


if __name__ == "__main__":
    main()
