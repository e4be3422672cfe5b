"""Speech to learn from: Kokoro's voices say texts of many kinds.

See README.md beside this file: what is spoken, in which order, and what is stored.
"""
