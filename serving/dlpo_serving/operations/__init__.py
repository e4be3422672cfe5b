"""Running the server: what it records of calls, whom it lets in, how it is configured.

call_scope.CallScope     id, token, trace, metrics and log line of every call
metrics.Metrics          Prometheus metrics
tracing.open_tracer      OpenTelemetry spans, where an OTLP endpoint is configured
logs.configure_logs      one line a record, as plain text, logfmt or JSON
keys.KeyRing             bearer tokens
quotas.Quotas            each key's share of streams, characters and audio
tls                      certificates
files                    file modes, reloading of files that change, TOML
"""
