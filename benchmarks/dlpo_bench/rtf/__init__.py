"""Real-time factors of everything that can speak with the same weights, in one run."""
