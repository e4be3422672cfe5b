"""Running the server: what it tells (metrics, traces, logs), whom it lets in, what it holds.

metrics.Metrics          Prometheus figures
tracing.Tracer           OpenTelemetry spans; costs nothing where it is not wanted
logs.configure_logs      one line a call, as JSON or logfmt, never the text
interceptors             what every gRPC call passes: request id, trace, metrics, token
keys.KeyRing             bearer tokens, read again when their file changes
quotas.Quotas            each key's share of streams and characters
tls                      certificates, read again when their files change
voice_directory          voices that come and go while the server runs
"""

from __future__ import annotations
