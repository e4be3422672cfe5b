"""`dlpo tune --reward endings`: the pitch flow learns how sentences end.

    L = alpha mean_g A_g e_local(c_g) + beta DL + kl E|v - v_start|^2

    c_g     contours of a sentence drawn by the flow itself, g = 1 .. G, from noise of their own
    A_g     advantage of c_g: its reward less the mean of the group, in units of `scale_st`
    e       the flow's own training loss on c_g, on noise and times that the group shares; local:
            over the points of the last `credit_s` seconds before the ending, which R is about; of
            a draw to unlearn at most `error_bound` times what it was before tuning
    DL      the diffusion loss of the flow (flow matching) on recordings, over whole contours
    v       the flow's velocity; v_start before tuning

That is DLPO on a flow: the same loss on own samples, weighted by advantages, and on recordings,
as the anchor. beta = kl = 0 is unanchored; alpha = 0 is the control.

References: Chen et al. 2025 (DLPO, arXiv 2508.03123); Xue et al. 2025 (advantage-weighted matching,
arXiv 2509.25050).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from dlpo.config.strict import check_ranges, to_dict
from dlpo.config.training import EndingsTuning
from dlpo.data.dataset import Corpora
from dlpo.rl.awm import awm_loss, bounded
from dlpo.rl.ending_figures import EndingFigures
from dlpo.rl.ending_prompts import EndingPrompt, EndingPrompts
from dlpo.rl.endings import RISING, credit_shares, ending_reward, movement_weights
from dlpo.rl.pitch_flow import DrawnContours
from dlpo.rl.pitch_scene import PitchBatch, in_time
from dlpo.rl.pitch_tuner import PitchTuner
from dlpo.training.run import LossBatch

Estimator = Literal["matching", "gradient"]
TOGETHER = 4  # prompts of similar length in a batch, so that little of it is padding
ANCHORED = 2  # draws of a sentence whose divergence is measured
LAG_RATE = 0.05  # of the running means by voice


@dataclass(frozen=True, slots=True)
class EndingsObjective:
    """What the ends of sentences are tuned by."""

    estimator: Estimator = "matching"
    """matching: the equation above. gradient: R's own gradient through the draw, as M is linear in
    the contour."""
    alpha: float = 2.0
    """Weight of the reward's loss; 0 is the control."""
    beta: float = 2.0
    """Weight of the diffusion loss on recordings."""
    kl: float = 0.0
    """Weight of the divergence from the flow before tuning."""
    kl_outside: float = 1.0
    """Weight of the same over the points that no reward credits."""

    def __post_init__(self) -> None:
        check_ranges(self, **dict.fromkeys(("alpha", "beta", "kl", "kl_outside"), "0 or more"))

    @property
    def name(self) -> str:
        """As a checkpoint's provenance names the method."""
        if self.alpha == 0:
            return "control"
        if self.estimator == "gradient":
            return "direct"
        return "dlpo" if self.beta else "awm"


@dataclass(frozen=True, slots=True)
class PromptSymbols:
    """The prompts of an update as tensors, to look at if its loss is not finite."""

    symbols: Tensor
    """(B, P), -1 in the padding"""
    marks: Tensor
    """(B,) see `EndingPrompt.mark`"""

    @classmethod
    def of(cls, prompts: Sequence[EndingPrompt]) -> PromptSymbols:
        """Pad the prompts' symbols."""
        rows = [torch.from_numpy(ending.prompt.symbols) for ending in prompts]
        symbols = pad_sequence(rows, batch_first=True, padding_value=-1)
        return cls(symbols, torch.tensor([ending.mark for ending in prompts]))


class EndingsTuner(PitchTuner):
    """One tuning run of the ends of sentences, see `PitchTuner`. Voices without recordings in the
    data, which the diffusion loss would not hold, say none of the prompts.

    Args:
        prompts: sentences to draw and to validate on.
        objective: what is learned.
        settings: everything else.

    Raises:
        DataError: prompts or recordings are missing.
    """

    training: EndingsTuning

    def __init__(
        self,
        start: Path,
        data: Corpora,
        prompts: Sequence[EndingPrompt],
        out: Path,
        objective: EndingsObjective,
        settings: EndingsTuning,
    ) -> None:
        super().__init__(start, data, out, settings)
        self.objective = objective
        recorded = set(data.voices)
        voices = [speaker for speaker in self.voice.config.speakers if speaker in recorded]
        languages = self.base.provenance.languages
        self.prompts = EndingPrompts(prompts, voices, settings.seed, languages)
        validation = self.prompts.validation(settings.validation_endings)
        self.figures = EndingFigures(self.policy, validation, self.held_out, voices, languages)
        self.rewards = torch.empty(0)
        """(B, G) of the last update"""
        self.lags_st = dict.fromkeys(voices, 1.0)
        """by voice: how far its questions are from their target, a running mean in semitones"""
        described = {"objective": to_dict(objective), "texts": len(prompts)}
        self.lags_st |= self._open({**self._described(), **described}).get("lags_st", {})

    def _progress(self) -> dict[str, Any]:
        return {"lags_st": self.lags_st}

    def _tuned_by(self) -> tuple[str, str]:
        return self.objective.name, "endings"

    def _validate(self) -> Mapping[str, float | Tensor]:
        return self.figures.measure(self.averaged_flow())

    # ------------------------------------------------------------------ the loss of an update
    def _loss_batch(self, key: int, generator: torch.Generator) -> LossBatch:
        settings = self.training
        weights = {voice: st**settings.lag_power for voice, st in self.lags_st.items()}
        prompts = self.prompts.draw(self.update, settings.sentences, weights)
        terms: dict[str, Tensor] = self.step(prompts)
        return LossBatch(terms, PromptSymbols.of(prompts), lambda: self._note_lags(prompts))

    def losses(self, prompts: Sequence[EndingPrompt]) -> dict[str, Tensor]:
        """The terms of an update on some prompts, by length; their sum is minimized."""
        parts: dict[str, list[Tensor]] = {}
        rewards: list[Tensor] = []
        for first in range(0, len(prompts), TOGETHER):
            some = prompts[first : first + TOGETHER]
            terms, rewarded = self._draw_and_score(some)
            rewards.append(rewarded.detach())
            for name, value in terms.items():
                parts.setdefault(name, []).append(value * (len(some) / len(prompts)))
        self.rewards = torch.cat(rewards)  # (B, G)
        terms = {name: torch.stack(values).sum() for name, values in parts.items()}
        if self.objective.beta:
            terms["diffusion"] = self.objective.beta * self.diffusion_loss()
        return terms

    def _note_lags(self, prompts: Sequence[EndingPrompt]) -> dict[str, float]:
        """Give a voice more questions if its questions lag; returns the rewards' figures."""
        for ending, reward in zip(prompts, self.rewards.mean(1).tolist(), strict=True):
            voice = ending.prompt.voice
            if ending.kind in RISING and voice is not None:
                self.lags_st[voice] += LAG_RATE * (-reward - self.lags_st[voice])
        rewards = self.rewards
        return {"reward": rewards.mean().item(), "reward_spread": rewards.std(1).mean().item()}

    def _draw_and_score(self, prompts: Sequence[EndingPrompt]) -> tuple[dict[str, Tensor], Tensor]:
        """The terms of own draws, and the rewards (B, G) of these."""
        objective = self.objective
        settings = self.training
        policy = self.policy
        draws = settings.draws
        key = (settings.seed, self.update)
        drawn = policy.draw([ending.prompt for ending in prompts], key, draws)
        rewards = self._rewards(prompts, drawn)
        credit = self._credit(prompts, drawn.batch)
        terms = {}
        if objective.estimator == "gradient":
            drawn = drawn.chosen(torch.arange(settings.learned).expand(len(prompts), -1))
            noise = policy.noise(drawn.batch, drawn.keys, draws)[:, : settings.learned]
            differentiable = replace(drawn, contours=policy.contours(drawn.batch, noise))
            mean = self._rewards(prompts, differentiable).mean()
            terms["reward"] = -objective.alpha * mean / settings.scale_st
        else:
            drawn, advantages = self._selected(drawn, rewards)
            if objective.alpha:
                terms["matching"] = objective.alpha * self._matching(drawn, advantages, credit)
        if objective.kl or objective.kl_outside:
            some = replace(drawn, contours=drawn.contours[:, :ANCHORED])
            where = objective.kl + objective.kl_outside * (1 - credit)
            apart = policy.departures(some, settings.times, self.start, where)
            terms["kl"] = apart.mean()
        return terms, rewards

    def _matching(self, drawn: DrawnContours, advantages: Tensor, credit: Tensor) -> Tensor:
        """(): advantage-weighted matching of draws, see `dlpo.rl.awm`."""
        settings, weights = self.training, advantages.flatten()
        errors = self.policy.matching_errors(drawn, settings.times, credit)
        with torch.no_grad():
            before = self.start.matching_errors(drawn, settings.times, credit)
        return awm_loss(bounded(errors, before, weights, settings.error_bound), weights)

    def _credit(self, prompts: Sequence[EndingPrompt], batch: PitchBatch) -> Tensor:
        """(B, 2, P) the share of each point that the reward credits."""
        rows = []
        for ending, scene in zip(prompts, batch.scenes, strict=True):
            voiced = scene.voiced_before(ending.mark).numpy()
            row = torch.ones(2 * len(scene.frames))
            if self.training.credit_s is not None and voiced.any():
                frames = self.training.credit_s * scene.frames_per_s
                row = credit_shares(scene.point_weights, voiced, frames)
            rows.append(row)
        return batch.padded_points(rows)

    def _rewards(self, prompts: Sequence[EndingPrompt], drawn: DrawnContours) -> Tensor:
        """(B, G); 0 for an ending with too little voice to move."""
        rewards = []
        for ending, scene, contours in zip(
            prompts, drawn.batch.scenes, drawn.contours, strict=True
        ):
            voiced = scene.voiced_before(ending.mark).numpy()
            weights = movement_weights(
                scene.point_weights, voiced, scene.frames_per_s, scene.spread
            )
            if weights is None:
                rewards.append(contours.new_zeros(len(contours)))
                continue
            points = in_time(contours[:, :, : len(scene.frames)])
            rewards.append(ending_reward(points @ weights, ending.kind))
        return torch.stack(rewards)

    def _selected(self, drawn: DrawnContours, rewards: Tensor) -> tuple[DrawnContours, Tensor]:
        """The best and the worst draws of each sentence, and their advantages (B, L)."""
        settings, half = self.training, self.training.learned // 2
        order = rewards.argsort(1, descending=True)
        chosen = torch.cat([order[:, :half], order[:, -half:]], dim=1)
        advantages = (rewards - rewards.mean(1, keepdim=True)) / settings.scale_st
        bound = settings.advantage_bound
        return drawn.chosen(chosen), advantages.gather(1, chosen).clamp(-bound, bound)
