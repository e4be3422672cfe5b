"""Vapi's custom voice: one POST with a text, answered with its samples."""
