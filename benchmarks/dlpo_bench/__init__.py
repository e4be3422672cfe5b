"""Benchmarks: how a voice sounds and what it costs, written as records."""
