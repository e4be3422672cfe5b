"""Samples as the bytes that a client asked for: formats, and one encoder for each stream."""
