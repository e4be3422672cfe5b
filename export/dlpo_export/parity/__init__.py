"""Compares the graphs of a bundle with the torch modules they were exported from."""
