"""The pitch flow as a policy: contours of a sentence drawn from noise, everything else fixed.

    c = draw(n), n ~ N(0, temperature^2)       two points a symbol, about 100 numbers a sentence
    e(c) = |v((1 - t) n + t c, t) - (c - n)|^2  the flow's own training loss on a contour c

An action is the whole contour. Durations, voicing and the reader's hidden sequence don't depend on
it, so they are computed once per sentence. The flow has no density that could be had cheaply, so
it learns from e, the matching loss of contours that it drew itself: `dlpo.rl.awm`.

References: `dlpo.model.contour`; Xue et al. 2025 (advantage-weighted matching, arXiv 2509.25050).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from dlpo.config.training import ContourTraining
from dlpo.errors import ConfigError
from dlpo.model.build import Model
from dlpo.model.contour import Contour, Flow, point_weights
from dlpo.model.gaussian_upsampling import frame_positions
from dlpo.model.spectral import SpectralWaveGrad2
from dlpo.rl.noise import Key, keyed_noise
from dlpo.rl.pitch_scene import PitchBatch, PitchScene
from dlpo.rl.prompts import Prompt
from dlpo.training.contour_losses import Contours, flow_losses

MATCHING = 14  # last element of the keys of noise and times
LEARNED = ContourTraining()  # what regularizes the loss on recordings, as in training
MEASURED = replace(LEARNED, hidden_symbols=0.0, duration_noise=0.0)


@dataclass(frozen=True, slots=True, eq=False)
class DrawnContours:
    """Contours that a policy drew for B sentences."""

    batch: PitchBatch
    contours: Tensor
    """(B, G, 2, P) about 0, in units of the voice's spread"""
    keys: tuple[Key, ...]
    """B keys, one a sentence"""

    def chosen(self, columns: Tensor) -> DrawnContours:
        """(B, L) numbers of draws -> these draws of each sentence."""
        rows = torch.arange(len(self.contours))[:, None]
        return replace(self, contours=self.contours[rows, columns])


class PitchFlow:
    """Draws contours of sentences with a model's flow; see `dlpo.rl.policy`.

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
        self._scenes: dict[tuple[int, str | None], PitchScene] = {}

    @property
    def flow(self) -> Flow:
        """The network that learns."""
        return self.contour.flow

    def batch(self, prompts: Sequence[Prompt]) -> PitchBatch:
        """The scenes of prompts; each is computed once."""
        for prompt in prompts:
            if (prompt.number, prompt.voice) not in self._scenes:
                self._scenes[prompt.number, prompt.voice] = self.scene(prompt)
        return PitchBatch.of([self._scenes[p.number, p.voice] for p in prompts])

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
        centre, spread, temperature = pitch_range[0].tolist()
        return PitchScene(
            contour.reader(phonemes, mask, predicted, voice=embedded),
            temperature,
            centre,
            spread,
            frames[0],
            point_weights(frames, positions)[0],
            model.predict_prosody(upsampled, voice).voicing[0] > 0,
            model.config.grid.frames_per_s,
        )

    @torch.no_grad()
    def draw(self, prompts: Sequence[Prompt], key: tuple[int, int], group: int) -> DrawnContours:
        """See `Policy.draw`."""
        batch, keys = self.batch(prompts), tuple((*key, prompt.number) for prompt in prompts)
        return DrawnContours(batch, self.contours(batch, self.noise(batch, keys, group)), keys)

    def noise(self, batch: PitchBatch, keys: Sequence[Key], group: int) -> Tensor:
        """(B, G, 2, P) standard normal, each sentence's from its key alone; 0 in the padding."""
        pairs = zip(keys, batch.scenes, strict=True)
        return batch.padded_points([keyed_noise(k, group, 2 * len(s.frames)) for k, s in pairs])

    def contours(self, batch: PitchBatch, noise: Tensor) -> Tensor:
        """(B, G, 2, P) standard normal -> (B, G, 2, P) contours, with their gradient."""
        hidden, mask = batch.repeated(noise.shape[1])
        x = (noise * batch.temperatures[:, None, None, None]).flatten(0, 1)
        return self.contour.integrate(x, hidden, mask).view(noise.shape)

    def velocity(self, batch: PitchBatch, noisy: Tensor, time: Tensor) -> Tensor:
        """(B, M, 2, P) noisy contours at (B, M) times -> (B, M, 2, P)."""
        hidden, mask = batch.repeated(noisy.shape[1])
        found: Tensor = self.flow(noisy.flatten(0, 1), time.flatten(), hidden, mask)
        return found.view(noisy.shape)

    def matching_errors(
        self, drawn: DrawnContours, draws: int, credit: Tensor | None = None
    ) -> Tensor:
        """See `Policy.matching_errors`.

        Args:
            credit: (B, 2, P) share of each point that counts; all of them by default.

        Returns:
            (K, B G), weighted means over the points.
        """
        noisy, time, target = self._noised(drawn, draws)
        squared = (self.velocity(drawn.batch, noisy, time) - target).square()
        counted = drawn.batch.weights if credit is None else drawn.batch.weights * credit
        return _means(squared, counted, counted.sum((1, 2)), draws)

    def departures(
        self, drawn: DrawnContours, draws: int, before: PitchFlow, where: Tensor | None = None
    ) -> Tensor:
        """See `Policy.departures`.

        Args:
            where: (B, 2, P) weight of each point's; 1 by default.

        Returns:
            (K, B G), sums over the points divided by the weight of all of them.
        """
        noisy, time, _ = self._noised(drawn, draws)
        with torch.no_grad():
            start = before.velocity(drawn.batch, noisy, time)
        squared = (self.velocity(drawn.batch, noisy, time) - start).square()
        weights = drawn.batch.weights
        counted = weights if where is None else weights * where
        return _means(squared, counted, weights.sum((1, 2)), draws)

    def diffusion_loss(
        self, recorded: Contours, generator: torch.Generator, draws: int = 4, learns: bool = True
    ) -> Tensor:
        """(): the flow-matching loss on recordings, over whole contours, with its gradient.

        Args:
            recorded: contours of recordings.
            generator: draws noise and times, on the CPU.
            draws: of both per recording.
            learns: with dropout, hidden symbols and noise on durations, as the contour was trained:
                a few minutes of pitch are soon memorized. Without, to measure it.
        """
        training = replace(LEARNED if learns else MEASURED, draws=draws)
        embedded, _ = self.recorded_voices(recorded)
        self.flow.train(learns)
        try:
            return flow_losses(self.contour, recorded, training, generator, embedded)["flow"]
        finally:
            self.flow.eval()

    def recorded_voices(self, recorded: Contours) -> tuple[Tensor, Tensor]:
        """(B, C) for the reader and (B, 3) ranges of the recordings' voices."""
        return self.model.pitch_voice(self.model.voice(recorded.sentences.voices))

    def _noised(self, drawn: DrawnContours, draws: int) -> tuple[Tensor, Tensor, Tensor]:
        """Noisy contours (B, G K, 2, P), their times (B, G K) and the velocities to match.

        Noise and times, K pairs with a time in each K-th of [0, 1], are shared by the contours of a
        sentence.
        """
        contours, group = drawn.contours, drawn.contours.shape[1]
        keys = [(*key, MATCHING) for key in drawn.keys]
        noise = self.noise(drawn.batch, keys, draws)[:, None]  # (B, 1, K, 2, P)
        uniform = np.stack([np.random.default_rng((*key, 1)).random(draws) for key in keys])
        time = (torch.from_numpy(uniform).float() + torch.arange(draws)) / draws
        time = time[:, None].expand(-1, group, -1)
        at, clean = time[..., None, None], contours[:, :, None]
        noisy, target = (1 - at) * noise + at * clean, clean - noise
        return noisy.flatten(1, 2), time.flatten(1, 2), target.flatten(1, 2)


def _means(squared: Tensor, counted: Tensor, total: Tensor, draws: int) -> Tensor:
    """(B, G K, 2, P) -> (K, B G): weighted sums over the points, divided by a total of each row."""
    share = counted / total.clamp(min=1e-6)[:, None, None]
    of_draws = (squared * share[:, None]).sum((2, 3))  # (B, G K)
    return of_draws.view(-1, draws).T
