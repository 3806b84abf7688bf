"""The motors and the IMU: drivers behind one protocol, calibration, and an emulated servo bus."""
