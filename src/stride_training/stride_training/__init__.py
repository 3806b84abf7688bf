"""Training of residual policies on the control law of stride_core and the plant of stride_sim."""
