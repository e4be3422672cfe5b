"""Tuning by a reward: a page for each method, and what the methods share.

    dlpo                       the reward's gradient, anchored by the diffusion loss
    ddpo dpok klinr            policy gradients of the chain
    awm rwr                    the training loss on own samples, weighted by advantages
    direct                     the judge's own gradient
    control                    continued supervised training

`methods` is their table, `core` what they share, on torch alone; `run` is the loop, of a chain in
`tuner`, of the pitch in `pitch_tuner`. The chain that is tuned is the chain that is exported; see
docs/tuning.md.
"""
