"""Mistakes in ``--ros-args`` and in the YAML that they name: one line, not rcl's own words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rclpy.impl.implementation_singleton import rclpy_implementation as _rclpy

_PREFIXES = ("failed to initialize rcl: ", "Failed to parse ROS arguments: ")
_SOURCE = ", at /"
"""rcl ends its messages with the lines of its source."""


@contextmanager
def ros_arguments() -> Iterator[None]:
    """Around whatever reads ROS arguments.

    Raises:
        ValueError: rcl cannot read them; one line.
    """
    try:
        yield
    except _rclpy.UnknownROSArgsError as error:
        raise ValueError(f"{error}: unknown after --ros-args") from None
    except _rclpy.RCLError as error:
        text = str(error).partition(_SOURCE)[0]
        for prefix in _PREFIXES:
            text = text.removeprefix(prefix)
        raise ValueError(" ".join(text.split())) from None
