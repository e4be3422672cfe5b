"""The pitch flow as a policy: contours of a sentence drawn from noise, everything else fixed.

    c = draw(n), n ~ N(0, temperature^2)       two points a symbol, about 100 numbers a sentence
    e(c) = |v((1 - t) n + t c, t) - (c - n)|^2  the flow's own training loss on a contour c

An action is the whole contour. Durations, voicing and the reader's hidden sequence don't depend on
it, so they are computed once per sentence. The flow has no density that could be had cheaply, so
policies learn from e, the matching loss of contours that they drew themselves.

References: `dlpo.model.contour`; Xue et al. 2025 (advantage-weighted matching, arXiv 2509.25050).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from dlpo.errors import ConfigError
from dlpo.model.build import Model
from dlpo.model.contour import POINTS, Contour, Flow, point_weights
from dlpo.model.gaussian_upsampling import frame_positions
from dlpo.model.spectral import SpectralWaveGrad2
from dlpo.rl.prompts import Prompt
from dlpo.training.contour_losses import LEAST_WEIGHT, MOST_WEIGHT


@dataclass(frozen=True, slots=True, eq=False)
class PitchScene:
    """What is fixed of one sentence."""

    hidden: Tensor
    """(1, C, P) of the reader"""
    temperature: float
    spread: float
    """ln Hz of the voice per unit of a contour"""
    frames: Tensor
    """(P,) whole frames of each symbol"""
    point_weights: Tensor
    """(F, 2P): how much each point is in each frame"""
    voiced: Tensor
    """(F,) bool"""

    @property
    def error_weights(self) -> Tensor:
        """(2P,) how much each point counts, by its voiced frames, as in training."""
        frames = (self.point_weights * self.voiced[:, None]).sum(0)
        weights: Tensor = frames.clamp(max=MOST_WEIGHT) + LEAST_WEIGHT
        return weights


class PitchFlow:
    """Draws contours of sentences with a model's flow.

    Args:
        model: in eval mode; its flow may learn, nothing else does.
        contour: to use instead of the model's own, such as a copy with other weights.

    Raises:
        ConfigError: it draws no pitch.
    """

    def __init__(self, model: Model, contour: Contour | None = None) -> None:
        if not isinstance(model, SpectralWaveGrad2) or model.contour is None:
            raise ConfigError(
                f"the checkpoint's model is {model.config.model!r} without a pitch flow; expected"
                " spectral with one: dlpo train contour"
            )
        self.model: SpectralWaveGrad2 = model
        self.contour: Contour = contour or model.contour

    @property
    def flow(self) -> Flow:
        """The network that learns."""
        return self.contour.flow

    @torch.no_grad()
    def scene(self, prompt: Prompt) -> PitchScene:
        """Everything of a sentence that its contour doesn't change."""
        model, contour = self.model, self.contour
        voice = model.named_voice(prompt.voice)
        phonemes = torch.from_numpy(prompt.symbols)[None]
        mask = torch.ones_like(phonemes, dtype=torch.bool)
        hidden, timing = model.encode_symbols(phonemes, mask, voice)
        predicted = model.durations(phonemes, mask, timing)
        ends = predicted.double().cumsum(1).round()
        frames = torch.diff(ends, prepend=ends.new_zeros(1, 1)).float()
        positions = frame_positions(int(frames.sum()))
        upsampled = model.upsample(hidden, frames, timing.ranges, positions)
        embedded, pitch_range = model.pitch_voice(voice)
        _, spread, temperature = pitch_range[0].tolist()
        return PitchScene(
            contour.reader(phonemes, mask, predicted, voice=embedded),
            temperature,
            spread,
            frames[0],
            point_weights(frames, positions)[0],
            model.predict_prosody(upsampled, voice).voicing[0] > 0,
        )

    def draw(self, batch: PitchBatch, noise: Tensor) -> Tensor:
        """(B, G, 2, P) standard normal -> (B, G, 2, P) contours, in units of the voice's range."""
        group = noise.shape[1]
        hidden, mask = batch.repeated(group)
        x = (noise * batch.temperatures[:, None, None, None]).flatten(0, 1)
        return self.contour.integrate(x, hidden, mask).view(noise.shape)

    def velocity(self, batch: PitchBatch, noisy: Tensor, time: Tensor) -> Tensor:
        """(B, M, 2, P) noisy contours at (B, M) times -> (B, M, 2, P)."""
        hidden, mask = batch.repeated(noisy.shape[1])
        found: Tensor = self.flow(noisy.flatten(0, 1), time.flatten(), hidden, mask)
        return found.view(noisy.shape)


@dataclass(frozen=True, slots=True, eq=False)
class PitchBatch:
    """Scenes of B sentences, padded."""

    scenes: Sequence[PitchScene]
    hidden: Tensor
    """(B, C, P)"""
    mask: Tensor
    """(B, P) bool"""
    temperatures: Tensor
    """(B,)"""
    weights: Tensor
    """(B, 2, P) `PitchScene.error_weights`, 0 in the padding"""

    @classmethod
    def of(cls, scenes: Sequence[PitchScene]) -> PitchBatch:
        """Batch scenes."""
        longest = max(scene.hidden.shape[2] for scene in scenes)

        def padded(rows: Sequence[Tensor]) -> Tensor:
            pad = torch.nn.functional.pad
            return torch.stack([pad(row, (0, longest - row.shape[-1])) for row in rows])

        return cls(
            scenes,
            padded([scene.hidden[0] for scene in scenes]),
            padded([torch.ones(scene.hidden.shape[2], dtype=torch.bool) for scene in scenes]),
            torch.tensor([scene.temperature for scene in scenes]),
            padded([as_points(scene.error_weights) for scene in scenes]),
        )

    def repeated(self, times: int) -> tuple[Tensor, Tensor]:
        """Hidden and mask with each sentence `times` times, copies adjacent."""
        return self.hidden.repeat_interleave(times, 0), self.mask.repeat_interleave(times, 0)

    def padded_points(self, rows: Sequence[Tensor]) -> Tensor:
        """(2P,) of each scene -> (B, 2, P), 0 in the padding."""
        out = self.hidden.new_zeros(len(rows), POINTS, self.hidden.shape[2])
        for b, row in enumerate(rows):
            points = as_points(row)
            out[b, :, : points.shape[1]] = points
        return out


def as_points(row: Tensor) -> Tensor:
    """(..., 2P) in the order of time -> (..., 2, P), the layout of contours."""
    return row.view(*row.shape[:-1], -1, POINTS).transpose(-1, -2)


def in_time(points: Tensor) -> Tensor:
    """(..., 2, P) -> (..., 2P) in the order of time."""
    return points.transpose(-1, -2).flatten(-2)
