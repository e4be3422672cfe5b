"""What longer texts and more streams cost: time for a second of audio, and memory.

`lengths` speaks texts of every length in processes of their own (`one_text` is such a process),
`streams` lets a server speak to several callers at once, `listening` is what all of them time.
"""
