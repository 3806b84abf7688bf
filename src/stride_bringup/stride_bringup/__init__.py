"""Starts stride: list of nodes, command line, launch files, configuration, policies."""
