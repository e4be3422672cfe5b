"""A graph of a Triton repository on Triton's Python backend, where there is no onnxruntime backend.

A copy of this file is the `model.py` of the graphs in the test that runs a real tritonserver: the
one in nvidia-pytriton's wheel has no other backend. It computes the same ONNX file with the same
inputs, outputs and batches.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import triton_python_backend_utils as triton


class TritonPythonModel:
    def initialize(self, args: dict[str, str]) -> None:
        config = json.loads(args["model_config"])
        self.outputs = [output["name"] for output in config["output"]]
        self.batched = config["max_batch_size"] > 0
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        folder = Path(args["model_repository"], args["model_version"], "model.onnx")
        self.session = onnxruntime.InferenceSession(
            folder / "model.onnx", options, providers=["CPUExecutionProvider"]
        )
        self.inputs = [tensor.name for tensor in self.session.get_inputs()]

    def execute(self, requests: list[Any]) -> list[Any]:
        feeds = [
            {
                name: triton.get_input_tensor_by_name(request, name).as_numpy()
                for name in self.inputs
            }
            for request in requests
        ]
        if not self.batched:
            return [self._response(self.session.run(self.outputs, feed)) for feed in feeds]
        joined = {name: np.concatenate([feed[name] for feed in feeds]) for name in self.inputs}
        made = self.session.run(self.outputs, joined)
        ends = np.cumsum([len(feed[self.inputs[0]]) for feed in feeds])[:-1]
        rows = zip(*(np.split(value, ends) for value in made), strict=True)
        return [self._response(row) for row in rows]

    def _response(self, values: Any) -> Any:
        named = zip(self.outputs, values, strict=True)
        return triton.InferenceResponse([triton.Tensor(name, value) for name, value in named])
