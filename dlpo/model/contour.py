"""The pitch of a sentence, drawn from noise by flow matching instead of averaged.

    symbols, durations -> reader -> hidden          once per sentence
    noise -> flow, a midpoint step -> contour       two points per symbol, mean 0, spread 1

The text does not determine what a speaker does with pitch: trained toward the nearest curve, a
network predicts the mean of all that they might do, which is flat. The flow learns the distribution
instead, v(x_t, t) = E[x_1 - x_0] along x_t = (1 - t) x_0 + t x_1 from noise x_0 to a recorded
contour x_1, so that each noise gives a different contour, as lively as the recorded ones.

It reads the text itself, with its own embedding: the layers after the encoder memorize the pitch of
its training sentences, and a flow on top of it would trust that memory on every new text.

References: Lipman et al. 2023 (flow matching), https://arxiv.org/abs/2210.02747; Liu et al. 2023
(rectified flow), https://arxiv.org/abs/2209.03003.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from dlpo.config.models import ContourConfig
from dlpo.model.blocks import ChannelNorm, ConvBlock, SymbolBlock, conv, without_padding
from dlpo.model.gaussian_upsampling import gaussian_upsample, upsampling_weights
from dlpo.text.symbols import FIRST_PHONEME

POINTS = 2  # of a contour per symbol
POINT_RANGE = 0.5  # of a point's length: the standard deviation of its upsampling weight
NARROWEST = 0.8  # frames; the least such standard deviation
TIME_FREQUENCIES, FASTEST = 16, 20.0  # of the embedding of t; radians from noise to contour


class Reader(nn.Module):
    """Symbols and their durations, either of which may be hidden -> hidden sequence (B, C, P)."""

    def __init__(self, config: ContourConfig, symbols: int) -> None:
        super().__init__()
        c, p = config.channels, config.dropout
        self.hidden_symbol = symbols  # the embedding's row for a hidden symbol
        self.embedding = nn.Embedding(symbols + 1, c)
        self.duration_in = conv(3, c, 1)
        self.place_in = conv(6, c, 1)
        self.prenet = conv(c, c, 5)
        self.blocks = nn.ModuleList(SymbolBlock(c, p) for _ in range(config.blocks))

    def forward(
        self,
        phonemes: Tensor,
        mask: Tensor,
        durations: Tensor,
        known: Tensor | None = None,
        *,
        voice: Tensor,
    ) -> Tensor:
        """Read sentences.

        Args:
            phonemes: (B, P) int64 symbol ids, `hidden_symbol` where one is hidden.
            mask: (B, P) bool, true where there is a symbol.
            durations: (B, P) frames, not necessarily whole.
            known: (B, P) bool, true where the duration may be seen; None shows all.
            voice: (B, C).
        """
        dtype = self.prenet.weight.dtype
        keep = mask[:, None].to(dtype)
        shown = (mask if known is None else mask & known).to(dtype)
        silent = ((durations == 0) & (phonemes < FIRST_PHONEME)).to(dtype)
        context = torch.stack([torch.log1p(durations) * shown, shown, silent * shown], dim=1)
        x: Tensor = self.embedding(phonemes).transpose(1, 2) + self.duration_in(context)
        x = x + voice[:, :, None]
        x = without_padding(x + self.place_in(places(mask).to(dtype)), keep)
        x = x + self.prenet(x)
        for block in self.blocks:
            x = block(x, keep, mask)
        return x


def places(mask: Tensor) -> Tensor:
    """(B, P) -> (B, 6, P): where each symbol is in its sentence, and how long the sentence is."""
    length = mask.sum(1, keepdim=True).float()
    before = torch.arange(mask.shape[1], device=mask.device).float()[None]
    after = (length - 1 - before).clamp(min=0)
    near, far = 8.0, 30.0  # symbols; about a word and about a phrase
    context = (
        before / length,
        torch.exp(-before / near),
        torch.exp(-after / near),
        torch.exp(-before / far),
        torch.exp(-after / far),
        length / 100,
    )
    return torch.stack([value.expand(mask.shape) for value in context], dim=1)


class Flow(nn.Module):
    """The velocity of a noisy contour."""

    def __init__(self, config: ContourConfig) -> None:
        super().__init__()
        c, blocks = config.flow_channels, config.flow_blocks
        self.hidden_in = conv(config.channels, c, 1)
        self.contour_in = conv(POINTS, c, 3)
        self.time_in = nn.Sequential(nn.Linear(2 * TIME_FREQUENCIES, c), nn.SiLU(), nn.Linear(c, c))
        self.times = nn.ModuleList(nn.Linear(c, c) for _ in range(blocks))
        self.blocks = nn.ModuleList(ConvBlock(c, 5, config.flow_dropout) for _ in range(blocks))
        self.norm = ChannelNorm(c)
        self.out = conv(c, POINTS, 1)
        nn.init.zeros_(self.out.weight)

    def forward(self, contour: Tensor, time: Tensor, hidden: Tensor, mask: Tensor) -> Tensor:
        """(B, 2, P), (B,) from 0 = noise to 1, (B, C, P), (B, P) -> (B, 2, P) per unit of time."""
        keep = mask[:, None].to(hidden.dtype)
        ladder = torch.linspace(0, math.log(FASTEST), TIME_FREQUENCIES, device=time.device)
        phases = time[:, None] * torch.exp(ladder)
        time = self.time_in(torch.cat([phases.sin(), phases.cos()], dim=1))
        x = self.hidden_in(hidden) + self.contour_in(without_padding(contour, keep))
        for embed, block in zip(self.times, self.blocks, strict=True):
            x = block(x + embed(time)[:, :, None], keep)
        out: Tensor = self.out(functional.gelu(self.norm(x)))
        return out


class Contour(nn.Module):
    """Reader and flow, and the mapping from their contours to F0."""

    def __init__(self, config: ContourConfig, symbols: int) -> None:
        super().__init__()
        self.config = config
        self.reader = Reader(config, symbols)
        self.flow = Flow(config)

    def draw(
        self,
        phonemes: Tensor,
        mask: Tensor,
        durations: Tensor,
        noise: Tensor,
        voice: Tensor,
    ) -> Tensor:
        """Draw a contour for each sentence.

        Args:
            phonemes, mask, durations: see `Reader`.
            noise: (B, 2, P) standard normal.
            voice: (B, C + 3): the reader's input; the voice's centre and spread in ln Hz; its
                temperature, a factor on the noise, 0 for always the same contour.

        Returns:
            (B, 2, P) ln Hz at the first and second half of each symbol.
        """
        c = self.config.channels
        embedded, centre, spread, temperature = voice.tensor_split((c, c + 1, c + 2), 1)
        hidden = self.reader(phonemes, mask, durations, voice=embedded)
        limited = self.integrate(noise * temperature[:, :, None], hidden, mask)
        contour: Tensor = centre[:, :, None] + spread[:, :, None] * limited
        return contour

    def integrate(self, x: Tensor, hidden: Tensor, mask: Tensor) -> Tensor:
        """From noise to contours by the midpoint rule.

        Args:
            x: (B, 2, P), already at the voice's temperature.
            hidden: (B, C, P) from the reader.
            mask: (B, P) bool.

        Returns:
            (B, 2, P) about 0, in units of the voice's spread, within the limit.
        """
        config = self.config
        for step in range(config.steps):
            begin = x.new_full((x.shape[0],), step / config.steps)
            middle = x + self.flow(x, begin, hidden, mask) * (0.5 / config.steps)
            x = x + self.flow(middle, begin + 0.5 / config.steps, hidden, mask) / config.steps
        return x.clamp(-config.limit, config.limit)


def point_weights(durations: Tensor, positions: Tensor) -> Tensor:
    """(B, P) frames, (F,) or (B, F) -> (B, F, 2 P), the share of each point in each frame."""
    return upsampling_weights(*_points(durations), positions)


def upsample_contour(contour: Tensor, durations: Tensor, positions: Tensor) -> Tensor:
    """(B, 2, P) points -> (B, F) at the frames; arguments as for `point_weights`."""
    points = contour.transpose(1, 2).flatten(1)[:, None]  # (B, 1, 2 P)
    return gaussian_upsample(points, *_points(durations), positions)[:, 0]


def _points(durations: Tensor) -> tuple[Tensor, Tensor]:
    """(B, P) frames of symbols -> (B, 2 P) frames of their points, and ranges."""
    halves = torch.stack([durations / POINTS] * POINTS, dim=2).flatten(1)
    return halves, (halves * POINT_RANGE).clamp(min=NARROWEST)
