"""The whole control law: one tick is its four functions, and its configuration is strict."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import yaml
from stride_core.config import ConfigError
from stride_core.control import Control, Controller, ControlState, Sensed, load_controller
from stride_core.gait import GaitInputs
from stride_core.residual import add_residual
from tests.core.batches import assert_same, row
from tests.core.walking import CONFIG, CONTROLLER, DT, GAIT, SHIPPED, SPEC, asking, random_inputs

from stride_core import safety

LAW = Controller(
    robot=SPEC,
    gait=GAIT,
    gait_config=CONFIG,
    safety_config=safety.SafetyConfig(max_joint_speed=10.0),
    residual_limit=0.01,
)


def sensed(rng, lead, tick) -> Sensed:
    """Robots near home, a few of them tilted too far or not measured."""
    up = np.zeros((*lead, 3))
    up[..., 2] = np.where(rng.random(lead) < 0.02, 0.1, 1.0)
    position = SPEC.home + rng.normal(0.0, 0.02, (*lead, 12))
    position[rng.random(lead) < 0.02] = np.nan
    velocity, gyro = rng.normal(size=(*lead, 12)), rng.normal(size=(*lead, 3))
    return Sensed(position, velocity, up, gyro, np.full(lead, tick * DT))


def at(position, time: float) -> Sensed:
    """One upright robot that does not move."""
    return Sensed(position, np.zeros(12), np.array([0.0, 0.0, 1.0]), np.zeros(3), np.array(time))


def offsets(rng, lead):
    offset = rng.normal(0.0, 0.01, (*lead, 4, 3))
    offset[rng.random((*lead, 4)) < 0.1] = np.nan
    return offset


def by_hand(
    state: ControlState, now: Sensed, inputs: GaitInputs, residual, dt, estop, reset
) -> tuple[ControlState, Control]:
    """What the nodes do, one after another."""
    gait, nominal = GAIT.step(state.gait, inputs, dt)
    feet = add_residual(nominal.feet, residual, 0.01)
    angles = SPEC.kinematics.inverse(feet).angles
    target = angles.reshape(*angles.shape[:-2], 12)
    guard, decision = safety.step(
        LAW.safety_config,
        safety.JointLimits(SPEC.joint_lower, SPEC.joint_upper),
        state.safety,
        safety.SafetyInputs(
            target,
            now.time,
            now.position,
            now.up,
            now.time,
            estop,
            reset,
            velocity=now.velocity,
            gyro=now.gyro,
        ),
        now.time,
    )
    return ControlState(gait, guard), Control(nominal, feet, target, decision)


def assert_equal(first: Any, second: Any) -> None:
    """Nested records, to the bit."""
    if isinstance(first, tuple):
        assert type(first) is type(second)
        for a, b in zip(first, second, strict=True):
            assert_equal(a, b)
    else:
        assert np.asarray(first).tobytes() == np.asarray(second).tobytes()


@pytest.mark.parametrize("lead", [(), (5,), (2, 3)])
def test_a_tick_is_its_four_functions_one_after_another(lead):
    rng = np.random.default_rng(0)
    inputs = random_inputs(rng, lead)
    state = LAW.initial(inputs)
    for tick in range(40):
        now, residual = sensed(rng, lead, tick), offsets(rng, lead)
        estop, reset = rng.random(lead) < 0.02, rng.random(lead) < 0.2
        dt = DT if tick else 0.0
        want = by_hand(state, now, inputs, residual, dt, np.asarray(estop), np.asarray(reset))
        state, control = LAW.tick(state, now, inputs, residual, dt, estop, reset)
        assert_equal((state, control), want)


def test_it_begins_at_rest_with_the_motors_off():
    inputs = asking((0.1, 0.0, 0.0), lead=(3,))
    state = LAW.initial(inputs)
    assert not state.gait.walking.any()
    assert (state.safety.mode == safety.Mode.BOOT).all()


def test_the_first_command_is_where_the_joints_are_and_then_it_walks():
    inputs, rng = asking((0.1, 0.0, 0.0)), np.random.default_rng(0)
    state = LAW.initial(inputs)
    position = SPEC.home + rng.normal(0.0, 0.05, 12)
    swung, powered = np.zeros(4, bool), 0
    for tick in range(120):
        now = at(position, tick * DT)
        state, control = LAW.tick(state, now, inputs, np.zeros((4, 3)), DT if tick else 0.0)
        if control.decision.powered:
            if powered == 0:
                np.testing.assert_array_equal(control.decision.command, position)
            position = control.decision.command
            powered += 1
        swung |= control.gait.swing
    assert powered >= 118
    assert swung.all()
    np.testing.assert_allclose(position, control.target, rtol=0, atol=1e-12)
    feet = SPEC.kinematics.forward(position.reshape(4, 3))
    np.testing.assert_allclose(feet, control.feet, rtol=0, atol=1e-9)


def test_the_residual_moves_the_feet_by_its_clipped_offset():
    inputs = asking()
    residual = np.zeros((4, 3))
    residual[0], residual[1] = (0.004, -0.5, 0.002), (np.nan, 0.004, 0.004)
    now = at(SPEC.home, 0.0)
    _, control = LAW.tick(LAW.initial(inputs), now, inputs, residual, 0.0)
    want = np.zeros((4, 3))
    want[0] = (0.004, -0.01, 0.002)
    np.testing.assert_allclose(control.feet - control.gait.feet, want, rtol=0, atol=1e-15)
    reached = SPEC.kinematics.forward(control.target.reshape(4, 3))
    np.testing.assert_allclose(reached, control.feet, rtol=0, atol=1e-12)


@pytest.mark.parametrize("lead", [(), (6,), (2, 3), (0,)])
def test_a_batch_is_its_rows(lead):
    rng = np.random.default_rng(3)
    inputs = random_inputs(rng, lead)
    state = LAW.initial(inputs)
    singles = {index: LAW.initial(row(inputs, index)) for index in np.ndindex(lead)}
    for tick in range(25):
        now, residual = sensed(rng, lead, tick), offsets(rng, lead)
        state, control = LAW.tick(state, now, inputs, residual, DT)
        assert control.target.shape == control.decision.command.shape == (*lead, 12)
        for index in singles:
            singles[index], one = LAW.tick(
                singles[index], row(now, index), row(inputs, index), residual[index], DT
            )
            assert_same(state.gait, singles[index].gait, index)
            assert_same(state.safety, singles[index].safety, index)
            assert_same(control.decision, one.decision, index)
            np.testing.assert_allclose(control.feet[index], one.feet, rtol=0, atol=1e-12)
            np.testing.assert_allclose(control.target[index], one.target, rtol=0, atol=1e-12)


# --- the configuration ---------------------------------------------------------------------------

FILE = yaml.safe_load(SHIPPED.read_text())
ABSENT = object()


def written(tmp_path, *path_and_value: Any, name: str = "params.yaml"):
    """The shipped file with one value changed, or taken away."""
    content = copy.deepcopy(FILE)
    *path, value = path_and_value
    if path:
        place = content
        for key in path[:-1]:
            place = place[key]
        if value is ABSENT:
            del place[path[-1]]
        else:
            place[path[-1]] = value
    file = tmp_path / name
    file.write_text(yaml.safe_dump(content))
    return file


def test_the_shipped_configuration_loads_and_says_what_the_file_says():
    gait = FILE["/**/gait"]["ros__parameters"]["gait"]
    assert CONTROLLER.gait_config.pattern == gait["pattern"]
    assert CONTROLLER.gait_config.shape.height == gait["shape"]["height"]
    trot = gait["patterns"]["trot"]
    assert CONTROLLER.gait_config.patterns.trot.offsets == tuple(trot["offsets"])
    guard = FILE["/**/safety"]["ros__parameters"]["safety"]
    assert CONTROLLER.safety_config.max_joint_speed == guard["max_joint_speed"]
    assert CONTROLLER.residual_limit == FILE["/**/ik"]["ros__parameters"]["residual_limit"]


def test_a_later_file_adds_to_and_overrides_an_earlier_one(tmp_path):
    later = tmp_path / "later.yaml"
    later.write_text(
        yaml.safe_dump({"/**/gait": {"ros__parameters": {"gait": {"shape": {"height": 0.08}}}}})
    )
    law = load_controller(SPEC, SHIPPED, later)
    assert law.gait_config.shape.height == 0.08
    assert law.gait_config.shape.step_height == CONTROLLER.gait_config.shape.step_height


GAIT_AT, IK_AT = ("/**/gait", "ros__parameters"), ("/**/ik", "ros__parameters")
FALLING = {"trot": {"turn": {"speed": [2.0, 1.0]}}}
SAFETY_AT = ("/**/safety", "ros__parameters", "safety")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (("/**/gait", ABSENT), "/**/gait"),
        (("/**/ik", ABSENT), "/**/ik"),
        (("/**/safety", ABSENT), "/**/safety"),
        (("/**/gait", 5), "/**/gait"),
        (("/**/gait", {"ros__parameters": [1]}), "/**/gait"),
        ((*GAIT_AT, "gait", ABSENT), "gait"),
        ((*GAIT_AT, "gait", "shape", "height", "tall"), "height"),
        ((*GAIT_AT, "gait", "shape", "height", float("nan")), "height"),
        ((*GAIT_AT, "gait", "shape", "hight", 0.08), "hight"),
        ((*GAIT_AT, "gait", "shape", "height", ABSENT), "height"),
        ((*GAIT_AT, "gait", "limits", "speed", [0.5, 0.2]), "speed"),
        ((*GAIT_AT, "gait", "patterns", "trot", ABSENT), "trot"),
        ((*GAIT_AT, "gait", "patterns", "trot", "offsets", [0.0, 0.5]), "trot"),
        ((*GAIT_AT, "gait", "patterns", "trot", "offsets", [0.0, 0.99, 0.5, 0.0]), "trot"),
        ((*GAIT_AT, "gait", "pattern", "gallop"), "gallop"),
        ((*GAIT_AT, "gait", "calibration", FALLING), "calibration"),
        ((*IK_AT, "residual_limit", "far"), "residual_limit"),
        ((*IK_AT, "residual_limit", float("nan")), "residual_limit"),
        ((*IK_AT, "residual_limit", -0.01), "residual_limit"),
        ((*IK_AT, "residual_limit", [0.01]), "residual_limit"),
        ((*SAFETY_AT, "checks", "tilt", "limit", "steep"), "tilt: limit"),
        ((*SAFETY_AT, "max_joint_speed", 0.0), "max_joint_speed"),
        ((*SAFETY_AT, "max_joint_speed", ABSENT), "max_joint_speed"),
        ((*SAFETY_AT, "max_speed", 1.0), "max_speed"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_wrong_configuration_is_one_line_with_the_file_and_the_key(tmp_path, change, named):
    file = written(tmp_path, *change)
    with pytest.raises(ConfigError) as caught:
        load_controller(SPEC, file)
    message = str(caught.value)
    assert "\n" not in message
    assert file.name in message
    assert named in message


def test_a_missing_or_broken_file_is_one_line(tmp_path):
    broken = tmp_path / "broken.yaml"
    broken.write_text("a: [1\nb: }")
    for file in (tmp_path / "nowhere.yaml", broken):
        with pytest.raises(ConfigError, match=file.name) as caught:
            load_controller(SPEC, file)
        assert "\n" not in str(caught.value)
