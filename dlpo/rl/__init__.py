"""Reinforcement learning of the denoiser: prompts, rollouts, rewards, advantages, objectives.

The chain that is tuned is the chain that is exported and served, step for step; see docs/tuning.md
for the mathematics. `methods.loss_of` puts the parts together for one update.
"""
