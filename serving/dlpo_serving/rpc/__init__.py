"""Shared by all gRPC services of the server: the call interceptor, and errors as statuses."""
