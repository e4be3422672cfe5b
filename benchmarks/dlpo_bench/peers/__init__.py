"""Other speech engines beside ours: the same texts, the same core, one thread, in turns.

Each contestant has a process and, where it needs one, an environment of its own: `driver` runs
there, `process` talks to it, `adapters` say how each is started, `piper` makes Piper's environment,
`measuring` lets them take turns.
"""
