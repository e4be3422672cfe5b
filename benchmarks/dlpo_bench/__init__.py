"""Benchmarks: what the voice sounds like and what it costs, as records."""
