"""Where and how a robot stands at the start."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from stride_core.arrays import FloatArray
from stride_core.robot import RobotSpec

from stride_sim.errors import SimError
from stride_sim.ring import Indices
from stride_sim.terrain import Heightfield

CLEARANCE = 1e-4  # of the lowest foot above the ground at the start [m]


@dataclass(frozen=True, eq=False)
class Standing:
    """A pose in which a robot stands.

    Attributes:
        position: (3,) of the trunk in the world [m].
        rotation: (3, 3) trunk to world.
        joints: (joints,) [rad].
    """

    position: FloatArray
    rotation: FloatArray
    joints: FloatArray


def stand(
    spec: RobotSpec, ground: Heightfield, foot_radius: float, x: float, y: float, yaw: float
) -> Standing:
    """Stand with the trunk over x, y, parallel to the ground under the feet, each foot on it.

    The trunk takes the plane that fits the ground below the stance's feet best; each leg then
    lengthens or shortens until its foot touches, as far as it reaches. No foot is in the ground.

    Args:
        spec: the robot.
        ground: what it stands on.
        foot_radius: the feet are spheres around the kinematics' foot points [m].
        x: of the trunk's origin [m].
        y: likewise.
        yaw: heading [rad].
    """
    nominal = spec.hips + spec.stance
    heading = _turn_z(yaw)
    level = nominal @ heading.T
    resting = ground.support_at(x + level[:, 0], y + level[:, 1], foot_radius)
    slope = np.stack([level[:, 0], level[:, 1], np.ones(len(nominal))], axis=1)
    a, b, c = np.linalg.lstsq(slope, resting, rcond=None)[0]
    rotation = _align(np.array([-a, -b, 1.0])) @ heading
    position = np.array([x, y, c - nominal[:, 2].mean() / rotation[2, 2]])

    feet = position + nominal @ rotation.T
    feet[:, 2] = ground.support_at(feet[:, 0], feet[:, 1], foot_radius)
    solution = spec.kinematics.inverse((feet - position) @ rotation - spec.hips)
    feet = position + (solution.feet + spec.hips) @ rotation.T
    sunk = ground.support_at(feet[:, 0], feet[:, 1], foot_radius) - feet[:, 2]
    position[2] += sunk.max() + CLEARANCE  # lowers it too, if every leg fell short
    return Standing(position, rotation, spec.joints_of(solution.angles))


def _turn_z(yaw: float) -> FloatArray:
    c, s = np.cos(yaw), np.sin(yaw)
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])


def _align(normal: FloatArray) -> FloatArray:
    """The smallest rotation that turns +z into the direction of `normal` (3,), which points up."""
    n = normal / np.linalg.norm(normal)
    v = np.array([-n[1], n[0], 0.0])  # z × n
    cross = np.array([[0.0, -v[2], v[1]], [v[2], 0.0, -v[0]], [-v[1], v[0], 0.0]])
    rotation: FloatArray = np.eye(3) + cross + cross @ cross / (1.0 + n[2])
    return rotation


def poses_of(pose: ArrayLike | None, robots: int) -> FloatArray:
    """Poses, (robots, 3), as `Plant.reset` takes them."""
    poses = np.zeros((robots, 3))
    given = np.asarray(0.0 if pose is None else pose, float)
    if given.shape not in ((), (3,), (robots, 3)) or not np.isfinite(given).all():
        raise SimError(f"pose {pose!r}: expected x, y, yaw, once or for each of {robots} robots")
    poses[:] = given
    return poses


def seeds_of(seed: int | Sequence[int], robots: Indices) -> list[tuple[int, int]]:
    """Seeds of robots (n,), as `Plant.reset` takes them."""
    pairs = (
        [(int(seed), int(robot)) for robot in robots]
        if isinstance(seed, int | np.integer)
        else [(int(one), 0) for one in seed]
    )
    if len(pairs) != len(robots) or any(one < 0 for one, _ in pairs):
        raise SimError(f"seed {seed}: expected one number from 0, or {len(robots)} of them")
    return pairs
