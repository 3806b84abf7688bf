"""Policies that change while the robot walks, through the whole graph."""

from __future__ import annotations

import math
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy")

import yaml
from onnx import helper
from rclpy.node import Node
from rclpy.serialization import deserialize_message
from stride_bringup.graph import ros_arguments, sim_nodes
from stride_bringup.options import Options, config_file
from stride_bringup.processes import executable
from stride_bringup.verify import ticks, verify
from stride_control.messages import NANOSECONDS, stamp_ns, to_stamp
from stride_control.policy.gate import GateConfig
from stride_control.policy.library import read_policy
from stride_control.policy.loading import Terms, load_policy
from stride_control.policy.runner import Bounds, Runner, Scene
from stride_control.scene_reader import SceneReader
from stride_core.arrays import FloatArray
from tests.graph.harness import FAST, Graph, stage
from tests.graph.watching import DEEP, LATCHED, Watcher, pause
from tests.policy.models import HIDDEN, ROBOT, model_of, write_policy
from tests.policy.untrained import FOLDER

from stride_msgs.msg import PolicyEvent, Residual
from stride_msgs.srv import SwapPolicy
from stride_operator import bag

TYPES: dict[str, Any] = {"/residual": Residual, "/policy_event": PolicyEvent}
PERIOD = 10_000_000  # ns
WALK = ("--vx", "0.15", "--terrain", "rough", "--record", "bag")


def shipped_statistics() -> Any:
    return read_policy(FOLDER / "policy.onnx")[1].normaliser


@pytest.fixture
def pair(tmp_path: Path) -> tuple[str, str]:
    """Two policies that move the feet by some millimetres, differently."""
    return policies(tmp_path, 100.0)


def policies(folder: Path, rate_hz: float) -> tuple[str, str]:
    how: dict[str, Any] = {"normaliser": shipped_statistics(), "hidden": HIDDEN, "gain": 0.1}
    one, two = (
        str(write_policy(folder / f"{seed}.onnx", seed=seed, rate_hz=rate_hz, **how))
        for seed in (1, 2)
    )
    return one, two


def config(folder: Path, **switch: float) -> str:
    """The robot's configuration with other times of the switch."""
    text = yaml.safe_load(config_file("fivebar").read_text("utf-8"))
    text["/**/policy"]["ros__parameters"]["switch"] = switch
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(text), "utf-8")
    return str(path)


class Onlooker:
    """A user who hears what happens.

    Attributes:
        now: stamp of the newest residual [ns].
    """

    def __init__(self, graph: Graph) -> None:
        self.node = graph.add(Node, "user")
        self.now = -1
        self._events: list[Any] = []
        self.node.create_subscription(Residual, "residual", self._on_residual, DEEP)
        self.node.create_subscription(PolicyEvent, "policy_event", self._events.append, LATCHED)

    def _on_residual(self, residual: Residual) -> None:
        self.now = stamp_ns(residual.header.stamp)

    def told(self, kind: int) -> int:
        """Stamp of the first event of a kind; 0 before it."""
        stamps = [stamp_ns(event.header.stamp) for event in self._events if event.kind == kind]
        return min(stamps, default=0)


def swap(graph: Graph, node: Node, name: str, wait: bool = True) -> Any:
    answer = graph.call(node, SwapPolicy, "policy/swap", policy=name, wait=wait)
    assert answer.success, answer.message
    return answer


def recorded(folder: Path) -> dict[str, list[Any]]:
    """Residuals and events of the bag."""
    found: dict[str, list[Any]] = defaultdict(list)
    for message in bag.read(folder / "bag"):
        if message.topic in TYPES:
            found[message.topic].append(deserialize_message(message.data, TYPES[message.topic]))
    return found


def offsets(residuals: Sequence[Any]) -> FloatArray:
    """(ticks, 12) [m]."""
    return np.array([residual.offset for residual in residuals])


def largest_step(values: FloatArray) -> float:
    """Of (ticks, 12), from tick to tick [m]."""
    return float(np.abs(np.diff(values, axis=0)).max())


def own_step(file: str, scenes: Sequence[Scene]) -> float:
    """The largest step of what a policy by itself would have said in these ticks."""
    runner = Runner(load_policy(Path(file), Terms(ROBOT, 100.0)))
    bounds = Bounds(GateConfig(), 100.0, 1.0, math.inf)
    return largest_step(np.array([runner.step(scene, bounds).offset.ravel() for scene in scenes]))


def test_ten_swaps_in_a_walk_in_lockstep(tmp_path: Path, pair: tuple[str, str]) -> None:
    times = config(tmp_path, shadow_time=0.3, fade_time=0.3, probation_time=0.5)
    with stage(tmp_path) as (processes, graph):
        run = processes.sim(*FAST, *WALK, "--policy", pair[0], "--config", times)
        user = Onlooker(graph)
        identities = [swap(graph, user.node, pair[(i + 1) % 2]).policy for i in range(10)]
        graph.until(lambda: user.now >= 30 * NANOSECONDS)
        run.process.terminate()
        assert run.wait() == 0, run.err
        report = run.report()
        found = recorded(tmp_path)
    assert (report["falls"], report["missed_ticks"]) == (0, 0)
    residuals, events = found["/residual"], found["/policy_event"]
    stamps = [stamp_ns(residual.header.stamp) for residual in residuals]
    assert stamps == [PERIOD * tick for tick in range(len(stamps))]
    assert len(stamps) >= 3000
    switched = [event for event in events if event.kind == PolicyEvent.SWITCHED]
    assert [event.policy for event in switched[1:]] == identities
    kinds = [event.kind for event in events]
    assert kinds.count(PolicyEvent.LOADED) == 10
    assert not {PolicyEvent.REFUSED, PolicyEvent.ROLLED_BACK, PolicyEvent.UNLOADED} & set(kinds)
    # each event is of the tick whose residual shows it
    by_stamp = dict(zip(stamps, residuals, strict=True))
    for event in switched:
        assert by_stamp[stamp_ns(event.header.stamp)].policy == event.policy
    # smoothstep's steepest slope is 1.5; between two values of at most the largest
    values, fade_ticks = offsets(residuals), 30
    scenes = [scene for scene, _ in ticks(tmp_path / "bag", SceneReader(ROBOT))]
    own = max(own_step(file, scenes) for file in pair)
    assert 0.0 < largest_step(values) <= own + 1.5 / fade_ticks * 2.0 * np.abs(values).max()
    # each answer in the bag is that of the policy it names, whatever took over from whom
    for file in pair:
        replayed = verify(load_policy(Path(file), Terms(ROBOT, 100.0)), tmp_path / "bag", ROBOT)
        assert replayed.observations > 10
        assert replayed.difference <= 1e-5


PERIOD_50, FADE_50 = 0.02, 4  # s, ticks


def fifty_swaps(folder: Path) -> tuple[dict[str, Any], dict[str, list[Any]]]:
    """The figures and the bag of a walk in real time, of 40 ms a tick."""
    folder.mkdir()
    pair = policies(folder, 50.0)
    times = config(folder, shadow_time=0.02, fade_time=PERIOD_50 * FADE_50, probation_time=0.04)
    with stage(folder) as (processes, graph):
        arguments = ("--headless", "--json", *WALK, "--policy", pair[0], "--config", times)
        run = processes.sim(*arguments, "--rate", "50", "--realtime-factor", "0.5")
        node = graph.add(Node, "user")
        for number in range(50):
            swap(graph, node, pair[(number + 1) % 2])
        run.process.terminate()
        assert run.wait() == 0, run.err
        return run.report(), recorded(folder)


def test_fifty_swaps_in_real_time(tmp_path: Path) -> None:
    """A busy machine misses ticks, but not those of the swaps before all others."""
    report, found = fifty_swaps(tmp_path / "run")
    assert report["falls"] == 0
    kinds = [event.kind for event in found["/policy_event"]]
    assert kinds.count(PolicyEvent.SWITCHED) == 51
    assert PolicyEvent.ROLLED_BACK not in kinds
    stamps = np.array([stamp_ns(residual.header.stamp) for residual in found["/residual"]])
    assert (np.diff(stamps) > 0).all()
    # behind a tick in which a policy is loaded or takes over, the next one is there as elsewhere
    number = np.round(stamps / (1e9 * PERIOD_50)).astype(int)
    followed = dict(zip(number[:-1], np.diff(number) == 1, strict=True))
    kinds_of = {PolicyEvent.LOADED, PolicyEvent.SWITCHED}
    swaps = {
        round(stamp_ns(event.header.stamp) / (1e9 * PERIOD_50))
        for event in found["/policy_event"]
        if event.kind in kinds_of
    }
    at_swaps = [well for tick, well in followed.items() if tick in swaps]
    others = [well for tick, well in followed.items() if tick not in swaps]
    assert len(at_swaps) >= 90
    assert np.mean(at_swaps) >= np.mean(others) - 0.5
    values = offsets(found["/residual"])
    assert 0.0 < np.abs(values).max() <= 0.02


def test_a_policy_that_tips_the_robot_over_is_taken_back(
    tmp_path: Path, pair: tuple[str, str]
) -> None:
    """Left feet up by 20 mm, right feet down: 40 mm over a track of 124 mm, some 18 degrees."""
    lift = np.array([[0.0, 0.0, 1.0 if leg.endswith("L") else -1.0] for leg in ROBOT.legs])
    still = {"zero": np.zeros((60, 12)), "lift": lift.ravel()}
    node_of = helper.make_node("Gemm", ["observation", "zero", "lift"], ["action"])
    tipping = str(
        write_policy(
            tmp_path / "tipping.onnx",
            model=model_of([node_of], still, 60, 12),
            normaliser=shipped_statistics(),
        )
    )
    times = config(tmp_path, probation_tilt=0.2, shadow_time=0.3, fade_time=0.5)
    with stage(tmp_path) as (processes, graph):
        run = processes.sim(*FAST, *WALK, "--policy", pair[0], "--config", times)
        user = Onlooker(graph)
        failed = swap(graph, user.node, tipping).policy
        back = graph.until(lambda: user.told(PolicyEvent.ROLLED_BACK))
        graph.until(lambda: user.now >= back + NANOSECONDS)
        run.process.terminate()
        assert run.wait() == 0, run.err
        report = run.report()
    assert report["falls"] == 0
    events = recorded(tmp_path)["/policy_event"]
    (event,) = [event for event in events if event.kind == PolicyEvent.ROLLED_BACK]
    assert (event.policy, event.previous) == (events[0].policy, failed)
    assert event.reason == "the trunk tilted beyond 0.2 rad in its probation"
    assert recorded(tmp_path)["/residual"][-1].policy == events[0].policy
    assert max(report["max_abs_roll_deg"], report["max_abs_pitch_deg"]) < 30.0


RUN: dict[str, Any] = {
    "record": "bag", "headless": True, "realtime_factor": 0.0, "command": (0.15, 0.0, 0.0),
}  # fmt: skip
OTHERS = f"""
import sys
from stride_bringup.composed import make_nodes
from stride_bringup.graph import sim_nodes
from stride_bringup.options import Options
from stride_control.executor import run
options = Options(**{RUN}, policy=sys.argv[1])
specs = [spec for spec in sim_nodes(options) if spec.name != "policy"]
sys.exit(run(lambda: make_nodes(specs, options)))
"""
"""All nodes but the policy's, in one process."""


RECORDED_LATER = 10
"""Ticks after those compared, in which the recorder hears the last of these."""


def walk_to(user: Watcher, tick: int) -> None:
    """Step until a tick has been published."""
    now = stamp_ns(user.ask_for(0).stamp) // PERIOD
    end = to_stamp(user.step(tick - now))
    assert end == to_stamp(tick * PERIOD)
    user.graph.until(lambda: user.ask_for(0).stamp == end)


def stepped_swap(folder: Path, pair: tuple[str, str]) -> dict[str, list[bytes]]:
    """Bytes of a run of which every tick is asked for, and in tick 40 another policy."""
    folder.mkdir()
    options = Options(**RUN, policy=pair[0])
    (policy,) = [spec for spec in sim_nodes(options) if spec.name == "policy"]
    with stage(folder) as (processes, graph):
        runs = [processes.start(sys.executable, "-c", OTHERS, pair[0])]
        user = Watcher(graph)
        assert pause(graph, user.node)  # before its first tick: it waits for the policy to listen
        runs.append(processes.start(*executable(policy), *ros_arguments(policy, options)))
        walk_to(user, 40)
        swap(graph, user.node, pair[1], wait=False)
        walk_to(user, 200 + RECORDED_LATER)
        for run in runs:
            run.process.terminate()
        assert [run.wait() for run in runs] == [0, 0], [run.err for run in runs]
    found: dict[str, list[bytes]] = defaultdict(list)
    for message in bag.read(folder / "bag"):
        if found[message.topic][-1:] != [message.data]:  # a tick that is repeated
            found[message.topic].append(message.data)
    return found


def test_the_same_swap_at_the_same_tick_is_the_same_bag(
    tmp_path: Path, pair: tuple[str, str]
) -> None:
    one = stepped_swap(tmp_path / "one", pair)
    two = stepped_swap(tmp_path / "two", pair)
    kinds = [deserialize_message(data, PolicyEvent).kind for data in one["/policy_event"]]
    assert kinds == [PolicyEvent.SWITCHED, PolicyEvent.LOADED, PolicyEvent.SWITCHED]
    assert one["/policy_event"] == two["/policy_event"]
    for topic in ("/residual", "/joint_commands", "/joint_states", "/odom"):
        assert min(len(one[topic]), len(two[topic])) >= 201
        assert one[topic][:201] == two[topic][:201], topic
