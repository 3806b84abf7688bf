"""Attitude and speed without ground truth, held against it: a minute on rough ground."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
from stride_bringup.options import calibration_file, config_file
from stride_core.arrays import FloatArray
from stride_core.attitude import ImuMount
from stride_core.control import load_controller
from stride_core.estimation import GRAVITY, EstimatorConfig, Readings
from stride_core.frames import (
    quat_conjugate,
    quat_from_rpy,
    quat_multiply,
    quat_rotate,
    quat_rotate_inverse,
    tilt_angle,
    up_in_body,
)
from stride_core.gait import GaitInputs, shape_array
from stride_core.robot import load_robot
from stride_sim.plant import Plant, PlantConfig
from stride_sim.rollout import read
from stride_sim.terrain import TerrainConfig

from stride_core import estimation

SPEC = load_robot("fivebar")
SUBTICKS = 2  # of the plant in a tick of control: the IMU averages over it, as its filter does
DT = 0.01


class Walk(NamedTuple):
    """Truth and estimate, (ticks, robots, …)."""

    tilt_error: FloatArray
    velocity: FloatArray
    estimate: FloatArray


def walk(commands: list[tuple[float, float, float]], seconds: float) -> Walk:
    n = len(commands)
    law = load_controller(SPEC, config_file(SPEC.name), calibration_file(SPEC))
    terrain = [TerrainConfig("rough", 0.5, seed) for seed in range(n)]
    plant = Plant(SPEC, PlantConfig(rate_hz=SUBTICKS / DT, timestep=0.0025), terrain, robots=n)
    plant.reset(3)
    inputs = GaitInputs(
        command=np.array(commands),
        shape=np.tile(shape_array(law.gait_config.shape), (n, 1)),
        pattern=np.zeros(n, np.int64),
        upright=np.ones(n, bool),
    )
    mount, state = ImuMount(SPEC.imu.rpy), law.initial(inputs)
    known = estimation.initial((n,), len(SPEC.legs))
    noise = np.random.default_rng(0)
    bias = noise.normal(0.0, 0.05, (n, 3))
    truth, errors, velocities, estimates = plant.truth(), [], [], []
    for tick in range(round(seconds / DT)):
        sensed = read(mount, plant.sensors(), plant.time)
        state, control = law.tick(
            state, sensed, inputs, np.zeros((n, len(SPEC.legs), 3)), DT if tick else 0.0
        )
        before = quat_rotate(truth.quaternion, truth.linear_velocity)
        gyro = np.zeros((n, 3))
        plant.command(control.decision.command, control.decision.powered)
        for _ in range(SUBTICKS):
            plant.step()
            sensors = plant.sensors()
            gyro += sensors.gyro / SUBTICKS
        truth = plant.truth()
        change = quat_rotate(truth.quaternion, truth.linear_velocity) - before
        force = quat_rotate_inverse(truth.quaternion, change / DT + (0.0, 0.0, GRAVITY))
        accel = force + bias + noise.normal(0.0, 0.05, (n, 3))
        now = Readings(gyro, accel, sensors.position, sensors.velocity, ~control.gait.swing)
        known = estimation.step(SPEC, EstimatorConfig(), known, now, DT)
        up, seen = up_in_body(truth.quaternion), up_in_body(known.quaternion)
        errors.append(np.arccos(np.clip((up * seen).sum(-1), -1.0, 1.0)))
        velocities.append(truth.linear_velocity)
        estimates.append(known.velocity)
    return Walk(np.array(errors), np.array(velocities), np.array(estimates))


def test_a_minute_on_rough_ground_against_the_truth() -> None:
    done = walk([(0.15, 0.0, 0.0), (0.2, 0.0, 0.0), (0.15, 0.0, 0.5)], 60.0)
    settled = slice(200, None)
    tilt = np.degrees(np.sqrt((done.tilt_error[settled] ** 2).mean(axis=0)))
    true, seen = (v[settled, :, 0].mean(axis=0) for v in (done.velocity, done.estimate))
    assert (true > 0.12).all()  # it did walk
    assert (tilt < 0.9).all(), tilt  # 1.0 in the curve, were ω × v not known
    assert (np.abs(seen / true - 1.0) < 0.10).all(), (seen, true)


def standing(orientation: FloatArray, gyro_bias: float = 0.0) -> Readings:
    """A robot that stands still in an attitude."""
    return Readings(
        gyro=np.full(3, gyro_bias),
        accel=GRAVITY * up_in_body(orientation),
        position=SPEC.home,
        velocity=np.zeros(12),
        stance=np.ones(4, bool),
    )


def test_it_begins_with_the_attitude_that_gravity_shows() -> None:
    turned = quat_from_rpy((0.4, -0.3, 0.0))
    state = estimation.step(
        SPEC, EstimatorConfig(), estimation.initial((), 4), standing(turned), DT
    )
    np.testing.assert_allclose(state.quaternion, turned, atol=1e-9)


def test_it_learns_the_gyros_bias() -> None:
    state, level = estimation.initial((), 4), np.array([0.0, 0.0, 0.0, 1.0])
    for _ in range(1500):
        state = estimation.step(SPEC, EstimatorConfig(), state, standing(level, 0.02), 10 * DT)
    np.testing.assert_allclose(state.bias[:2], 0.02, atol=1e-3)  # yaw is nowhere to be seen
    assert tilt_angle(state.quaternion) < 1e-3


def test_a_turn_is_followed() -> None:
    state, rate = estimation.initial((), 4), np.array([0.0, 0.0, 1.0])
    attitude = quat_from_rpy((0.2, 0.1, 0.0))
    state = estimation.step(SPEC, EstimatorConfig(), state, standing(attitude), DT)
    start = state.quaternion
    for _ in range(100):  # one radian about the trunk's z
        step = quat_from_rpy(rate * DT)
        attitude = quat_multiply(attitude, step)
        now = standing(attitude)._replace(gyro=rate)
        state = estimation.step(SPEC, EstimatorConfig(), state, now, DT)
    turned = quat_multiply(quat_conjugate(start), state.quaternion)
    np.testing.assert_allclose(turned, quat_from_rpy((0.0, 0.0, 1.0)), atol=2e-3)


@pytest.mark.parametrize("field", sorted(set(Readings._fields) - {"stance"}))
def test_what_is_not_finite_changes_nothing_for_good(field: str) -> None:
    level = np.array([0.0, 0.0, 0.0, 1.0])
    fine = standing(level)
    if field == "orientation":
        fine = fine._replace(orientation=level)
    state = estimation.initial((), 4)
    for tick in range(50):
        broken = fine._replace(**{field: np.full_like(getattr(fine, field), np.nan)})
        now = broken if tick % 5 == 1 else fine
        state = estimation.step(SPEC, EstimatorConfig(), state, now, DT)
        assert all(np.isfinite(part).all() for part in state)
    assert np.abs(state.velocity).max() < 1e-6


def test_a_pushed_robot_on_stiff_legs_has_the_speed_of_its_feet_in_reverse() -> None:
    # all feet go back with 0.1 m/s in the trunk's frame, so the trunk goes forward; it rolls on
    # balls of 6 mm under legs of 88 mm, which adds 6/88 (by hand: v = -ḋ (1 + r/|d|))
    jacobian = SPEC.kinematics.jacobian(SPEC.legs_of(SPEC.home))
    speeds = np.linalg.solve(jacobian, np.tile((-0.1, 0.0, 0.0), (4, 1))[..., None])[..., 0]
    now = standing(np.array([0.0, 0.0, 0.0, 1.0]))._replace(velocity=speeds.ravel())
    seen = estimation.leg_velocity(SPEC, now, np.zeros(3), np.array([0.0, 0.0, 1.0]), now.stance)
    legs = SPEC.stance
    share = 0.006 * -legs[0, 2] / (legs[0] ** 2).sum()
    np.testing.assert_allclose(seen, (0.1 * (1.0 + share), 0.0, 0.0), atol=1e-9)


def test_a_batch_is_its_rows() -> None:
    rng = np.random.default_rng(1)
    batch, single = estimation.initial((3,), 4), [estimation.initial((), 4) for _ in range(3)]
    for _ in range(30):
        now = Readings(
            rng.normal(0, 1, (3, 3)), rng.normal(0, 3, (3, 3)) + np.array((0, 0, GRAVITY)),
            SPEC.home + rng.normal(0, 0.1, (3, 12)), rng.normal(0, 1, (3, 12)),
            rng.random((3, 4)) < 0.6,
        )  # fmt: skip
        batch = estimation.step(SPEC, EstimatorConfig(), batch, now, DT)
        for i in range(3):
            row = Readings(*(f[i] for f in now[:5]))
            single[i] = estimation.step(SPEC, EstimatorConfig(), single[i], row, DT)
            for whole, part in zip(batch, single[i], strict=True):
                np.testing.assert_allclose(
                    np.array(whole[i], float), np.array(part, float), atol=1e-12
                )
