"""A machine with a simulated GPU and TensorRT."""

from __future__ import annotations

import types

import cuda_fake
import tensorrt_fake


class FakeNvidia:
    """The device and what goes wrong on it; the modules are those that the product imports."""

    def __init__(self) -> None:
        self.device = cuda_fake.Device()
        self.faults = tensorrt_fake.Faults()
        self.cuda = self.device.module()
        self.tensorrt = tensorrt_fake.tensorrt_module(self.device, self.faults)

    @property
    def modules(self) -> dict[str, types.ModuleType]:
        return {"tensorrt": self.tensorrt, "cuda.bindings.runtime": self.cuda}
