"""What a person uses beside the robot: the live page and the recorder."""
