"""Loads the voices of a server: at its start, and from a folder while it runs.

registry.VoiceRegistry      opens, warms and offers voices
directory.VoiceDirectory    notices bundles that come to a folder, change or go
costs.measure_costs         measures what a voice costs on this machine
trial.try_bundle            speaks with a bundle in a process of its own
"""
