"""Diffusion-DPO: learning from pairs of renderings of which one was preferred.

    L = -E_k log sigmoid(-beta (e(x_w) - e_ref(x_w) - e(x_l) + e_ref(x_l)))
    e(x) = |eps - eps_theta(alpha_k x + sigma_k eps, c, k)|^2 / samples

Symbols: x_w and x_l winner and loser; eps the same for both, one draw per level; k over the
N levels of the served chain; e_ref the policy before tuning; c the text's conditioning. The
paper's weights T w(lambda_k) are folded into beta, which is large because e is a mean over
samples. Unlike the policy gradient, the loss also reaches the last, noiseless step.

Reference: Wallace et al. 2024 (arXiv 2311.12908), eq. 14.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from dlpo.audio import END_FRAMES, HOP_LENGTH, SAMPLE_RATE, Waveform, pre_emphasise
from dlpo.data.preferences import PreferencePair
from dlpo.errors import DataError, InputError, TextError, TrainingError
from dlpo.judges.judge import active_level_db
from dlpo.model.build import Model
from dlpo.model.spectral import SpectralWaveGrad2
from dlpo.noise_schedule import NoiseSchedule
from dlpo.rl.conditions import Conditions, Policy, conditions_of
from dlpo.rl.diffusion_loss import noise_error
from dlpo.rl.prompts import Prompt, draw_share
from dlpo.rl.rollout import Key, Rollout, padded_noise, roll_out, seed_keys
from dlpo.text import TextFrontEnd

log = logging.getLogger(__name__)
PREFERENCE = 4  # last element of the noise keys of pairs
TOLERANCE = 2  # frames; allowed difference in durations, which may round differently
BETA = 2000.0  # of the paper's Stable Diffusion 1.5, whose errors are means as well


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """A batch of decided comparisons, two renderings of each sentence."""

    conditions: Conditions
    """of B sentences"""
    winners: Tensor
    """(B, T) x_0 in the model's scale; 0 past the end of a sentence"""
    losers: Tensor
    """(B, T)"""
    keys: tuple[Key, ...]
    """B keys that the noise is drawn from"""

    def __len__(self) -> int:
        return len(self.keys)


def pairs_of(rollout: Rollout, rewards: Tensor) -> Pairs:
    """The best and the worst seed of each sentence, by a judge's scores.

    Equal rewards pair a rendering with itself, whose gradient is 0.

    Args:
        rewards: (B,).

    Raises:
        InputError: one seed per sentence, or the wrong number of rewards.
        TrainingError: a reward is not finite.
    """
    group = rollout.group
    if group < 2 or rewards.shape != (len(rollout),):
        raise InputError(
            f"rewards of shape {tuple(rewards.shape)} for {len(rollout)} chains in groups of"
            f" {group}; expected one per chain, and at least 2 seeds per sentence"
        )
    if not bool(torch.isfinite(rewards).all()):
        raise TrainingError("a reward is NaN or infinite; find the sentence that caused it")
    grouped = rewards.view(-1, group)
    first = torch.arange(0, len(rollout), group, device=rewards.device)
    best, worst = first + grouped.argmax(1), first + grouped.argmin(1)
    return Pairs(
        rollout.conditions.rows(slice(0, None, group)),
        rollout.output[best],
        rollout.output[worst],
        rollout.sentence_keys[::group],
    )


def dpo_margins(policy: Policy, reference: Policy, pairs: Pairs, schedule: NoiseSchedule) -> Tensor:
    """How much more the policy's denoising of the winner has improved than that of the loser.

    Returns:
        (N, B): e_ref(x_w) - e(x_w) - e_ref(x_l) + e(x_l), see above; 0 at the reference, above 0
        where the preferred rendering gained.
    """
    margins = []
    keys = [(*key, PREFERENCE) for key in pairs.keys]
    noises = padded_noise(pairs.conditions, keys, schedule.steps)
    for eps, alpha in zip(noises, schedule.noise_levels[:-1], strict=True):
        level = eps.new_tensor([float(alpha)])
        gains = []
        for clean in (pairs.winners, pairs.losers):
            with torch.no_grad():
                before = noise_error(reference, pairs.conditions, clean, level, eps)
            gains.append(before - noise_error(policy, pairs.conditions, clean, level, eps))
        margins.append(gains[0] - gains[1])
    return torch.stack(margins)


def dpo_loss(
    policy: Policy,
    reference: Policy,
    pairs: Pairs,
    schedule: NoiseSchedule,
    beta: float = BETA,
) -> Tensor:
    """-log sigmoid(beta margin), averaged over levels and pairs; log 2 at the reference.

    Args:
        reference: the policy before tuning.
        schedule: of the served chain.
        beta: inverse scale: the loss flattens once a margin exceeds 1 / beta.

    Returns:
        (), differentiable in the policy's weights.
    """
    return -functional.logsigmoid(beta * dpo_margins(policy, reference, pairs, schedule)).mean()


# ---------------------------------------------------------------------- of a listening test
@dataclass(frozen=True, slots=True)
class _UsablePair:
    """A pair that matches the voice."""

    pair: PreferencePair
    symbols: NDArray[np.int64]
    level_db: float
    """active level of the sentence as the voice itself speaks it"""


class ListeningPairs:
    """Draws pairs; what update k draws does not depend on earlier updates.

    A rendering must match what the voice would synthesize: one sentence with the voice's own
    durations, so that its samples line up with the conditioning. Other pairs are skipped, and the
    log says how many. The fade-out that serving appends is cut off. Both renderings are scaled to
    the level at which the voice synthesizes the sentence: a listening test matches loudness, so
    level was not compared.

    Args:
        pairs: from `read_pairs`.
        model: the voice before tuning; in eval mode.
        chain: the schedule that is tuned.
        reach: see `conditions_of`.
        seed: of the draws.

    Raises:
        DataError: no pair is usable, or a wav can't be used.
    """

    def __init__(
        self,
        pairs: Sequence[PreferencePair],
        model: Model,
        chain: NoiseSchedule,
        reach: int,
        seed: int,
    ) -> None:
        self.model, self.reach, self.seed = model, reach, seed
        front_end = TextFrontEnd()
        self.usable: list[_UsablePair] = []
        reasons: dict[str, int] = {}
        for pair in pairs:
            usable = self._check(pair, front_end, chain)
            if isinstance(usable, _UsablePair):
                self.usable.append(usable)
            else:
                reasons[usable] = reasons.get(usable, 0) + 1
        counts = ", ".join(f"{count} {reason}" for reason, count in sorted(reasons.items()))
        if not self.usable:
            raise DataError(
                f"none of {len(pairs)} preference pairs fits the voice ({counts}); each must be two"
                " renderings of one sentence by the voice being tuned, or by one with the same"
                " durations"
            )
        if reasons:
            log.warning("skipping %d of %d preference pairs: %s",
                        sum(reasons.values()), len(pairs), counts)  # fmt: skip

    def __len__(self) -> int:
        return len(self.usable)

    def draw(self, update: int, size: int, rank: int = 0, ranks: int = 1) -> list[int]:
        """One process's share of an update's `size` pairs, as numbers for `batch`."""
        return draw_share((self.seed, update), len(self), size, rank, ranks)

    def batch(self, numbers: Sequence[int], update: int) -> Pairs:
        """The pairs with these numbers, with the noise of an update.

        Raises:
            DataError: a wav is gone.
        """
        chosen = [self.usable[i] for i in numbers]
        prompts = [
            Prompt(i, usable.pair.text, usable.symbols)
            for i, usable in zip(numbers, chosen, strict=True)
        ]
        conditions = conditions_of(self.model, prompts, self.reach)
        winners: list[Tensor] = []
        losers: list[Tensor] = []
        for usable in chosen:
            for waveform, side in zip(usable.pair.waveforms(), (winners, losers), strict=True):
                gain_db = usable.level_db - active_level_db(waveform, SAMPLE_RATE)
                side.append(as_chain(self.model, waveform * np.float32(10 ** (gain_db / 20))))
        keys = seed_keys(self.seed, update, numbers, 1)
        return Pairs(conditions, _stacked(winners, conditions), _stacked(losers, conditions), keys)

    def _check(
        self, pair: PreferencePair, front_end: TextFrontEnd, chain: NoiseSchedule
    ) -> _UsablePair | str:
        """The pair, or why it is unusable."""
        try:
            sentences = front_end.process(pair.text).sentences
        except TextError:
            return "without words"
        if len(sentences) != 1:
            return "with several sentences"
        symbols = np.array(sentences[0].symbol_ids(), np.int64)
        conditions = conditions_of(self.model, [Prompt(0, pair.text, symbols)], self.reach)
        expected = int(conditions.frames[0]) * HOP_LENGTH
        waveforms = pair.waveforms()
        longer = [(len(waveform) - expected) / HOP_LENGTH for waveform in waveforms]
        if any(not -TOLERANCE <= frames <= END_FRAMES + TOLERANCE for frames in longer):
            return "at a different pace from the voice"
        if not all(waveform.any() for waveform in waveforms):
            return "with silent audio"
        rollout = roll_out(self.model, conditions, chain, seed_keys(0, 0, [0], 1), 1)
        own_level_db = active_level_db(rollout.waveforms(self.model)[0], SAMPLE_RATE)
        return _UsablePair(pair, symbols, own_level_db)


def as_chain(model: Model, waveform: Waveform) -> Tensor:
    """(T,) waveform -> (T,) x_0 in the scale of the model's chain.

    The inverse of `model.to_waveform`.
    """
    if isinstance(model, SpectralWaveGrad2):
        return torch.from_numpy(pre_emphasise(waveform)) * model.config.scale
    return torch.from_numpy(waveform)


def pairs_sha256(path: Path, pairs: Sequence[PreferencePair]) -> str:
    """Hash of a file of pairs and of its audio files.

    Raises:
        DataError: a file can't be read.
    """
    digest = hashlib.sha256()
    for file in [path, *(wav for pair in pairs for wav in (pair.winner, pair.loser))]:
        try:
            digest.update(hashlib.sha256(file.read_bytes()).digest())
        except OSError as error:
            raise DataError(f"{file}: can't be read ({error.strerror})") from error
    return digest.hexdigest()


def _stacked(rows: Sequence[Tensor], conditions: Conditions) -> Tensor:
    """Waveforms cropped or padded with silence to their sentence's own length -> (B, T)."""
    out = torch.zeros(conditions.source.shape)
    ends = (conditions.frames * conditions.samples_per_frame).tolist()
    for b, (row, end) in enumerate(zip(rows, ends, strict=True)):
        kept = row[:end]
        out[b, : len(kept)] = kept
    return out.to(conditions.source)
