"""Compares the graphs of a bundle with the torch modules that they were exported from."""
