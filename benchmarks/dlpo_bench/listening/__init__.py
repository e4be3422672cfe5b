"""Blind listening tests of two systems: makes the page and reports the answers.

docs/listen.md lists the files of a test."""
