"""Rewards: judges, recognisers and guards behind one Protocol, their sums, and augmentation."""
