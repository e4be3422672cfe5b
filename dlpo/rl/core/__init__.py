"""Reinforcement learning of diffusion models and flows, on torch alone.

    model      `policy.DiffusionModel`: `condition` and `denoise`, of any eps, x0, v or flow network
    policy     `chain.ChainPolicy` of a diffusion model, `flow.FlowPolicy` of a flow
    advantages, ratios, bounds       `policy_gradient`; losses without a density in `dlpo.rl.awm`
    method     what an update asks of a method, `method`; its settings, `objective`
    loop       `loop.tune`: draw, reward, advantages, loss

The methods are pages of `dlpo.rl`: dlpo ddpo dpok klinr awm rwr direct control. Nothing here or
there knows of text, data or judges; `dlpo.rl.tuner` brings these. docs/ddpo.md begins with it.
"""
