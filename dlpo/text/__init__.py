"""From text to phonemes: normalization, sentences, pronunciations. Needs Python alone."""

from __future__ import annotations

from dlpo.text.common.feed import TextFeed
from dlpo.text.common.front_end import TextFrontEnd
from dlpo.text.common.words import Mark, ProcessedText, Sentence, Word

__all__ = ["Mark", "ProcessedText", "Sentence", "TextFeed", "TextFrontEnd", "Word"]
