"""Residual policies: their files, checks, hot swap and fading. No ROS here; a test calls it."""
