"""Running the server: what it tells (metrics, traces, logs), whom it lets in, what it holds.

calls.current_call       the record of the call in hand: id, caller, figures, span
metrics.Metrics          Prometheus figures
tracing.open_tracer      OpenTelemetry spans; they do nothing where nobody asked for them
logs.configure_logs      one line a call, as JSON or logfmt, never the text
interceptors             what every gRPC call passes: request id, trace, metrics, token
keys.KeyRing             bearer tokens, read again when their file changes
quotas.Quotas            each key's share of streams, characters and audio
tls                      certificates, read again when their files change
introspection            reflection, channelz, health on a port of its own
voice_directory          voices that come and go while the server runs
"""

from __future__ import annotations
