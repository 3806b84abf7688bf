"""The robot: ``ros2 launch stride_bringup hardware.launch.py port:=/dev/ttyACM0 vx:=0.1``.

``twin:=true`` has emulated servos instead. ``--show-args`` lists the arguments. The nodes are those
of ``stride_bringup.hardware``.
"""

from __future__ import annotations

from launch import LaunchContext, LaunchDescription
from launch_ros.actions import Node
from stride_bringup.hardware_launch import arguments, processes, read
from stride_bringup.launch_actions import check_names, description, nodes


def generate_launch_description() -> LaunchDescription:
    """Declare the arguments; start a process for each of what they ask for."""
    return description(arguments(), start)


def start(context: LaunchContext) -> list[Node]:
    """Make a Node action for each process. A wrong value is an error of one line."""
    check_names(__file__, context, arguments())
    options = read(context.launch_configurations)
    return nodes(processes(options), options.namespace, context)
