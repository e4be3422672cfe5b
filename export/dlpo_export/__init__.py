"""Exports a checkpoint to ONNX graphs and packs them into a bundle."""
