"""Blind listening tests of two systems: makes the page, serves it, and reports the answers.

The files of a test are listed in docs/listen.md."""
