"""The server as a Ray Serve application, where one machine isn't enough; see docs/ray.md.

proxy          in Serve's gRPC proxy: hands calls to a replica, and its answer to the caller
replica        a whole `dlpo serve` in a process of Ray
application    how many replicas there are to be, and what each of them gets
cluster        `dlpo serve --ray`
"""
