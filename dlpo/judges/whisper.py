"""Whisper as a recognizer, from a local directory: nothing is fetched.

Much stronger than pocketsphinx: it hears through noise and guesses from the language, so it tells
whether a listener would understand, not whether speech is crisp. Their word errors are not
comparable, nor are those of different checkpoints.

Reference: Radford et al., Robust Speech Recognition via Large-Scale Weak Supervision, 2022.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlpo.errors import CheckpointError, InputError, needs
from dlpo.judges.judge import Waveform, listen_at, without_torchaudio
from dlpo.text import TextFrontEnd
from dlpo.text.languages import LANGUAGES

if TYPE_CHECKING:
    from torch import Tensor

N_FFT, HOP = 400, 160  # samples of its spectra
STRIDE = 2  # spectra per encoder position
PAUSE_S = 2.0  # of silence after a clip whose words are scored
WINDOW_S = 30  # of input; longer audio is processed window by window
CONFIG = "config.json"
END_MARKS = " .?!…"
COMMON_WORD = " the"  # one token of every Whisper


class Whisper:
    """Transcribes each clip by itself, greedily, as one language.

    Numbers and abbreviations in its output are spelled out, as they are in the texts.

    Args:
        directory: a checkpoint in the layout of transformers (`config.json`, weights, tokenizer),
            as on the Hugging Face hub; English-only or multilingual, any size.
        language: BCP 47, one that can be read.

    Raises:
        CheckpointError: missing, damaged, or another model.
        InputError: the language can't be read, or the checkpoint hears English only.
        MissingExtraError: transformers is not installed.
    """

    sample_rate_hz = 16_000
    takes_bfloat16 = True

    def __init__(self, directory: Path, language: str = LANGUAGES[0]) -> None:
        if not (directory / CONFIG).is_file():
            raise CheckpointError(
                f"{directory}: no {CONFIG}; expected the directory of a Whisper checkpoint in"
                " transformers format, such as whisper-small.en from the Hugging Face Hub"
            )
        processor_class, model_class = import_transformers()
        try:
            self._processor = processor_class.from_pretrained(directory, local_files_only=True)
            model, problems = model_class.from_pretrained(
                directory, local_files_only=True, output_loading_info=True
            )
        except Exception as error:  # damaged files make the library raise anything
            raise CheckpointError(
                f"{directory}: can't be read as a Whisper checkpoint ({error}); download it again"
            ) from error
        if missing := sorted({*problems["missing_keys"]} - {"proj_out.weight"}):  # tied
            raise CheckpointError(
                f"{directory}: {len(missing)} weights are missing, the first {missing[0]};"
                " expected a complete Whisper checkpoint: download it again"
            )
        pieces = self._processor.tokenizer(COMMON_WORD, add_special_tokens=False).input_ids
        if len(pieces) != 1:
            raise CheckpointError(
                f"{directory}: its tokenizer cuts {COMMON_WORD!r} into {len(pieces)} pieces;"
                " expected 1: merges are missing, so every probability of a text would be wrong;"
                " convert the checkpoint again"
            )
        self._model = model.eval().requires_grad_(False)
        self._model.generation_config.update(num_beams=1, do_sample=False)
        self._multilingual = bool(getattr(model.generation_config, "is_multilingual", False))
        self._front_end = TextFrontEnd(language=language)
        heard = self._front_end.language.name
        self._language = self._front_end.language.code.partition("-")[0]
        if self._multilingual:
            tokenizer = self._processor.tokenizer
            tokenizer.set_prefix_tokens(language=heard.lower(), task="transcribe")
        elif self._front_end.language.code != LANGUAGES[0]:
            raise InputError(f"{directory} hears English only; expected one that hears {heard}")
        self.name = f"Whisper {directory.resolve().name}"

    def transcribe(self, waveforms: Sequence[Waveform], sample_rate_hz: int) -> list[str]:
        """See `Recognizer.transcribe`; "" if no word is heard."""
        return [
            self._in_words(self._transcribe_one(waveform))
            for waveform in listen_at(self.sample_rate_hz, waveforms, sample_rate_hz)
        ]

    def score_with_gradient(self, waveform: Tensor, text: str) -> Tensor:
        """See `GradientJudge`: the mean log-probability of the text's tokens, at most 0.

        The encoder reads the clip and two seconds of silence, not the 30 s that transcribing pads
        to: a third of the time or less, with much the same scores.

        Raises:
            InputError: the clip lasts longer than 28 s.
        """
        from torch.nn import functional

        tokens, logits = self._forced(waveform, text)
        prefix = len(self._processor.tokenizer.prefix_tokens)
        return -functional.cross_entropy(logits[prefix - 1 : -1], tokens[prefix:])

    def question_logit(self, waveform: Waveform, sample_rate_hz: int, text: str) -> float:
        """How much more a clip sounds like a question, in nats: its words are given as heard, and
        the logit of "?" after them is compared with that of ".".

        Raises:
            InputError: the clip lasts longer than 28 s, or see `Judge.score`.
        """
        import torch

        (heard,) = listen_at(self.sample_rate_hz, [waveform], sample_rate_hz)
        with torch.inference_mode():
            _, logits = self._forced(torch.from_numpy(heard), text.rstrip(END_MARKS), end=False)
        question, stop = (
            self._processor.tokenizer(mark, add_special_tokens=False).input_ids[0] for mark in "?."
        )
        return float(logits[-1, question] - logits[-1, stop])

    def _forced(self, waveform: Tensor, text: str, end: bool = True) -> tuple[Tensor, Tensor]:
        """Tokens of a text with their prefix, (N,), and the logits after each, (N, vocabulary).

        Args:
            end: whether the last token is that of the end of the text.
        """
        import torch

        tokens = torch.tensor(self._processor.tokenizer(" " + text.strip()).input_ids)
        tokens = tokens if end else tokens[:-1]
        logits = self._model(
            encoder_outputs=(self._encoded(waveform),), decoder_input_ids=tokens[None]
        ).logits[0]
        return tokens, logits

    def _encoded(self, waveform: Tensor) -> Tensor:
        """(1, positions, C): what the encoder makes of a clip and two seconds of silence.

        Raises:
            InputError: the clip lasts longer than 28 s.
        """
        import torch
        from torch.nn import functional

        if len(waveform) > (WINDOW_S - PAUSE_S) * self.sample_rate_hz:
            raise InputError(
                f"the clip lasts {len(waveform) / self.sample_rate_hz:.1f} s; expected at most"
                f" {WINDOW_S - PAUSE_S} s, the longest that Whisper scores"
            )
        silence = round(PAUSE_S * self.sample_rate_hz)
        silence += -(len(waveform) + silence) % (HOP * STRIDE)
        padded = functional.pad(waveform, (0, silence))
        spectra = torch.stft(
            padded, N_FFT, HOP, window=torch.hann_window(N_FFT), return_complex=True
        )
        bands = torch.from_numpy(self._processor.feature_extractor.mel_filters).float()
        mel = (bands.T @ spectra[:, :-1].abs().square()).clamp(min=1e-10).log10()
        mel = (mel.maximum(mel.detach().max() - 8) + 4) / 4
        encoder = self._model.model.encoder
        x = functional.gelu(encoder.conv2(functional.gelu(encoder.conv1(mel[None])))).mT
        x = x + encoder.embed_positions.weight[: x.shape[1]]
        for layer in encoder.layers:
            x = layer(x, None)
        encoded: Tensor = encoder.layer_norm(x)
        return encoded

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
            options |= {"language": self._language, "task": "transcribe"}
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
    """The processor and model classes.

    Raises:
        MissingExtraError: transformers is not installed.
    """
    with needs("bench"), without_torchaudio():  # only used to read files
        from transformers import WhisperForConditionalGeneration, WhisperProcessor
        from transformers.utils import logging as messages
    quiet: Any = messages
    quiet.set_verbosity_error()  # it warns about its own defaults
    quiet.disable_progress_bar()
    return WhisperProcessor, WhisperForConditionalGeneration
