"""The list of nodes: the one place that says what a run consists of.

The launch files and the composed runner read it, and tests start the executables that it names.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from stride_bringup.options import Options


SUBSCRIBERS = {
    "joint_states": 2,
    "imu": 1,
    "foot_targets": 1,
    "joint_targets": 1,
    "joint_commands": 1,
    "safety_status": 0,
    "odom": 0,
    "foot_contacts": 0,
    "/tf": 0,
}
"""How many nodes of the list listen to each topic of a tick: the first tick waits for them."""


@dataclass(frozen=True)
class NodeSpec:
    """One node of a run.

    Attributes:
        name: in the graph; ``config/<robot>.yaml`` has its parameters under it.
        package, executable: what ``ros2 run`` starts.
        path: ``module:Class``, for the composed runner.
        parameters: on top of those of the YAML.
        alone: never composed: it must not share the control loop's process.
    """

    name: str
    package: str
    executable: str
    path: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    alone: bool = False


def sim_nodes(options: Options) -> list[NodeSpec]:
    """The simulated robot: plant, gait, ik, safety, and whoever watches."""
    common = {"robot": options.robot, "servo": options.servo}
    nodes = [
        NodeSpec(
            "gait", "stride_control", "gait_node", "stride_control.gait_node:GaitNode",
            common
            | {"initial_command": list(options.command), "stamped_cmd_vel": options.stamped_cmd_vel}
            | ({"gait.pattern": options.gait} if options.gait else {}),
        ),
        NodeSpec("ik", "stride_control", "ik_node", "stride_control.ik_node:IkNode", common),
        NodeSpec(
            "safety", "stride_control", "safety_node", "stride_control.safety_node:SafetyNode",
            common | {"watch_plant": False},
        ),
    ]
    if options.record:
        nodes.append(
            NodeSpec(
                "recorder", "stride_operator", "recorder_node",
                "stride_operator.recorder_node:RecorderNode", {"output": options.record},
            )
        )
    if not options.headless and not options.window:
        nodes.append(
            NodeSpec(
                "viewer", "stride_operator", "viewer_node",
                "stride_operator.viewer_node:ViewerNode", alone=True,
            )
        )
    # The plant comes last: it starts the first tick as soon as those before it are there.
    nodes.append(_sim(options, common))
    return nodes


def _sim(options: Options, common: dict[str, Any]) -> NodeSpec:
    recorders = int(bool(options.record))
    wait_for = [f"{topic}={count + recorders}" for topic, count in SUBSCRIBERS.items()]
    parameters = common | {
        "plant.rate_hz": options.rate,
        "terrain": options.terrain,
        "difficulty": options.difficulty,
        "terrain_seed": options.terrain_seed,
        "seed": options.seed,
        "lockstep": options.lockstep,
        "realtime_factor": options.realtime_factor,
        "stop_after": options.seconds,
        "camera_rate": options.camera_rate,
        "film": options.film,
        "window": options.window,
        "live": options.live,
        "summary": options.summary,
        "wait_for": wait_for,
    }
    if options.terrain_size:
        parameters["terrain_size"] = list(options.terrain_size)
    return NodeSpec("sim", "stride_sim", "sim_node", "stride_sim.sim_node:SimNode", parameters)


def ros_arguments(node: NodeSpec, options: Options) -> list[str]:
    """``--ros-args …`` of a node: the same for a process of its own and within the composed one."""
    arguments = ["--ros-args"]
    for path in options.params_files():
        arguments += ["--params-file", str(path)]
    for name, value in node.parameters.items():
        arguments += ["-p", f"{name}:={json.dumps(value)}"]
    if options.namespace:
        arguments += ["-r", f"__ns:=/{options.namespace.strip('/')}"]
    return arguments
