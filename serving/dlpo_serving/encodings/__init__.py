"""Encoding samples as the bytes a client asked for: formats, and one encoder per stream."""
