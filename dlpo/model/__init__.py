"""The networks in torch: spectral, WaveGrad 2, and the flow that draws pitch."""
