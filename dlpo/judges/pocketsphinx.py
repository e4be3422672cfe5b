"""The recognizer for word errors: pocketsphinx with the stock en-us model in its wheel.

It is old and weak, which suits the purpose: it stumbles where speech is unclear. Word errors are
comparable only with the same version and settings, so both are pinned here.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version

import numpy as np

from dlpo.errors import InputError, needs
from dlpo.judges.judge import Waveform, listen_at

VERSION = "5.1.1"
SAMPLE_RATE = 16_000  # Hz, of the acoustic model
SILENCE = 4_800  # samples before and after: without it the recognizer loses the first word


class PocketSphinx:
    """Transcribes each clip with a fresh decoder, so that order and batching don't matter."""

    name = f"pocketsphinx {VERSION} en-us"

    def __init__(self) -> None:
        """Raises:
        MissingExtraError: pocketsphinx is not installed.
        InputError: another version is installed.
        """
        with needs("bench"):
            import pocketsphinx
        if version("pocketsphinx") != VERSION:
            raise InputError(
                f"pocketsphinx is {version('pocketsphinx')}; word errors are only comparable"
                f" with {VERSION}; run: pip install pocketsphinx=={VERSION}"
            )
        self._package = pocketsphinx

    def transcribe(self, waveforms: Sequence[Waveform], sample_rate_hz: int) -> list[str]:
        """See `Recognizer.transcribe`; "" if no word is heard."""
        return [
            self._transcribe_one(waveform)
            for waveform in listen_at(SAMPLE_RATE, waveforms, sample_rate_hz)
        ]

    def _transcribe_one(self, waveform: Waveform) -> str:
        padded = np.pad(np.clip(waveform, -1, 1), SILENCE)
        # Cepstral means over the whole clip instead of a running estimate.
        decoder = self._package.Decoder(loglevel="FATAL", cmn="batch")
        decoder.start_utt()
        decoder.process_raw((padded * 32767).astype("<i2").tobytes(), full_utt=True)
        decoder.end_utt()
        hypothesis = decoder.hyp()
        return "" if hypothesis is None else str(hypothesis.hypstr)
