"""The log of a training run: figures as JSON lines, and all of it for TensorBoard."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from torch.utils.tensorboard import SummaryWriter

from dlpo.audio import SAMPLE_RATE, Waveform, log_mel
from dlpo.errors import TrainingError


class RunLog:
    """Writes `out/log.jsonl` and TensorBoard's events; the main process has one."""

    def __init__(self, out: Path) -> None:
        self.lines = out / "log.jsonl"
        self.writer = SummaryWriter(str(out))

    def figures(self, update: int, split: str, figures: dict[str, float]) -> None:
        """Add one line of figures after an update, of the `train` or the `validation` split.

        Raises:
            TrainingError: it can't be written.
        """
        rounded = {name: float(f"{value:.5g}") for name, value in figures.items()}
        with self._naming_a_full_disk():
            with self.lines.open("a") as file:
                file.write(json.dumps({"update": update, "split": split} | rounded) + "\n")
            for name, value in figures.items():
                self.writer.add_scalar(f"{split}/{name}", value, update)

    def sample(self, update: int, waveform: Waveform) -> None:
        """Add the audio of an utterance and an image of its log-mel.

        Raises:
            TrainingError: it can't be written.
        """
        peak = max(1.0, float(np.abs(waveform).max()))
        mel = log_mel(waveform).T[::-1]
        picture = (mel - mel.min()) / max(1e-3, float(np.ptp(mel)))
        with self._naming_a_full_disk():
            self.writer.add_audio("sample", waveform / peak, update, SAMPLE_RATE)
            self.writer.add_image("sample", picture, update, dataformats="HW")

    @contextmanager
    def _naming_a_full_disk(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:  # TensorBoard's comes from its thread, at the next event
            raise TrainingError(
                f"{self.lines}: the log can't be written ({error}); make room and run the same"
                " command: it goes on from the last state"
            ) from error
