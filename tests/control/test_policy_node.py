"""The policy's node: a tick in, a residual out, and another policy on request."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from threading import current_thread
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy")

from rclpy.parameter import Parameter
from sensor_msgs.msg import Imu, JointState
from stride_control.policy import loader
from stride_control.policy.library import PolicyError
from stride_control.policy.loading import load_policy
from stride_control.policy.shadow import Shadow
from stride_control.policy_node import PolicyNode
from stride_core.contract import Normaliser
from tests.control.surroundings import LATCHED, SPEC, Surroundings, tick_of
from tests.graph.harness import Graph
from tests.policy.broken import BROKEN, nan_where_it_stands
from tests.policy.models import write_policy

from stride_msgs.msg import FootTargets, PolicyEvent
from stride_msgs.srv import SwapPolicy

SHAPE = [0.085, 0.025, 0.4, 0.0, 0.0, 1.0]
QUICK = {
    "switch.shadow_time": 0.03,
    "switch.fade_time": 0.03,
    "switch.probation_time": 0.05,
    "switch.fault_limit": 3,
}


class Robot:
    """A policy node, and a robot around it that stands; its time goes on by ticks."""

    def __init__(self, graph: Graph, folder: Path, policy: str = "none", **parameters: Any) -> None:
        named = {"folder": str(folder), "policy": policy}
        given = {**named, "lockstep": True, **QUICK, **parameters}
        overrides = [Parameter(name, value=value) for name, value in given.items()]
        self.node: PolicyNode = graph.add(PolicyNode, parameter_overrides=overrides)
        says = {"joint_states": JointState, "imu": Imu, "foot_targets": FootTargets}
        self.around = Surroundings(graph, says, ("residual",))
        self.events: list[Any] = []
        self.around.node.create_subscription(
            PolicyEvent, "policy_event", self.events.append, LATCHED
        )
        if policy != "none":
            self.around.connected()
        self.tick = 0

    def say(self, topic: str, tick: int | None = None, **fields: Any) -> None:
        """One message of a tick; the present one if not given."""
        made: Any
        if topic == "imu":
            made = Imu()
            made.orientation.w = 1.0
        elif topic == "joint_states":
            made = JointState(name=list(SPEC.joints), position=SPEC.home.tolist())
            made.velocity = [0.0] * len(SPEC.joints)
        else:
            made = FootTargets(legs=list(SPEC.legs), gait="trot", mode="stand", shape=SHAPE)
            made.position = SPEC.stance.ravel().tolist()
            made.phase, made.swing = [0.0] * len(SPEC.legs), [False] * len(SPEC.legs)
            made.header.frame_id = "base_link"
        for name, value in fields.items():
            setattr(made, name, value)
        self.around.say(topic, made, self.tick if tick is None else tick)

    def go(self, ticks: int = 1) -> Any:
        """Whole ticks; the last residual, None if it was not heard."""
        for _ in range(ticks):
            listening = self.around.heard_by_all()
            for topic in ("imu", "joint_states", "foot_targets"):
                self.say(topic)
            self.around.graph.spin()
            self.around.graph.until(
                lambda: self._answers() or not (listening and self.around.heard_by_all())  # noqa: B023
            )
            self.tick += 1
        return next(iter(self._answers(self.tick - 1)), None)

    def _answers(self, tick: int | None = None) -> list[Any]:
        wanted = self.tick if tick is None else tick
        return [m for m in self.around.heard["residual"] if tick_of(m) == wanted]

    def swap(self, name: str, wait: bool = True) -> Any:
        """The service's answer; time goes on until it comes."""
        graph, node = self.around.graph, self.around.node
        client = node.create_client(SwapPolicy, "policy/swap")
        graph.until(client.service_is_ready)
        future = client.call_async(SwapPolicy.Request(policy=name, wait=wait))
        while not future.done():
            self.go()
        node.destroy_client(client)
        return future.result()

    def until_event(self, kind: int) -> Any:
        """The first event of a kind from now on; time goes on until it comes."""
        return self.event_after(len(self.events), kind)

    def event_after(self, seen: int, kind: int) -> Any:
        """The first event of a kind behind those seen; time goes on until it comes."""

        def found() -> Any:
            return next((e for e in self.events[seen:] if e.kind == kind), None)

        while not found():
            self.go()
        return found()

    def parameter(self) -> str:
        return str(self.node.get_parameter("policy").value)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Policies a and b."""
    for seed, name in enumerate("ab"):
        write_policy(tmp_path / name / "policy.onnx", seed=seed)
    return tmp_path


@pytest.fixture
def robot(graph: Graph, folder: Path) -> Iterator[Robot]:
    """Policy a is in charge."""
    yield Robot(graph, folder, policy="a")


def test_it_answers_a_tick_with_its_stamp_and_says_who_it_is(robot: Robot) -> None:
    residual = robot.go(3)
    assert tick_of(residual) == 2
    assert residual.header.frame_id == "base_link"
    assert list(residual.legs) == list(SPEC.legs)
    assert (residual.policy[:2], residual.strength) == ("a@", 1.0)
    assert 0.0 < np.abs(residual.offset).max() <= 0.02
    assert not residual.rates
    event = robot.events[0]
    assert (event.kind, event.policy, tick_of(event)) == (PolicyEvent.SWITCHED, residual.policy, 0)


def test_without_a_policy_it_hears_nothing_and_says_so_before(graph: Graph, folder: Path) -> None:
    robot = Robot(graph, folder)
    heard = robot.around.heard["residual"]
    robot.go(5)
    assert not robot.around.heard_by_all() and not heard
    assert robot.swap("a").success
    graph.until(lambda: robot.go() and heard[-1].policy)  # it answers each tick now
    assert robot.swap("none").success
    graph.until(lambda: robot.go() is None and not robot.around.heard_by_all())  # and gone
    assert not heard[-1].legs and not heard[-1].offset and not heard[-1].policy
    assert robot.swap("b").success
    assert graph.until(lambda: robot.go() and heard[-1].policy).startswith("b@")


@pytest.mark.parametrize("last", ["imu", "joint_states", "foot_targets"])
def test_a_tick_is_answered_when_its_last_message_comes(robot: Robot, last: str) -> None:
    robot.go()
    for topic in {"imu", "joint_states", "foot_targets"} - {last}:
        robot.say(topic)
    robot.say(last, tick=0)  # an old one is none of this tick's
    robot.say(last)
    assert robot.around.answer("residual", 1)
    assert [tick_of(m) for m in robot.around.heard["residual"]] in ([0, 1], [0, 0, 1])


def test_a_repeated_tick_gets_the_same_answer(robot: Robot) -> None:
    first = robot.go(2)
    for topic in ("imu", "joint_states", "foot_targets"):
        robot.say(topic, tick=1)
    heard = robot.around.heard["residual"]
    robot.around.graph.until(lambda: len(heard) == 3)
    assert heard[-1] == first
    robot.go()
    assert tick_of(heard[-1]) == 2


def test_an_imu_of_its_own_pace_is_believed_within_its_age(graph: Graph, folder: Path) -> None:
    robot = Robot(graph, folder, policy="a", imu_age=0.015)
    robot.say("imu")
    for tick in (0, 1):
        robot.say("joint_states", tick)
        robot.say("foot_targets", tick)
        assert robot.around.answer("residual", tick)
    robot.say("joint_states", 2)
    robot.say("foot_targets", 2)
    robot.say("imu", 1)
    assert robot.around.answer("residual", 2)


def test_a_tick_that_is_never_complete_is_counted_and_passed_over(robot: Robot) -> None:
    robot.go()
    robot.say("foot_targets", 1)
    robot.tick = 2
    robot.go()
    assert robot.node.counts["incomplete"] == 1


@pytest.mark.parametrize(
    ("topic", "fields", "words"),
    [
        ("joint_states", {"name": ["x"] * 12}, ("joints", "'x'")),
        ("joint_states", {"velocity": [0.0]}, ("joint_states.velocity", "expected 12")),
        ("foot_targets", {"shape": [1.0]}, ("foot_targets.shape", "expected 6")),
        ("foot_targets", {"phase": []}, ("foot_targets.phase", "expected 4")),
    ],
)
def test_what_does_not_fit_the_robot_is_said_once_and_is_no_tick(
    robot: Robot, topic: str, fields: dict[str, Any], words: tuple[str, ...]
) -> None:
    lines: list[str] = []
    robot.node.get_logger().warning = lines.append
    robot.go()
    for tick in (1, 2):
        for each in ("imu", "joint_states", "foot_targets"):
            robot.say(each, tick, **(fields if each == topic else {}))
    robot.tick = 3
    robot.go()
    (line,) = lines
    assert all(word in line for word in words), line


def test_an_attitude_that_nobody_knows_is_the_nominal_gait(robot: Robot) -> None:
    robot.go()
    unknown = [-1.0, *[0.0] * 8]  # REP-145
    robot.say("imu", 1, orientation_covariance=unknown)
    robot.say("joint_states", 1)
    robot.say("foot_targets", 1)
    assert list(robot.around.answer("residual", 1).offset) == [0.0] * 12
    robot.tick = 2
    assert robot.go(60).strength == 1.0


def test_in_another_gait_than_its_own_it_is_silent_and_that_is_said_once(robot: Robot) -> None:
    lines: list[str] = []
    robot.node.get_logger().warning = lines.append
    robot.go(2)
    for tick in range(2, 22):
        for topic in ("imu", "joint_states"):
            robot.say(topic, tick)
        robot.say("foot_targets", tick, gait="pace")
        residual = robot.around.answer("residual", tick)
    assert residual.strength == 0.0
    (line,) = lines
    assert "is for the gait trot, not pace" in line


# --- another policy -----------------------------------------------------------------------------


def test_a_swap_by_the_service(robot: Robot) -> None:
    robot.go(3)
    answer = robot.swap("b")
    assert (answer.success, answer.policy[:2]) == (True, "b@")
    assert "takes over" in answer.message
    robot.until_event(PolicyEvent.CONFIRMED)
    assert robot.go().policy == answer.policy
    assert [e.kind for e in robot.events] == [
        PolicyEvent.SWITCHED, PolicyEvent.LOADED, PolicyEvent.SWITCHED, PolicyEvent.CONFIRMED,
    ]  # fmt: skip
    assert robot.parameter() == "b"


def test_an_answer_that_does_not_wait_comes_while_time_stands_still(robot: Robot) -> None:
    robot.go(3)
    graph, node = robot.around.graph, robot.around.node
    answer = graph.call(node, SwapPolicy, "policy/swap", policy="b", wait=False)
    assert answer.success and "is loaded" in answer.message
    assert robot.go().policy.startswith("a@")
    robot.until_event(PolicyEvent.SWITCHED)


def test_a_swap_by_the_parameter_and_to_none(robot: Robot) -> None:
    robot.go(3)
    for name in ("b", "none"):
        (answer,) = robot.node.set_parameters([Parameter("policy", value=name)])
        assert answer.successful
        robot.until_event(PolicyEvent.SWITCHED)
        robot.go(5)
        assert robot.go().policy.partition("@")[0] == {"b": "b", "none": ""}[name]
        assert robot.parameter() == name


def test_a_parameter_that_names_nothing_is_refused_and_one_that_fails_is_taken_back(
    robot: Robot, folder: Path
) -> None:
    robot.go(3)
    (answer,) = robot.node.set_parameters([Parameter("policy", value="nosuch")])
    assert not answer.successful and "expected a path or one of a, b, none" in answer.reason
    (folder / "bad.onnx").write_bytes(b"no")
    assert robot.node.set_parameters([Parameter("policy", value="bad")])[0].successful
    assert "not an ONNX file" in robot.until_event(PolicyEvent.REFUSED).reason
    assert robot.parameter() == "a"
    assert robot.go().policy.startswith("a@")


def test_a_new_file_in_the_watched_folder_takes_over(
    graph: Graph, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stride_control.policy_node._LOOK_S", 0.05)
    watched = folder / "incoming"
    watched.mkdir()
    robot = Robot(graph, folder, policy="a", watch=str(watched))
    robot.go(3)
    file = write_policy(watched / "c.onnx", seed=7)
    assert "c@" in robot.until_event(PolicyEvent.SWITCHED).policy
    assert robot.parameter() == "incoming/c"
    assert file.exists()


def test_whatever_is_refused_leaves_the_running_policy_alone(
    graph: Graph, robot: Robot, folder: Path
) -> None:
    """Every broken file by the service of a walking robot: the reason, the event, the residual."""
    before = robot.go(3)
    cases = {what: (make(), words) for what, (make, words) in BROKEN.items()}
    cases["in the shadow run"] = (nan_where_it_stands(), ("shadow run: action nan",))
    for what, (data, words) in cases.items():
        file = folder / "bad.onnx"
        file.write_bytes(data)
        seen = len(robot.events)
        answer = robot.swap("bad")
        assert not answer.success, what
        assert all(word in answer.message for word in words), answer.message
        assert "\n" not in answer.message
        event = robot.event_after(seen, PolicyEvent.REFUSED)
        assert all(word in event.reason for word in words), event.reason
    missing = robot.swap("nosuch")
    assert not missing.success and "not there" in missing.message
    after = robot.go()
    assert (after.policy, after.strength) == (before.policy, 1.0)
    assert robot.node.counts["incomplete"] == 0
    stamps = [tick_of(m) for m in robot.around.heard["residual"]]
    assert stamps == list(range(robot.tick))


def test_a_policy_is_loaded_and_shadowed_off_the_control_thread(
    robot: Robot, monkeypatch: pytest.MonkeyPatch
) -> None:
    where: dict[str, list[str]] = {"load": [], "step": []}

    def noted(name: str, function: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            where[name].append(current_thread().name)
            return function(*args, **kwargs)

        return call

    monkeypatch.setattr(loader, "load_policy", noted("load", load_policy))
    monkeypatch.setattr(Shadow, "_step", noted("step", Shadow._step))
    robot.go(3)
    robot.swap("b")
    assert where == {"load": ["policy"], "step": ["policy"] * 3}
    assert current_thread().name != "policy"


def test_measured_times_are_in_the_answer_and_never_in_the_event(
    robot: Robot, folder: Path
) -> None:
    robot.go(3)
    (folder / "slow.onnx").write_bytes(BROKEN["slow"][0]())
    answer = robot.swap("slow")
    assert "(measured: " in answer.message
    assert "(measured: " not in robot.event_after(1, PolicyEvent.REFUSED).reason


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"policy": "nosuch"}, "'nosuch': not there"),
        ({"policy": "b", "rate_hz": 50.0}, "rate_hz: 100.0: expected 50.0"),
        ({"watch": "/nosuch"}, "watch: /nosuch: expected a folder"),
        ({"gate.strange": 1.0}, "strange: 1: expected more than familiar"),
    ],
)
def test_what_cannot_start_is_one_line(
    graph: Graph, folder: Path, parameters: dict[str, Any], words: str
) -> None:
    given = {"folder": str(folder), **parameters}
    overrides = [Parameter(name, value=value) for name, value in given.items()]
    with pytest.raises(ValueError, match=words) as caught:
        PolicyNode(context=graph.context, parameter_overrides=overrides)
    assert "\n" not in str(caught.value)
    assert issubclass(PolicyError, ValueError)


def test_thresholds_change_while_it_runs(graph: Graph, folder: Path) -> None:
    narrow = Normaliser((0.0,) * 60, (1.0,) * 60)
    write_policy(folder / "narrow.onnx", normaliser=narrow)
    robot = Robot(graph, folder, policy="narrow")
    residual = robot.go(3)
    assert (residual.novelty, residual.strength) == (1.0, 1.0)  # gravity, a stride of 1
    changed = [Parameter("gate.familiar", value=0.5), Parameter("gate.strange", value=1.5)]
    assert robot.node.set_parameters_atomically(changed).successful
    assert robot.go(20).strength == pytest.approx(0.5)


def test_how_a_policy_takes_over_may_be_changed_while_running(robot: Robot) -> None:
    robot.go()
    changed = [Parameter("switch.fade_time", value=0.1), Parameter("switch.shadow_time", value=0.0)]
    assert all(answer.successful for answer in robot.node.set_parameters(changed))
    assert robot.swap("b").success
    confirmed = robot.event_after(1, PolicyEvent.CONFIRMED)  # the first is of the start
    began = robot.event_after(1, PolicyEvent.SWITCHED)
    # the fade and the probation, in ticks of 10 ms
    assert tick_of(confirmed) - tick_of(began) == 10 + 5
