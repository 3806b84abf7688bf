"""The motors' node, with servos that obey at once: what it says, whom it obeys, what it leaves."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy")

from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.node import Node
from rclpy.parameter import Parameter
from sensor_msgs.msg import JointState
from stride_control.messages import NANOSECONDS, stamp_ns, to_stamp
from stride_hardware.actuator_config import ActuatorConfig
from stride_hardware.actuator_node import ActuatorNode
from stride_hardware.calibration import save
from stride_hardware.driver import Power
from stride_hardware.emulator.bus import EmulatedBus
from stride_hardware.mock_bus import MockBus
from tests.graph.harness import Graph
from tests.hardware.parts import FILE, SPEC, TIMEOUT, calibration, on_a_port, robot_on_a_bus

from stride_msgs.msg import MotorStates

MS = NANOSECONDS // 1000


class Motors:
    """A node, and somebody who listens and commands."""

    def __init__(self, graph: Graph, folder: Path, **parameters: Any) -> None:
        path = folder / "mock.yaml"
        save(replace(calibration(), backend="mock"), path)
        self.state = folder / "state.json"
        values = {
            "calibration": str(path), "state_file": str(self.state), "driver.soft_start_time": 0.0,
            "driver.command_timeout": 0.5, "driver.damping_time": 0.1,
        } | parameters  # fmt: skip
        overrides = [Parameter(name, value=value) for name, value in values.items()]
        self.graph = graph
        self.node: ActuatorNode = graph.add(ActuatorNode, parameter_overrides=overrides)
        self.other = graph.add(Node, "other")
        self.states: list[JointState] = []
        self.healths: list[MotorStates] = []
        self.other.create_subscription(JointState, "joint_states", self.states.append, 50)
        self.other.create_subscription(MotorStates, "motor_states", self.healths.append, 50)
        self.out = self.other.create_publisher(JointState, "joint_commands", 50)
        graph.until(lambda: self.out.get_subscription_count())

    @property
    def driver(self) -> Any:
        return self.node._driver

    @property
    def bus(self) -> MockBus:
        bus = self.driver.bus
        assert isinstance(bus, MockBus)
        return bus

    def fresh(self) -> JointState:
        """The next joint state."""
        before = len(self.states)
        self.graph.until(lambda: len(self.states) > before)
        return self.states[-1]

    def command(self, position: Any = (), shift_ns: int = 0, names: Any = SPEC.joints) -> None:
        """Answer the next joint state."""
        stamp = stamp_ns(self.fresh().header.stamp) + shift_ns
        message = JointState(name=list(names), position=list(map(float, position)))
        message.header.stamp = to_stamp(stamp)
        self.out.publish(message)

    def until(self, condition: Callable[[], Any], *command: Any) -> None:
        """Go on commanding until something holds."""

        def step() -> bool:
            if command:
                self.command(*command)
            return bool(condition())

        self.graph.until(step)

    def following(self) -> Motors:
        self.command()
        self.until(lambda: self.driver.power == Power.OFF)
        self.until(lambda: self.driver.power == Power.FOLLOWING, SPEC.home)
        return self


@pytest.fixture
def motors(graph: Graph, tmp_path: Path) -> Motors:
    return Motors(graph, tmp_path)


def test_it_says_where_the_joints_are_and_how_the_motors_do(motors: Motors) -> None:
    state = motors.fresh()
    assert tuple(state.name) == SPEC.joints
    np.testing.assert_allclose(state.position, SPEC.home, atol=np.pi / 4096 * 1.01)
    assert len(state.velocity) == len(state.effort) == len(SPEC.joints)
    motors.graph.until(lambda: motors.healths)
    health = motors.healths[-1]
    assert all(health.online) and set(health.voltage) == {7.4}
    assert (health.power, health.cause) == ("locked", "start")


def test_it_obeys_after_it_was_told_no_torque_once(motors: Motors) -> None:
    for _ in range(3):
        motors.command(SPEC.home)
    motors.fresh()
    assert motors.driver.power == Power.LOCKED and not any(motors.bus.on.values())
    motors.following()
    target = SPEC.home + 0.1
    motors.until(lambda: np.allclose(motors.states[-1].position, target, atol=2e-3), target)
    assert all(motors.bus.on.values())


@pytest.mark.parametrize(
    ("shift", "names", "position"),
    [
        (-2000 * MS, SPEC.joints, SPEC.home), (500 * MS, SPEC.joints, SPEC.home),
        (0, [f"x{name}" for name in SPEC.joints], SPEC.home), (0, SPEC.joints, SPEC.home[:-1]),
        (0, SPEC.joints, np.full(12, np.nan)),
    ],
    ids=["old", "from the future", "other joints", "too short", "not finite"],
)  # fmt: skip
def test_what_it_cannot_obey_is_no_sign_of_life(
    motors: Motors, shift: int, names: Any, position: Any
) -> None:
    motors.following()
    before = dict(motors.bus.at)
    motors.until(lambda: motors.driver.power == Power.LOCKED, position, shift, names)
    assert motors.bus.at == before
    assert not any(motors.bus.on.values())
    cause = json.loads(motors.state.read_text())
    assert cause["state"] == "locked" and cause["cause"].startswith("no command for")


def test_a_second_publisher_of_commands_ends_the_torque(motors: Motors) -> None:
    motors.following()
    motors.other.create_publisher(JointState, "joint_commands", 10)
    motors.until(lambda: motors.driver.power == Power.LOCKED, SPEC.home)
    assert motors.driver.cause == "joint_commands has a second publisher"


def test_a_second_publisher_gives_no_torque_to_a_robot_that_was_stopped(motors: Motors) -> None:
    """As a simulation in the same domain: the watchdog says "no torque", it says positions."""
    motors.command()
    motors.until(lambda: motors.driver.power == Power.OFF)
    motors.bus.log.clear()
    second = motors.other.create_publisher(JointState, "joint_commands", 10)
    motors.graph.until(second.get_subscription_count)
    message = JointState(name=list(SPEC.joints), position=SPEC.home.tolist())
    for _ in range(30):
        motors.command()
        message.header.stamp = motors.fresh().header.stamp
        second.publish(message)
    assert "on" not in motors.bus.log and "goals" not in motors.bus.log
    assert motors.driver.cause == "joint_commands has a second publisher"
    motors.other.destroy_publisher(second)
    motors.until(lambda: motors.driver.power == Power.OFF, ())
    motors.following()


def test_the_effort_of_a_command_is_the_most_torque(motors: Motors) -> None:
    motors.following()
    message = JointState(name=list(SPEC.joints), position=SPEC.home.tolist())
    message.effort = [0.5 * SPEC.servo.stall_torque] * 12

    def weaker() -> bool:
        message.header.stamp = motors.fresh().header.stamp
        motors.out.publish(message)
        return all(share == pytest.approx(0.5) for share in motors.bus.strength.values())

    motors.graph.until(weaker)


def test_when_all_servos_fall_silent_nothing_old_is_said(motors: Motors) -> None:
    motors.following()
    motors.bus.silent |= set(motors.bus.at)
    said = len(motors.states)
    motors.graph.until(lambda: motors.driver.missing.all())
    assert len(motors.states) <= said + 1


def test_a_clock_that_was_set_back_is_obeyed_after_a_word_of_no_torque(motors: Motors) -> None:
    motors.following()
    motors.node._obeyed_ns += 3600 * NANOSECONDS
    motors.until(lambda: motors.driver.power == Power.LOCKED, SPEC.home)
    motors.following()


def test_it_is_a_lifecycle(graph: Graph, tmp_path: Path) -> None:
    motors = Motors(graph, tmp_path, autostart=False)
    success = TransitionCallbackReturn.SUCCESS
    assert motors.driver is None
    assert motors.node.trigger_configure() == success
    assert motors.node.trigger_activate() == success
    motors.following()
    bus = motors.bus
    assert motors.node.trigger_deactivate() == success
    assert not any(bus.on.values())
    assert motors.node.trigger_cleanup() == success
    assert motors.driver is None


def test_a_transition_that_the_state_has_not_is_refused(motors: Motors) -> None:
    client = motors.other.create_client(ChangeState, "actuator/change_state")
    assert client.wait_for_service(20.0)
    wrong = Transition(id=Transition.TRANSITION_CONFIGURE)
    asked = client.call_async(ChangeState.Request(transition=wrong))
    motors.graph.until(asked.done)
    assert not asked.result().success
    motors.following()


@pytest.fixture
def served(graph: Graph, tmp_path: Path) -> Iterator[tuple[Motors, EmulatedBus]]:
    """The node at a port, with a guard."""
    wire = robot_on_a_bus()
    with on_a_port(wire, tmp_path / "bus") as port:
        motors = Motors(
            graph, tmp_path, calibration=str(FILE), port=port, bus_timeout=TIMEOUT,
            autostart=False, guard_timeout=10.0, **{"driver.read_budget": 0.5},
        )  # fmt: skip
        assert motors.node.trigger_configure() == TransitionCallbackReturn.SUCCESS
        assert motors.node.trigger_activate() == TransitionCallbackReturn.SUCCESS
        yield motors, wire


def test_a_driver_that_rests_has_no_guard_that_would_take_it_for_hung(
    served: tuple[Motors, EmulatedBus],
) -> None:
    motors, wire = served
    for _ in range(2):
        assert motors.node._guard is not None and motors.node._guard.alive
        guard = motors.node._guard._process
        motors.following()
        assert motors.node.trigger_deactivate() == TransitionCallbackReturn.SUCCESS
        assert not any(servo.powered for servo in wire.servos)
        assert motors.node._guard is None and guard.poll() == 0
        assert motors.node.trigger_activate() == TransitionCallbackReturn.SUCCESS


def test_a_port_that_was_pulled_is_opened_again_and_the_torque_is_off(
    served: tuple[Motors, EmulatedBus], tmp_path: Path
) -> None:
    motors, wire = served
    motors.following()
    assert all(servo.powered for servo in wire.servos)
    with on_a_port(wire, tmp_path / "bus"):  # in place of the former, which ends
        motors.driver.bus.close()
        motors.graph.until(lambda: not any(servo.powered for servo in wire.servos))
        assert motors.driver.power == Power.LOCKED and "bus: " in motors.driver.cause
        motors.following()


def test_a_joint_beyond_its_limits_is_refused_before_anything_moves(
    graph: Graph, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = calibration()
    far = dict(zip(made.ids, made.counts(SPEC.home + 1.5).tolist(), strict=True))
    monkeypatch.setattr(ActuatorNode, "_make_bus", lambda self: MockBus(far))
    with pytest.raises(ValueError, match=r"FL_tilt: 1.50 rad: expected from -1.00 to 1.00"):
        Motors(graph, tmp_path)


def test_a_budget_in_which_one_servos_silence_costs_the_others_their_turn_is_refused() -> None:
    with pytest.raises(ValueError, match=r"read_budget: 0.006: expected at least bus_timeout, 0.0"):
        ActuatorConfig(bus_timeout=0.02)
