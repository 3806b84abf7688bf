"""What each of the watchdog's checks measures: one column of one array."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from stride_core.arrays import BoolArray, FloatArray, clip, every
from stride_core.safety_config import AT, NAMES, SafetyConfig
from stride_core.safety_records import JointLimits, Motors, SafetyInputs, SafetyState

GRAVITY = 9.81
_LOAD_TIME = 1.0
_FASTEST_TURN = 35.0
"""Of the trunk [rad/s]: beyond it an attitude has not turned, it has jumped."""

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


class Found(NamedTuple):
    """What one tick shows, ``(...)`` each.

    Attributes:
        values: ``(..., checks)`` in the order of ``Checks``.
        usable: the target is finite.
        target_time: stamp of the last usable target [s].
        elapsed: since the tick before [s], within what a target may be old.
        load: ``(..., joints)`` mean square of the motors' share of their torque; NaN where unknown.
    """

    values: FloatArray
    usable: BoolArray
    target_time: FloatArray
    elapsed: FloatArray
    load: FloatArray


def measure(
    config: SafetyConfig,
    limits: JointLimits,
    state: SafetyState,
    inputs: SafetyInputs,
    now: FloatArray,
) -> Found:
    """Measure; a value is -inf where there is nothing to check, and NaN where it is unknown."""
    lead = now.shape
    columns = np.empty((len(NAMES), *lead))
    columns.fill(-np.inf)
    gap = now - state.time
    elapsed = abs(gap)
    columns[_ESTOP] = inputs.estop
    columns[_CLOCK] = elapsed
    columns[_OVERRUN] = gap
    # a stamp from the future is as wrong as an old one
    columns[_STALE] = abs(now - inputs.state_time)
    if inputs.imu_time is not None:
        columns[_IMU] = abs(now - inputs.imu_time)
    since = clip(gap, 0.0, config.table.target_age)
    moved, usable, filtered = _joints(columns, limits, state, inputs, since)
    turned = _trunk(columns, state, inputs)
    fastest = config.checks.joint_speed.limit
    columns[_JUMP] = np.maximum(moved - fastest * elapsed, turned - _FASTEST_TURN * elapsed)
    if inputs.motors is not None:
        _motors(columns, inputs.motors, now)
    if inputs.lost is not None:
        columns[_LOST] = inputs.lost
    columns[_STANDING] = now - state.stood

    target_time = inputs.target_time
    if not every(usable):
        target_time = np.where(usable, target_time, state.target_time)
    columns[_USABLE] = ~usable
    columns[_FED] = columns[_LATE] = abs(now - target_time)
    if inputs.command_time is not None:
        columns[_COMMAND] = abs(now - inputs.command_time)
    values = np.moveaxis(columns, 0, -1) if lead else columns
    return Found(values, usable, target_time, since, filtered)


def _joints(
    columns: FloatArray,
    limits: JointLimits,
    state: SafetyState,
    inputs: SafetyInputs,
    elapsed: FloatArray,
) -> tuple[FloatArray, BoolArray, FloatArray]:
    """How far the joint that moved most did so [rad], whether the target is finite, and the load.

    The largest of each row is found for all rows at once.
    """
    position = inputs.position
    rows = np.empty((6, *position.shape))
    np.subtract(limits.lower, position, out=rows[0])
    np.subtract(position, limits.upper, out=rows[1])
    np.subtract(position, state.position, out=rows[2])
    rows[3] = 0.0 if inputs.velocity is None else inputs.velocity
    magnitudes = rows[2:4]
    np.abs(magnitudes, out=magnitudes)
    filtered = rows[4] = _load(limits.torque, state, inputs, elapsed)
    np.multiply(inputs.target, 0.0, out=rows[5])  # NaN for what is not finite
    worst = np.maximum.reduce(rows, axis=-1)
    columns[_HARD] = columns[_SOFT] = np.maximum(worst[0], worst[1])
    if inputs.velocity is not None:
        columns[_SPEED] = worst[3]
    if inputs.effort is not None:
        columns[_TORQUE] = worst[4]
    return worst[2], worst[5] == 0.0, filtered


def _load(
    torque: float, state: SafetyState, inputs: SafetyInputs, elapsed: FloatArray
) -> FloatArray:
    """Mean square of each motor's share of its torque, ``(..., joints)``, over about a second."""
    if inputs.effort is None:
        return state.load
    new = elapsed / (_LOAD_TIME + elapsed)
    if new.ndim:
        new = new[..., None]
    share: FloatArray = inputs.effort * inputs.effort
    share *= new / (torque * torque)
    share += state.load * (1.0 - new)
    return share


def _trunk(columns: FloatArray, state: SafetyState, inputs: SafetyInputs) -> FloatArray:
    """How far the vertical has moved in the trunk's frame: the chord [rad].

    The lengths of all vectors are found at once.
    """
    up = inputs.up
    vectors = np.zeros((4, *up.shape))
    vectors[0, ..., :2] = up[..., :2]
    np.subtract(up, state.up, out=vectors[1])
    if inputs.gyro is not None:
        vectors[2, ..., :2] = inputs.gyro[..., :2]
    if inputs.accel is not None:
        vectors[3] = inputs.accel
    vectors *= vectors
    length = np.sqrt(np.add.reduce(vectors, axis=-1))
    z = up[..., 2]
    columns[_TILT] = columns[_FALL] = np.arctan2(length[0], z)
    columns[_FINITE] = 0.0 * (columns[_HARD] + length[0] + z)  # NaN for whatever is not finite
    if inputs.gyro is not None:
        columns[_TURN] = length[2]
    if inputs.accel is not None:
        columns[_WEIGHT] = 1.0 - length[3] / GRAVITY
    return length[1]


def _motors(columns: FloatArray, motors: Motors, now: FloatArray) -> None:
    columns[_MISSING] = motors.missing
    columns[_FAULT] = motors.fault
    columns[_LOCKED] = motors.locked
    columns[_SILENT] = np.abs(now - motors.time)
    columns[_HOT] = columns[_WARM] = motors.temperature
    columns[_LOW] = -motors.voltage_low
    columns[_HIGH] = motors.voltage_high


def derated(config: SafetyConfig, values: FloatArray) -> FloatArray:
    """Share of the torque left: all below the first limit, ``derated_torque`` at the second."""
    low, span = config.table.derating
    share = (values[..., _WARM] - low) / span
    left: FloatArray = 1.0 - (1.0 - config.derated_torque) * clip(share, 0.0, 1.0)
    return left
