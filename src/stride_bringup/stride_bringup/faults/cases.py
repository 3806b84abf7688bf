"""The table of faults: what goes wrong, and what must come of it."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from time import monotonic
from typing import Any

from stride_bringup.faults.spoil import (
    INF,
    NAN,
    changed,
    delayed,
    doubled,
    dropped,
    imu,
    joint,
    noisy,
    only,
    renamed,
    shifted,
    short,
    swapped,
)
from stride_bringup.faults.stage import Mutate, Stage

TICK = 0.01
UPSTREAM = 0.2 + 0.3
"""The driver's timeout, and the time over which its torque then falls [s]."""
GUARD = 0.4 + 0.3
"""The guard's timeout, and the time over which the torque then falls [s]."""

MISSING = 5 * (0.03 + 0.02)
"""Five readings that each use up the twin's budget, and its timeout for one answer more [s]."""

Inject = Callable[[Stage], None]


@dataclass(frozen=True)
class Case:
    """One fault.

    Attributes:
        group: of the table.
        name: what goes wrong.
        inject: makes it happen.
        reason: that the watchdog must name; "" where it need not, and "driver" or "guard" where
            those beside the motors must.
        ends: whether the motors must be without torque in the end; else the robot goes on.
        within: from the fault to the motors without torque [s], by the thresholds in force; to the
            reason, where the robot goes on.
        breaks: a process is gone, and the next case needs a new stage.
    """

    group: str
    name: str
    inject: Inject
    reason: str
    ends: bool
    within: float
    breaks: bool = False


def _wire(topic: str, mutate: Mutate | Callable[[], Mutate]) -> Inject:
    def inject(stage: Stage) -> None:
        stage.wires[topic] = mutate() if mutate is swapped else mutate  # type: ignore[assignment]

    return inject


def _late(topic: str, seconds: float) -> Inject:
    def inject(stage: Stage) -> None:
        stage.wires[topic] = delayed(stage, topic, seconds)

    return inject


def _clock(seconds: float) -> Inject:
    def inject(stage: Stage) -> None:
        for topic in ("joint_states", "imu"):
            stage.wires[topic] = shifted(seconds)

    return inject


def _twin(**what: Any) -> Inject:
    return lambda stage: stage.fault(**what)


def _signal(signum: int, *names: str) -> Inject:
    return lambda stage: stage.kill(*names, signum=signum)


def _second_voice(stage: Stage) -> None:
    from sensor_msgs.msg import JointState

    stage.node.create_publisher(JointState, "relayed/joint_commands", 10)


def _jam(stage: Stage) -> None:
    """While it walks: a joint that is held where it rests has nothing to push against."""
    stage.fault(jam="[FL_shoulder_L]")
    for tenth in range(80):
        stage.later.append((monotonic() + 0.1 * tenth, lambda: stage.drive(0.15)))


def _deaf(stage: Stage) -> None:
    """One that hears nothing keeps its last goal: the others must let go."""
    stage.deaf = 1
    stage.fault(silent="[5]")


def _for(seconds: float, **what: Any) -> Inject:
    def inject(stage: Stage) -> None:
        stage.fault(**what)
        stage.later.append((monotonic() + seconds, stage.fault))

    return inject


def _brief_pull(seconds: float) -> Inject:
    return _for(seconds, pulled=True)


_brief_loss = _for(0.04, unplugged=True)


def _twist(vx: float) -> Inject:
    return lambda stage: stage.drive(vx)


def _effort(value: float) -> Mutate:
    def change(message: Any) -> None:
        for row in range(len(message.effort)):
            message.effort[row] = value

    return changed(change)


_STATE = partial(_wire, "joint_states")
_IMU = partial(_wire, "imu")
_TARGET = partial(_wire, "joint_targets")
_COMMAND = partial(_wire, "joint_commands")
_TWO = 2 * TICK

STATE = "joint states"
ATTITUDE = "IMU"
TARGETS = "targets"
COMMANDS = "commands to the driver"
REQUESTS = "requests"
PROCESSES = "processes"
BUS = "bus and motors"

CASES: tuple[Case, ...] = (
    Case(STATE, "position NaN", _STATE(joint("position", 3, NAN)), "STATE_NOT_FINITE", True, _TWO),
    Case(STATE, "position infinite", _STATE(joint("position", 0, INF)), "STATE_NOT_FINITE", True, _TWO),
    Case(STATE, "velocity NaN", _STATE(joint("velocity", 5, NAN)), "JOINT_SPEED", True, 0.05 + _TWO),
    Case(STATE, "effort NaN", _STATE(joint("effort", 5, NAN)), "TORQUE", True, 5.0 + _TWO),
    Case(STATE, "no messages", _STATE(dropped), "STATE_STALE", True, 0.15 + _TWO),
    Case(STATE, "150 ms late", _late("joint_states", 0.15), "STATE_STALE", True, 0.3 + _TWO),
    Case(STATE, "each three times", _STATE(doubled), "", False, 1.0),
    Case(STATE, "in pairs, swapped", _STATE(swapped), "", False, 1.0),
    Case(STATE, "other joint names", _STATE(renamed), "STATE_STALE", True, 0.15 + _TWO),
    Case(STATE, "a position too few", _STATE(short), "STATE_STALE", True, 0.15 + _TWO),
    Case(STATE, "one jump of 1 rad", _STATE(only(1, joint("position", 0, 1.0, True))), "STATE_JUMP", False, _TWO),
    Case(STATE, "jumps without end", _STATE(noisy("position", 0, 0.6)), "STATE_JUMP", True, 0.12 + _TWO),
    Case(STATE, "beyond a joint's end", _STATE(joint("position", 0, 1.3)), "JOINT_HARD_LIMIT", True, 0.06 + _TWO),
    Case(STATE, "20 rad/s", _STATE(joint("velocity", 1, 20.0)), "JOINT_SPEED", True, 0.06 + _TWO),
    Case(STATE, "clock 10 s ahead", _clock(10.0), "CLOCK_JUMP", True, _TWO),
    Case(STATE, "clock 10 s back", _clock(-10.0), "CLOCK_JUMP", True, _TWO),
    Case(STATE, "full torque for seconds", _STATE(_effort(0.8)), "TORQUE", True, 7.0),
    Case(ATTITUDE, "no messages", _IMU(dropped), "IMU_STALE", True, 0.12 + _TWO),
    Case(ATTITUDE, "200 ms late", _late("imu", 0.2), "IMU_STALE", True, 0.12 + _TWO),
    Case(ATTITUDE, "stamped 1 s ahead", _IMU(shifted(1.0)), "IMU_STALE", True, _TWO),
    Case(ATTITUDE, "orientation NaN", _twin(imu_nan=True), "STATE_NOT_FINITE", True, _TWO + TICK),
    Case(ATTITUDE, "orientation zero", _IMU(imu(orientation=(0.0, 0.0, 0.0, 0.0))), "STATE_NOT_FINITE", True, _TWO),
    Case(ATTITUDE, "70° of roll", _twin(imu_roll=1.22), "TILT", True, _TWO + TICK),
    Case(ATTITUDE, "upside down", _twin(imu_roll=3.14), "TILT", True, _TWO + TICK),
    Case(ATTITUDE, "50° of roll", _twin(imu_roll=0.87), "FALL", True, 0.32 + _TWO),
    Case(ATTITUDE, "gyro NaN", _IMU(imu(angular_velocity=(NAN, 0.0, 0.0))), "TILT_RATE", True, 0.06 + _TWO),
    Case(ATTITUDE, "15 rad/s about x", _IMU(imu(angular_velocity=(15.0, 0.0, 0.0))), "TILT_RATE", True, 0.06 + _TWO),
    Case(ATTITUDE, "weightless", _IMU(imu(linear_acceleration=(0.0, 0.0, 0.1))), "FREE_FALL", True, 0.16 + _TWO),
    Case(ATTITUDE, "acceleration NaN", _IMU(imu(linear_acceleration=(0.0, 0.0, NAN))), "FREE_FALL", True, 0.16 + _TWO),
    Case(TARGETS, "NaN", _TARGET(joint("position", 2, NAN)), "TARGET_NOT_FINITE", True, 0.22 + _TWO),
    Case(TARGETS, "infinite", _TARGET(joint("position", 2, INF)), "TARGET_NOT_FINITE", True, 0.22 + _TWO),
    Case(TARGETS, "one NaN", _TARGET(only(1, joint("position", 2, NAN))), "TARGET_NOT_FINITE", False, _TWO),
    Case(TARGETS, "no messages", _TARGET(dropped), "TARGET_STALE", True, 0.22 + _TWO),
    Case(TARGETS, "300 ms late", _late("joint_targets", 0.3), "TARGET_STALE", True, 0.22 + _TWO),
    Case(TARGETS, "80 ms late", _late("joint_targets", 0.08), "TARGET_LATE", False, 0.2),
    Case(TARGETS, "each three times", _TARGET(doubled), "", False, 1.0),
    Case(TARGETS, "in pairs, swapped", _TARGET(swapped), "", False, 1.0),
    Case(TARGETS, "other joint names", _TARGET(renamed), "TARGET_STALE", True, 0.22 + _TWO),
    Case(TARGETS, "a position too few", _TARGET(short), "TARGET_STALE", True, 0.22 + _TWO),
    Case(TARGETS, "stamped 1 s ahead", _TARGET(shifted(1.0)), "TARGET_STALE", True, 0.22 + _TWO),
    Case(TARGETS, "5 rad, beyond the joint", _TARGET(joint("position", 0, 5.0)), "POSITION_LIMIT", False, _TWO),
    Case(TARGETS, "to and fro by 0.4 rad", _TARGET(noisy("position", 0, 0.4)), "SPEED_LIMIT", False, _TWO),
    Case(COMMANDS, "no messages", _COMMAND(dropped), "driver", True, UPSTREAM + _TWO),
    Case(COMMANDS, "NaN", _COMMAND(joint("position", 4, NAN)), "driver", True, UPSTREAM + _TWO),
    Case(COMMANDS, "300 ms late", _late("joint_commands", 0.3), "driver", True, UPSTREAM + _TWO),
    Case(COMMANDS, "stamped 1 s ahead", _COMMAND(shifted(1.0)), "driver", True, UPSTREAM + _TWO),
    Case(COMMANDS, "other joint names", _COMMAND(renamed), "driver", True, UPSTREAM + _TWO),
    Case(COMMANDS, "5 rad, beyond the joint", _COMMAND(joint("position", 0, 5.0)), "", False, 1.0),
    Case(COMMANDS, "each three times", _COMMAND(doubled), "", False, 1.0),
    Case(COMMANDS, "in pairs, swapped", _COMMAND(swapped), "", False, 1.0),
    Case(COMMANDS, "a second publisher", _second_voice, "driver", True, 1.0 + 0.3, True),
    Case(REQUESTS, "emergency stop, service", lambda stage: (stage.call("estop"), None)[1], "EMERGENCY_STOP", True, 0.1),
    Case(REQUESTS, "emergency stop, topic", Stage.ask_stop, "EMERGENCY_STOP", True, _TWO),
    Case(REQUESTS, "cmd_vel NaN", _twist(NAN), "", False, 1.0),
    Case(REQUESTS, "cmd_vel 1e9 m/s", _twist(1e9), "", False, 1.0),
    Case(REQUESTS, "cmd_vel not repeated", _twist(0.1), "COMMAND_STALE", False, 1.2),
    Case(BUS, "a servo vanishes", _deaf, "STATE_NOT_FINITE", True, MISSING + _TWO),
    Case(BUS, "data line cut for 1 s", _brief_pull(1.0), "STATE_STALE", True, 1.3),
    Case(BUS, "chain unplugged, power too", _twin(unplugged=True), "STATE_STALE", True, 0.15 + _TWO),
    Case(BUS, "power lost for 40 ms", _brief_loss, "driver", True, 0.5),
    Case(BUS, "data line loose for 40 ms", _brief_pull(0.04), "", False, 1.0),
    Case(BUS, "a byte in 2000 corrupt", _twin(corrupt=0.0005), "", False, 1.0),
    Case(BUS, "a byte in 2000 lost", _twin(drop=0.0005), "", False, 1.0),
    Case(BUS, "a byte in 10 corrupt", _twin(corrupt=0.1), "STATE_STALE", True, 1.0),
    Case(BUS, "answers 5 ms late", _twin(delay=0.005), "", False, 1.0),
    Case(BUS, "motors at 62 °C", _twin(hot=62.0), "TEMPERATURE_HIGH", False, 0.5),
    Case(BUS, "motors at 69 °C", _twin(hot=69.0), "TEMPERATURE", True, 6.0),
    Case(BUS, "motors at 80 °C", _twin(hot=80.0), "MOTOR_FAULT", True, 1.0),
    Case(BUS, "battery 5.5 V", _twin(battery=5.5), "VOLTAGE_LOW", True, 7.5),
    Case(BUS, "battery 9.5 V", _twin(battery=9.5), "MOTOR_FAULT", True, 1.0),
    Case(BUS, "error bit: encoder", _twin(status=2), "MOTOR_FAULT", True, 1.0),
    Case(BUS, "a joint jams", _jam, "TORQUE", True, 8.0),
    Case(PROCESSES, "gait and ik killed", _signal(signal.SIGKILL, "control"), "TARGET_STALE", True, 0.22 + _TWO, True),
    Case(PROCESSES, "gait and ik stopped", _signal(signal.SIGSTOP, "control"), "TARGET_STALE", True, 0.22 + _TWO, True),
    Case(PROCESSES, "watchdog killed", _signal(signal.SIGKILL, "safety"), "driver", True, UPSTREAM + _TWO, True),
    Case(PROCESSES, "watchdog stopped", _signal(signal.SIGSTOP, "safety"), "driver", True, UPSTREAM + _TWO, True),
    Case(PROCESSES, "driver killed", _signal(signal.SIGKILL, "actuator"), "guard", True, 0.3 + 0.2, True),
    Case(PROCESSES, "driver stopped", _signal(signal.SIGSTOP, "actuator"), "guard", True, GUARD + 0.2, True),
    Case(PROCESSES, "driver asked to end", _signal(signal.SIGTERM, "actuator"), "driver", True, 1.0, True),
    Case(PROCESSES, "all but the driver killed", _signal(signal.SIGKILL, "control", "safety", "estimator"), "driver", True, UPSTREAM + _TWO, True),
    Case(PROCESSES, "estimator killed", _signal(signal.SIGKILL, "estimator"), "", False, 1.0, True),
    Case(PROCESSES, "guard killed", lambda stage: os.kill(stage.guard(), signal.SIGKILL), "", False, 1.0, True),
)  # fmt: skip
