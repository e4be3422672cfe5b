"""NISQA v2 (CNN, self-attention) and NISQA-TTS (CNN, LSTM), from the authors' weight files.

The files are CC BY-NC-SA 4.0: measure, don't ship. Shapes: S segments, each a mel spectrogram of 48
bands x 15 frames, one clip at a time.

References:
    Mittag et al., NISQA: A Deep CNN-Self-Attention Model for Multidimensional Speech Quality
    Prediction with Crowdsourced Datasets, Interspeech 2021.
    Mittag and Möller, Deep Learning Based Assessment of Synthetic Speech Naturalness,
    Interspeech 2020.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from dlpo.errors import CheckpointError
from dlpo.judges.judge import Scores, Waveform, listen_at, load_torch_weights, mel_bands, require

SAMPLE_RATE = 22_050  # Hz. Scores depend on the file's rate, so everything is scored at one
N_FFT = 4_096
HOP = 220  # samples: 10 ms, rounded down as the authors do
WINDOW = 441  # samples: 20 ms
BANDS = 48
SEGMENT = 15  # frames
AMPLITUDE_FLOOR = 1e-4
RANGE_DB = 80.0  # below the loudest cell, where librosa cuts
SETTINGS = {"ms_n_fft": N_FFT, "ms_hop_length": 0.01, "ms_win_length": 0.02, "ms_n_mels": BANDS,
            "ms_seg_length": SEGMENT}  # fmt: skip
CHANNELS = (1, 16, 32, 64, 64, 64, 64)
HEIGHT = 6  # of the 48 mel bands, left after the last pooling
MOVED = {  # prefixes of names in the authors' files -> in ours; the last two are of one model each
    "cnn.model.fc_out": "fc_out",
    "cnn.model.": "cnn.",
    "time_dependency.model.": "",
    "pool_layers.0.model.": "pool.",
    "pool.model.": "",
}
POOLED = (1, 2, 4)  # convolutions followed by pooling


class Nisqa:
    """Overall quality (`nisqa.tar`) or naturalness of synthesis (`nisqa_tts.tar`), about 1..5."""

    sample_rate_hz = SAMPLE_RATE
    takes_bfloat16 = False  # scores would shift by 0.2

    def __init__(self, weights: Path) -> None:
        """Load the network that the file was saved from.

        Args:
            weights: the authors' `nisqa.tar` or `nisqa_tts.tar`; read without executing anything.

        Raises:
            CheckpointError: missing, damaged, or another model.
            MissingExtraError: librosa is not installed.
        """
        require("librosa")
        content = load_torch_weights(weights)
        try:
            arguments, state = content["args"], content["model_state_dict"]
            model = arguments["model"]
            if any(arguments[key] != value for key, value in SETTINGS.items()):
                raise CheckpointError(f"{weights}: its mel front end isn't the published NISQA's")
            self.name, self._network = _network(model, state)
            self._hop_segments = int(arguments["ms_seg_hop_length"])
            self._top_hz = float(arguments["ms_fmax"])
        except (KeyError, TypeError, RuntimeError) as error:
            raise CheckpointError(
                f"{weights}: not the weights of NISQA v2 or NISQA-TTS ({error})"
            ) from error

    def score(self, waveforms: Sequence[Waveform], sample_rate_hz: int) -> Scores:
        with torch.inference_mode():
            return np.array(
                [
                    float(self._network(torch.from_numpy(self._segments(waveform))))
                    for waveform in listen_at(SAMPLE_RATE, waveforms, sample_rate_hz)
                ]
            )

    def score_with_gradient(self, waveform: Tensor, text: str) -> Tensor:
        """See `GradientJudge`; the text is ignored. Within 0.01 of `score`."""
        spectra = torch.stft(
            waveform, N_FFT, HOP, WINDOW, torch.hann_window(WINDOW), return_complex=True
        )
        decibels = 20 * (self._bands @ spectra.abs()).clamp(min=AMPLITUDE_FLOOR).log10()
        mel = decibels.maximum(decibels.detach().max() - RANGE_DB)  # (48, frames)
        segments = mel.unfold(1, SEGMENT, 1)[:, :: self._hop_segments].transpose(0, 1)
        score: Tensor = self._network(segments[:, None])
        return score

    @cached_property
    def _bands(self) -> Tensor:
        """(48, 2049) weights of the mel bands."""
        from librosa.filters import mel

        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Empty filters")
            weights = mel(sr=SAMPLE_RATE, n_fft=N_FFT, n_mels=BANDS, fmax=self._top_hz)
        return torch.from_numpy(weights)

    def _segments(self, waveform: Waveform) -> NDArray[np.float32]:
        """(T,) -> (S, 1, 48, 15) dB: a window of 15 mel frames every `_hop_segments` frames."""
        from librosa import amplitude_to_db

        front_end = {"n_fft": N_FFT, "hop_length": HOP, "win_length": WINDOW, "n_mels": BANDS}
        amplitude = mel_bands(
            waveform, SAMPLE_RATE, power=1.0, fmax=self._top_hz, pad_mode="reflect", **front_end
        )
        # (frames, 48)
        mel = amplitude_to_db(amplitude, ref=1.0, amin=AMPLITUDE_FLOOR, top_db=RANGE_DB)
        windows = np.lib.stride_tricks.sliding_window_view(mel, SEGMENT, axis=0)  # (., 48, 15)
        return np.ascontiguousarray(windows[:: self._hop_segments, None])


def _network(model: str, state: dict[str, Any]) -> tuple[str, nn.Module]:
    """Name and network of a published model, from what its file calls it and its parameters."""

    network: nn.Module
    if model == "NISQA_DIM":
        name, network = "NISQA", NisqaNetwork()
    else:
        name, network = "NISQA-TTS", NisqaTtsNetwork()
    ours = {}
    for key, value in state.items():
        prefix = next((prefix for prefix in MOVED if key.startswith(prefix)), None)
        if prefix is not None:
            ours[MOVED[prefix] + key.removeprefix(prefix)] = value
    network.load_state_dict(ours)
    return name, network.eval().requires_grad_(False)


class SegmentCNN(nn.Module):
    """Six convolutions with batch norm; pooling after the first, second and fourth."""

    def __init__(self, pools: Sequence[nn.Module], last_padding: tuple[int, int]) -> None:
        super().__init__()
        self.pools = dict(zip(POOLED, pools, strict=True))
        for i in range(1, 7):
            padding = last_padding if i == 6 else (1, 1)
            conv = nn.Conv2d(CHANNELS[i - 1], CHANNELS[i], 3, padding=padding)
            self.add_module(f"conv{i}", conv)
            self.add_module(f"bn{i}", nn.BatchNorm2d(CHANNELS[i]))

    def forward(self, segments: Tensor) -> Tensor:
        """(S, 1, 48, 15) -> (S, 64 * 6 * width left)."""
        x = segments
        for i in range(1, 7):
            x = functional.relu(self.get_submodule(f"bn{i}")(self.get_submodule(f"conv{i}")(x)))
            if i in self.pools:
                x = self.pools[i](x)
        return x.flatten(1)


class NisqaNetwork(nn.Module):
    """NISQA v2, its overall quality alone (the other four heads are not valid on synthesis)."""

    def __init__(self) -> None:
        super().__init__()
        pools = [nn.AdaptiveMaxPool2d(size) for size in ((24, 7), (12, 5), (6, 3))]
        self.cnn = SegmentCNN(pools, last_padding=(1, 0))
        self.linear = nn.Linear(64 * HEIGHT, 64)
        self.norm1 = nn.LayerNorm(64)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(64, nhead=1, dim_feedforward=64, batch_first=True)
            for _ in range(2)
        )
        self.pool = nn.ModuleDict(
            {
                "linear1": nn.Linear(64, 128),
                "linear2": nn.Linear(128, 1),
                "linear3": nn.Linear(64, 1),
            }
        )

    def forward(self, segments: Tensor) -> Tensor:
        """(S, 1, 48, 15) -> () score."""
        x = self.norm1(self.linear(self.cnn(segments)))[None]  # (1, S, 64)
        for layer in self.layers:
            x = layer(x)
        attention = self.pool["linear2"](functional.relu(self.pool["linear1"](x)))
        pooled = (attention.softmax(dim=1) * x).sum(dim=1)  # (1, 64)
        score: Tensor = self.pool["linear3"](pooled)
        return score.squeeze()


class NisqaTtsNetwork(nn.Module):
    """NISQA-TTS: naturalness of synthetic speech."""

    def __init__(self) -> None:
        super().__init__()
        halve = nn.MaxPool2d(2)
        self.cnn = SegmentCNN([nn.MaxPool2d(2, padding=(0, 1)), halve, halve], last_padding=(1, 1))
        self.fc_out = nn.Linear(64 * HEIGHT * 2, 20)
        self.lstm = nn.LSTM(20, 128, batch_first=True, bidirectional=True)
        self.linear = nn.Linear(256, 1)

    def forward(self, segments: Tensor) -> Tensor:
        """(S, 1, 48, 15) -> () score."""
        x, _ = self.lstm(self.fc_out(self.cnn(segments))[None])  # (1, S, 256)
        ends = torch.cat([x[0, -1, :128], x[0, 0, 128:]])  # where each direction has read all
        score: Tensor = self.linear(ends)
        return score.squeeze()
