"""What a fall is: judged by what the legs were told, so that a robot of any size may sit down."""

from __future__ import annotations

import numpy as np
from stride_core.arrays import BoolArray, FloatArray
from stride_core.frames import tilt_angle
from stride_core.robot import RobotSpec
from stride_core.safety import Checks

from stride_sim.plant import Truth

FALL_TILT = Checks().tilt.limit
"""Beyond this [rad] the watchdog of a robot lets go of the motors."""

_DOWN, _UP = 0.5, 0.75
"""Shares of the commanded height: below the first the legs no longer carry the trunk; a robot that
was down is up again above the second."""


def commanded_height(spec: RobotSpec, joints: FloatArray, foot_radius: float) -> FloatArray:
    """Height (...) [m] of the trunk's origin above its lowest foot's sole, by joint targets.

    Args:
        spec: the robot.
        joints: (..., joints) targets [rad].
        foot_radius: the feet are spheres around the kinematics' foot points [m].
    """
    feet = spec.hips + spec.kinematics.forward(spec.legs_of(joints))
    height: FloatArray = foot_radius - feet[..., 2].min(-1)
    return height


def standing_height(truth: Truth) -> FloatArray:
    """Height (N,) [m] of the trunk's origin over the mean of the ground under it and its feet."""
    soles = truth.feet_world[..., 2] - truth.foot_radius
    under_feet = soles - truth.foot_clearance
    under_trunk = truth.position[:, 2] - truth.height
    ground = (under_feet.sum(-1) + under_trunk) / (under_feet.shape[-1] + 1)
    height: FloatArray = truth.position[:, 2] - ground
    return height


def fallen(truth: Truth, commanded: FloatArray, down: BoolArray) -> BoolArray:
    """Whether each robot (N,) is down: tilted beyond the watchdog's limit, or lower than its legs
    were told to hold it.

    The trunk's height is over the mean of the ground under it and under its feet: on a stair's edge
    neither of them alone says how high a robot stands.

    Args:
        truth: of N robots.
        commanded: (N,) `commanded_height` of the last targets [m].
        down: (N,) whether each was down before; it must then rise further to be up again.
    """
    low = standing_height(truth) < np.where(down, _UP, _DOWN) * commanded
    found: BoolArray = low | (tilt_angle(truth.quaternion) > FALL_TILT)
    return found
