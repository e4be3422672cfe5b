"""Ablations: what of the voice's recipe makes it sound as it does, one question at a time.

    python -m dlpo_bench.ablation --data D --out RUNS --record

The same part of the network learns anew in every run, with the same windows, noise and number of
updates; one thing differs. Then all of them say the same validation sentences from text alone.
"""
