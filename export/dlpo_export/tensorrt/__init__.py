"""TensorRT plans: checking whether a graph can be built, building it, and checking a machine."""
