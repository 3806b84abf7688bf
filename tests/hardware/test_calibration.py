"""The calibration of the servos: counts to angles and back, and what nonsense is refused."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from stride_core.config import ConfigError
from stride_hardware.calibration import Calibration, check, load, save
from tests.hardware.parts import FILE, SPEC, calibration

COUNT = 2.0 * math.pi / 4096


@given(st.lists(st.floats(0.0, 1.0), min_size=12, max_size=12))
def test_counts_are_the_angles_to_half_a_count(shares: list[float]) -> None:
    made = calibration()
    angles = SPEC.joint_lower + np.array(shares) * (SPEC.joint_upper - SPEC.joint_lower)
    counts = made.counts(angles)
    assert ((counts >= 0) & (counts < 4096)).all()
    np.testing.assert_allclose(made.angles(counts), angles, atol=0.5001 * COUNT)


def test_the_sign_turns_positions_and_speeds() -> None:
    made = calibration()
    mounts = list(made.servos.values())
    here = np.array([mount.centre for mount in mounts])
    ahead = made.angles(here + 100)
    signs = np.array([mount.sign for mount in mounts])
    np.testing.assert_allclose(ahead, signs * 100 * COUNT)
    np.testing.assert_allclose(made.speeds(np.ones(12)), signs)
    assert {-1, 1} == set(signs.tolist())


def test_a_position_beyond_the_turn_is_the_one_in_the_range() -> None:
    made = calibration()
    np.testing.assert_allclose(
        made.angles(made.counts(SPEC.home) + 4096), made.angles(made.counts(SPEC.home))
    )


@given(st.floats(-6.0, 3.0), st.floats(0.1, 6.2), st.floats(0.0, 1.0))
def test_a_range_may_lie_anywhere_within_a_turn(lower: float, width: float, share: float) -> None:
    made = calibration()
    mounts = {
        joint: replace(mount, lower=lower, upper=min(lower + width, 6.9))
        for joint, mount in made.servos.items()
    }
    made = replace(made, servos=mounts)
    low, high = made.limits
    angles = low + share * (high - low)
    seen = made.counts(angles) % 4096  # as the encoder shows it
    np.testing.assert_allclose(made.angles(seen), angles, atol=0.5001 * COUNT)


def test_it_survives_being_written(tmp_path: Path) -> None:
    save(calibration(), tmp_path / "deep" / "mine.yaml")
    assert load(tmp_path / "deep" / "mine.yaml", SPEC) == calibration()


def changed(tmp_path: Path, **joint: object) -> Path:
    """The file with something else for FL_tilt."""
    content = yaml.safe_load(FILE.read_text())
    content["servos"]["FL_tilt"] |= joint
    path = tmp_path / "changed.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return path


@pytest.mark.parametrize(
    ("joint", "said"),
    [
        ({"id": 2}, "servos: id 2 twice: expected each once"),
        ({"id": 254}, "id: 254: expected a whole number from 0 to 252"),
        ({"sign": 0}, "sign: 0: expected 1 or -1"),
        ({"sign": 2}, "sign: 2: expected a whole number from -1 to 1"),
        ({"centre": 300}, "FL_tilt: counts -352 to 952: expected within 0 to 4095"),
        ({"upper": 0.5}, "FL_tilt: range -1.000 to 0.500 rad: expected to reach the robot's"),
        ({"upper": -1.5}, "lower -1 is not below upper -1.5"),
        ({"upper": 5.5}, "lower -1 to upper 5.5: expected a turn at most"),
        ({"turns": 1}, "'turns': unknown key"),
        ({"centre": 2000.5}, "centre: 2000.5: expected a whole number"),
    ],
)  # fmt: skip
def test_nonsense_is_refused_in_one_line(
    tmp_path: Path, joint: dict[str, object], said: str
) -> None:
    with pytest.raises(ConfigError, match=re.escape(said)) as caught:
        load(changed(tmp_path, **joint), SPEC)
    assert "\n" not in str(caught.value)


def test_counts_of_another_servo_are_refused() -> None:
    """Twice the counts of a turn would send the servo where it has none."""
    made = calibration()
    servos = {
        joint: replace(mount, centre=4096, lower=-1.6, upper=1.6)
        for joint, mount in made.servos.items()
    }
    with pytest.raises(ConfigError, match="resolution: 8192: expected 4096, of a feetech servo"):
        check(replace(made, resolution=8192, servos=servos), SPEC, "file")


def test_another_robots_joints_or_their_order_are_refused(tmp_path: Path) -> None:
    made = calibration()
    path = tmp_path / "c.yaml"
    save(replace(made, robot="go2"), path)
    with pytest.raises(ConfigError, match="robot: 'go2': expected 'fivebar'"):
        load(path, SPEC)
    servos = dict(reversed(made.servos.items()))
    save(replace(made, servos=servos), path)
    with pytest.raises(ConfigError, match=r"order RR_shoulder_R, .*: expected FL_tilt"):
        load(path, SPEC)
    servos.pop("RL_tilt")
    save(replace(made, servos=servos), path)
    with pytest.raises(ConfigError, match="RL_tilt missing"):
        load(path, SPEC)


def test_without_a_file_the_servos_are_not_calibrated(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"not calibrated; run ./stride calibrate servos"):
        load(tmp_path / "none.yaml", SPEC)


def test_the_twins_file_is_sound() -> None:
    made: Calibration = calibration()
    assert check(made, SPEC, "twin") is made
    assert made.ids == list(range(1, 13))
