"""Stubs of NVIDIA Riva's speech service, made by protos/riva/generate.py."""
