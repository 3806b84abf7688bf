"""Robots of stride: a folder each with robot.yaml, MJCF and URDF."""
