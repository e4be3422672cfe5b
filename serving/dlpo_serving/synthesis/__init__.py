"""Sentences to samples with numpy and an engine; no threads, clock or network.

job             one request as units of work; chunks and their level
denoiser_input  one sentence as windows for the denoiser
pauses          silences between sentences
timing          symbol durations at a speed; timestamps of words, phonemes and marks
"""
