"""NISQA and NISQA-TTS, from the authors' weight files (CC BY-NC-SA 4.0: measure, don't ship)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dlpo.errors import CheckpointError
from dlpo.judges.judge import Scores, Waveform, listen_at, load_torch_weights
from dlpo.judges.mel import decibels, magnitudes, mel_filters

if TYPE_CHECKING:
    from torch import nn

SAMPLE_RATE = 22_050  # Hz. Its scores depend on the rate of the file: one rate for everything
N_FFT = 4_096
HOP = 220  # samples: 10 ms, rounded down as the authors do
WINDOW = 441  # samples: 20 ms
BANDS = 48
SEGMENT = 15  # frames
AMPLITUDE_FLOOR = 1e-4
SETTINGS = {"ms_n_fft": N_FFT, "ms_hop_length": 0.01, "ms_win_length": 0.02, "ms_n_mels": BANDS,
            "ms_seg_length": SEGMENT}  # fmt: skip


class Nisqa:
    """Overall quality (`nisqa.tar`) or naturalness of synthesis (`nisqa_tts.tar`), about 1..5."""

    sample_rate_hz = SAMPLE_RATE

    def __init__(self, weights: Path) -> None:
        """Load the network that the file was saved from.

        Args:
            weights: the authors' `nisqa.tar` or `nisqa_tts.tar`; read without executing anything.

        Raises:
            CheckpointError: missing, damaged, or another model.
            MissingExtraError: torch is not installed.
        """
        content = load_torch_weights(weights)
        try:
            arguments, state = content["args"], content["model_state_dict"]
            model = arguments["model"]
            if any(arguments[key] != value for key, value in SETTINGS.items()):
                raise CheckpointError(f"{weights}: another mel front end than the published NISQA")
            self.name, self._network = _network(model, state)
            self._hop_segments = int(arguments["ms_seg_hop_length"])
            self._filters = mel_filters(SAMPLE_RATE, N_FFT, BANDS, float(arguments["ms_fmax"]))
        except (KeyError, TypeError, RuntimeError) as error:
            raise CheckpointError(
                f"{weights}: not the weights of NISQA v2 or NISQA-TTS ({error})"
            ) from error

    def score(self, waveforms: Sequence[Waveform], sample_rate_hz: int) -> Scores:
        """See `Judge.score`."""
        import torch

        with torch.inference_mode():
            return np.array(
                [
                    float(self._network(torch.from_numpy(self._segments(waveform))))
                    for waveform in listen_at(SAMPLE_RATE, waveforms, sample_rate_hz)
                ]
            )

    def _segments(self, waveform: Waveform) -> NDArray[np.float32]:
        """(T,) -> (S, 1, 48, 15) dB: a window of 15 mel frames every `_hop_segments` frames."""
        amplitude = magnitudes(waveform, N_FFT, HOP, WINDOW, "reflect") @ self._filters.T
        mel = decibels(amplitude**2, AMPLITUDE_FLOOR**2)  # (frames, 48)
        windows = np.lib.stride_tricks.sliding_window_view(mel, SEGMENT, axis=0)  # (., 48, 15)
        return np.ascontiguousarray(windows[:: self._hop_segments, None])


def _network(model: str, state: dict[str, Any]) -> tuple[str, nn.Module]:
    """Name and network of a published model, from what its file calls it and its parameters."""
    from dlpo.judges.nisqa_network import NisqaNetwork, NisqaTtsNetwork

    network: nn.Module
    if model == "NISQA_DIM":
        name, network = "NISQA", NisqaNetwork()
        moved = {
            "cnn.model.": "cnn.",
            "time_dependency.model.": "",
            "pool_layers.0.model.": "pool.",
        }
    else:
        name, network = "NISQA-TTS", NisqaTtsNetwork()
        moved = {
            "cnn.model.fc_out": "fc_out",
            "cnn.model.": "cnn.",
            "time_dependency.model.": "",
            "pool.model.": "",
        }
    ours = {}
    for key, value in state.items():
        prefix = next((prefix for prefix in moved if key.startswith(prefix)), None)
        if prefix is not None:
            ours[moved[prefix] + key.removeprefix(prefix)] = value
    network.load_state_dict(ours)
    return name, network.eval().requires_grad_(False)
