"""Judges: programs that listen to speech and say how good it is, or what was said.

`Judge` scores naturalness (mean opinion scores, 1..5), `Recogniser` writes down what it hears.
Import the one you need: `dlpo.judges.distillmos`, `.nisqa`, `.dnsmos`, `.pocketsphinx`.
"""
