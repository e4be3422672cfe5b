"""Tuning by a reward: a page for each method, and what the methods share.

    dlpo ddpo dpok klinr       policy gradients of the chain; policy_gradient has what they share
    awm rwr                    the training loss on own samples, weighted by advantages
    direct                     the judge's own gradient
    control                    continued supervised training

`methods` is their table, `method` what each implements, `policy` what it may ask of the policy and
`tuner` the loop. The chain that is tuned is the chain that is exported; see docs/tuning.md.
"""
