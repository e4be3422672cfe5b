"""Training of the networks on a prepared corpus; runs resume bit-exactly."""
