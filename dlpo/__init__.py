"""dlpo: few-step diffusion speech, streamed over gRPC, with tools to train and tune it."""

__version__ = "1.0.0"
