"""The list of nodes: the one place that says what a run consists of.

The launch files and the composed runner read it, tests start the executables that it names, and
what it says of topics is compared with the running graph.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stride_bringup.options import Options, policy_folder


@dataclass(frozen=True)
class NodeSpec:
    """One node of a run.

    Attributes:
        name: in the graph; ``config/<robot>.yaml`` has its parameters under it.
        package, executable: what ``ros2 run`` starts.
        path: ``module:Class``, for the composed runner.
        hears: topics it subscribes to.
        may_hear: those that it subscribes to when it has to.
        tells: topics it publishes once a tick.
        latches: topics it publishes when they change, for late listeners too.
        parameters: on top of those of the YAML.
        alone: never composed: it must not share the control loop's process.
        guest: it looks on: the run goes on without it.
        expendable: in a process of its own: the robot walks on when it ends, and it is started
            again.
        members: nodes that share this one's process, which then is ``compose``.
        remap: ``from:=to`` for this node alone.
    """

    name: str
    package: str
    executable: str
    path: str
    hears: tuple[str, ...] = ()
    may_hear: tuple[str, ...] = ()
    tells: tuple[str, ...] = ()
    latches: tuple[str, ...] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)
    alone: bool = False
    guest: bool = False
    expendable: bool = False
    members: tuple[NodeSpec, ...] = ()
    remap: tuple[str, ...] = ()

    @property
    def topics(self) -> tuple[str, ...]:
        """All that it may have to do with."""
        return (*self.hears, *self.may_hear, *self.tells, *self.latches)


def sim_nodes(options: Options) -> list[NodeSpec]:
    """The simulated robot. The plant comes last: it starts once those before it listen."""
    others = [*control_nodes(options, watch_plant=False), *guests(options)]
    return [*others, _sim(options, others)]


def control_nodes(options: Options, watch_plant: bool) -> list[NodeSpec]:
    """The controller: the same for every plant.

    Args:
        options: of the run.
        watch_plant: whether a plant that falls silent is a fault; a simulation may pause.
    """
    robot = {"robot": options.robot, "servo": options.servo}
    asked = {
        "initial_command": "command",
        "stamped_cmd_vel": "stamped_cmd_vel",
        "gait.pattern": "gait",
    }
    gait = NodeSpec(
        *("gait", "stride_control", "gait_node", "stride_control.gait_node:GaitNode"),
        hears=("joint_states", "imu", "cmd_vel", "residual", "safety_status"),
        tells=("foot_targets",),
        parameters=robot | _told(options, asked) | _rates(options),
    )
    ik = NodeSpec(
        *("ik", "stride_control", "ik_node", "stride_control.ik_node:IkNode"),
        hears=("foot_targets", "residual"),
        tells=("joint_targets",),
        parameters=robot
        | {"expect_residual": options.has_policy, "residual_deadline": _deadline(options)},
    )
    safety = NodeSpec(
        *("safety", "stride_control", "safety_node", "stride_control.safety_node:SafetyNode"),
        hears=("joint_states", "imu", "joint_targets", "cmd_vel", "estop"),
        tells=("joint_commands", "safety_status"),
        parameters=robot | {"watch_plant": watch_plant, "stamped_cmd_vel": options.stamped},
    )
    scene = ("joint_states", "imu", "foot_targets")
    hearers = _hearers("residual", [gait, ik, safety, *guests(options)])
    policy = NodeSpec(
        *("policy", "stride_control", "policy_node", "stride_control.policy_node:PolicyNode"),
        hears=scene if options.has_policy else ("foot_targets",),
        may_hear=scene,
        tells=("residual",),
        latches=("policy_event",),
        parameters=robot | _policy(options) | {"listeners": hearers},
        expendable=True,
    )
    return [gait, policy, ik, safety]


_PATIENCE_S = 5.0
"""In lockstep a tick waits so long for a policy in another process before it goes on without it."""

_RATES_PATIENCE_S = 1.0
"""That tick's rates are on their way by then, or will never come."""

_SHARE = 0.4
"""In real time a tick waits for its policy during this share of its period."""


def _deadline(options: Options) -> float:
    """How long a tick waits for its residual [s], by the wall's clock."""
    if not options.pace:
        return _PATIENCE_S
    return max(_SHARE / (options.rate_hz * options.pace), _SHORTEST_S)


_SHORTEST_S = 0.0005


def _rates(options: Options) -> dict[str, Any]:
    """In lockstep the gait waits for the rates of the last tick; else it takes what is there."""
    patience = {"rates_deadline": _RATES_PATIENCE_S, "expect_residual": options.has_policy}
    return {} if options.pace else patience


def _policy(options: Options) -> dict[str, Any]:
    return {
        "policy": options.policy_name,
        "folder": str(policy_folder()),
        "memory": f"{options.folder}/policy" if options.folder else "",
        "rate_hz": options.rate_hz,
        "lockstep": not options.pace,
        "tick_deadline": _deadline(options),
        **options.residual_limit,
    }


def guests(options: Options) -> list[NodeSpec]:
    """Whoever watches: the robot walks without them."""
    recorder = NodeSpec(
        *("recorder", "stride_operator", "recorder_node"),
        "stride_operator.recorder_node:RecorderNode",
        hears=(EVERYTHING,),
        parameters={"output": options.record, "patience": _PATIENCE}
        | ({"summary": str(recorder_summary(options.summary))} if options.summary else {}),
    )
    viewer = NodeSpec(
        *("viewer", "stride_operator", "viewer_node", "stride_operator.viewer_node:ViewerNode"),
        alone=True,
        guest=True,
    )
    watched = not options.headless and not options.window
    return ([recorder] if options.record else []) + ([viewer] if watched else [])


def recorder_summary(summary: str) -> Path:
    """Where the recorder writes its counts: beside the figures of the run."""
    return Path(summary).with_suffix(".bag.json")


EVERYTHING = "*"
_PATIENCE = 60.0  # s: there will be a tick, however long the nodes of a busy machine take to start
_PLANT_OPTIONS = {
    "terrain": "terrain",
    "difficulty": "difficulty",
    "terrain_seed": "terrain_seed",
    "terrain_size": "terrain_size",
    "seed": "seed",
    "realtime_factor": "realtime_factor",
    "stop_after": "seconds",
    "camera_rate": "camera_rate",
    "film": "film",
    "window": "window",
    "live": "live",
    "summary": "summary",
}
_PLANT_TELLS = ("/clock", "/tf", "odom", "foot_contacts", "imu", "joint_states")
_PLANT_LATCHES = ("/tf_static", "robot_description", "terrain")


def _sim(options: Options, others: Sequence[NodeSpec]) -> NodeSpec:
    return NodeSpec(
        "sim",
        "stride_sim",
        "sim_node",
        "stride_sim.sim_node:SimNode",
        hears=("joint_commands",),
        tells=_PLANT_TELLS,
        latches=_PLANT_LATCHES,
        parameters={"robot": options.robot, "servo": options.servo}
        | _told(options, _PLANT_OPTIONS)
        | {"plant.rate_hz": options.rate_hz}
        | {"wait_for": listeners(others)},
    )


def _told(options: Options, names: Mapping[str, str]) -> dict[str, Any]:
    """Values of the parameters that override the YAML, by the options that they are named after."""
    told = {
        name: getattr(options, option) for name, option in names.items() if options.told(option)
    }
    return {n: list(map(float, v)) if isinstance(v, tuple) else v for n, v in told.items()}


def listeners(others: Sequence[NodeSpec]) -> list[str]:
    """``topic=subscribers`` of every topic of the graph: what must listen before the first tick.

    Args:
        others: the nodes of the list but the plant itself.
    """
    inside = [node for node in others if not node.alone]
    topics = [*_PLANT_TELLS, *(topic for node in inside for topic in node.tells), *_PLANT_LATCHES]
    return [f"{topic}={_hearers(topic, inside)}" for topic in topics]


def _hearers(topic: str, nodes: Sequence[NodeSpec]) -> int:
    return sum(not {topic, EVERYTHING}.isdisjoint(node.hears) for node in nodes if not node.alone)


def ros_arguments(node: NodeSpec, options: Options) -> list[str]:
    """``--ros-args …`` of a node: the same for a process of its own and within the composed one."""
    arguments = ["--ros-args"]
    for path in options.params_files():
        arguments += ["--params-file", str(path)]
    for name, value in node.parameters.items():
        arguments += ["-p", f"{name}:={json.dumps(value)}"]
    for member in node.members:
        for name, value in member.parameters.items():
            arguments += ["-p", f"{member.name}:{name}:={json.dumps(value)}"]
    for rule in node.remap:
        arguments += ["-r", rule]
    for rule in options.remap:
        if rule.partition(":=")[0] in node.topics:
            arguments += ["-r", rule]
    if options.namespace:
        arguments += ["-r", f"__ns:=/{options.namespace.strip('/')}"]
    return arguments


def check_remappings(nodes: Sequence[NodeSpec], options: Options) -> None:
    """Refuse a rule for a topic that no node has: ROS itself would ignore it.

    Raises:
        ValueError: one line.
    """
    known = sorted({t for n in nodes for t in n.topics} - {EVERYTHING})
    for rule in options.remap:
        topic, arrow, to = rule.partition(":=")
        if not arrow or not to or topic not in known:
            raise ValueError(
                f"remap: {rule!r}: expected TOPIC:=NAME with one of {', '.join(known)}"
            )
