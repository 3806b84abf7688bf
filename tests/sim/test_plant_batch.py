from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from stride_core.arrays import FloatArray
from stride_core.robot import RobotSpec
from stride_sim.errors import SimError
from stride_sim.plant import NoiseConfig, Plant, PlantConfig, Sensors, Truth
from stride_sim.terrain import TerrainConfig

Trot = Callable[[float, float], FloatArray]
ROUGH = TerrainConfig("rough", 0.8)


def _rows(sensors: Sensors, truth: Truth) -> FloatArray:
    """Everything that a tick shows, (N, columns)."""
    n = len(truth.position)
    parts = [*vars(sensors).values(), truth.position, truth.quaternion, truth.linear_velocity]
    parts += [truth.angular_velocity, truth.foot_force, truth.feet_world, truth.foot_clearance]
    parts += [truth.loop_gap, truth.height, truth.passive]
    return np.concatenate([np.asarray(part).reshape(n, -1) for part in parts], axis=1)


def _walk(plant: Plant, trot: Trot, ticks: int, speeds: FloatArray | None = None) -> FloatArray:
    """(ticks, N, columns); robot i walks at its own speed, so that no two do the same."""
    speeds = np.linspace(0.0, 0.25, plant.robots) if speeds is None else speeds
    seen = []
    for _ in range(ticks):
        plant.command(np.stack([trot(plant.time, speed) for speed in speeds]))
        plant.step()
        seen.append(_rows(plant.sensors(), plant.truth()))
    return np.stack(seen)


def test_the_same_seed_gives_the_same_run_and_another_another(spec: RobotSpec, trot: Trot) -> None:
    plant = Plant(spec, terrain=ROUGH)
    runs = []
    for seed in (3, 3, 4):
        plant.reset(seed)
        plant.tick = 0
        runs.append(_walk(plant, trot, 50))
    assert np.array_equal(runs[0], runs[1])
    assert not np.array_equal(runs[0], runs[2])


def test_threads_do_not_change_a_bit(spec: RobotSpec, trot: Trot) -> None:
    one, two = (
        _walk(Plant(spec, terrain=ROUGH, robots=5, threads=threads), trot, 40) for threads in (1, 2)
    )
    assert np.array_equal(one, two)


def test_robot_i_of_many_is_the_robot_alone_with_the_same_seed(spec: RobotSpec, trot: Trot) -> None:
    seeds = [11, 5, 7]
    speeds = np.array([0.1, 0.2, 0.15])
    poses = np.array([[0.0, 0.0, 0.0], [1.0, 2.0, 0.5], [-1.0, 0.3, -2.0]])
    config = PlantConfig(sensor_delay_ticks=1, action_delay_ticks=2)
    many = Plant(spec, config, ROUGH, robots=3, threads=2)
    many.reset(seeds, poses)
    together = _walk(many, trot, 60, speeds)
    for i in range(3):
        alone = Plant(spec, config, ROUGH)
        alone.reset(seeds[i], poses[i])
        assert np.array_equal(_walk(alone, trot, 60, speeds[i : i + 1])[:, 0], together[:, i])


def test_robots_on_their_own_terrains_walk_as_they_would_alone(spec: RobotSpec, trot: Trot) -> None:
    grounds = [
        TerrainConfig("flat"),
        TerrainConfig("rough", 0.9, 4),
        TerrainConfig("slope", 0.4),
        TerrainConfig("flat"),
        TerrainConfig("rough", 0.9, 5),
        TerrainConfig("stairs", 0.5),
    ]
    seeds = list(range(6))
    for order in (range(6), reversed(range(6))):  # flat first in the model, and not
        chosen = list(order)
        many = Plant(spec, terrain=[grounds[i] for i in chosen], robots=6, threads=2)
        many.reset(seeds)
        speeds = np.full(6, 0.15)
        together = _walk(many, trot, 60, speeds)
        for row, i in enumerate(chosen):
            alone = Plant(spec, terrain=grounds[i])
            alone.reset(seeds[row])
            assert np.array_equal(_walk(alone, trot, 60, speeds[:1])[:, 0], together[:, row])


def test_a_robot_that_diverges_is_named_and_leaves_the_others_alone(
    spec: RobotSpec, trot: Trot, tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(str(tmp_path))
    broken, whole = (Plant(spec, terrain=ROUGH, robots=3, threads=2) for _ in range(2))
    _walk(broken, trot, 10)
    _walk(whole, trot, 10)
    broken._qvel[1, 7] = np.nan
    first, expected = _walk(broken, trot, 20), _walk(whole, trot, 20)
    assert broken.diverged.tolist() == [False, True, False]
    assert not whole.diverged.any()
    assert np.array_equal(first[:, [0, 2]], expected[:, [0, 2]])
    assert np.isfinite(first).all()
    broken.reset(ids=[1])
    assert not broken.diverged.any()
    assert np.isfinite(_walk(broken, trot, 20)).all()
    assert not broken.diverged.any()
    assert list(tmp_path.iterdir()) == []  # type: ignore[attr-defined]  # MuJoCo logged no file


def test_resetting_one_robot_leaves_the_others_alone(spec: RobotSpec, trot: Trot) -> None:
    touched, left = (Plant(spec, terrain=ROUGH, robots=3, threads=1) for _ in range(2))
    _walk(touched, trot, 20)
    _walk(left, trot, 20)
    touched.reset(9, (0.5, 0.5, 1.0), np.array([False, True, False]))
    assert touched.truth().position[1, :2] == pytest.approx([0.5, 0.5])
    a, b = _walk(touched, trot, 20), _walk(left, trot, 20)
    assert np.array_equal(a[:, [0, 2]], b[:, [0, 2]])
    assert not np.array_equal(a[:, 1], b[:, 1])


def test_a_reset_forgets_what_went_before(spec: RobotSpec, trot: Trot) -> None:
    used = Plant(spec, PlantConfig(sensor_delay_ticks=2, action_delay_ticks=1), ROUGH, robots=2)
    _walk(used, trot, 33)
    used.reset(6)
    used.tick = 0
    fresh = Plant(spec, PlantConfig(sensor_delay_ticks=2, action_delay_ticks=1), ROUGH, robots=2)
    fresh.reset(6)
    assert np.array_equal(_walk(used, trot, 30), _walk(fresh, trot, 30))


def test_what_follows_a_restored_moment_is_what_followed_then(spec: RobotSpec, trot: Trot) -> None:
    config = PlantConfig(sensor_delay_ticks=2, action_delay_ticks=3)
    plant = Plant(spec, config, ROUGH, robots=2, threads=1)
    _walk(plant, trot, 25)
    moment = plant.state()
    expected = _walk(plant, trot, 25)
    for _ in range(2):  # once and again
        plant.restore(moment)
        assert plant.tick == 25
        assert np.array_equal(_walk(plant, trot, 25), expected)


def test_sensors_lag_by_their_delay(spec: RobotSpec, trot: Trot) -> None:
    exact = NoiseConfig(scale=0.0)
    prompt = Plant(spec, PlantConfig(noise=exact))
    late = Plant(spec, PlantConfig(noise=exact, sensor_delay_ticks=3))
    a, b = [prompt.sensors().position], [late.sensors().position]
    for _ in range(20):
        for plant, seen in ((prompt, a), (late, b)):
            plant.command(trot(plant.time, 0.1))
            plant.step()
            seen.append(plant.sensors().position)
    assert np.array_equal(b[:4], [a[0]] * 4)
    assert np.array_equal(b[3:], a[:-3])


def test_commands_act_after_their_delay(spec: RobotSpec, trot: Trot) -> None:
    exact = NoiseConfig(scale=0.0)
    prompt = Plant(spec, PlantConfig(noise=exact))
    late = Plant(spec, PlantConfig(noise=exact, action_delay_ticks=2))
    commands = [trot(0.01 * k, 0.1) for k in range(20)]
    for command in [spec.home, spec.home, *commands[:-2]]:
        prompt.command(command)
        prompt.step()
    for command in commands:
        late.command(command)
        late.step()
    assert np.array_equal(prompt.truth().position, late.truth().position)


def test_the_last_command_holds_until_the_next(spec: RobotSpec, trot: Trot) -> None:
    once, again = Plant(spec), Plant(spec)
    once.command(trot(0.1, 0.1))
    for _ in range(10):
        once.step()
        again.command(trot(0.1, 0.1))
        again.step()
    assert np.array_equal(once.truth().position, again.truth().position)


def test_noise_and_bias_have_the_spread_they_are_given(spec: RobotSpec) -> None:
    noise = NoiseConfig(
        joint_position=0.01, joint_position_bias=0.02, joint_velocity=0.3, orientation=0.02,
        orientation_bias=0.0, gyro=0.1, gyro_bias=0.0, accel=0.5, accel_bias=1.0,
    )  # fmt: skip
    noisy = Plant(spec, PlantConfig(noise=noise), robots=40)
    exact = Plant(spec, PlantConfig(noise=NoiseConfig(scale=0.0)), robots=40)
    errors: dict[str, list[FloatArray]] = {}
    for _ in range(60):
        seen, true = vars(noisy.sensors()), vars(exact.sensors())
        for name, values in seen.items():
            errors.setdefault(name, []).append(values - true[name])
        noisy.step()
        exact.step()
    spread = {name: np.stack(parts) for name, parts in errors.items()}

    def white(name: str) -> float:
        return float((spread[name] - spread[name].mean(0)).std())

    def constant(name: str) -> float:
        return float(spread[name].mean(0).std())

    assert white("position") == pytest.approx(0.01, rel=0.05)
    assert constant("position") == pytest.approx(0.02, rel=0.1)
    assert white("velocity") == pytest.approx(0.3, rel=0.05)
    assert constant("velocity") < 0.3 / 60**0.5 * 1.2
    assert white("gyro") == pytest.approx(0.1, rel=0.05)
    assert white("accel") == pytest.approx(0.5, rel=0.05)
    assert constant("accel") == pytest.approx(1.0, rel=0.2)
    # half the angle is the vector part of a small rotation's quaternion
    assert 2 * (spread["quaternion"][..., :3]).std() == pytest.approx(0.02, rel=0.05)
    norms = np.linalg.norm(noisy.sensors().quaternion, axis=-1)
    assert norms == pytest.approx(1.0)
    assert np.array_equal(noisy.sensors().effort, noisy.sensors().effort)


def test_another_terrain_while_running_keeps_the_clock(spec: RobotSpec, trot: Trot) -> None:
    plant = Plant(spec)
    _walk(plant, trot, 5)
    plant.set_terrain(ROUGH)
    assert plant.tick == 5
    assert not plant.ground_of().is_flat
    other = Plant(spec, terrain=ROUGH)
    other.tick = 5
    assert np.array_equal(_walk(plant, trot, 20), _walk(other, trot, 20))


def test_ids_in_any_order_keep_their_own_seeds_and_poses(spec: RobotSpec) -> None:
    plant = Plant(spec, robots=4)
    plant.reset(seed=[30, 10], pose=[(3.0, 0.0, 0.0), (1.0, 0.0, 0.0)], ids=[3, 1])
    assert plant.truth().position[[3, 1], 0] == pytest.approx([3.0, 1.0])
    alone = Plant(spec)
    alone.reset(seed=[10], pose=(1.0, 0.0, 0.0))
    assert np.array_equal(plant.sensors().gyro[1], alone.sensors().gyro[0])


def test_an_id_given_twice_is_refused(spec: RobotSpec) -> None:
    with pytest.raises(SimError, match="each once"):
        Plant(spec, robots=3).reset(ids=[1, 1])
