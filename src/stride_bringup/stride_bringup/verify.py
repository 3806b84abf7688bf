"""Replays recorded observations through a policy and compares its answers with those recorded."""

from __future__ import annotations

import zlib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from zipfile import BadZipFile

import numpy as np
from rclpy.serialization import deserialize_message
from stride_control.messages import peek_stamp
from stride_control.policy.loading import Policy
from stride_control.policy.runner import Scene
from stride_control.scene_reader import SceneReader
from stride_core.action import Act
from stride_core.arrays import FloatArray
from stride_core.observation import Observed
from stride_core.robot import RobotSpec
from stride_operator.bag import is_whole, read

from stride_msgs.msg import Residual

_TOPICS = ("joint_states", "imu", "foot_targets", "residual")


class Verified(NamedTuple):
    """How far answers are from those recorded.

    Attributes:
        observations: compared.
        difference: the largest, in shares of a full action; NaN if one is no number.
        whole: False if what is recorded is cut short or damaged: compared as far as it goes.
        others: identities of the policies in a bag that have other weights.
    """

    observations: int
    difference: float
    whole: bool = True
    others: tuple[str, ...] = ()


def verify(policy: Policy, recorded: Path, robot: RobotSpec) -> Verified:
    """Compare with an .npz of observations and actions, or with a bag.

    Args:
        policy: that shall have given them.
        recorded: them.
        robot: that walked.

    Raises:
        ValueError, OSError: it cannot be read, or is of another policy; one line.
    """
    if recorded.is_dir() or recorded.suffix == ".mcap":
        return _bag(policy, recorded, SceneReader(robot))
    if not recorded.is_file():
        raise ValueError(f"{recorded}: no such file; expected --with an .npz or a bag")
    return _arrays(policy, recorded)


def _arrays(policy: Policy, recorded: Path) -> Verified:
    try:
        with np.load(recorded, allow_pickle=False) as data:
            observation, action = (np.asarray(data[n], float) for n in ("observation", "action"))
    except KeyError as error:
        raise ValueError(f"{recorded}: expected arrays observation and action: {error}") from None
    except (ValueError, TypeError, EOFError, BadZipFile, zlib.error, MemoryError):
        raise ValueError(
            f"{recorded}: expected arrays observation and action: it is damaged, or no .npz"
        ) from None
    count = len(observation) if observation.ndim else 0
    for name, array, size in (
        ("observation", observation, policy.observation.size),
        ("action", action, policy.action.size),
    ):
        if array.shape != (count, size):
            raise ValueError(f"{recorded}: {name}: {array.shape}: expected ({count}, {size})")
    answers = policy.network(observation)
    return Verified(count, float(np.abs(answers - action).max(initial=0.0)))


def _bag(policy: Policy, recorded: Path, reader: SceneReader) -> Verified:
    """Each tick in which this policy alone was obeyed in full, as it was in the tick before.

    Its weights tell it, under whatever name it walked.
    """
    count, difference = 0, 0.0
    others: dict[str, None] = {}
    weights = policy.identity.rpartition("@")[2]
    before: FloatArray | None = np.zeros(policy.action.size)  # a run begins without memory
    for scene, residual in ticks(recorded, reader):
        name = residual.policy if residual is not None else ""
        obeyed = bool(name) and name.rpartition("@")[2] == weights
        if name and not obeyed:
            others[name] = None
        said = _action(policy, residual) if obeyed and residual.strength == 1.0 else None
        if said is not None and before is not None:
            seen = policy.observation.build(Observed(scene.sensed, scene.gait, before))
            answer = np.clip(policy.network(seen), -1.0, 1.0)
            difference = float(np.maximum(difference, np.abs(answer - said).max()))
            count += 1
        before = said
    return Verified(count, difference, is_whole(recorded), tuple(others))


def _action(policy: Policy, residual: Residual) -> FloatArray:
    """The answer behind a residual of full strength, in shares of a full action."""
    offset = np.array(residual.offset).reshape(len(residual.legs), -1)
    rates = np.array(residual.rates) if residual.rates else None
    return policy.action.invert(Act(offset, rates))


def ticks(recorded: Path, reader: SceneReader) -> Iterator[tuple[Scene, Any]]:
    """What each tick of a bag showed, and the residual that answered it; None where one is missing.

    A bag has each topic in the order of its stamps, and the topics in any order.
    """
    ticks: dict[int, dict[str, bytes]] = defaultdict(dict)
    for message in read(recorded):
        topic = message.topic.rpartition("/")[2]
        if topic in _TOPICS:
            ticks[peek_stamp(message.data)][topic] = message.data
    for _, found in sorted(ticks.items()):
        if not {"joint_states", "imu", "foot_targets"} <= found.keys():
            continue
        reader.hear_state(found["joint_states"])
        reader.hear_imu(found["imu"])
        reader.hear_feet(found["foot_targets"])
        answer = found.get("residual")
        yield reader.read(), deserialize_message(answer, Residual) if answer else None
