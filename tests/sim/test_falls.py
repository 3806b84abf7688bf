"""A fall is judged by what the legs were told, on any ground."""

from __future__ import annotations

import numpy as np
import pytest
from stride_core.arrays import FloatArray
from stride_core.robot import RobotSpec
from stride_sim.falls import commanded_height, fallen
from stride_sim.plant import Plant
from stride_sim.terrain import TerrainConfig

UP, DOWN = np.array([False]), np.array([True])


def held(plant: Plant, feet: FloatArray, motors: bool = True, ticks: int = 100) -> bool:
    """Whether a robot that holds its feet (legs, 3) in hip frames for a second counts as fallen."""
    spec = plant.spec
    target = spec.joints_of(spec.kinematics.inverse(feet).angles)[None]
    for _ in range(ticks):
        plant.command(target, motors)
        plant.step()
    truth = plant.truth()
    return bool(fallen(truth, commanded_height(spec, target, truth.foot_radius), UP)[0])


def test_the_commanded_height_is_what_the_robot_settles_at(spec: RobotSpec) -> None:
    for feet in (spec.stance, spec.sit):
        plant = Plant(spec)
        held(plant, feet)
        target = spec.joints_of(spec.kinematics.inverse(feet).angles)
        told = commanded_height(spec, target, plant.truth().foot_radius)
        # by hand: hips 12.5 mm up in the trunk, soles 6 mm under the foot points
        assert told == pytest.approx(-feet[:, 2].min() - 0.0125 + 0.006)
        assert plant.truth().height[0] == pytest.approx(float(told), abs=0.004)


@pytest.mark.parametrize("terrain", ["flat", "rough", "steps", "stairs"])
def test_standing_and_sitting_are_no_falls_and_letting_go_is_one(
    spec: RobotSpec, terrain: str
) -> None:
    ground = TerrainConfig(terrain, 0.5)
    assert not held(Plant(spec, terrain=ground), spec.stance)
    assert not held(Plant(spec, terrain=ground), spec.sit)
    assert held(Plant(spec, terrain=ground), spec.stance, motors=False)


def test_a_robot_on_its_side_has_fallen_whatever_its_height(spec: RobotSpec) -> None:
    plant = Plant(spec)
    qpos = plant._qpos
    for roll, expected in ((1.0, False), (1.1, True)):
        qpos[0, :3] = 0.0, 0.0, 1.0
        qpos[0, 3:7] = np.cos(roll / 2), np.sin(roll / 2), 0.0, 0.0
        assert fallen(plant.truth(), np.array([0.08]), UP)[0] == expected


def test_who_is_down_must_rise_further_to_be_up_again(spec: RobotSpec) -> None:
    truth = Plant(spec).truth()
    height = truth.height
    for share, from_up, from_down in ((0.45, True, True), (0.6, False, True), (0.8, False, False)):
        assert fallen(truth, height / share, UP)[0] == from_up
        assert fallen(truth, height / share, DOWN)[0] == from_down


def test_a_batch_is_judged_robot_by_robot(spec: RobotSpec) -> None:
    grounds = [TerrainConfig("rough", 1.0, 3), TerrainConfig(), TerrainConfig("waves", 1.0)]
    plant = Plant(spec, terrain=grounds, robots=3)
    truth, share = plant.truth(), np.array([1.0, 3.0, 1.0])
    told = np.array([0.08, 0.08, 0.08]) * share
    np.testing.assert_array_equal(fallen(truth, told, np.zeros(3, bool)), [False, True, False])
