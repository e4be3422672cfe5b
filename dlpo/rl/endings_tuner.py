"""`dlpo tune --reward endings`: the pitch flow learns how sentences end, by DLPO.

    L = alpha mean_g A_g e_local(c_g) + beta DL + kl_outside E|v - v_start|^2

    c_g     contours of a sentence drawn by the flow itself, g = 1 .. G, from noise of their own
    A_g     advantage of c_g: its reward less the mean of the group, over `reward_scale` semitones
    e       the flow's own training loss on c_g; local: over the points of the last `credit_s`
            seconds before the ending, which the reward is about

The objective is `dlpo.rl.dlpo`'s on a flow. alpha = 0 is the control, beta = kl = 0 unanchored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

from dlpo.config.strict import from_dict, to_dict
from dlpo.config.tuning import EndingsTuning
from dlpo.data.dataset import Corpora
from dlpo.errors import InputError
from dlpo.rl.core.flow import FlowDraws
from dlpo.rl.core.loop import DrawnBatch
from dlpo.rl.core.method import TuningSetup
from dlpo.rl.core.objective import Objective
from dlpo.rl.ending_figures import EndingFigures
from dlpo.rl.ending_prompts import EndingPrompt, EndingPrompts
from dlpo.rl.endings import RISING, credit_shares, ending_reward
from dlpo.rl.methods import METHODS
from dlpo.rl.pitch_conditioning import PitchBatch, in_time
from dlpo.rl.pitch_flow import PitchFlow
from dlpo.rl.pitch_tuner import PitchTuner

TOGETHER = 4  # prompts of similar length in a batch, so that little of it is padding
LAG_RATE = 0.05  # of the running means by voice
USUAL: dict[str, Any] = {
    "alpha": 2.0, "beta": 2.0, "kl_outside": 1.0, "error_bound": 1.5,
    "reward_scale": 3.0, "advantage_bound": 3.0,
}  # fmt: skip
"""Of the objective, where a run says nothing else."""
ENDINGS_METHODS: dict[str, dict[str, Any]] = {
    "dlpo": {},
    "control": {"method": "dlpo", "alpha": 0.0},
    "awm": {"beta": 0.0},
    "direct": {"guide": "recordings"},
    "rwr": {"kl_outside": 0.0, "temperature": 0.5},
}
"""Method -> what else is usual with it."""


def endings_objective(method: str = "dlpo", **changes: Any) -> Objective:
    """The objective of a method where sentences end, and changes of it.

    Raises:
        InputError: the method doesn't learn from endings.
        ConfigError: a value that is unknown or out of range.
    """
    if method not in ENDINGS_METHODS:
        raise InputError(
            f"--method {method} doesn't learn from endings; expected {', '.join(ENDINGS_METHODS)}"
        )
    return from_dict(Objective, {"method": method, **USUAL, **ENDINGS_METHODS[method], **changes})


class EndingsCollector:
    """Has the flow draw contours for an update's prompts, and scores them.

    Args:
        policy: acts.
        prompts: to draw from.
        settings: how many, and what the reward credits.
        voices: that say the prompts.
    """

    def __init__(
        self,
        policy: PitchFlow,
        prompts: EndingPrompts,
        settings: EndingsTuning,
        voices: Sequence[str],
    ) -> None:
        self.policy = policy
        self.prompts = prompts
        self.settings = settings
        self.lags_st = dict.fromkeys(voices, 1.0)
        """by voice: how far its questions are from their target, a running mean in semitones"""
        self.drawn: list[EndingPrompt] = []
        """prompts of the last update"""
        self.rewards = torch.empty(0)
        """(B, G) of the last update"""

    def collect(self, update: int) -> DrawnBatch:
        """Draw the contours of an update's prompts, by length, and score them."""
        settings = self.settings
        weights = {voice: st**settings.lag_power for voice, st in self.lags_st.items()}
        self.drawn = self.prompts.draw(update, settings.sentences, weights)
        parts = []
        for first in range(0, len(self.drawn), TOGETHER):
            some = self.drawn[first : first + TOGETHER]
            key, draws = (settings.seed, update), settings.draws
            drawn = self.policy.draw([ending.prompt for ending in some], key, draws)
            credit = self._credit(some, drawn.conditions)
            parts.append(replace(drawn, credit=credit, prompts=tuple(some)))
        self.rewards = torch.cat([contour_rewards(part.samples, part) for part in parts])
        return DrawnBatch(tuple(parts))

    def judge(self, batch: DrawnBatch) -> tuple[list[Tensor], dict[str, float]]:
        """The scores of what `collect` drew."""
        of_parts = torch.split(self.rewards, [len(part.samples) for part in batch.parts])
        return [one.flatten() for one in of_parts], {}

    def note_lags(self) -> dict[str, float]:
        """Give a voice more questions if its questions lag; returns the rewards' figures."""
        for ending, reward in zip(self.drawn, self.rewards.mean(1).tolist(), strict=True):
            voice = ending.prompt.voice
            if ending.kind in RISING and voice is not None:
                self.lags_st[voice] += LAG_RATE * (-reward - self.lags_st[voice])
        rewards = self.rewards
        return {"reward": rewards.mean().item(), "reward_spread": rewards.std(1).mean().item()}

    def _credit(self, prompts: Sequence[EndingPrompt], batch: PitchBatch) -> Tensor:
        """(B, 2, P) the share of each point that the reward credits."""
        rows = []
        for ending, sentence in zip(prompts, batch.sentences, strict=True):
            voiced = sentence.voiced_before(ending.mark).numpy()
            row = torch.ones(2 * len(sentence.frames))
            if self.settings.credit_s is not None and voiced.any():
                frames = self.settings.credit_s * sentence.frames_per_s
                row = credit_shares(sentence.point_weights, voiced, frames)
            rows.append(row)
        return batch.padded_points(rows)


def contour_rewards(samples: Tensor, drawn: FlowDraws[PitchBatch]) -> Tensor:
    """(B, G, 2, P) contours of what was drawn -> (B, G); 0 for an ending with too little voice."""
    rewards = []
    for ending, sentence, contours in zip(
        drawn.prompts, drawn.conditions.sentences, samples, strict=True
    ):
        weights = sentence.ending_weights(ending.mark)
        if weights is None:
            rewards.append(contours.new_zeros(len(contours)))
            continue
        points = in_time(contours[:, :, : len(sentence.frames)])
        rewards.append(ending_reward(points @ weights, ending.kind))
    return torch.stack(rewards)


class EndingsTuner(PitchTuner):
    """One tuning run of the ends of sentences, see `PitchTuner`. Voices without recordings in the
    data, which the diffusion loss would not hold, say none of the prompts.

    Args:
        prompts: sentences to draw and to validate on.
        objective: what is learned, see `USUAL`; its draws are the settings' `times`.
        settings: everything else.

    Raises:
        DataError: prompts or recordings are missing.
    """

    training: EndingsTuning
    collects: ClassVar[type[EndingsCollector]] = EndingsCollector

    def __init__(
        self,
        start: Path,
        data: Corpora,
        prompts: Sequence[EndingPrompt],
        out: Path,
        objective: Objective,
        settings: EndingsTuning,
    ) -> None:
        super().__init__(start, data, out, settings)
        self.objective = objective
        recorded = set(data.voices)
        voices = [speaker for speaker in self.voice.config.speakers if speaker in recorded]
        languages = self.base.provenance.languages
        of_voices = EndingPrompts(prompts, voices, settings.seed, languages)
        self.collector = self.collects(self.policy, of_voices, settings, voices)
        validation = of_voices.validation(settings.validation_endings)
        self.figures = EndingFigures(self.policy, validation, self.held_out, voices, languages)
        setup = TuningSetup(
            replace(objective, matching_draws=settings.times),
            self.policy,
            self.start,
            self.collector,
            group=settings.draws,
            recordings=self.recordings if objective.beta else None,
            judge=contour_rewards,
            learned=settings.learned,
            joined=True,
        )
        described = {"objective": to_dict(objective), "texts": len(prompts)}
        progress = self._learn(METHODS[objective.method](setup), described)
        self.collector.lags_st |= progress.get("lags_st", {})

    def _progress(self) -> dict[str, Any]:
        return {"lags_st": self.collector.lags_st}

    def _tuned_by(self) -> tuple[str, str]:
        return "control" if self.objective.alpha == 0 else self.objective.method, "endings"

    def _validate(self) -> Mapping[str, float | Tensor]:
        return self.figures.measure(self.averaged_flow())

    def _one_update(self) -> dict[str, float]:
        return super()._one_update() | self.collector.note_lags()
