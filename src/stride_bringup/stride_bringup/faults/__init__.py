"""Fault injection: what the real processes do when something goes wrong, measured."""
