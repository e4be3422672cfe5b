"""The mark: which signs a voice's noise has, and finding them in sound.

stream     keys, messages, and the sign of each sample
detector   is the mark in these samples, where, with which message
speed      at which speed it is, where it was resampled
files      the same of audio files, at any sample rate
signed     files signed by C2PA

A voice's sound is noise that was drawn and then filtered. The size of each drawn sample comes from
the seed; its sign comes from a key. To whoever lacks the key that is white Gaussian noise as
before. Whoever has it whitens a recording and correlates it with the signs. See docs/provenance.md.
"""

from dlpo.mark.stream import PUBLIC, UNMARKED, NoiseMark, read_key

__all__ = ["PUBLIC", "UNMARKED", "NoiseMark", "read_key"]
