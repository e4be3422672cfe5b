"""What tuning the ends of sentences changed: how they end, and what became of the rest."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from dlpo.config.training import ContourTraining
from dlpo.model.contour import Flow
from dlpo.rl.ending_prompts import EndingPrompt, end_frame, in_voice
from dlpo.rl.endings import CREDITED_S, FRAMES_PER_S, RISEN_ST, SEMITONES, movement_weights
from dlpo.rl.noise import keyed_noise
from dlpo.rl.pitch_flow import PitchBatch, PitchFlow, PitchScene, in_time
from dlpo.training.contour_losses import Contours, contour_figures, flow_losses

DRAWS = 8
ROWS = 32  # sentences drawn at a time
RECORDED = replace(ContourTraining(), hidden_symbols=0.0, duration_noise=0.0)


class EndingFigures:
    """Draws the same prompts from the same noise with a flow, and with the flow before tuning.

    Args:
        policy: everything but the flow.
        prompts: held-out endings.
        recorded: validation recordings.
        voices: that speak each prompt.
    """

    def __init__(
        self,
        policy: PitchFlow,
        prompts: Sequence[EndingPrompt],
        recorded: Contours,
        voices: Sequence[str],
    ) -> None:
        self.policy = PitchFlow(policy.model, copy.deepcopy(policy.contour).requires_grad_(False))
        self.recorded, self.voices = recorded, tuple(voices)
        found = [in_voice(prompt, voice) for voice in voices for prompt in prompts]
        self.prompts = sorted(found, key=lambda p: (len(p.prompt.symbols), p.prompt.number))
        self.scenes = [self.policy.scene(p.prompt) for p in self.prompts]
        self.before = self._drawn()

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
        return self.of_draws(self._drawn()) | self._of_recordings()

    def of_draws(self, drawn: Sequence[Tensor]) -> dict[str, float]:
        """Figures of (DRAWS, 2P) points of each prompt; see `measure`."""
        figures: dict[str, list[float]] = {}
        for prompt, scene, now, start in zip(
            self.prompts, self.scenes, drawn, self.before, strict=True
        ):
            self._of_ending(figures, prompt, scene, now, start)
        found = {name: float(torch.tensor(values).nanmean()) for name, values in figures.items()}
        for voice in self.voices:
            if f"rest_square/{voice}" not in found:
                continue
            square, own, old = (
                found.pop(f"{name}/{voice}") for name in ("rest_square", "rest_own", "rest_old")
            )
            found[f"rest_st/{voice}"], found[f"spread/{voice}"] = square**0.5, (own / old) ** 0.5
        return found

    @torch.no_grad()
    def _drawn(self) -> list[Tensor]:
        """(DRAWS, 2P) points of each prompt."""
        found: list[Tensor] = []
        for first in range(0, len(self.scenes), ROWS):
            scenes = self.scenes[first : first + ROWS]
            batch = PitchBatch.of(scenes)
            noise = torch.zeros(len(scenes), DRAWS, 2, batch.mask.shape[1])
            for b, prompt in enumerate(self.prompts[first : first + ROWS]):
                length, key = len(prompt.prompt.symbols), (7, prompt.prompt.number, 13)
                noise[b, :, :, :length] = keyed_noise(key, DRAWS, 2 * length).view(DRAWS, 2, -1)
            contours = self.policy.draw(batch, noise)
            for b, scene in enumerate(scenes):
                found.append(in_time(contours[b, :, :, : len(scene.frames)]))
        return found

    def _of_ending(
        self,
        figures: dict[str, list[float]],
        ending: EndingPrompt,
        scene: PitchScene,
        now: Tensor,
        start: Tensor,
    ) -> None:
        """Add the figures of one prompt."""
        voice = ending.prompt.voice

        def add(name: str, value: float) -> None:
            figures.setdefault(f"{name}/{voice}", []).append(value)

        voiced = scene.voiced[: end_frame(scene.frames, ending.mark)].numpy()
        weights = movement_weights(scene.point_weights, voiced, scene.spread)
        moved = now @ weights if weights is not None else torch.full((len(now),), float("nan"))
        risen = (moved >= RISEN_ST).float().mean().item()
        figures.setdefault(f"risen/{voice}/{ending.kind}", []).append(risen)
        figures.setdefault(f"movement/{voice}/{ending.kind}", []).append(moved.mean().item())
        if not voiced.any() or ending.mark != len(scene.frames) - 1:
            return
        rest = scene.voiced.clone()
        rest[int(scene.voiced.nonzero()[-1]) + 1 - round(CREDITED_S * FRAMES_PER_S) :] = False
        if rest.sum() < 2:
            return
        rows = scene.point_weights[rest] * (SEMITONES * scene.spread)
        after, old = now @ rows.T, start @ rows.T
        add("rest_square", (after - old).square().mean().item())
        add("rest_own", after.var(1, correction=0).mean().item())
        add("rest_old", old.var(1, correction=0).mean().item())

    def _of_recordings(self) -> dict[str, float]:
        generator = torch.Generator().manual_seed(0)
        loss = flow_matching_loss(self.policy, self.recorded, DRAWS, generator)
        embedded, pitch_range = pitch_voices(self.policy, self.recorded)
        figures = contour_figures(
            self.policy.contour,
            self.recorded,
            DRAWS,
            generator,
            embedded,
            float(pitch_range[:, 2].mean()),
        )
        return {"diffusion": loss.item(), "crps": figures["crps"]}


def pitch_voices(policy: PitchFlow, recorded: Contours) -> tuple[Tensor, Tensor]:
    """(B, C) for the reader and (B, 3) ranges of the recordings' voices."""
    model = policy.model
    return model.pitch_voice(model.voice(recorded.sentences.voices))


def flow_matching_loss(
    policy: PitchFlow, recorded: Contours, draws: int, generator: torch.Generator
) -> Tensor:
    """(), the diffusion loss of the flow on recordings, with its gradient.

    Args:
        draws: of noise and time per recording.
        generator: draws both, on the CPU.
    """
    training = replace(RECORDED, draws=draws)
    embedded, _ = pitch_voices(policy, recorded)
    return flow_losses(policy.contour, recorded, training, generator, embedded)["flow"]
