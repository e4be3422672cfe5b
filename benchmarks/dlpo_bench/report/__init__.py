"""docs/benchmarks.md and its pictures, made from benchmark records alone.

`page` picks the newest record of each kind and writes, `sections` and `tuning` say what a kind's
figures mean, `tables` and `scenes` draw.
"""
