"""What a policy was trained for, so that it is never run on anything else (promise 6).

The contract travels as JSON inside the ONNX file. Numbers keep their full precision: JSON holds the
shortest decimal that reads back as the same float64.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from stride_core.action import ActionConfig, ActionLayout
from stride_core.config import ConfigError, from_mapping, param
from stride_core.observation import Observation, Term
from stride_core.robot import RobotSpec

FORMAT = 1
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
    gait: str = param(doc="pattern of the nominal gait")
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
