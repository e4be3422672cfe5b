"""Corpora: recordings, texts and alignments, prepared for training."""
