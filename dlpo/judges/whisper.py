"""Whisper as a recognizer, from a local directory: nothing is fetched.

Much stronger than pocketsphinx: it hears through noise and guesses from the language, so it tells
whether a listener would understand, not whether speech is crisp. Word errors of the two don't
compare, nor do those of different checkpoints.

Reference: Radford et al., Robust Speech Recognition via Large-Scale Weak Supervision, 2022.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dlpo.errors import CheckpointError, InputError, MissingExtraError
from dlpo.judges.judge import Waveform, listen_at, without_torchaudio
from dlpo.text import TextFrontEnd

WINDOW_S = 30  # that it hears at once; longer audio is taken window by window
CONFIG = "config.json"


class Whisper:
    """Transcribes each clip by itself, greedily, as English.

    Numbers and abbreviations in what it writes are put into words, as the texts have them.

    Args:
        directory: a checkpoint in the layout of transformers (`config.json`, weights, tokenizer),
            as on the Hugging Face hub; English-only or multilingual, any size.

    Raises:
        CheckpointError: missing, damaged, or another model.
        MissingExtraError: transformers is not installed.
    """

    sample_rate_hz = 16_000

    def __init__(self, directory: Path) -> None:
        if not (directory / CONFIG).is_file():
            raise CheckpointError(
                f"{directory}: no {CONFIG}; expected the directory of a Whisper checkpoint in the"
                " layout of transformers, such as whisper-small.en of the Hugging Face hub"
            )
        processor_class, model_class = import_transformers()
        try:
            self._processor = processor_class.from_pretrained(directory, local_files_only=True)
            model, problems = model_class.from_pretrained(
                directory, local_files_only=True, output_loading_info=True
            )
        except Exception as error:  # whatever the damaged files led the library to
            raise CheckpointError(
                f"{directory}: can't be read as a Whisper checkpoint ({error}); download it again"
            ) from error
        if missing := sorted({*problems["missing_keys"]} - {"proj_out.weight"}):  # tied
            raise CheckpointError(
                f"{directory}: {len(missing)} weights are missing, the first {missing[0]};"
                " expected a Whisper checkpoint, download it again"
            )
        self._model = model.eval().requires_grad_(False)
        self._model.generation_config.update(num_beams=1, do_sample=False)
        self._multilingual = bool(getattr(model.generation_config, "is_multilingual", False))
        self._front_end = TextFrontEnd()
        self.name = f"Whisper {directory.resolve().name}"

    def transcribe(self, waveforms: Sequence[Waveform], sample_rate_hz: int) -> list[str]:
        """See `Recognizer.transcribe`; "" without a word."""
        return [
            self._in_words(self._transcribe_one(waveform))
            for waveform in listen_at(self.sample_rate_hz, waveforms, sample_rate_hz)
        ]

    def _transcribe_one(self, waveform: Waveform) -> str:
        import torch

        long = len(waveform) > WINDOW_S * self.sample_rate_hz
        given = self._processor(
            waveform,
            sampling_rate=self.sample_rate_hz,
            return_tensors="pt",
            return_attention_mask=True,
            truncation=not long,
            padding="longest" if long else "max_length",
        )
        options: dict[str, Any] = {"return_timestamps": True} if long else {}
        if self._multilingual:
            options |= {"language": "en", "task": "transcribe"}
        with torch.inference_mode():
            tokens = self._model.generate(
                given.input_features,
                attention_mask=given.attention_mask,
                **options,
            )
        (text,) = self._processor.batch_decode(tokens, skip_special_tokens=True)
        return str(text)

    def _in_words(self, text: str) -> str:
        try:
            sentences = self._front_end.process(text).sentences
        except InputError:  # nothing in it can be spoken: no word was heard
            return ""
        return " ".join(sentence.normalized for sentence in sentences).lower()


def import_transformers() -> tuple[Any, Any]:
    """The classes of processor and model.

    Raises:
        MissingExtraError: transformers is not installed.
    """
    try:
        with without_torchaudio():  # it would only read files with it
            from transformers import WhisperForConditionalGeneration, WhisperProcessor
            from transformers.utils import logging as messages
    except ImportError as error:
        raise MissingExtraError("transformers", "bench") from error
    quiet: Any = messages
    quiet.set_verbosity_error()  # it warns of its own defaults
    quiet.disable_progress_bar()
    return WhisperProcessor, WhisperForConditionalGeneration
