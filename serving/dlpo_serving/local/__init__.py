"""Commands for one machine: `dlpo say`, `dlpo doctor`, the demo, and a server as a subprocess."""
