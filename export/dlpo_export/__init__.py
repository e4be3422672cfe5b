"""Exports a checkpoint to ONNX graphs, and these to a bundle."""
