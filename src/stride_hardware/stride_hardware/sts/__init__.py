"""Feetech's STS servos: packets and registers."""
