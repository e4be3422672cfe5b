"""dlpo: few-step diffusion speech, tuned by reinforcement learning and streamed over gRPC."""

__version__ = "1.0.0"
