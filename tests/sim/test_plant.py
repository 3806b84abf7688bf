from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from stride_core.arrays import FloatArray
from stride_core.frames import quat_rotate, quat_rotate_inverse, roll_pitch_yaw
from stride_core.robot import RobotSpec
from stride_sim.plant import NoiseConfig, Plant, PlantConfig, Truth
from stride_sim.terrain import TerrainConfig, names

Trot = Callable[[float, float], FloatArray]
EXACT = NoiseConfig(scale=0.0)
WEIGHT = 0.799 * 9.81


def _exact(spec: RobotSpec, terrain: TerrainConfig | None = None, **config: float) -> Plant:
    return Plant(spec, PlantConfig(noise=EXACT, **config), terrain)  # type: ignore[arg-type]


def _stand(plant: Plant, ticks: int) -> Truth:
    for _ in range(ticks):
        plant.step()
    return plant.truth()


def test_it_stands_still_at_the_height_of_its_stance(spec: RobotSpec) -> None:
    plant = _exact(spec)
    begin = plant.truth()
    # hips 0.085 above the feet's centres and 0.0125 above the trunk's origin, feet of 6 mm
    assert begin.height == pytest.approx(0.085 + 0.006 - 0.0125, abs=2e-4)
    end = _stand(plant, 100)
    assert begin.height - end.height == pytest.approx(0.001, abs=0.001)  # the servos give a little
    assert np.abs(end.linear_velocity).max() < 1e-3
    assert np.abs(roll_pitch_yaw(end.quaternion)).max() < 1e-3
    assert end.foot_force.sum() == pytest.approx(WEIGHT, rel=0.01)
    assert end.foot_contact.all()
    assert end.foot_clearance == pytest.approx(0.0, abs=1e-3)


@settings(max_examples=30, deadline=None)
@given(
    name=st.sampled_from(names()),
    difficulty=st.floats(0.0, 1.0),
    x=st.floats(-4.5, 4.5),
    y=st.floats(-4.5, 4.5),
    yaw=st.floats(-3.2, 3.2),
)
def test_it_starts_standing_on_the_ground_wherever_it_is_put(
    spec: RobotSpec, name: str, difficulty: float, x: float, y: float, yaw: float
) -> None:
    plant = _exact(spec, TerrainConfig(name, difficulty))
    plant.reset(pose=(x, y, yaw))
    begin = plant.truth()
    assert begin.position[0, :2] == pytest.approx([x, y])
    assert begin.loop_gap == pytest.approx(0.0, abs=1e-9)
    contact = plant.robot_data().contact
    assert np.min(contact.dist, initial=0.0) > -1e-3  # nothing starts in the ground
    assert begin.foot_clearance.min() < 0.002  # and it does not start in the air
    settled = _stand(plant, 20)
    # a foot that starts on the very edge of a stair may slip off it
    assert abs(settled.position[0, 2] - begin.position[0, 2]) < 0.02
    assert not plant.diverged.any()
    heading = quat_rotate(begin.quaternion[0], np.array([1.0, 0.0, 0.0]))
    assert heading[:2] @ [np.cos(yaw), np.sin(yaw)] > 0.9


def test_on_a_slope_it_starts_in_its_stance_parallel_to_the_ground(spec: RobotSpec) -> None:
    plant = _exact(spec, TerrainConfig("slope", 0.75))
    for yaw in (0.0, 1.0, np.pi):
        plant.reset(pose=(0.3, 0.2, yaw))
        assert plant.sensors().position[0] == pytest.approx(spec.home, abs=0.005)
        up = quat_rotate(plant.truth().quaternion[0], np.array([0.0, 0.0, 1.0]))
        slope = np.arctan(0.75 * np.tan(np.radians(20.0)))
        assert up == pytest.approx([-np.sin(slope), 0.0, np.cos(slope)], abs=1e-3)


def test_on_level_ground_it_does_not_drop_when_it_starts(spec: RobotSpec) -> None:
    plant = _exact(spec, rate_hz=500.0)
    heights = [plant.truth().height[0]]
    for _ in range(250):
        plant.step()
        heights.append(plant.truth().height[0])
    assert heights[0] - min(heights) < 0.002
    assert plant.truth().loop_gap.max() < 5e-4


def test_in_a_wall_it_is_lifted_out(spec: RobotSpec, tmp_path: Path) -> None:
    path = tmp_path / "wall.png"
    grey = np.zeros((201, 201), np.uint8)
    grey[:, 98:103] = 255  # 40 mm thick, 0.2 m high, below the trunk, between the legs
    Image.fromarray(grey).save(path)
    plant = _exact(spec, TerrainConfig(str(path), size=(2.0, 2.0, 0.2)))
    assert np.min(plant.robot_data().contact.dist, initial=0.0) > -1e-3
    assert plant.truth().position[0, 2] > 0.2


@pytest.mark.parametrize("name", names())
def test_walking_keeps_the_loops_closed_and_the_feet_above_ground(
    spec: RobotSpec, trot: Trot, name: str
) -> None:
    plant = _exact(spec, TerrainConfig(name, 0.7), rate_hz=500.0)  # a tick is a physics step
    gaps, depths = [], []
    for tick in range(1500):
        if tick % 10 == 0:
            plant.command(trot(plant.time, 0.2))
        plant.step()
        gaps.append(plant.truth().loop_gap[0])
        depths.append(-np.min(plant.robot_data().contact.dist, initial=0.0))
    assert np.percentile(gaps, 99) < 5e-4
    assert max(depths) < 2e-3
    assert not plant.diverged.any()
    if name == "flat":
        assert plant.truth().position[0, 0] > 0.3  # it did walk: 0.6 m at most


def test_motors_off_it_sinks_and_pushes_with_no_torque_but_the_back_emf(spec: RobotSpec) -> None:
    plant = _exact(spec)
    plant.command(spec.home, False)
    lowest = _stand(plant, 100).height[0]
    assert lowest < 0.05
    sensors = plant.sensors()
    assert sensors.effort == pytest.approx(-spec.servo.damping * sensors.velocity)
    plant.command(spec.home, True)
    assert _stand(plant, 200).height[0] > 0.07  # and stands up again


def test_motors_off_is_what_a_model_without_gains_does(spec: RobotSpec) -> None:
    plant = _exact(spec, rate_hz=500.0)
    plant.command(spec.home, False)
    gone = _exact(spec, rate_hz=500.0)
    gone._batch.expand("actuator_gainprm")[:] = 0.0
    gone._batch.expand("actuator_biasprm")[:] = 0.0
    for _ in range(200):
        plant.step()
        gone.step()
    assert np.array_equal(plant.truth().position, gone.truth().position)


def test_one_robot_s_motors_are_off_alone(spec: RobotSpec) -> None:
    plant = Plant(spec, PlantConfig(noise=EXACT), robots=2, threads=1)
    plant.command(spec.home, [True, False])
    height = _stand(plant, 100).height
    assert height[0] > 0.07 > 0.05 > height[1]


def test_a_target_that_is_not_finite_switches_that_robot_s_motors_off(spec: RobotSpec) -> None:
    targets = np.tile(spec.home, (2, 1))
    targets[1, 3] = np.nan
    plant = Plant(spec, PlantConfig(noise=EXACT), robots=2, threads=1)
    plant.command(targets)
    height = _stand(plant, 100).height
    assert height[0] > 0.07 > 0.05 > height[1]
    assert not plant.diverged.any()


def test_truth_and_sensors_agree_with_each_other_and_with_their_derivatives(
    spec: RobotSpec, trot: Trot
) -> None:
    plant = _exact(spec, rate_hz=500.0)
    plant.reset(pose=(0.3, -0.2, 2.0))
    for tick in range(300):
        held = tick % 10 != 0
        if not held:
            plant.command(trot(plant.time, 0.2))
        before, sensed = plant.truth(), plant.sensors()
        plant.step()
        after = plant.truth()
        # semi-implicit Euler: the position moves with the new velocity
        velocity = quat_rotate(after.quaternion, after.linear_velocity)
        moved = (after.position - before.position) / plant.period
        assert moved == pytest.approx(velocity, abs=1e-9)
        # the accelerometer shows what the next step does, unless a new command comes between
        gained = velocity - quat_rotate(before.quaternion, before.linear_velocity)
        felt = quat_rotate_inverse(before.quaternion, gained / plant.period + [0, 0, 9.81])
        if held:
            assert sensed.accel == pytest.approx(felt, abs=0.5)
        assert sensed.gyro == pytest.approx(before.angular_velocity)
        assert np.abs((sensed.quaternion * before.quaternion).sum()) == pytest.approx(1.0)
        angles = spec.legs_of(sensed.position)
        feet = spec.hips + spec.kinematics.forward(angles)
        seen = quat_rotate_inverse(
            before.quaternion[:, None], before.feet_world - before.position[:, None]
        )
        assert seen == pytest.approx(feet, abs=1.5e-3)  # the loops' play
        elbows = spec.kinematics.passive(angles)
        assert before.passive.reshape(elbows.shape) == pytest.approx(elbows, abs=0.05)


def test_at_rest_the_accelerometer_shows_gravity_and_the_effort_holds_the_weight(
    spec: RobotSpec,
) -> None:
    plant = _exact(spec)
    _stand(plant, 150)
    sensors, truth = plant.sensors(), plant.truth()
    assert sensors.accel[0] == pytest.approx([0.0, 0.0, 9.81], abs=0.02)
    # Virtual work: J^T f = tau for each leg, but for the dry friction and the legs' own weight.
    jacobian = spec.kinematics.jacobian(spec.legs_of(sensors.position))[0]
    push = np.stack([np.array([0.0, 0.0, -force]) for force in truth.foot_force[0]])
    torque = np.einsum("lij,li->lj", jacobian, push)
    effort = spec.legs_of(sensors.effort)[0]
    assert np.abs(effort - torque).max() < spec.servo.friction + 0.03


def test_effort_is_limited_to_the_stall_torque(spec: RobotSpec) -> None:
    plant = _exact(spec)
    plant.command(np.full(12, 50.0))
    plant.step()
    sensors = plant.sensors()
    line = spec.servo.stall_torque - spec.servo.damping * sensors.velocity
    assert sensors.effort == pytest.approx(line)


def test_a_snapshot_stays_what_it_was(spec: RobotSpec, trot: Trot) -> None:
    plant = Plant(spec)
    truth, sensors = plant.truth(), plant.sensors()
    height, feet, seen = truth.height.copy(), truth.feet_world.copy(), sensors.position.copy()
    for _ in range(5):
        plant.command(trot(plant.time, 0.2))
        plant.step()
    assert np.array_equal(truth.height, height)
    assert np.array_equal(truth.feet_world, feet)
    assert np.array_equal(sensors.position, seen)
    assert not np.array_equal(plant.truth().feet_world, feet)


def test_the_imu_sits_where_the_robot_says(spec: RobotSpec) -> None:
    turned = dataclasses.replace(
        spec, imu=dataclasses.replace(spec.imu, rpy=np.array([0.0, 0.0, np.pi / 2]))
    )
    plant = _exact(turned)
    _stand(plant, 50)
    assert roll_pitch_yaw(plant.sensors().quaternion)[0, 2] == pytest.approx(np.pi / 2, abs=1e-3)
    assert roll_pitch_yaw(plant.truth().quaternion)[0, 2] == pytest.approx(0.0, abs=1e-3)


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"rate_hz": 60.0}, "rate_hz: 60"),
        ({"rate_hz": 1000.0}, "rate_hz: 1000"),
        ({"rate_hz": 50.0, "timestep": 0.003}, "rate_hz: 50"),
    ],
)
def test_a_rate_that_does_not_divide_the_physics_is_refused(
    config: dict[str, float], expected: str
) -> None:
    with pytest.raises(ValueError, match=expected) as raised:
        PlantConfig(**config)  # type: ignore[arg-type]
    assert "\n" not in str(raised.value)


def test_what_cannot_be_is_refused_in_one_line(spec: RobotSpec) -> None:
    plant = Plant(spec, robots=2, threads=1)
    for wrong, expected in (
        (lambda: Plant(spec, robots=0), "robots"),
        (lambda: Plant(spec, terrain=[TerrainConfig()] * 3, robots=2), "3 terrains"),
        (lambda: plant.reset(pose=(0.0, np.nan, 0.0)), "pose"),
        (lambda: plant.reset(pose=(0.0, 0.0)), "pose"),
        (lambda: plant.reset(ids=[2]), "robots"),
        (lambda: plant.reset(-1), "seed"),
        (lambda: plant.reset([1, 2, 3]), "seed"),
        (lambda: plant.set_terrain(TerrainConfig("moon")), "moon"),
    ):
        with pytest.raises(ValueError, match=expected) as raised:
            wrong()
        assert "\n" not in str(raised.value)
    plant.step()  # and the plant goes on
