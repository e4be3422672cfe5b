"""Running the server: call records, access control and configuration.

call_scope.CallScope     id, token, trace, metrics and log line of every call
tracing                  OpenTelemetry spans
metrics.Metrics          Prometheus metrics
logs.configure_logs      one line per record, as plain text, logfmt or JSON
keys                     bearer tokens
quotas                   each caller's quota of streams, characters and audio
tls                      certificates
files                    file modes, change detection, TOML
"""
