"""The command line behind ``./stride``."""

from stride_bringup.cli.main import main

__all__ = ["main"]
