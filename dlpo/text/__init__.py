"""From text to phonemes: normalisation, sentences, pronunciations. numpy and the lexicon only."""

from __future__ import annotations

from dlpo.text.front_end import Mark, ProcessedText, Sentence, TextFrontEnd, Word

__all__ = ["Mark", "ProcessedText", "Sentence", "TextFrontEnd", "Word"]
