"""Stubs of the gRPC package `dlpo.v1`, made by protos/generate.py; the contract is protos/dlpo/v1."""
