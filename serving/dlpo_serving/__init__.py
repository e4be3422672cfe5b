"""Serving: a bundle, one runtime and a gRPC server; numpy, never torch."""
