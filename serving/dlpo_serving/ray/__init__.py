"""The server as a Ray Serve application, where one machine isn't enough; see docs/ray.md.

proxy          in Serve's gRPC proxy: hands calls to a replica, and its answer to the caller
application    a replica, a whole `dlpo serve` in a process of Ray, and how many there are to be
cluster        `dlpo serve --ray`
"""
