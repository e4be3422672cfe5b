"""The HTTP door: OpenAI's speech API, probes, figures, and a page to try the server with."""

from dlpo_serving.http.app import build_app, listening
from dlpo_serving.http.speech_route import HttpLimits

__all__ = ["HttpLimits", "build_app", "listening"]
