"""The robot: ``ros2 launch stride_bringup hardware.launch.py port:=/dev/ttyACM0 vx:=0.1``.

``twin:=true`` has emulated servos instead. ``--show-args`` lists the arguments. The nodes are those
of ``stride_bringup.hardware``.
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
from stride_bringup.hardware_launch import arguments, processes, read
from stride_bringup.launch_support import LAUNCHS_OWN, split


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
        split(own, arguments())  # launch itself would ignore a misspelt name
    options = read(context.launch_configurations)
    prefix = None if "launch-prefix" in context.launch_configurations else ENDS_WITH_PARENT
    return [
        Node(
            package=process.package,
            executable=process.executable,
            exec_name=process.executable,
            arguments=[*process.arguments],
            ros_arguments=[*process.ros_arguments],
            namespace=options.namespace or None,
            additional_env=LOOPBACK,
            prefix=prefix,
            output="screen",
            on_exit=None if process.guest else end,
        )
        for process in processes(options)
    ]


def end(event: ProcessExited, context: LaunchContext) -> list[Any]:
    """Shut down when the run is over; the motors are damped by whoever is left."""
    if context.is_shutdown:
        return []
    if event.returncode:
        raise RuntimeError(f"{event.process_name} ended with exit status {event.returncode}")
    return [Shutdown(reason=f"{event.process_name} ended")]


LOOPBACK = {
    "ROS_AUTOMATIC_DISCOVERY_RANGE": os.environ.get("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
}
"""No network beyond this machine, unless the user says otherwise."""

ENDS_WITH_PARENT = "setpriv --pdeathsig TERM" if shutil.which("setpriv") else None
"""A launch that is killed cannot end its processes: the kernel does (Linux)."""
