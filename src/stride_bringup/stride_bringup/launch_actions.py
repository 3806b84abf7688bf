"""From the list of processes to actions of ``launch``: what the launch files share."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction, Shutdown
from launch.events.process import ProcessExited
from launch_ros.actions import Node

from stride_bringup.cli.arguments import USAGE_ERROR
from stride_bringup.launch_support import LAUNCHS_OWN, Argument, Process, split

RESPAWN_S = 1.0

LOOPBACK = {
    "ROS_AUTOMATIC_DISCOVERY_RANGE": os.environ.get("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
}
"""No network beyond this machine, unless the user says otherwise."""

ENDS_WITH_PARENT = "setpriv --pdeathsig TERM" if shutil.which("setpriv") else None
"""A launch that is killed cannot end its processes: the kernel does (Linux)."""


def description(arguments: Iterable[Argument], start: Any) -> LaunchDescription:
    """Declare the arguments; ``start`` makes the actions of what they ask for."""
    declared = [
        DeclareLaunchArgument(each.name, default_value=each.typed, description=each.description)
        for each in arguments
    ]
    return LaunchDescription([*declared, OpaqueFunction(function=start)])


def check_names(file: str, context: LaunchContext, arguments: Iterable[Argument]) -> None:
    """Refuse a misspelt name, which launch itself would ignore.

    Raises:
        ValueError: one line.
    """
    if Path(file).name in (Path(word).name for word in sys.argv):
        own = [word for word in context.argv if word.partition(":=")[0] not in LAUNCHS_OWN]
        split(own, tuple(arguments))


def nodes(processes: Iterable[Process], namespace: str, context: LaunchContext) -> list[Node]:
    """A Node action for each process."""
    prefix = None if "launch-prefix" in context.launch_configurations else ENDS_WITH_PARENT
    return [
        Node(
            package=process.package,
            executable=process.executable,
            exec_name=process.executable,
            arguments=[*process.arguments],
            ros_arguments=[*process.ros_arguments],
            namespace=namespace or None,
            additional_env=LOOPBACK,
            prefix=prefix,
            output="screen",
            on_exit=EndIfRefused() if process.guest else end,
            respawn=process.respawn,
            respawn_delay=RESPAWN_S,
        )
        for process in processes
    ]


def end(event: ProcessExited, context: LaunchContext) -> list[Any]:
    """Shut down when the run is over; an exit status other than 0 is a failure of the launch."""
    if context.is_shutdown:
        return []
    if event.returncode:
        raise RuntimeError(f"{event.process_name} ended with exit status {event.returncode}")
    return [Shutdown(reason=f"{event.process_name} ended")]


class EndIfRefused:
    """The run goes on without a guest, but not without what was asked for wrongly at its start."""

    def __init__(self) -> None:
        self._first = True

    def __call__(self, event: ProcessExited, context: LaunchContext) -> list[Any]:
        """Take the end of a process."""
        first, self._first = self._first, False
        return end(event, context) if first and event.returncode == USAGE_ERROR else []
