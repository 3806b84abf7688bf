"""Guided calibration: a person moves the joints, and what makes no sense is refused."""

from __future__ import annotations

import math
import re
from collections.abc import Callable

import numpy as np
import pytest
from stride_hardware.guide import CalibrationError, Guide
from stride_hardware.mock_bus import MockBus
from tests.hardware.parts import SPEC, calibration

COUNT = 2.0 * math.pi / 4096


class Person:
    """Does what is asked; `slip` may do something else instead."""

    def __init__(self, slip: Callable[[Person, str], bool] | None = None) -> None:
        self.truth = calibration()
        zero = self.truth.counts(np.zeros(12)).tolist()
        self.bus = MockBus(dict(zip(self.truth.ids, zero, strict=True)))
        self.asked: list[str] = []
        self._slip = slip

    def put(self, **angles: float) -> None:
        """Joints at angles, all others at zero."""
        pose = np.array([angles.get(joint, 0.0) for joint in SPEC.joints])
        counts = self.truth.counts(pose).tolist()
        self.bus.at = dict(zip(self.truth.ids, counts, strict=True))

    def __call__(self, line: str) -> None:
        self.asked.append(line)
        if self._slip is not None and self._slip(self, line):
            return
        joint, _, what = line.partition(":")
        if joint not in SPEC.joints:
            self.put()
            return
        at = SPEC.joints.index(joint)
        ends = SPEC.joint_upper if "upper" in what else SPEC.joint_lower
        self.put(**{joint: float(ends[at])})


def test_it_finds_ids_signs_and_zeros() -> None:
    person = Person()
    guide = Guide(person.bus, SPEC, person)
    ids = guide.find(range(253))
    made = guide.calibrate("feetech", 1_000_000, ids)
    for joint, mount in person.truth.servos.items():
        found = made.servos[joint]
        assert (found.id, found.centre, found.sign) == (mount.id, mount.centre, mount.sign)
        assert found.lower == pytest.approx(mount.lower, abs=COUNT)
        assert found.upper == pytest.approx(mount.upper, abs=COUNT)
    assert len(person.asked) == 1 + 2 * 12
    assert not any(person.bus.on.values())


def instead(joint: str, which: str, **angles: float) -> Callable[[Person, str], bool]:
    def slip(person: Person, line: str) -> bool:
        if not (line.startswith(joint) and which in line):
            return False
        person.put(**angles)
        return True

    return slip


@pytest.mark.parametrize(
    ("slip", "said"),
    [
        (instead("FL_tilt", "upper"), "FL_tilt: no servo turned: 0.00 rad at most"),
        (instead("FL_tilt", "lower", FL_tilt=0.8), "both ends are on the same side"),
        (instead("FL_tilt", "upper", FL_tilt=1.0, FR_tilt=0.9), "servos 1 and 4 turned"),
        (instead("FL_tilt", "lower", FR_tilt=-1.0), "servo 1 at one end, 4 at the other"),
        (instead("FR_tilt", "upper", FL_tilt=1.0), "servo 1 turned, which moves another joint"),
        (instead("RR_tilt", "upper", RR_tilt=0.5), "expected to reach the robot's"),
    ],
)  # fmt: skip
def test_nonsense_is_refused(slip: Callable[[Person, str], bool], said: str) -> None:
    person = Person(slip)
    guide = Guide(person.bus, SPEC, person)
    with pytest.raises(ValueError, match=re.escape(said)):
        guide.calibrate("feetech", 1_000_000, guide.find(range(20)))


def test_as_many_servos_as_joints_must_answer() -> None:
    person = Person()
    person.bus.silent.add(7)
    with pytest.raises(CalibrationError, match=r"11 servos answer \(1, 2, .*: expected 12"):
        Guide(person.bus, SPEC, person).find(range(253))


def test_a_servo_that_falls_silent_ends_it() -> None:
    def slip(person: Person, line: str) -> bool:
        person.bus.silent.add(3)
        return False

    person = Person(slip)
    with pytest.raises(CalibrationError, match="servo 3: no answer"):
        Guide(person.bus, SPEC, person).calibrate("feetech", 1_000_000, person.truth.ids)
