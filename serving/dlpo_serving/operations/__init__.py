"""Running the server: what it records of calls, whom it lets in, how it is configured.

call_scope.CallScope     id, token, OpenTelemetry trace, metrics and log line of every call
metrics.Metrics          Prometheus metrics
logs.configure_logs      one line a record, as plain text, logfmt or JSON
keys                     bearer tokens, and the share of each in streams, characters and audio
tls                      certificates
files                    file modes, reloading of files that change, TOML
"""
