"""Speaker identity: cosine between a clip's speaker embedding and the speaker's own recordings.

Recordings of one speaker lie at 0.93 on average and above 0.87, other voices below 0.7.

Reference: Wan et al. 2018, Generalized End-to-End Loss for Speaker Verification,
https://arxiv.org/abs/1710.10467; weights of Resemblyzer 0.1.4 (Apache-2.0), without its voice
activity detection, so values differ a little from that package's.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dlpo.errors import CheckpointError, InputError
from dlpo.judges.judge import Scores, Waveform, listen_at, load_torch_weights, mel_bands, require

RATE = 16_000  # Hz
WINDOW = 400  # samples
HOP = 160  # samples
BANDS = 40  # of the mel spectrogram
PARTIAL, STEP = 160, 77  # frames of a partial utterance (1.6 s), and from one to the next
WIDTH = 256  # of embeddings
LEVEL_DB = -30.0
AUDIBLE = 1e-4  # of the loudest frame's power; fainter ends are trimmed


class SpeakerEncoder:
    """Clips -> unit vectors (256,) that depend on the speaker and little on the words.

    Args:
        weights: torch file with `model_state`, three LSTM layers and a projection.

    Raises:
        CheckpointError: missing, damaged, or another network's.
        MissingExtraError: torch or librosa is not installed.
    """

    def __init__(self, weights: Path) -> None:
        require("librosa")
        state = load_torch_weights(weights).get("model_state") or {}
        import torch

        self._lstm = torch.nn.LSTM(BANDS, WIDTH, num_layers=3, batch_first=True)
        self._linear = torch.nn.Linear(WIDTH, WIDTH)
        try:
            for name, module in (("lstm", self._lstm), ("linear", self._linear)):
                own = {k.removeprefix(f"{name}."): v for k, v in state.items() if name in k}
                module.load_state_dict(own)
        except (AttributeError, RuntimeError) as error:
            raise CheckpointError(
                f"{weights}: not the weights of Resemblyzer's encoder ({error}); download them"
                " again"
            ) from error

    def embed(self, waveform: Waveform, sample_rate_hz: int) -> NDArray[np.float64]:
        """(T,) -> (256,), the mean over partial utterances of 1.6 s; zeros for silence."""
        import torch

        (resampled,) = listen_at(RATE, [waveform], sample_rate_hz)
        mel = mel_bands(_leveled(resampled), RATE, n_fft=WINDOW, hop_length=HOP, n_mels=BANDS)
        mel = np.pad(mel, ((0, max(0, PARTIAL - len(mel))), (0, 0)))
        starts = range(0, len(mel) - PARTIAL + 1, STEP)
        partials = torch.from_numpy(np.stack([mel[s : s + PARTIAL] for s in starts]))
        with torch.no_grad():
            _, (hidden, _) = self._lstm(partials.float())
            vectors = torch.relu(self._linear(hidden[-1]))
            vectors = vectors / vectors.norm(dim=1, keepdim=True).clamp(min=1e-8)
        mean = vectors.double().mean(0).numpy()
        unit: NDArray[np.float64] = mean / max(float(np.linalg.norm(mean)), 1e-8)
        return unit


class SpeakerSimilarity:
    """A judge: cosine of each clip to the centroid of a speaker's recordings, at most 1.

    Args:
        encoder: see `SpeakerEncoder`.
        recordings: clips of the speaker at `sample_rate_hz`.

    Raises:
        InputError: there are no recordings, or one can't be judged.
    """

    name = "speaker cosine"
    sample_rate_hz = RATE

    def __init__(
        self, encoder: SpeakerEncoder, recordings: Sequence[Waveform], sample_rate_hz: int
    ) -> None:
        if not recordings:
            raise InputError("the speaker has no recordings; choose a corpus with audio")
        self._encoder = encoder
        centroid = np.mean([encoder.embed(clip, sample_rate_hz) for clip in recordings], axis=0)
        if not centroid.any():
            raise InputError("the speaker's recordings are silent; choose a corpus with speech")
        self._centroid = centroid / np.linalg.norm(centroid)

    def score(self, waveforms: Sequence[Waveform], sample_rate_hz: int) -> Scores:
        embedded = [self._encoder.embed(waveform, sample_rate_hz) for waveform in waveforms]
        cosines: Scores = np.stack(embedded) @ self._centroid
        return cosines


def _leveled(waveform: Waveform) -> Waveform:
    """At the encoder's level, without the silence at both ends."""
    frames = waveform[: len(waveform) // HOP * HOP].reshape(-1, HOP).astype(np.float64)
    power = np.square(frames).mean(1)
    audible = np.flatnonzero(power > power.max() * AUDIBLE)
    if not len(audible):
        return waveform
    inside = waveform[audible[0] * HOP : (audible[-1] + 1) * HOP]
    rms = np.sqrt(np.square(inside.astype(np.float64)).mean())
    leveled: Waveform = (inside * (10 ** (LEVEL_DB / 20) / rms)).astype(np.float32)
    return leveled
