"""The mathematics of stride: robots, kinematics, gaits, residuals, safety. NumPy only."""
