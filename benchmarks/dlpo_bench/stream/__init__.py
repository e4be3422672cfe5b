"""Servers side by side, under load from client processes of their own. See docs/load.md."""
