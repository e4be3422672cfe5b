"""docs/benchmarks.md and its pictures, made from benchmark records alone.

`page` picks the newest record of each kind and writes; `quality` and `speed` turn figures into the
tables and pictures that a section, and the command that measured them, show.
"""
