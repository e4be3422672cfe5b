"""NVIDIA Riva's speech synthesis service, so that its clients work unchanged."""
