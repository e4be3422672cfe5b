"""What tuning the ends of sentences changed: how they end, and what became of the rest."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

import torch
from torch import Tensor

from dlpo.config.training import ContourTraining
from dlpo.model.contour import Flow
from dlpo.rl.ending_prompts import EndingPrompt, in_voice
from dlpo.rl.endings import CREDITED_S, RISEN_ST, SEMITONES
from dlpo.rl.pitch_conditioning import PitchConditioning, in_time
from dlpo.rl.pitch_flow import PitchFlow
from dlpo.text.languages import language_of
from dlpo.training.contour_losses import Contours, contour_figures

DRAWS = 8
NOISE = (7, 13)  # first elements of the noise's keys, the same in every run
ROWS = 32  # sentences drawn at a time
RECORDED = replace(ContourTraining(), hidden_symbols=0.0, duration_noise=0.0)


class EndingFigures:
    """Draws the same prompts from the same noise with a flow, and with the flow before tuning.

    Args:
        policy: everything but the flow.
        prompts: held-out endings.
        recorded: validation recordings.
        voices: that speak each prompt of their language.
        languages: speaker -> language, of those that don't speak American English.
        draws: contours of each prompt.
    """

    def __init__(
        self,
        policy: PitchFlow,
        prompts: Sequence[EndingPrompt],
        recorded: Contours,
        voices: Sequence[str],
        languages: Mapping[str, str] = MappingProxyType({}),
        draws: int = DRAWS,
    ) -> None:
        self.draws = draws
        self.policy = PitchFlow(policy.model, copy.deepcopy(policy.contour).requires_grad_(False))
        self.recorded = recorded
        self.voices = tuple(voices)
        found = [
            in_voice(prompt, voice)
            for voice in voices
            for prompt in prompts
            if prompt.language == language_of(voice, languages)
        ]
        self.prompts = sorted(found, key=lambda p: (len(p.prompt.symbols), p.prompt.number))
        self.sentences = self.policy.conditions([p.prompt for p in self.prompts]).sentences
        self.before = self.drawn()

    @torch.no_grad()
    def measure(self, flow: Flow) -> dict[str, float]:
        """Figures of a flow.

        `risen/VOICE/KIND` is the share of endings that move up by `RISEN_ST` or more (one with too
        little voice to measure counts as not risen), `movement/...` their mean in semitones;
        `rest_st` the root mean square change of the voiced frames before the last `CREDITED_S`;
        `spread` their standard deviation over that before tuning; `diffusion` and `crps` those of
        the recordings.
        """
        self.policy.flow.load_state_dict(flow.state_dict())
        return self.of_draws(self.drawn()) | self._of_recordings()

    def of_draws(self, drawn: Sequence[Tensor]) -> dict[str, float]:
        """Figures of (draws, 2P) points of each prompt; see `measure`."""
        figures: dict[str, list[float]] = {}
        for ending, found_here in zip(self.prompts, self.of_endings(drawn), strict=True):
            for name, value in found_here.items():
                place = f"{name}/{ending.prompt.voice}"
                if name in ("risen", "movement"):
                    place += f"/{ending.kind}"
                figures.setdefault(place, []).append(value)
        found = {name: float(torch.tensor(values).nanmean()) for name, values in figures.items()}
        for voice in self.voices:
            if f"rest_square/{voice}" not in found:
                continue
            square, own, old = (
                found.pop(f"{name}/{voice}") for name in ("rest_square", "rest_own", "rest_old")
            )
            found[f"rest_st/{voice}"], found[f"spread/{voice}"] = square**0.5, (own / old) ** 0.5
        return found

    def drawn(self) -> list[Tensor]:
        """(draws, 2P) points of each prompt, by the flow that was measured last."""
        found: list[Tensor] = []
        for first in range(0, len(self.prompts), ROWS):
            some = [ending.prompt for ending in self.prompts[first : first + ROWS]]
            drawn = self.policy.draw(some, NOISE, self.draws)
            for sentence, contours in zip(drawn.conditions.sentences, drawn.samples, strict=True):
                found.append(in_time(contours[:, :, : len(sentence.frames)]))
        return found

    def movements(self, drawn: Sequence[Tensor]) -> list[Tensor]:
        """(draws,) semitones by which each prompt's ending moves up; NaN with too little voice."""
        sentences = zip(self.prompts, self.sentences, drawn, strict=True)
        return [_moved(ending, sentence, now) for ending, sentence, now in sentences]

    def of_endings(self, drawn: Sequence[Tensor]) -> list[dict[str, float]]:
        """Of each prompt `risen`, `movement` and, where the sentence goes on before its ending,
        `rest_square` (semitones squared) and the variances of that now and before tuning."""
        prompts = zip(self.prompts, self.sentences, drawn, self.before, strict=True)
        return [_of_ending(*prompt) for prompt in prompts]

    def _of_recordings(self) -> dict[str, float]:
        generator = torch.Generator().manual_seed(0)
        loss = self.policy.diffusion_loss(self.recorded, generator, DRAWS, learns=False)
        embedded, pitch_range = self.policy.recorded_voices(self.recorded)
        figures = contour_figures(
            self.policy.contour,
            self.recorded,
            DRAWS,
            generator,
            embedded,
            float(pitch_range[:, 2].mean()),
        )
        return {"diffusion": loss.item(), "crps": figures["crps"]}


def _of_ending(
    ending: EndingPrompt, sentence: PitchConditioning, now: Tensor, start: Tensor
) -> dict[str, float]:
    """The figures of one prompt."""
    moved = _moved(ending, sentence, now)
    found = {"risen": (moved >= RISEN_ST).float().mean().item(), "movement": moved.mean().item()}
    if not sentence.voiced_before(ending.mark).any() or ending.mark != len(sentence.frames) - 1:
        return found
    rest = sentence.voiced.clone()
    credited = round(CREDITED_S * sentence.frames_per_s)
    rest[int(sentence.voiced.nonzero()[-1]) + 1 - credited :] = False
    if rest.sum() < 2:
        return found
    rows = sentence.point_weights[rest] * (SEMITONES * sentence.spread)
    after, old = now @ rows.T, start @ rows.T
    return found | {
        "rest_square": (after - old).square().mean().item(),
        "rest_own": after.var(1, correction=0).mean().item(),
        "rest_old": old.var(1, correction=0).mean().item(),
    }


def _moved(ending: EndingPrompt, sentence: PitchConditioning, drawn: Tensor) -> Tensor:
    """(draws,) semitones by which an ending moves up; NaN where it has too little voice."""
    weights = sentence.ending_weights(ending.mark)
    return drawn @ weights if weights is not None else torch.full((len(drawn),), float("nan"))
