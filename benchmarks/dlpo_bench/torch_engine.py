"""A checkpoint as an engine: the torch modules of the exported graphs, hosted as when served.

A checkpoint reads texts, draws noise and rounds durations exactly as its bundle would, and in
float32 the two differ only by rounding: no export is needed to judge a training run. It computes on
the first GPU, if there is one, for the sake of chains of a thousand steps. `PaperSampler` is a
contestant of `dlpo bench rtf`.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from dlpo.bundle import CheckpointInfo, GraphInfo, Manifest, ScheduleInfo, SourceInfo, TensorInfo
from dlpo.checkpoint import Checkpoint
from dlpo.config.models import SpectralConfig, WaveGrad2Config
from dlpo.diffusion import step_mean
from dlpo.errors import CheckpointError
from dlpo.model.build import ModelConfig
from dlpo.model.contour import POINTS
from dlpo.model.reach import context_frames_per_step
from dlpo.noise_schedule import MAX_STEPS, named_schedule
from dlpo.text.languages import language_of
from dlpo.text.symbols import SYMBOLS
from dlpo_export.graphs import DenoiserGraph, EncoderGraph, FramesGraph
from dlpo_serving.engine import EncoderOutput, Floats, FrameFeatures, Ids

PAPER_CHAIN = ScheduleInfo("linear", 1.0)
"""The sampler of WaveGrad 2 and DLPO: ancestral, all 1000 steps it was trained on."""
NOISE_SEED = 0  # of the noise between steps


class TorchEngine:
    """See the module; for the methods see `dlpo_serving.engine.Engine`.

    Args:
        checkpoint: of any model in this version of dlpo.
        like: manifest of the voice it is a version of: gain, dictionary and prosody.
        chain: name and eta of the noise schedule.
        steps: every N on offer; the first is the default.

    Raises:
        CheckpointError: its symbols differ from those of this version of dlpo.
        ConfigError: an unknown schedule, eta or number of steps.
    """

    max_batch = 1

    def __init__(
        self, checkpoint: Checkpoint, like: Manifest, chain: ScheduleInfo, steps: Sequence[int]
    ) -> None:
        model, config = checkpoint.model, checkpoint.config
        if config.symbols > len(SYMBOLS):
            raise CheckpointError(
                f"the checkpoint reads {config.symbols} symbols, this dlpo knows {len(SYMBOLS)}:"
                " upgrade dlpo"
            )
        schedules = {n: named_schedule(chain.name, n, chain.eta) for n in steps}
        several = config if isinstance(config, SpectralConfig) else None
        voices = several.speakers if several else ()
        self._encoder = EncoderGraph(model, voices)
        self._frames = FramesGraph(model, voices)
        self._denoisers = {n: DenoiserGraph(model, s) for n, s in schedules.items()}
        provenance = checkpoint.provenance
        languages = {name: language_of(name, provenance.languages) for name in voices}
        only = next(iter(provenance.languages), None)  # speaker of a model with one voice
        first = several.speakers[0] if several and like.voice not in voices else like.voice
        reach = context_frames_per_step(model, _conditioning_channels(config))
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._encoder.to(self._device)  # with the model and the voices they share
        self._frames.to(self._device)
        self.graphs = object()
        grid = config.grid
        rows = ("B", "F", grid.hop_length)
        self.manifest = replace(
            like,
            voice=first,
            voices=voices,
            language=languages.get(first, language_of(only, provenance.languages)),
            voice_languages=languages if len({*languages.values()}) > 1 else {},
            sample_rate_hz=grid.sample_rate_hz,
            hop_length=grid.hop_length,
            parametrisation=model.parametrisation,
            noise_schedule=chain,
            steps=steps[0],
            context_frames_per_step=reach,
            needed_context={},
            needed_context_int8={},
            frames_context=None,  # the whole sentence at once
            graphs={
                "encoder": _reading(*((1, POINTS, "P") if self._encoder.draws_pitch else ())),
                **{f"denoiser_{n}": _reading(s.noise_count, *rows) for n, s in schedules.items()},
            },
            own_pitch_noise=self._encoder.draws_pitch,
            requires=(),
            corpus=provenance.corpus,
            checkpoint=CheckpointInfo(checkpoint.sha256, provenance.commit, provenance.updates),
            uses_source=model.uses_source,
            source=SourceInfo(model.uses_source, taper_hz=grid.taper_hz),
            precision="fp32",
            plans=(),
            scores={},
            files={},
        )

    def speaking(self, voice: str) -> TorchEngine:
        other = copy.copy(self)
        other.manifest = self.manifest.with_voice(voice)
        return other

    def context_frames(self, steps: int) -> int:
        return self.manifest.context_frames(steps)

    @torch.inference_mode()
    def encode(self, phonemes: Ids, noise: Floats | None = None) -> EncoderOutput:
        drawn = None if noise is None else self._tensor(noise)
        made = self._encoder(self._tensor(phonemes), drawn, self._shares())
        return EncoderOutput(*(values.cpu().numpy() for values in made))

    @torch.inference_mode()
    def frames(
        self, encoding: EncoderOutput, counts: Ids, start: int, stop: int, pitch_semitones: float
    ) -> FrameFeatures:
        made = self._frames(
            self._tensor(encoding.hidden),
            self._tensor(counts[None].astype(np.float32)),
            self._tensor(encoding.ranges),
            torch.arange(start, stop, device=self._device) + 0.5,
            torch.tensor([pitch_semitones], device=self._device),
            self._shares(),
        )
        return FrameFeatures(*(values.cpu().numpy() for values in made))

    @torch.inference_mode()
    def denoise(self, steps: int, conditioning: Floats, source: Floats, noise: Floats) -> Floats:
        inputs = (self._tensor(values) for values in (conditioning, source, noise))
        waveform: Floats = self._denoisers[steps](*inputs).cpu().numpy()
        return waveform

    def _shares(self) -> Tensor | None:
        shares = self.manifest.voice_input()
        return self._tensor(shares["voice"]) if shares else None

    def _tensor(self, values: Floats | Ids) -> Tensor:
        return torch.from_numpy(values).to(self._device)


def _conditioning_channels(config: ModelConfig) -> int:
    """Width of `frames`' output; the published sizes widen it only in the denoiser."""
    if not isinstance(config, WaveGrad2Config):
        return config.conditioning_channels
    return config.encoder_channels + config.speaker_channels


def _reading(*noise: int | str) -> GraphInfo:
    """What the host looks up in a graph: the shape of the noise that it reads, if any."""
    return GraphInfo({}, (TensorInfo("noise", "float32", noise),) if noise else (), ())


class PaperSampler(TorchEngine):
    """Plain PyTorch, 1000 ancestral steps; or only some of them, for timing alone.

    Noise is drawn step by step, as the papers' samplers do: a thousand planes of it at once would
    take 0.7 GB for a sentence.
    """

    def __init__(self, checkpoint: Checkpoint, like: Manifest) -> None:
        super().__init__(checkpoint, like, PAPER_CHAIN, (MAX_STEPS,))
        chain = {f"denoiser_{MAX_STEPS}": _reading(1, "B", "F", checkpoint.config.grid.hop_length)}
        self.manifest = replace(self.manifest, graphs={**self.manifest.graphs, **chain})
        self._schedule = named_schedule(PAPER_CHAIN.name, MAX_STEPS, PAPER_CHAIN.eta)
        self._model = checkpoint.model
        self.timed_steps = MAX_STEPS
        """how many of the 1000 are computed, evenly spread; with fewer, the audio is not speech"""
        self.left_out_s = 0.0
        """the estimated time of the skipped steps since it was last set to 0"""

    @torch.inference_mode()
    def denoise(self, steps: int, conditioning: Floats, source: Floats, noise: Floats) -> Floats:
        chosen = np.linspace(0, MAX_STEPS - 1, self.timed_steps).round().astype(int)
        model = self._model
        schedule = self._schedule
        start = time.perf_counter()
        given = self._tensor(conditioning), self._tensor(source).flatten(1)
        generator = torch.Generator().manual_seed(NOISE_SEED)
        x = self._tensor(noise[0]).flatten(1)
        for step in chosen.tolist():
            level = torch.tensor([schedule.alpha[step]], dtype=x.dtype, device=x.device)
            prediction = model.denoise(x, level, *given)
            x = step_mean(x, prediction, schedule, step, model.parametrisation, model.x0_limit)
            if std := float(schedule.posterior_std[step]):
                x = x + std * torch.randn(x.shape, generator=generator).to(x.device)
        waveform: Floats = model.to_waveform(x).view(source.shape).cpu().numpy()
        spent_s = time.perf_counter() - start
        self.left_out_s += spent_s * (MAX_STEPS / self.timed_steps - 1)
        return waveform
