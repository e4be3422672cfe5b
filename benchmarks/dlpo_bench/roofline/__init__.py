"""How near the graphs come to what this machine can do, and what Python costs beside them."""
