"""What a policy was trained for, so that it is never run on anything else (promise 6).

The contract travels as JSON inside the ONNX file. Numbers keep their full precision: JSON holds the
shortest decimal that reads back as the same float64.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from stride_core.action import ActionConfig, ActionLayout
from stride_core.arrays import FloatArray
from stride_core.config import ConfigError, from_mapping, param
from stride_core.gait import PATTERNS
from stride_core.gait.config import SHAPE_PARTS
from stride_core.observation import Observation, Term
from stride_core.robot import RobotSpec

FORMAT = 2
"""Version of this record; a reader refuses another."""

METADATA_KEY = "stride.contract"
"""Of the ONNX file's metadata."""


class ContractError(ConfigError):
    """A policy must not run here; the message is one line that names what differs."""


@dataclass(frozen=True)
class Normaliser:
    """Of the observation, before the network: ``clip((x - mean) / std, ±clip)``.

    It is inside the network's file; here for the distance from what was seen in training.
    """

    mean: tuple[float, ...] = param()
    std: tuple[float, ...] = param(min=0.0)
    clip: float = param(10.0, min=1e-3)

    def __post_init__(self) -> None:
        if len(self.mean) != len(self.std):
            raise ValueError(f"std: {len(self.std)} values for {len(self.mean)} of mean")
        if any(value == 0.0 for value in self.std):
            raise ValueError("std: 0: expected positive numbers")


_SLACK, _LEAST_SLACK = 0.05, 0.002
"""Share of a part of the gait's shape by which it may differ, and no less than [the part's unit];
our choice."""


@dataclass(frozen=True)
class NominalGait:
    """The gait that a policy's feet are added to."""

    pattern: str = param(doc="its name")
    shape: dict[str, float] = field(
        default_factory=dict,
        metadata={"doc": "parts that were constant in training, and must be so where it runs"},
    )

    def __post_init__(self) -> None:
        """Refuse names that no gait has."""
        if self.pattern not in PATTERNS:
            known = ", ".join(PATTERNS)
            raise ValueError(f"pattern: {self.pattern!r}: expected one of {known}")
        for name in self.shape:
            if name not in SHAPE_PARTS:
                known = ", ".join(SHAPE_PARTS)
                raise ValueError(f"shape: {name!r}: expected one of {known}")

    def differs(self, pattern: str, shape: FloatArray) -> str:
        """What is wrong with a gait, in words; empty if it is this one.

        Args:
            pattern: its name.
            shape: ``(parts,)`` as in ``GaitInputs``.
        """
        if pattern != self.pattern:
            return f"it is for the gait {self.pattern}, not {pattern}"
        for name, (low, high) in self._ranges.items():
            now = shape[SHAPE_PARTS.index(name)]
            if not low <= now <= high:
                return f"it is for {name} {self.shape[name]:.3g}, not {now:.3g}"
        return ""

    @cached_property
    def _ranges(self) -> dict[str, tuple[float, float]]:
        slack = {n: max(_SLACK * abs(value), _LEAST_SLACK) for n, value in self.shape.items()}
        return {n: (value - slack[n], value + slack[n]) for n, value in self.shape.items()}


@dataclass(frozen=True)
class Provenance:
    """Where a policy comes from. Steps 0 is a network that nobody trained."""

    task: str = param()
    seed: int = param()
    steps: int = param(min=0)
    commit: str = param("", doc="of the code that trained it")
    versions: dict[str, str] = field(default_factory=dict)
    evaluation: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Contract:
    """Everything that a policy takes for granted."""

    format: int = param(FORMAT)
    robot: str = param(doc="its name")
    robot_digest: str = param(doc="of its spec")
    servo: str = param(doc="that it has")
    joints: tuple[str, ...]
    legs: tuple[str, ...]
    rate_hz: float = param(unit="Hz", min=1.0, max=10_000.0)
    gait: NominalGait
    observation: tuple[Term, ...]
    action: ActionConfig
    action_names: tuple[str, ...]
    normaliser: Normaliser
    provenance: Provenance
    weights_sha256: str = param(doc="of the network")

    def to_json(self) -> str:
        """As the ONNX file holds it."""
        return json.dumps(dataclasses.asdict(self), allow_nan=False, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Contract:
        """Read it strictly.

        Raises:
            ContractError: not JSON, another format, or a key that is wrong; one line.
        """
        try:
            data = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ContractError(f"contract: not JSON: {error}") from None
        version = data.get("format") if isinstance(data, dict) else None
        if version != FORMAT:
            raise ContractError(f"contract: format: {version!r}: expected {FORMAT}")
        try:
            return from_mapping(cls, data, "contract")
        except ConfigError as error:
            raise ContractError(str(error)) from None

    @classmethod
    def of(
        cls, robot: RobotSpec, observation: Observation, action: ActionLayout, **rest: Any
    ) -> Contract:
        """Fill in what robot and layouts say; ``rest`` are the other fields."""
        return cls(
            robot=robot.name,
            robot_digest=robot.digest,
            servo=robot.servo.name,
            joints=robot.joints,
            legs=robot.legs,
            observation=observation.terms,
            action=action.config,
            action_names=action.names,
            **rest,
        )

    def check(self, robot: RobotSpec, rate_hz: float) -> tuple[Observation, ActionLayout]:
        """Compare with the robot and the rate that are there.

        Returns:
            What builds this policy's observations, and what its answers mean.

        Raises:
            ContractError: at the first difference; one line that names it.
        """
        for name, ours, theirs in (
            ("robot", robot.name, self.robot),
            ("robot_digest", robot.digest, self.robot_digest),
            ("servo", robot.servo.name, self.servo),
            ("legs", robot.legs, self.legs),
            ("joints", robot.joints, self.joints),
            ("rate_hz", rate_hz, self.rate_hz),
        ):
            _same(name, theirs, ours)
        action = ActionLayout(robot, self.action)
        _same("action_names", self.action_names, action.names)
        try:
            observation = Observation(robot, [t.name for t in self.observation], action.size)
        except ConfigError as error:
            raise ContractError(f"contract: {error}") from None
        for theirs_, ours_ in zip(self.observation, observation.terms, strict=True):
            _same(f"observation.{ours_.name}", theirs_, ours_)
        _same("normaliser", len(self.normaliser.mean), observation.size)
        return observation, action


def _same(name: str, theirs: object, ours: object) -> None:
    if theirs != ours:
        raise ContractError(f"contract: {name}: {_show(theirs)}: expected {_show(ours)}")


def _show(value: object) -> str:
    if isinstance(value, Term):
        return " ".join(map(str, dataclasses.astuple(value))).rstrip()
    if isinstance(value, Iterable) and not isinstance(value, str):
        return ", ".join(map(str, value))
    return str(value)
