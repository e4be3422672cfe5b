"""Reinforcement learning of the denoiser: prompts, rollouts, rewards, advantages, objectives.

The chain that is tuned is the chain that is exported and served; see docs/tuning.md."""
