"""Blind listening tests of two systems: makes the page and reports the answers.

docs/howto/listening-test.md says what is in a test."""
