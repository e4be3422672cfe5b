"""benchmarks/results.md and its plots, made from benchmark records alone.

`page` picks the newest record of each kind and writes the page; `quality` and `speed` turn figures
into the tables and plots shown by a section and by the command that measured them.
"""
