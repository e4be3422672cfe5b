"""Export: a checkpoint becomes ONNX graphs, and these a bundle."""
