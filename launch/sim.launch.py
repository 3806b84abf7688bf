"""The simulated robot: ``ros2 launch stride_bringup sim.launch.py terrain:=rough vx:=0.15``.

``--show-args`` lists the arguments. The nodes are those of ``stride_bringup.graph``.
"""

from __future__ import annotations

from launch import LaunchContext, LaunchDescription
from launch_ros.actions import Node
from stride_bringup.launch_actions import check_names, description, nodes
from stride_bringup.launch_support import arguments, read


def generate_launch_description() -> LaunchDescription:
    """Declare the arguments; start a process for each of what they ask for."""
    return description(arguments(), start)


def start(context: LaunchContext) -> list[Node]:
    """Make a Node action for each process. A wrong value is an error of one line."""
    check_names(__file__, context, arguments())
    asked = read(context.launch_configurations)
    return nodes(asked.processes(), asked.options.namespace, context)
