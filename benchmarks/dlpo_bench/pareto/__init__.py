"""Quality against the number of reverse steps and against cost: body of `dlpo bench quality`.

points   what is heard: two checkpoints and the bundle, each at several N
kept     the work directory: what was heard and timed so far
hearing  clips that are still to be heard
timing   real-time factors, all points in turn
outcome  figures of a record: which points nothing beats
"""
