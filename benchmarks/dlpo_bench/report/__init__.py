"""benchmarks/results.md and its plots, made from benchmark records alone.

`page` picks the newest records of each kind and writes the page; `sections` shows figures by the
template beside it, on the page and to the command that measured them; `picture` draws.
"""
