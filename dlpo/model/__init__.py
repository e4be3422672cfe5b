"""The networks in torch: lite, WaveGrad 2, and the flow that draws pitch."""
