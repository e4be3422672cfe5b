"""Sentences to samples with numpy and an engine: no threads, no clock, no network.

job             one request as units of work; chunks and their level
denoiser_input  one sentence as windows for the denoiser
durations       how many frames each symbol lasts at a speed
timing          when words, phonemes and marks are spoken
"""
