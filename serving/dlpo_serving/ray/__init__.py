"""The server as a Ray Serve application, for when one machine isn't enough; see docs/ray.md.

proxy          in Serve's gRPC proxy: relays calls to a replica, and its replies to the caller
application    a replica, which is a whole `dlpo serve` in a Ray process, and how many to run
cluster        `dlpo serve --ray`
"""
