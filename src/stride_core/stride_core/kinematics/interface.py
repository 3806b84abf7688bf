"""What the rest of stride knows of a leg."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from stride_core.arrays import BoolArray, FloatArray


@dataclass(frozen=True, eq=False)
class IkSolution:
    """Joint angles for foot targets, and how good they are.

    Attributes:
        angles: (..., legs, joints of a leg) [rad], always finite and within the limits.
        feet: (..., legs, 3) the feet these angles give [m]: the target where it is reachable,
            otherwise the nearest reachable point; in hip frames.
        distance: (..., legs) from the target to `feet` [m]; 0 where reachable, inf where the
            target is not finite (the foot is then the stance's).
        reachable: (..., legs).
        measure: gives `margin`; it costs a third of the solution and few ask for it.
    """

    angles: FloatArray
    feet: FloatArray
    distance: FloatArray
    reachable: BoolArray
    measure: Callable[[], FloatArray]

    @cached_property
    def margin(self) -> FloatArray:
        """Distance (..., legs) [m] of `feet` from the nearest singularity or joint limit.

        0 where the target was not reachable.
        """
        return self.measure()


class LegKinematics(Protocol):
    """Kinematics of all the legs of a robot: pure, any leading dimensions, feet in hip frames.

    Angles are (..., legs, joints of a leg) [rad], feet (..., legs, 3) [m].
    """

    @property
    def passive_joints(self) -> tuple[str, ...]:
        """Names of a leg's passive joints, in the order of `passive`."""

    def forward(self, angles: FloatArray) -> FloatArray:
        """Return the feet (..., legs, 3) of joint angles."""

    def inverse(self, feet: FloatArray) -> IkSolution:
        """Return joint angles for foot targets; see `IkSolution`."""

    def jacobian(self, angles: FloatArray) -> FloatArray:
        """Return ∂feet/∂angles, (..., legs, 3, joints of a leg) [m/rad]."""

    def passive(self, angles: FloatArray) -> FloatArray:
        """Return the angles of the passive joints, (..., legs, passive joints) [rad]."""
