"""What goes into the watchdog's decision, what comes out, and what it remembers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

from stride_core.arrays import BoolArray, FloatArray, IntArray
from stride_core.safety_config import AT

_TILT = AT["tilt"]


@dataclass(frozen=True)
class JointLimits:
    """Of the robot, ``(joints,)`` [rad], and the most torque of a servo [N·m]."""

    lower: FloatArray
    upper: FloatArray
    torque: float = math.inf


class Motors(NamedTuple):
    """What the motors' driver says of them, ``(...)`` each; NaN for what was never heard.

    Attributes:
        time: stamp of it [s].
        missing: how many do not answer.
        fault: error bits of all of them.
        locked: 1 while the driver obeys nobody.
        temperature: of the hottest [°C].
        voltage_low, voltage_high: the lowest and highest supply [V].
    """

    time: FloatArray
    missing: FloatArray
    fault: FloatArray
    locked: FloatArray
    temperature: FloatArray
    voltage_low: FloatArray
    voltage_high: FloatArray


class SafetyState(NamedTuple):
    """What the watchdog remembers.

    Attributes:
        mode: ``(...)`` of ``Mode``.
        latched: ``(...)`` bits of ``Reason`` that ended the motion.
        command: ``(..., joints)`` last position command [rad]; NaN while the motors are off.
        time: ``(...)`` of the last step [s].
        target_time: ``(...)`` stamp of the last usable target [s].
        since: ``(..., checks)`` when each check began to fail [s]; inf while it holds.
        stood: ``(...)`` when standing up began [s].
        position: ``(..., joints)`` of the tick before [rad].
        up: ``(..., 3)`` likewise.
        load: ``(..., joints)`` mean square of the motors' share of their torque.
    """

    mode: IntArray
    latched: IntArray
    command: FloatArray
    time: FloatArray
    target_time: FloatArray
    since: FloatArray
    stood: FloatArray
    position: FloatArray
    up: FloatArray
    load: FloatArray


class SafetyInputs(NamedTuple):
    """What is known now. What never came has the time -inf.

    The fields from ``imu_time`` on are None where this plant has no such thing, and then are not
    checked; where it has one that is silent, they are NaN or -inf, and fail.

    Attributes:
        target: ``(..., joints)`` wanted positions [rad].
        target_time: ``(...)`` its stamp [s].
        position: ``(..., joints)`` measured [rad].
        up: ``(..., 3)`` the world's vertical as a unit vector in the trunk's frame, from the IMU.
        state_time: ``(...)`` stamp of the joints' state [s], and of the IMU's if there is no
            ``imu_time``.
        estop: ``(...)`` an emergency stop is asked for.
        reset: ``(...)`` leaving DAMPING or ESTOP is asked for.
        imu_time: ``(...)`` stamp of the IMU's reading [s].
        velocity, effort: ``(..., joints)`` measured [rad/s], [N·m].
        gyro, accel: ``(..., 3)`` in the trunk's frame [rad/s], [m/s²].
        command_time: ``(...)`` stamp of the last cmd_vel [s].
        motors: what their driver says.
        lost: ``(...)`` nodes without a sign of life.
    """

    target: FloatArray
    target_time: FloatArray
    position: FloatArray
    up: FloatArray
    state_time: FloatArray
    estop: BoolArray
    reset: BoolArray
    imu_time: FloatArray | None = None
    velocity: FloatArray | None = None
    effort: FloatArray | None = None
    gyro: FloatArray | None = None
    accel: FloatArray | None = None
    command_time: FloatArray | None = None
    motors: Motors | None = None
    lost: FloatArray | None = None


class Decision(NamedTuple):
    """What the motors get.

    Attributes:
        command: ``(..., joints)`` [rad]; finite and within limits where ``powered``, else NaN.
        powered: ``(...)``; False means damping: no position command at all.
        action: ``(...)`` of ``Action``.
        reasons: ``(...)`` bits of ``Reason`` that hold now or are latched.
        torque: ``(...)`` share of the torque that the motors may use, 0 to 1.
        values: ``(..., checks)`` what was measured, in the order of ``Checks``.
        over: ``(...)`` how far the target lies beyond the joints' limits [rad].
        lag: ``(...)`` how far the command stays behind the target for the joints' speed [rad].
    """

    command: FloatArray
    powered: BoolArray
    action: IntArray
    reasons: IntArray
    torque: FloatArray
    values: FloatArray
    over: FloatArray
    lag: FloatArray

    @property
    def tilt(self) -> FloatArray:
        """``(...)`` [rad]; NaN when unknown."""
        tilt: FloatArray = self.values[..., _TILT]
        return tilt


class Explanation(NamedTuple):
    """One reason for people: what was measured, and the limit it was held against."""

    reason: str
    value: float
    limit: float
