"""Leg kinematics: what every robot's legs offer, and which kind a robot's YAML names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from stride_core.arrays import FloatArray
from stride_core.config import ConfigError
from stride_core.kinematics.fivebar import FivebarKinematics
from stride_core.kinematics.interface import IkSolution, LegKinematics

__all__ = ["IkSolution", "LegKinematics", "kinds", "make_kinematics"]

_KINDS: dict[str, Callable[..., LegKinematics]] = {"fivebar": FivebarKinematics.build}


def kinds() -> tuple[str, ...]:
    """Names that a robot's YAML may give as `kinematics`."""
    return tuple(_KINDS)


def make_kinematics(
    kind: str,
    geometry: dict[str, Any],
    *,
    hips: FloatArray,
    lower: FloatArray,
    upper: FloatArray,
    stance: FloatArray,
    where: str,
) -> LegKinematics:
    """Build the kinematics of a robot's legs.

    Args:
        kind: one of `kinds()`.
        geometry: the mapping of that kind's own parameters.
        hips: (legs, 3) in the trunk frame [m].
        lower: (legs, joints of a leg) limits [rad].
        upper: likewise.
        stance: (legs, 3) nominal feet in hip frames [m].
        where: beginning of error messages.

    Raises:
        ConfigError: an unknown kind, or a geometry that does not make a leg.
    """
    if kind not in _KINDS:
        raise ConfigError(f"{where}: kinematics: {kind!r}: expected one of {', '.join(_KINDS)}")
    return _KINDS[kind](geometry, hips=hips, lower=lower, upper=upper, stance=stance, where=where)
