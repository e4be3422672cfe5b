"""Other speech engines: the same texts, the same core, one thread, in turns.

Each peer runs in a process and, where it needs one, an environment of its own: `driver` runs there,
`measure` talks to it and compares.
"""
