"""The simulated robot: ``ros2 launch stride_bringup sim.launch.py terrain:=rough vx:=0.15``.

``--show-args`` lists the arguments. The nodes are those of ``stride_bringup.graph``.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Any

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction, Shutdown
from launch.events.process import ProcessExited
from launch_ros.actions import Node
from stride_bringup.launch_support import LAUNCHS_OWN, arguments, read, split


def generate_launch_description() -> LaunchDescription:
    """Declare the arguments; start a process for each of what they ask for."""
    return LaunchDescription(
        [
            *(
                DeclareLaunchArgument(
                    each.name, default_value=each.typed, description=each.description
                )
                for each in arguments()
            ),
            OpaqueFunction(function=start),
        ]
    )


def start(context: LaunchContext) -> list[Node]:
    """Make a Node action for each process. A wrong value is an error of one line."""
    if Path(__file__).name in (Path(word).name for word in sys.argv):
        own = [word for word in context.argv if word.partition(":=")[0] not in LAUNCHS_OWN]
        split(own)  # launch itself would ignore a misspelt name
    asked = read(context.launch_configurations)
    prefix = None if "launch-prefix" in context.launch_configurations else ENDS_WITH_PARENT
    return [
        Node(
            package=process.package,
            executable=process.executable,
            exec_name=process.executable,
            arguments=[*process.arguments],
            ros_arguments=[*process.ros_arguments],
            namespace=asked.options.namespace or None,
            additional_env=LOOPBACK,
            prefix=prefix,
            output="screen",
            on_exit=end_if_refused if process.guest else end,
            respawn=process.respawn,
            respawn_delay=RESPAWN_S,
        )
        for process in asked.processes()
    ]


def end(event: ProcessExited, context: LaunchContext) -> list[Any]:
    """Shut down when the run is over; an exit status other than 0 is a failure of the launch."""
    if context.is_shutdown:
        return []
    if event.returncode:
        raise RuntimeError(f"{event.process_name} ended with exit status {event.returncode}")
    return [Shutdown(reason=f"{event.process_name} ended")]


def end_if_refused(event: ProcessExited, context: LaunchContext) -> list[Any]:
    """The run goes on without a guest, but not without what was asked for wrongly."""
    return end(event, context) if event.returncode == REFUSED else []


RESPAWN_S = 1.0

REFUSED = 2
"""Exit status of a node that does not take its parameters: another try would end the same way."""

LOOPBACK = {
    "ROS_AUTOMATIC_DISCOVERY_RANGE": os.environ.get("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
}
"""No network beyond this machine, unless the user says otherwise."""

ENDS_WITH_PARENT = "setpriv --pdeathsig TERM" if shutil.which("setpriv") else None
"""A launch that is killed cannot end its processes: the kernel does (Linux)."""
