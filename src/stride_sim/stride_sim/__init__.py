"""The simulated plant of stride: MuJoCo behind the same topics as the motors."""
