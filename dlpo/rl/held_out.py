"""The panel: what judges that take no part in tuning, and other measures, say of a policy."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from dlpo.audio import SAMPLE_RATE, Waveform
from dlpo.data.dataset import Dataset
from dlpo.errors import CheckpointError, ConfigError, DataError, MissingExtraError
from dlpo.judges.judge import Recogniser, Scores
from dlpo.judges.levels import active_level_db, high_band_db
from dlpo.judges.word_errors import pooled, word_errors, words_of
from dlpo.model.build import Model
from dlpo.noise_schedule import NoiseSchedule
from dlpo.rl.costs import Costs
from dlpo.rl.divergence import Panel
from dlpo.rl.guide import Recorded, diffusion_loss
from dlpo.rl.objectives import kl_divergence
from dlpo.rl.prompts import Prompt, can_be_said
from dlpo.rl.recordings import cut_of
from dlpo.rl.rewards.named import REWARDS, RewardSources
from dlpo.rl.rewards.reward import Reward, Speech
from dlpo.rl.rollout import Replay, replay
from dlpo.rl.rollouts import Said, say
from dlpo.training.batches import Batches

log = logging.getLogger(__name__)
JUDGES = ("distillmos", "nisqa", "nisqa_tts", "dnsmos")  # who may be held out, as REWARDS has them
KEY = (7, 0)  # of the noise on validation sentences, whatever the run's seed: runs can be compared
WINDOWS, WINDOW = 32, 48  # recordings of the diffusion loss, and frames of each


def held_out_judges(rewards: Sequence[str], sources: RewardSources) -> list[Reward]:
    """Every judge that can be had here and is no part of the reward.

    Args:
        rewards: names of the reward's parts, keys of `REWARDS`.
        sources: where the weights are.
    """
    judges = []
    for name in JUDGES:
        if name in rewards:
            continue
        try:
            judges.append(REWARDS[name](sources))
        except (CheckpointError, ConfigError, MissingExtraError) as error:
            log.warning("%s does not judge: %s", name, error)
    if not judges:
        log.warning("no judge is held out: the reward itself will choose the best checkpoint")
    return judges


def validation_prompts(
    dataset: Dataset, count: int, longest_s: float | None = None
) -> list[Prompt]:
    """The first sentences of the validation split that can be said; recorded ones come first.

    Args:
        dataset: a prepared corpus.
        count: how many, if there are so many.
        longest_s: seconds; leave out sentences that took the speaker longer. None keeps all.

    Raises:
        DataError: there are none.
    """
    numbers = [
        i
        for with_audio in (True, False)
        for i in dataset.split("validation", with_audio=with_audio)
        if words_of(dataset.entries[i].text)
        and can_be_said(dataset, i)
        and (longest_s is None or float(dataset.timing(i)[1].sum()) <= longest_s)
    ][:count]
    if not numbers:
        raise DataError(
            f"{dataset.path}: its validation split has no sentence of up to {longest_s} s to"
            " measure on; prepare a corpus with one"
        )
    return [Prompt(i, dataset.entries[i].text, dataset.timing(i)[0]) for i in numbers]


@dataclass(frozen=True, slots=True)
class Heard:
    """A panel, and a sentence to listen to."""

    panel: Panel
    sample: Waveform


class HeldOut:
    """Measures policies on the same sentences with the same seeds.

    Args:
        reference: the policy before tuning.
        prompts: see `validation_prompts`.
        chain: the schedule that is tuned.
        rewards: parts of the reward, to be heard without standardisation.
        judges: who take no part in it.
        recogniser: of the word errors; None leaves them out.
        recorded: see `validation_recordings`.
        costs: where seconds go.
        rows: sentences run at once.
        reach: see `conditions_of`.
    """

    def __init__(
        self,
        reference: Model,
        prompts: Sequence[Prompt],
        chain: NoiseSchedule,
        rewards: Sequence[Reward],
        judges: Sequence[Reward],
        recogniser: Recogniser | None,
        recorded: Recorded | None,
        costs: Costs,
        rows: int,
        reach: int,
    ) -> None:
        self.reference, self.prompts, self.chain = reference, prompts, chain
        self.rewards, self.judges, self.recogniser = rewards, judges, recogniser
        self.recorded, self.costs, self.rows, self.reach = recorded, costs, rows, reach

    @torch.no_grad()
    def measure(self, policy: Model) -> Heard:
        """Let a policy speak, and everybody listen.

        Args:
            policy: in eval mode.

        Raises:
            TrainingError: its output, or a judge's score, is not finite.
        """
        with self.costs.of("validation"):
            said = say(policy, self.prompts, self.chain, KEY, 1, self.rows, self.reach)
            waveforms = [w for part in said.parts for w in part.waveforms(policy)]
            keys = [key for part in said.parts for key in part.keys]
            speech = Speech(waveforms, said.texts, SAMPLE_RATE, keys)
            held_out = self._scores(self.judges, speech)
            rewards = self._scores(self.rewards, speech)
            panel = Panel(
                held_out=_means(held_out),
                spreads={name: float(s.std()) for name, s in (held_out | rewards).items()},
                rewards=_means(rewards),
                word_error_rate=self._word_error_rate(speech),
                kl=self._kl(said),
                diffusion=self._diffusion(policy),
                level_db=float(np.mean([active_level_db(w, SAMPLE_RATE) for w in waveforms])),
                high_band_db=float(np.mean([high_band_db(w, SAMPLE_RATE) for w in waveforms])),
            )
        return Heard(panel, waveforms[0])

    def _scores(self, rewards: Sequence[Reward], speech: Speech) -> dict[str, Scores]:
        scores = {}
        for reward in rewards:
            with self.costs.of(f"validation/{reward.name}"):
                scores[reward.name] = reward.judge(speech).scores
        return scores

    def _word_error_rate(self, speech: Speech) -> float | None:
        if self.recogniser is None:
            return None
        with self.costs.of("validation/words"):
            heard = self.recogniser.transcribe(speech.waveforms, SAMPLE_RATE)
        return pooled(word_errors(*pair) for pair in zip(speech.texts, heard, strict=True)).rate

    def _kl(self, said: Said) -> float:
        """Of the policy that spoke, from the one before tuning."""
        total = 0.0
        for part in said.parts:
            acted = Replay(part.means[list(part.scored)], part.log_probs)
            divergences = kl_divergence(part, acted, replay(self.reference, part))
            total += float(divergences.mean(0).sum())
        return total / len(said)

    def _diffusion(self, policy: Model) -> float | None:
        if self.recorded is None:
            return None
        drawn = torch.Generator().manual_seed(0)
        return diffusion_loss(policy, self.recorded, self.chain, drawn).item()


def validation_recordings(reference: Model, batches: Batches) -> Recorded | None:
    """Windows of the validation split for the diffusion loss; None where it has no audio."""
    if not batches.recorded:
        return None
    return cut_of(reference, batches)(batches.places(0, WINDOWS, WINDOW), WINDOW, (0, 1))


def _means(scores: Mapping[str, Scores]) -> dict[str, float]:
    return {name: float(values.mean()) for name, values in scores.items()}
