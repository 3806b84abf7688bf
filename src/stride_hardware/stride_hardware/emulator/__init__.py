"""Servos and a serial IMU that answer on a pseudo-terminal as the parts would."""
