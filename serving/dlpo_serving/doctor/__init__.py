"""What works on this machine, and what to run where something doesn't: `dlpo doctor`.

    installation.look_at_packages    the extras: complete, or what is missing
    machine.look_at_machine          the CPU's features, the GPU, CUDA and TensorRT
    engines.try_engines              every engine speaks, in a process of its own
    surroundings.look_around         audio player, folders that must be writable, ports

Each yields observations. All of it runs with the base install alone and says what is missing.
"""

from __future__ import annotations

from dlpo_serving.doctor.observation import Observation, State

__all__ = ["Observation", "State"]
