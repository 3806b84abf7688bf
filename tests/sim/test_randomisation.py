from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from stride_core.arrays import FloatArray
from stride_core.config import ConfigError, from_mapping
from stride_core.robot import RobotSpec
from stride_sim.plant import NoiseConfig, Plant, PlantConfig, RandomisationConfig
from stride_sim.terrain import TerrainConfig

EVERYTHING = RandomisationConfig(
    friction=(0.3, 1.25), mass=(0.85, 1.15), payload=(0.0, 0.3), centre_of_mass=(-0.01, 0.01),
    strength=(0.8, 1.0), stiffness=(0.8, 1.2), derivative=(0.8, 1.2), damping=(0.8, 1.2),
    joint_friction=(0.5, 1.5), backlash=(0.5, 1.0), noise=(0.5, 2.0), action_delay=(0, 3),
    sensor_delay=(0, 3), push_force=(5.0, 15.0), push_interval=(0.1, 0.3),
)  # fmt: skip
POOL = [TerrainConfig("rough", 0.8, 3), TerrainConfig("flat"), TerrainConfig("slope", 0.3)]


def _plant(spec: RobotSpec, robots: int, threads: int = 1, **changes: object) -> Plant:
    random = dataclasses.replace(EVERYTHING, **changes)  # type: ignore[arg-type]
    config = PlantConfig(rate_hz=50.0, randomisation=random)
    return Plant(spec, config, robots=robots, threads=threads, pool=POOL)


def _walk(plant: Plant, ticks: int) -> FloatArray:
    """(ticks, N, columns) of a shuffle on the spot."""
    seen = []
    for tick in range(ticks):
        plant.command(plant.spec.home + 0.2 * np.sin(0.7 * tick + np.arange(len(plant.spec.home))))
        plant.step()
        truth, sensors = plant.truth(), plant.sensors()
        parts = [truth.position, truth.effort, truth.foot_force, truth.height[:, None],
                 sensors.position, sensors.gyro, plant.pushed, plant.domain]  # fmt: skip
        seen.append(np.concatenate(parts, axis=1))
    return np.stack(seen)


def test_a_randomised_robot_of_many_is_the_robot_alone(spec: RobotSpec) -> None:
    seeds, grounds = [5, 9, 2, 5], [1, 0, 2, 1]
    many = _plant(spec, 4, threads=2)
    many.reset(seeds, ground=grounds)
    _walk(many, 7)
    many.reset([seeds[1], seeds[3]], ids=[1, 3], ground=[grounds[1], grounds[3]])
    together = _walk(many, 40)
    for robot in (1, 3):
        alone = _plant(spec, 1)
        alone.reset([seeds[robot]], ground=grounds[robot])
        assert np.array_equal(_walk(alone, 40)[:, 0], together[:, robot])
    assert not np.array_equal(together[:, 1], together[:, 3])


def test_a_restored_moment_goes_on_as_it_did(spec: RobotSpec) -> None:
    plant = _plant(spec, 3)
    plant.reset([1, 2, 3], ground=[1, 2, 0])
    _walk(plant, 11)
    moment = plant.state()
    expected = _walk(plant, 15)
    plant.reset([7, 8, 9], ground=[0, 0, 2])
    _walk(plant, 4)
    plant.restore(moment)
    assert np.array_equal(_walk(plant, 15), expected)


def test_what_is_drawn_is_what_the_physics_has(spec: RobotSpec) -> None:
    plant = _plant(spec, 6)
    plant.reset(list(range(6)))
    nominal = plant.model
    masses, frictions = [], []
    for robot in range(6):
        model = plant.robot_model(robot)
        others = np.arange(nominal.nbody) != plant.index.base
        times = model.body_mass[others][1:] / nominal.body_mass[others][1:]
        assert ((times >= 0.85) & (times <= 1.15)).all()
        masses.append(model.body_mass.sum() / nominal.body_mass.sum())
        frictions.append(model.geom_friction[plant.index.foot_geom, 0])
        shift = model.body_ipos[plant.index.base] - nominal.body_ipos[plant.index.base]
        assert (np.abs(shift) <= 0.01).all() and shift.any()
        stall = model.actuator_forcerange[:, 1] / spec.servo.stall_torque
        assert ((stall >= 0.8) & (stall <= 1.0)).all()
        # derived constants followed: MuJoCo's own, from these masses
        assert model.body_subtreemass[0] == pytest.approx(model.body_mass.sum(), rel=1e-12)
    assert 1.0 < np.mean(masses) < 1.3
    assert np.ptp(np.array(frictions), axis=1).max() == 0.0  # of all feet alike
    assert np.ptp(frictions) > 0.1


def test_each_range_can_change_without_moving_the_others(spec: RobotSpec) -> None:
    one, other = _plant(spec, 2), _plant(spec, 2, mass=(), payload=())
    for plant in (one, other):
        plant.reset([3, 4])
    for robot in range(2):
        a, b = one.robot_model(robot), other.robot_model(robot)
        assert np.array_equal(a.geom_friction, b.geom_friction)
        assert np.array_equal(a.actuator_gainprm, b.actuator_gainprm)
        assert np.array_equal(b.body_mass, plant.model.body_mass)
        assert not np.array_equal(a.body_mass, b.body_mass)


def test_effort_is_what_the_weakened_servo_gives(spec: RobotSpec) -> None:
    """Against MuJoCo's own actuator force, and the back-EMF that is the joint's damping."""
    plant = _plant(spec, 3, push_force=(), backlash=())
    plant.reset([1, 2, 3])
    _walk(plant, 9)
    effort = plant.truth().effort
    for robot in range(3):
        data, model = plant.robot_data(robot), plant.robot_model(robot)
        dof = plant.index.joint_dof
        expected = (
            data.actuator_force[plant.index.actuator] - model.dof_damping[dof] * data.qvel[dof]
        )
        assert effort[robot] == pytest.approx(expected, abs=1e-9)


def test_backlash_holds_the_joint_until_the_play_is_used_up(spec: RobotSpec) -> None:
    quiet = PlantConfig(
        noise=NoiseConfig(scale=0.0), randomisation=RandomisationConfig(backlash=(1.0, 1.0))
    )
    plant = Plant(spec, quiet)
    half, home = spec.servo.backlash / 2, spec.home
    plant.command(home + 0.9 * half)
    plant.step()
    assert np.array_equal(plant.batch.ctrl[0, plant.index.actuator], home)
    plant.command(home + 3 * half)
    plant.step()
    assert plant.batch.ctrl[0, plant.index.actuator] == pytest.approx(home + 2 * half)
    plant.command(home + 2 * half)  # turning back: it stays
    plant.step()
    assert plant.batch.ctrl[0, plant.index.actuator] == pytest.approx(home + 2 * half)
    plant.command(home)
    plant.step()
    assert plant.batch.ctrl[0, plant.index.actuator] == pytest.approx(home + half)


def test_a_push_gives_the_impulse_it_says(spec: RobotSpec) -> None:
    """In the air, where momentum changes by nothing else along the horizontal."""
    random = RandomisationConfig(
        push_force=(8.0, 8.0), push_interval=(0.06, 0.06), push_duration=0.04
    )
    config = PlantConfig(rate_hz=50.0, noise=NoiseConfig(scale=0.0), randomisation=random)
    plant = Plant(spec, config)
    plant.reset([3])
    plant._qpos[0, 2] += 5.0
    plant._batch.forward()
    before = 0.0
    pushed = []
    for _ in range(7):
        plant.step()
        data, model = plant.robot_data(), plant.robot_model()
        momentum = (model.body_mass[:, None] * data.cvel[:, 3:5]).sum(0)  # per body about the com
        pushed.append(np.hypot(*plant.pushed[0]))
        before = float(np.hypot(*momentum))
    assert [round(force, 9) for force in pushed] == [0.0, 0.0, 0.0, 8.0, 8.0, 0.0, 0.0]
    assert before == pytest.approx(8.0 * 0.04, rel=0.05)


def test_one_motor_without_power_gives_its_back_emf_alone_and_then_works_again(
    spec: RobotSpec,
) -> None:
    random = RandomisationConfig(motor_off_interval=(0.1, 0.1), motor_off_duration=0.1)
    plant = Plant(spec, PlantConfig(rate_hz=50.0, randomisation=random), robots=2)
    plant.reset([1, 2])
    working = []
    for tick in range(16):
        plant.command(spec.home + 0.1 * np.sin(tick))
        plant.step()
        truth = plant.truth()
        bare = np.isclose(truth.effort, -spec.servo.damping * truth.joint_velocity, atol=1e-12)
        working.append((~bare).sum(-1))
        for robot in range(2):
            force = plant.robot_data(robot).actuator_force[plant.index.actuator]
            assert np.array_equal(force == 0.0, bare[robot])
    joints = len(spec.joints)
    expected = [joints] * 5 + [joints - 1] * 5 + [joints] * 5 + [joints - 1]
    assert np.array(working).T.tolist() == [expected, expected]


@pytest.mark.parametrize(
    "content, said",
    [
        ({"friction": [1.0, 0.5]}, "least and most"),
        ({"mass": [1.0]}, "least and most"),
        ({"action_delay": [0, 1.5]}, "whole ticks"),
        ({"frction": [0.3, 1.0]}, "did you mean friction"),
        ({"noise": [0.0, float("nan")]}, "finite"),
    ],
)  # fmt: skip
def test_mistakes_are_answered_in_one_line(content: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said) as error:
        from_mapping(RandomisationConfig, content, "plant.randomisation")
    assert "\n" not in str(error.value)
