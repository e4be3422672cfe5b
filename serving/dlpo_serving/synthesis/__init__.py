"""Sentences to samples with numpy and an engine: no threads, no clock, no network.

job             one request as units of work; chunks and their level
denoiser_input  one sentence as windows for the denoiser
timing          how long symbols last at a speed; when words, phonemes and marks are spoken
"""
