"""The two published NISQA networks: v2 (adaptive CNN, self-attention) and TTS (CNN, LSTM).

Shapes: S segments, each a mel spectrogram of 48 bands x 15 frames, one clip at a time.

References:
    Mittag et al., NISQA: A Deep CNN-Self-Attention Model for Multidimensional Speech Quality
    Prediction with Crowdsourced Datasets, Interspeech 2021.
    Mittag and Möller, Deep Learning Based Assessment of Synthetic Speech Naturalness,
    Interspeech 2020.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

CHANNELS = (1, 16, 32, 64, 64, 64, 64)
HEIGHT = 6  # mel bands left of 48 after the last pooling
POOLED = (1, 2, 4)  # the convolutions that are followed by pooling


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
        ends = torch.cat([x[0, -1, :128], x[0, 0, 128:]])  # where each direction has heard all
        score: Tensor = self.linear(ends)
        return score.squeeze()
