"""From text to phonemes: normalisation, sentences, pronunciations. numpy and the lexicon only."""

from __future__ import annotations

from dlpo.text.front_end import ProcessedText, Sentence, TextFrontEnd, Word

__all__ = ["ProcessedText", "Sentence", "TextFrontEnd", "Word"]
