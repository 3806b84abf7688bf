"""What each of the watchdog's checks measures: one column of one array."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from stride_core.arrays import BoolArray, FloatArray, clip
from stride_core.safety_config import AT, NAMES, SafetyConfig

if TYPE_CHECKING:
    from stride_core.safety import JointLimits, Motors, SafetyInputs, SafetyState

GRAVITY = 9.81
_LOAD_TIME = 1.0
_FASTEST_TURN = 35.0
"""Of the trunk [rad/s]: beyond it an attitude has not turned, it has jumped."""
_LONGEST = 0.1

_ESTOP, _CLOCK, _OVERRUN = AT["emergency_stop"], AT["clock_jump"], AT["tick_overrun"]
_STALE, _IMU, _FINITE = AT["state_stale"], AT["imu_stale"], AT["state_not_finite"]
_TILT, _FALL, _TURN, _WEIGHT = AT["tilt"], AT["fall"], AT["tilt_rate"], AT["free_fall"]
_JUMP, _HARD, _SOFT = AT["state_jump"], AT["joint_hard_limit"], AT["joint_soft_limit"]
_SPEED, _TORQUE, _STANDING = AT["joint_speed"], AT["torque"], AT["standing_timeout"]
_USABLE, _FED, _LATE, _COMMAND = (
    AT[name] for name in ("target_not_finite", "target_stale", "target_late", "command_stale")
)
_MISSING, _FAULT, _SILENT = AT["motor_missing"], AT["motor_fault"], AT["motors_stale"]
_HOT, _WARM, _LOW, _HIGH = (
    AT[name] for name in ("temperature", "temperature_high", "voltage_low", "voltage_high")
)
_LOST, _LOCKED = AT["node_lost"], AT["motors_locked"]


class Measured(NamedTuple):
    """What the step has found out already.

    Attributes:
        usable: ``(...)`` the target is finite.
        target_time: ``(...)`` of the last usable target [s].
        load: ``(..., joints)`` mean square of the motors' share of their torque.
    """

    usable: BoolArray
    target_time: FloatArray
    load: FloatArray


def load(torque: float, state: SafetyState, inputs: SafetyInputs, now: FloatArray) -> FloatArray:
    """Mean square of each motor's share of its torque, ``(..., joints)``, over about a second."""
    if inputs.effort is None:
        return state.load
    share = inputs.effort / torque
    dt = clip(now - state.time, 0.0, _LONGEST)[..., None]
    filtered: FloatArray = state.load + (dt / _LOAD_TIME) * (share * share - state.load)
    return np.where(np.isfinite(filtered), filtered, state.load)


def measure(
    config: SafetyConfig,
    limits: JointLimits,
    state: SafetyState,
    inputs: SafetyInputs,
    measured: Measured,
    now: FloatArray,
) -> FloatArray:
    """Values ``(..., checks)``; -inf where there is nothing to check, NaN where it is unknown."""
    values = np.empty((*now.shape, len(NAMES)))
    values[...] = -np.inf
    position, up = inputs.position, inputs.up
    gap = now - state.time
    elapsed = np.abs(gap)
    values[..., _ESTOP] = inputs.estop
    values[..., _CLOCK] = elapsed
    values[..., _OVERRUN] = gap
    # a stamp from the future is as wrong as an old one
    values[..., _STALE] = np.abs(now - inputs.state_time)
    if inputs.imu_time is not None:
        values[..., _IMU] = np.abs(now - inputs.imu_time)
    values[..., _TILT] = values[..., _FALL] = np.arccos(clip(up[..., 2], -1.0, 1.0))

    rows = np.empty((*now.shape, 5, position.shape[-1]))
    rows[...] = -np.inf
    np.subtract(limits.lower, position, out=rows[..., 0, :])
    np.subtract(position, limits.upper, out=rows[..., 1, :])
    np.abs(position - state.position, out=rows[..., 2, :])
    if inputs.velocity is not None:
        np.abs(inputs.velocity, out=rows[..., 3, :])
    if inputs.effort is not None:
        rows[..., 4, :] = measured.load + 0.0 * inputs.effort  # unknown while that is
    worst = np.maximum.reduce(rows, axis=-1)
    beyond = np.maximum(worst[..., 0], worst[..., 1])
    moved = worst[..., 2]
    values[..., _HARD] = values[..., _SOFT] = beyond
    values[..., _SPEED], values[..., _TORQUE] = worst[..., 3], worst[..., 4]
    turned = np.maximum.reduce(np.abs(up - state.up), axis=-1)
    fastest = config.checks.joint_speed.limit
    values[..., _JUMP] = np.maximum(moved - fastest * elapsed, turned - _FASTEST_TURN * elapsed)
    # 0 · x is NaN for whatever is not finite
    values[..., _FINITE] = 0.0 * (beyond + np.add.reduce(up, axis=-1))
    if inputs.gyro is not None:
        gyro = inputs.gyro
        values[..., _TURN] = np.hypot(gyro[..., 0], gyro[..., 1])
    if inputs.accel is not None:
        force = np.sqrt(np.add.reduce(inputs.accel * inputs.accel, axis=-1))
        values[..., _WEIGHT] = 1.0 - force / GRAVITY
    if inputs.motors is not None:
        _motors(values, inputs.motors, now)
    if inputs.lost is not None:
        values[..., _LOST] = inputs.lost
    values[..., _STANDING] = now - state.stood

    values[..., _USABLE] = ~measured.usable
    values[..., _FED] = values[..., _LATE] = np.abs(now - measured.target_time)
    if inputs.command_time is not None:
        values[..., _COMMAND] = np.abs(now - inputs.command_time)
    return values


def _motors(values: FloatArray, motors: Motors, now: FloatArray) -> None:
    values[..., _MISSING] = motors.missing
    values[..., _FAULT] = motors.fault
    values[..., _LOCKED] = motors.locked
    values[..., _SILENT] = np.abs(now - motors.time)
    values[..., _HOT] = values[..., _WARM] = motors.temperature
    values[..., _LOW] = -motors.voltage_low
    values[..., _HIGH] = motors.voltage_high


def derated(config: SafetyConfig, values: FloatArray) -> FloatArray:
    """Share of the torque left: all below the first limit, ``derated_torque`` at the second."""
    low, span = config.table.derating
    share = (values[..., _WARM] - low) / span
    left: FloatArray = 1.0 - (1.0 - config.derated_torque) * clip(share, 0.0, 1.0)
    return left
