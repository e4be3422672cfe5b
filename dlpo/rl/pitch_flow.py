"""The pitch flow as a policy: contours of a sentence drawn from noise, everything else fixed.

    c = draw(n), n ~ N(0, temperature^2)       two points a symbol, about 100 numbers a sentence
    e(c) = |v((1 - t) n + t c, t) - (c - n)|^2  the flow's own training loss on a contour c

An action is the whole contour. Durations, voicing and the reader's hidden sequence don't depend on
it, so they are computed once per sentence. `dlpo.rl.core.flow` says what it learns from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from dlpo.config.training import ContourTraining
from dlpo.errors import ConfigError
from dlpo.model.build import Model
from dlpo.model.contour import Contour, Flow, point_weights
from dlpo.model.gaussian_upsampling import frame_positions
from dlpo.model.spectral import SpectralWaveGrad2
from dlpo.rl.core.conditions import Key, keyed_noise
from dlpo.rl.core.flow import FlowPolicy
from dlpo.rl.pitch_conditioning import PitchBatch, PitchConditioning
from dlpo.rl.prompts import Prompt
from dlpo.training.contour_losses import Contours, flow_losses

LEARNED = ContourTraining()  # what regularizes the loss on recordings, as in training
MEASURED = replace(LEARNED, hidden_symbols=0.0, duration_noise=0.0)


class PitchFlow(FlowPolicy[PitchBatch]):
    """Draws contours (B, G, 2, P) of sentences with a model's flow, about 0, in units of the
    voice's spread.

    Args:
        model: in eval mode; its flow may learn, nothing else does.
        contour: to use instead of the model's own, such as a copy with other weights.
        times: draws of noise and time per recording in the diffusion loss.

    Raises:
        ConfigError: it draws no pitch.
    """

    def __init__(self, model: Model, contour: Contour | None = None, times: int = 4) -> None:
        if not isinstance(model, SpectralWaveGrad2) or model.contour is None:
            raise ConfigError(
                f"the checkpoint's model is {model.config.model!r} without a pitch flow; expected"
                " spectral with one: dlpo train contour"
            )
        self.model: SpectralWaveGrad2 = model
        self.contour: Contour = contour or model.contour
        self.times = times
        self._conditioned: dict[tuple[int, str | None], PitchConditioning] = {}

    @property
    def flow(self) -> Flow:
        """The network that learns."""
        return self.contour.flow

    def conditions(self, prompts: Sequence[Prompt]) -> PitchBatch:
        """The sentences of prompts; each is computed once."""
        for prompt in prompts:
            if (prompt.number, prompt.voice) not in self._conditioned:
                self._conditioned[prompt.number, prompt.voice] = self.conditioning(prompt)
        return PitchBatch.of([self._conditioned[p.number, p.voice] for p in prompts])

    @torch.no_grad()
    def conditioning(self, prompt: Prompt) -> PitchConditioning:
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
        return PitchConditioning(
            contour.reader(phonemes, mask, predicted, voice=embedded),
            temperature,
            centre,
            spread,
            frames[0],
            point_weights(frames, positions)[0],
            model.predict_prosody(upsampled, voice).voicing[0] > 0,
            model.config.grid.frames_per_s,
        )

    def noise(self, conditions: PitchBatch, keys: Sequence[Key], rows: int) -> Tensor:
        pairs = zip(keys, conditions.sentences, strict=True)
        return conditions.padded_points([keyed_noise(k, rows, 2 * len(s.frames)) for k, s in pairs])

    def weights(self, conditions: PitchBatch) -> Tensor:
        return conditions.weights

    def integrate(self, conditions: PitchBatch, noise: Tensor) -> Tensor:
        hidden, mask = conditions.repeated(noise.shape[1])
        x = (noise * conditions.temperatures[:, None, None, None]).flatten(0, 1)
        return self.contour.integrate(x, hidden, mask).view(noise.shape)

    def velocity(self, conditions: PitchBatch, noisy: Tensor, time: Tensor) -> Tensor:
        hidden, mask = conditions.repeated(noisy.shape[1])
        found: Tensor = self.flow(noisy.flatten(0, 1), time.flatten(), hidden, mask)
        return found.view(noisy.shape)

    def diffusion_loss(
        self,
        recorded: Contours,
        generator: torch.Generator,
        draws: int | None = None,
        learns: bool = True,
    ) -> Tensor:
        """(): the flow-matching loss on recordings, over whole contours, with its gradient.

        Args:
            recorded: contours of recordings.
            generator: draws noise and times, on the CPU.
            draws: of both per recording; `times` by default.
            learns: with dropout, hidden symbols and noise on durations, as the contour was trained.
                Without, to measure it.
        """
        training = replace(LEARNED if learns else MEASURED, draws=draws or self.times)
        embedded, _ = self.recorded_voices(recorded)
        self.flow.train(learns)
        try:
            return flow_losses(self.contour, recorded, training, generator, embedded)["flow"]
        finally:
            self.flow.eval()

    def recorded_voices(self, recorded: Contours) -> tuple[Tensor, Tensor]:
        """(B, C) for the reader and (B, 3) ranges of the recordings' voices."""
        return self.model.pitch_voice(self.model.voice(recorded.sentences.voices))
