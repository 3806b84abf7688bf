"""Attitude and speed of a robot that has nobody to tell it: from IMU, joints and the gait.

Pure and batched: state, readings and results are records of arrays with any leading dimensions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from stride_core.arrays import BoolArray, FloatArray
from stride_core.config import param
from stride_core.frames import quat_from_rpy, quat_multiply, quat_normalize, quat_rotate, up_in_body
from stride_core.robot import RobotSpec

GRAVITY = 9.81


@dataclass(frozen=True)
class EstimatorConfig:
    """Gains of the estimator."""

    attitude_gain: float = param(
        1.0, doc="how fast the accelerometer corrects the gyro", unit="1/s", min=0.0, max=50.0
    )
    bias_gain: float = param(
        0.05, doc="how fast the gyro's bias is learnt", unit="1/s²", min=0.0, max=5.0
    )
    contact_time: float = param(
        0.06, doc="a foot lags behind the gait by about this", unit="s", min=0.0, max=1.0
    )
    contact_share: float = param(
        0.65, doc="of that lag's way, from which on a foot counts as standing", min=0.0, max=1.0
    )
    speed_time: float = param(
        0.1, doc="time constant of the speed's filter", unit="s", min=0.0, max=5.0
    )


class EstimatorState(NamedTuple):
    """What the estimator remembers.

    Attributes:
        quaternion: ``(..., 4)`` x, y, z, w of the trunk; its yaw is the gyro's alone.
        bias: ``(..., 3)`` of the gyro [rad/s].
        velocity: ``(..., 3)`` of the trunk in its own frame [m/s].
        position: ``(..., 3)`` since the start, in the world [m].
        standing: ``(..., legs)`` share of the way from in the air (0) to on the ground (1).
        started: ``(...)`` whether the attitude has been set.
    """

    quaternion: FloatArray
    bias: FloatArray
    velocity: FloatArray
    position: FloatArray
    standing: FloatArray
    started: BoolArray


class Readings(NamedTuple):
    """Of one tick.

    Attributes:
        gyro: ``(..., 3)`` in the trunk's frame [rad/s].
        accel: ``(..., 3)`` specific force in the trunk's frame [m/s²].
        position, velocity: ``(..., joints)`` [rad], [rad/s].
        stance: ``(..., legs)`` feet that are meant to stand on the ground.
        orientation: ``(..., 4)`` of the trunk in the world, where an IMU fuses one itself; NaN or
            None: there is none.
    """

    gyro: FloatArray
    accel: FloatArray
    position: FloatArray
    velocity: FloatArray
    stance: BoolArray
    orientation: FloatArray | None = None


def initial(lead: tuple[int, ...], legs: int) -> EstimatorState:
    """Nothing known; ``lead`` are the leading dimensions."""
    quaternion = np.zeros((*lead, 4))
    quaternion[..., 3] = 1.0
    zeros = np.zeros((*lead, 3))
    standing = np.zeros((*lead, legs))
    return EstimatorState(quaternion, zeros, zeros, zeros, standing, np.zeros(lead, bool))


def step(
    robot: RobotSpec, config: EstimatorConfig, state: EstimatorState, now: Readings, dt: float
) -> EstimatorState:
    """Advance by ``dt`` [s]. What is not finite is left out: the estimate goes on without it."""
    quaternion, bias, started = _attitude(config, state, now, dt)
    if now.orientation is not None:
        fused = np.isfinite(now.orientation).all(axis=-1, keepdims=True)
        quaternion = np.where(fused, now.orientation, quaternion)
    gyro = np.where(np.isfinite(now.gyro), now.gyro - bias, 0.0)
    lag = dt / (config.contact_time + dt) if dt > 0.0 else 0.0
    standing = state.standing + lag * (now.stance - state.standing)
    contact = standing > config.contact_share
    measured = leg_velocity(robot, now, gyro, up_in_body(quaternion), contact)
    known = np.isfinite(measured).all(axis=-1, keepdims=True)
    share = dt / (config.speed_time + dt) if dt > 0.0 else 0.0
    goal = np.where(known, measured, state.velocity)
    velocity = state.velocity + share * (goal - state.velocity)
    position = state.position + quat_rotate(quaternion, velocity) * dt
    return EstimatorState(quaternion, bias, velocity, position, standing, started)


def _attitude(
    config: EstimatorConfig, state: EstimatorState, now: Readings, dt: float
) -> tuple[FloatArray, FloatArray, BoolArray]:
    """Complementary filter on SO(3) with a learnt bias of the gyro.

    R. Mahony, T. Hamel, J.-M. Pflimlin, "Nonlinear complementary filters on the special orthogonal
    group", IEEE Transactions on Automatic Control 53 (2008), eq. 48, with gravity alone. From the
    accelerometer is taken what going round a curve adds, ω × v, with the legs' v; the rest of the
    trunk's acceleration has no mean over a stride. So it is not scaled to unit length either: its
    mean is gravity, that of its directions is not.
    """
    length = np.sqrt((now.accel * now.accel).sum(axis=-1, keepdims=True))
    good = np.isfinite(length) & (length > 0.1 * GRAVITY)
    turning = np.where(np.isfinite(now.gyro), now.gyro - state.bias, 0.0)
    up = np.where(good, now.accel - np.cross(turning, state.velocity), 0.0) / GRAVITY
    started = state.started | good[..., 0]
    quaternion = np.where((state.started | ~good[..., 0])[..., None], state.quaternion, level(up))
    error = good * np.cross(up, up_in_body(quaternion))
    bias = state.bias - config.bias_gain * dt * error
    gyro = np.where(np.isfinite(now.gyro), now.gyro, bias)
    turn = (gyro - bias + config.attitude_gain * error) * (0.5 * dt)
    delta = np.concatenate([turn, np.ones_like(turn[..., :1])], axis=-1)
    return quat_normalize(quat_multiply(quaternion, delta)), bias, started


def level(up: FloatArray) -> FloatArray:
    """Attitude ``(..., 4)`` of yaw 0 in which the trunk sees the vertical ``up`` ``(..., 3)``."""
    roll = np.arctan2(up[..., 1], up[..., 2])
    pitch = np.arctan2(-up[..., 0], np.hypot(up[..., 1], up[..., 2]))
    return quat_from_rpy(np.stack([roll, pitch, np.zeros_like(roll)], axis=-1))


def leg_velocity(
    robot: RobotSpec, now: Readings, gyro: FloatArray, up: FloatArray, contact: BoolArray
) -> FloatArray:
    """Velocity of the trunk in its own frame ``(..., 3)`` [m/s] by the feet that stand.

    A foot is a ball of radius r around p. It rolls: the point that stands still is r below its
    centre, so 0 = v + ω × p + J q̇ + (ω + ω_leg) × (−r·up), where ω_leg is the turn of the line from
    the hip to the foot, d × J q̇ / |d|². Without the last term the speed comes out a share of about
    r/|d| too low. The mean is over the feet in contact; NaN where there is none.
    """
    angles, speeds = robot.legs_of(now.position), robot.legs_of(now.velocity)
    legs = robot.kinematics.forward(angles)
    feet = robot.hips + legs
    moving = (robot.kinematics.jacobian(angles) * speeds[..., None, :]).sum(axis=-1)
    turning = gyro[..., None, :]
    radius = float(robot.shapes.get("foot_radius", 0.0))
    length = np.maximum((legs * legs).sum(axis=-1, keepdims=True), 1e-6)
    rolling = turning + np.cross(legs, moving) / length
    below = np.cross(rolling, -radius * up[..., None, :])
    seen = -(moving + np.cross(turning, feet) + below)
    stance = contact[..., None] & np.isfinite(seen)
    count = stance.sum(axis=-2)
    total = np.where(stance, seen, 0.0).sum(axis=-2)
    mean: FloatArray = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return mean
