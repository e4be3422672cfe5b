"""An engine of a few numpy lines, for tests: it makes no speech, but it depends on everything.

Each sample depends on phonemes, pitch, source, noise and on frames of context each side, so
that a wrong window, offset or seed changes the audio.
"""

from __future__ import annotations

import numpy as np

from dlpo.bundle import CheckpointInfo, GraphInfo, Manifest, ScheduleInfo, TensorInfo
from dlpo.text.symbols import MARKS, SYMBOL_IDS, SYMBOLS
from dlpo_serving.engine import EncoderOutput, Floats, FrameFeatures, Ids

HOP_LENGTH = 300  # samples
CONTEXT = 2  # frames that one step sees each side
FRAMES_CONTEXT = 3  # frames that the frames graph sees each side
STEPS = (1, 3)
PHONEME_FRAMES, PAUSE_FRAMES = 5.3, 7.1  # not whole, so that rounding matters

_WEAK_MARKS = [SYMBOL_IDS[mark] for mark in MARKS[:2]]  # these last no time at all


def fake_manifest(voice: str = "fake") -> Manifest:
    """The manifest of the fake engine; it names graphs but no files."""
    noise = TensorInfo("noise", "float32", (1, "B", "F", HOP_LENGTH))
    graphs = {name: GraphInfo({}, (), ()) for name in ("encoder", "frames")}
    graphs |= {f"denoiser_{n}": GraphInfo({}, (noise,), ()) for n in STEPS}
    return Manifest(
        voice=voice,
        language="en-US",
        sample_rate_hz=22_050,
        hop_length=HOP_LENGTH,
        symbols=SYMBOLS,
        parametrisation="x0",
        noise_schedule=ScheduleInfo("fake"),
        steps=STEPS[-1],
        context_frames_per_step=CONTEXT,
        frames_context=FRAMES_CONTEXT,
        graphs=graphs,
        licence="Apache-2.0",
        corpus="none",
        checkpoint=CheckpointInfo(sha256="0" * 64, commit="none", updates=0),
        gain=0.5,
    )


class FakeEngine:
    """See the module."""

    max_batch = 4

    def __init__(self, voice: str = "fake") -> None:
        self.manifest = fake_manifest(voice)
        self.graphs = object()
        self.calls: list[str] = []  # names of the graphs, in the order they were computed

    def speaking(self, voice: str) -> FakeEngine:
        return self

    def context_frames(self, steps: int) -> int:
        return self.manifest.context_frames(steps)

    def encode(self, phonemes: Ids, noise: Floats | None = None) -> EncoderOutput:
        self.calls.append("encoder")
        ids = phonemes[0]
        is_mark = ids < SYMBOL_IDS[MARKS[-1]] + 1
        durations = np.where(is_mark, PAUSE_FRAMES, PHONEME_FRAMES)
        durations[np.isin(ids, _WEAK_MARKS)] = 0
        hidden = np.stack([np.sin(0.7 * ids), np.cos(0.3 * ids)])
        ranges = np.ones_like(durations)
        return EncoderOutput(*(x[None].astype(np.float32) for x in (hidden, durations, ranges)))

    def frames(
        self, encoding: EncoderOutput, counts: Ids, start: int, stop: int, pitch_semitones: float
    ) -> FrameFeatures:
        self.calls.append("frames")
        hidden = np.repeat(encoding.hidden, counts, axis=2)[:, :, start:stop]
        padded = np.pad(hidden, ((0, 0), (0, 0), (FRAMES_CONTEXT, FRAMES_CONTEXT)))
        around = [padded[:, :, k : k + stop - start] for k in range(2 * FRAMES_CONTEXT + 1)]
        conditioning = np.mean(around, axis=0)
        f0 = 120 * 2 ** (pitch_semitones / 12) * (conditioning[:, 0] > 0)
        return FrameFeatures(conditioning, f0.astype(np.float32))

    def denoise(self, steps: int, conditioning: Floats, source: Floats, noise: Floats) -> Floats:
        self.calls.append(f"denoiser_{steps}")
        waveform = noise[0]  # (B, F, 300)
        for _ in range(steps):
            padded = np.pad(waveform, ((0, 0), (CONTEXT, CONTEXT), (0, 0)))
            spread = np.sum(
                [padded[:, k : k + waveform.shape[1]] for k in range(2 * CONTEXT + 1)], axis=0
            )
            waveform = np.tanh(0.3 * spread + conditioning.sum(axis=1)[:, :, None] + source)
        flat = waveform.reshape(len(waveform), -1)
        filtered = flat + 0.5 * np.pad(flat, ((0, 0), (17, 0)))[:, : flat.shape[1]]  # causal FIR
        audio: Floats = (0.3 * filtered).reshape(waveform.shape).astype(np.float32)
        return audio
