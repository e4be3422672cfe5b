"""HTTP: OpenAI's speech API, health probes, metrics, and a page to try the server with."""

from dlpo_serving.http.app import build_app, listening
from dlpo_serving.http.speech_route import HttpLimits

__all__ = ["HttpLimits", "build_app", "listening"]
