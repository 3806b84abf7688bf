"""The whole control law on the plant, without topics: it walks as told, and truly walks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from stride_core.arrays import FloatArray
from stride_core.control import Controller, load_controller
from stride_core.frames import roll_pitch_yaw
from stride_core.gait import PATTERNS, GaitInputs, shape_array
from stride_core.robot import load_robot
from stride_sim.calibration import measure
from stride_sim.plant import Plant
from stride_sim.rollout import Tick, rollout
from stride_sim.terrain import TerrainConfig

CONFIG = Path(__file__).parents[2] / "config"
ROBOT = load_robot("fivebar")
SERVO = f"calibration/{ROBOT.name}.{ROBOT.servo.name}.yaml"
COMMANDS = np.array(
    [[0.15, 0, 0], [0.25, 0, 0], [-0.1, 0, 0], [0, 0.05, 0], [0, 0, 0.5], [0.1, 0.03, 0.2]]
)
SETTLED = 200  # ticks of 0.01 s: the command is reached after 0.5 s


@pytest.fixture(scope="module")
def controller() -> Controller:
    return load_controller(ROBOT, CONFIG / "fivebar.yaml", CONFIG / SERVO)


def walk(controller: Controller, terrain: str, commands: FloatArray, ticks: int) -> list[Tick]:
    n = len(commands)
    plant = Plant(ROBOT, terrain=TerrainConfig(terrain, 1.0, seed=3), robots=n)
    inputs = GaitInputs(
        command=commands.astype(float),
        shape=np.tile(shape_array(controller.gait_config.shape), (n, 1)),
        pattern=np.full(n, PATTERNS.index("trot")),
        upright=np.ones(n, bool),
    )
    return list(rollout(plant, controller, inputs, ticks))


@pytest.fixture(scope="module")
def flat(controller: Controller) -> list[Tick]:
    return walk(controller, "flat", COMMANDS, 800)


@pytest.fixture(scope="module")
def rough(controller: Controller) -> list[Tick]:
    return walk(controller, "rough", COMMANDS[:3], 600)


def test_on_flat_ground_it_goes_as_fast_as_it_is_told(flat: list[Tick]) -> None:
    position = np.array([tick.truth.position for tick in flat[SETTLED:]])
    yaw = np.unwrap(
        [roll_pitch_yaw(tick.truth.quaternion)[:, 2] for tick in flat[SETTLED:]], axis=0
    )
    # velocity by the chord of the mean path, turned into the mean heading of each tick
    step = np.diff(position[..., 0] + 1j * position[..., 1], axis=0) * np.exp(-1j * yaw[:-1])
    seconds = 0.01 * len(step)
    reached = np.stack(
        [step.real.sum(0) / seconds, step.imag.sum(0) / seconds, (yaw[-1] - yaw[0]) / seconds], -1
    )
    main = np.abs(COMMANDS) > 0
    pure = main & (main.sum(axis=1, keepdims=True) == 1)
    np.testing.assert_allclose(reached[pure], COMMANDS[pure], rtol=0.15)
    # components were calibrated one by one; together they disturb each other
    np.testing.assert_allclose(reached[main], COMMANDS[main], rtol=0.3)
    assert np.abs(reached[~main]).max() < 0.05


def test_it_stays_upright_and_at_its_height(flat: list[Tick], rough: list[Tick]) -> None:
    for run, most in ((flat, 8.0), (rough, 30.0)):
        attitude = roll_pitch_yaw(np.array([tick.truth.quaternion for tick in run]))[..., :2]
        assert np.degrees(np.abs(attitude)).max() < most
    height = np.array([tick.truth.height for tick in flat[SETTLED:]])
    assert height.std(axis=0).max() < 0.003


@pytest.mark.parametrize("ground", ["flat", "rough"])
def test_the_loops_stay_closed_and_the_feet_above_the_ground(
    ground: str, request: pytest.FixtureRequest
) -> None:
    run: list[Tick] = request.getfixturevalue(ground)
    gap = np.array([tick.truth.loop_gap for tick in run])
    assert np.percentile(gap, 99) < 0.5e-3
    assert min(tick.truth.foot_clearance.min() for tick in run) > -2e-3


def test_the_knees_point_apart_all_the_time(rough: list[Tick]) -> None:
    """Wrongly closed legs walk plausibly, too: look at the elbows themselves."""
    for tick in rough:
        elbow_l, elbow_r = np.moveaxis(tick.truth.passive.reshape(-1, 4, 2), -1, 0)
        assert (elbow_l > 0.1).all()  # the front arm's lower link bends back ...
        assert (elbow_r < -0.1).all()  # ... and the rear arm's forward


def test_swinging_feet_clear_the_ground_by_a_centimetre(
    controller: Controller, flat: list[Tick]
) -> None:
    """The target's apex is the step height; torque and inertia leave the foot some of it."""
    apex = np.array([tick.truth.foot_clearance for tick in flat[SETTLED:]]).max(axis=0)
    assert (apex > 0.010).all()
    assert (apex < 1.4 * controller.gait_config.shape.step_height).all()


def test_feet_that_the_gait_lifts_are_off_the_ground_in_mid_swing(flat: list[Tick]) -> None:
    duty = 0.6
    touching = total = 0
    for tick in flat[SETTLED:]:
        middle = np.abs(tick.control.gait.phase - (1 + duty) / 2) < 0.05
        touching += int((middle & tick.truth.foot_contact).sum())
        total += int(middle.sum())
    assert total > 1000
    assert touching / total < 0.02


def test_the_watchdog_lets_the_calibrated_gait_pass(flat: list[Tick]) -> None:
    assert all(tick.control.decision.powered.all() for tick in flat[2:])
    assert not any(tick.control.decision.reasons.any() for tick in flat[10:])


def test_the_calibration_on_file_is_what_the_plant_does(controller: Controller) -> None:
    knots = controller.gait_config.calibration.trot.forward
    speed, _ = measure(controller, "trot", np.array(knots.ask[2:6:3]), np.array([1.0, 0.0, 0.0]))
    np.testing.assert_allclose(speed, knots.speed[2:6:3], rtol=0.02)
