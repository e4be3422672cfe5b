"""HTTP: OpenAI's speech API, health probes, metrics, and a page to try the server with."""
