"""`dlpo tune --probe`: two questions to ask of a reward before anything is tuned by it.

    1  Does it prefer what is known to be right to what is known to be wrong? The right contour of
       a sentence is its recording's own; wrong ones, of the same mean and spread, are one drawn by
       the voice, another recording's, and noise.
    2  Does the best of eight by the reward raise something that took no part, under new noise?
       Eight contours of a sentence are drawn and scored; the best one is spoken again with other
       noise in the denoiser, and judged by the judges that are not the reward.

If not, the reward is the limit and not the estimator: more scores or another method won't help.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dlpo.audio import Waveform, harmonic_source
from dlpo.data.dataset import Corpora
from dlpo.errors import DataError
from dlpo.judges.judge import TYPICAL_LEVEL_DB, at_level
from dlpo.model.acoustics import LOG_F0_CENTRE, LOG_F0_SCALE
from dlpo.model.gaussian_upsampling import frame_positions
from dlpo.noise_schedule import NoiseSchedule
from dlpo.rl.core.conditions import keyed_noise
from dlpo.rl.pitch_flow import PitchFlow
from dlpo.rl.prompts import Prompt, prompt_of
from dlpo.rl.rewards import ClipBatch, Reward
from dlpo.training.contour_losses import RecordedContours
from dlpo.training.synthesis import denoise

DRAWN = "drawn by the voice"
OTHER = "another recording's"
NOISE = "noise"
DRAWS = 8
SENTENCES = 20  # at most
Score = Callable[[Prompt, Sequence[Tensor], int], NDArray[np.float64]]
"""A sentence, (2, P) contours of it in ln Hz, and the denoiser's seed -> their scores"""


class Speaker:
    """Speaks sentences with given contours through the served chain.

    Args:
        policy: everything but the contour.
        chain: the reverse steps.
    """

    def __init__(self, policy: PitchFlow, chain: NoiseSchedule) -> None:
        self.policy = policy
        self.chain = chain
        self.rate_hz = policy.model.config.grid.sample_rate_hz

    @torch.no_grad()
    def speak(self, prompt: Prompt, contour: Tensor, seed: int) -> Waveform:
        """(2, P) ln Hz -> (T,) float32.

        Args:
            seed: 0 or 1, of the denoiser's noise.
        """
        model = self.policy.model
        voice = model.named_voice(prompt.voice)
        phonemes = torch.from_numpy(prompt.symbols)[None]
        mask = torch.ones_like(phonemes, dtype=torch.bool)
        hidden, timing = model.encode_symbols(phonemes, mask, voice)
        scaled = (contour[None] - LOG_F0_CENTRE) * LOG_F0_SCALE
        frames = self.policy.conditions([prompt]).sentences[0].frames[None]
        positions = frame_positions(int(frames.sum()))
        no_shift = torch.zeros(1)
        both = torch.cat([hidden, scaled.to(hidden.dtype)], dim=1)
        conditioning, f0 = model.frames(both, frames, timing.ranges, positions, no_shift, voice)
        source = harmonic_source(f0[0].numpy(), model.config.grid)
        spoken = denoise(model, conditioning, source, self.chain, 2 * prompt.number + seed)
        return at_level(spoken, self.rate_hz, TYPICAL_LEVEL_DB)

    def score(self, reward: Reward) -> Score:
        """A judge of what is spoken as a judge of contours."""

        def score(prompt: Prompt, contours: Sequence[Tensor], seed: int) -> NDArray[np.float64]:
            clips = [self.speak(prompt, contour, seed) for contour in contours]
            keys = [(prompt.number,)] * len(clips)
            return reward.judge(ClipBatch(clips, [prompt.text] * len(clips), self.rate_hz, keys))

        return score


class Probe:
    """Both questions, on the validation recordings of a voice.

    Args:
        policy: the voice before tuning.
        data: prepared recordings.
        split: of the recordings.

    Raises:
        DataError: fewer than two recordings.
    """

    def __init__(self, policy: PitchFlow, data: Corpora, split: str = "validation") -> None:
        self.policy = policy
        self.recorded = RecordedContours(data, split, policy.model.config.rows)
        self.utterances = self.recorded.utterances[:SENTENCES]
        if len(self.utterances) < 2:
            raise DataError(
                f"{data.path}: {len(self.utterances)} {split} recordings; expected two or more"
                " whose contours can be compared"
            )
        self.prompts = {i: prompt_of(data, i) for i in self.utterances}

    def prefers_right(self, score: Score) -> dict[str, list[float]]:
        """By how much a reward prefers each recording's own contour to each wrong one."""
        differences: dict[str, list[float]] = {DRAWN: [], OTHER: [], NOISE: []}
        for place, i in enumerate(self.utterances):
            other = self.utterances[place - 1]
            prompt = self.prompts[i]
            own = torch.from_numpy(self.recorded.found[i].points)
            wrong = {
                DRAWN: self._drawn(prompt, 1)[0],
                OTHER: _fitted(torch.from_numpy(self.recorded.found[other].points), own.shape[1]),
                NOISE: keyed_noise((i, 15), 2, own.shape[1]),
            }
            contours = [self._in_range(prompt, c) for c in (own, *wrong.values())]
            right, *scores = score(prompt, contours, 0)
            for name, of_wrong in zip(wrong, scores, strict=True):
                differences[name].append(float(right - of_wrong))
        return differences

    def best_of_eight(self, score: Score, held_out: dict[str, Score]) -> dict[str, list[float]]:
        """By how much the best of eight by a reward raises each held-out judge over their mean."""
        differences: dict[str, list[float]] = {name: [] for name in held_out}
        for prompt in self.prompts.values():
            contours = [self._in_range(prompt, c, shaped=False) for c in self._drawn(prompt, DRAWS)]
            best = int(score(prompt, contours, 0).argmax())
            for name, judge in held_out.items():
                again = judge(prompt, contours, 1)
                differences[name].append(float(again[best] - again.mean()))
        return differences

    def _drawn(self, prompt: Prompt, draws: int) -> list[Tensor]:
        """(2, P) each, in units of the voice's range."""
        drawn = self.policy.draw([prompt], (0, 16), draws)
        return list(drawn.samples[0, :, :, : len(prompt.symbols)])

    def _in_range(self, prompt: Prompt, contour: Tensor, shaped: bool = True) -> Tensor:
        """In the voice's range, ln Hz; `shaped` contours get mean 0 and spread 1 first."""
        model = self.policy.model
        centre, spread, _ = model.pitch_voice(model.named_voice(prompt.voice))[1][0].tolist()
        if shaped:
            contour = (contour - contour.mean()) / contour.std().clamp(min=1e-6)
        in_range: Tensor = centre + spread * contour
        return in_range


def _fitted(points: Tensor, symbols: int) -> Tensor:
    """Another sentence's points (2, Q), stretched to (2, P)."""
    line = points.T.reshape(1, 1, -1)
    stretched = torch.nn.functional.interpolate(line, 2 * symbols, mode="linear")
    return stretched.view(symbols, 2).T
