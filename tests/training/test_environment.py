from __future__ import annotations

import dataclasses
import pickle
from pathlib import Path

import mujoco
import numpy as np
import pytest
from stride_bringup.options import config_file
from stride_core.arrays import FloatArray
from stride_core.config import ConfigError
from stride_core.safety import Mode
from stride_training.environment import Environment, for_one_command
from stride_training.policies import find
from stride_training.records import copied
from stride_training.task import Task, load_task, with_settings
from tests.training.conftest import Walk


def _same(one: dict[str, FloatArray], other: dict[str, FloatArray], **rows: int) -> bool:
    robot = rows.get("robot")
    for name, values in one.items():
        theirs = other[name]
        if robot is not None:
            values, theirs = values[:, robot], theirs[:, 0]
        if not np.array_equal(values, theirs, equal_nan=True):
            return False
    return True


def test_threads_do_not_change_a_bit(small: Task, walk: Walk) -> None:
    runs = []
    for threads in (1, 2):
        environment = Environment(small, 5, 3, threads)
        environment.reset()
        runs.append(walk(environment, 60))
    assert _same(*runs)


def test_robot_i_of_many_is_the_robot_alone(small: Task, walk: Walk) -> None:
    """Through pushes, new commands, delays, falls and new episodes on other terrain."""
    many = Environment(small, 5, 7, 2)
    many.reset()
    together = walk(many, 170)
    assert together["done"].sum() >= 4, "no episode ended: this run would show little"
    for robot in (0, 3):
        alone = Environment(small, 1, 7, 1, first=robot)
        alone.reset()
        assert _same(together, walk(alone, 170), robot=robot)


def test_another_seed_is_another_run(small: Task, walk: Walk) -> None:
    runs = []
    for seed in (1, 2):
        environment = Environment(small, 2, seed, 1)
        environment.reset()
        runs.append(walk(environment, 5))
    assert not np.array_equal(runs[0]["observation"], runs[1]["observation"])


def test_a_restored_moment_goes_on_as_it_did_even_in_another_process(
    small: Task, walk: Walk
) -> None:
    environment = Environment(small, 3, 5, 1)
    environment.reset()
    walk(environment, 40)
    moment = pickle.dumps(environment.state())
    expected = walk(environment, 130)
    assert expected["done"].any()
    fresh = Environment(small, 3, 99, 1)  # its own seed is not what counts
    fresh.reset()
    fresh.starts.reseed(5)
    fresh.restore(pickle.loads(moment))
    assert _same(expected, walk(fresh, 130))


def test_the_end_of_time_is_no_fall_and_a_fall_is(small: Task) -> None:
    still = for_one_command(small, (0.0, 0.0, 0.0))
    calm = dataclasses.replace(
        still,
        plant=dataclasses.replace(
            small.plant,
            randomisation=dataclasses.replace(small.plant.randomisation, push_force=()),
        ),
        episode=dataclasses.replace(small.episode, seconds=0.5, random_phase=0.0),
    )
    environment = Environment(calm, 2, 0, 1)
    environment.reset()
    environment.plant._qpos[1, 3:7] = [np.sqrt(0.5), np.sqrt(0.5), 0.0, 0.0]  # on its side
    ends = []
    for _ in range(25):
        step = environment.step(np.zeros((2, environment.layout.size)))
        ends.append((bool(step.fell[1]), bool(step.late[0])))
        if step.fell[1]:
            environment.reset([1])
    assert ends[0] == (True, False)
    assert [late for _, late in ends] == [False] * 24 + [True]


def test_commands_change_while_walking_and_keep_within_their_ranges(small: Task) -> None:
    task = dataclasses.replace(
        small, curriculum=dataclasses.replace(small.curriculum, commands=False)
    )
    environment = Environment(task, 6, 2, 1)
    environment.reset()
    told = [environment.starts.command.copy()]
    for _ in range(100):
        environment.step(np.zeros((6, environment.layout.size)))
        told.append(environment.starts.command.copy())
    changed = (np.diff(np.stack(told), axis=0) != 0.0).any(-1).sum(0)
    assert (changed >= 2).all() and (changed <= 7).all()  # each 0.3 to 0.9 s, in 2 s
    low, high = task.commands.forward
    speeds = np.stack(told)[..., 0]
    assert (speeds >= min(low, 0.0)).all() and (speeds <= high).all()
    assert len(np.unique(speeds)) > 6


def test_what_is_not_a_number_does_nothing(small: Task) -> None:
    twins = []
    for action in (0.0, np.nan):
        environment = Environment(small, 2, 4, 1)
        environment.reset()
        for _ in range(20):
            step = environment.step(np.full((2, environment.layout.size), action))
        assert np.isfinite(step.observation).all() and np.isfinite(step.reward).all()
        twins.append(step.truth.position)
    assert np.array_equal(twins[0], twins[1])


def test_a_simulation_that_diverges_ends_one_episode_is_kept_and_breaks_again(
    small: Task, tmp_path: pytest.TempPathFactory
) -> None:
    pytest.importorskip("stable_baselines3")
    from stride_sim.replay import replay
    from stride_training.vector import VectorEnvironment

    folder = tmp_path / "diverged"  # type: ignore[operator]
    vector = VectorEnvironment(Environment(small, 3, 0, 1), folder)
    vector.reset()
    vector.environment.plant._qvel[1, 8] = 1e200
    vector.step_async(np.zeros((3, vector.environment.layout.size)))
    observation, reward, done, infos = vector.step_wait()
    assert done.tolist() == [False, True, False]
    assert infos[1]["diverged"] and not infos[1]["TimeLimit.truncated"]
    assert np.isfinite(observation).all() and np.isfinite(reward).all()
    assert np.isfinite(infos[1]["terminal_observation"]).all()
    (file,) = folder.iterdir()
    found = replay(file)
    assert found.survived < found.substeps and found.finite
    assert found.fastest[0] == 1e200
    assert_damage_is_one_line(file, folder / "torn.npz")


def assert_damage_is_one_line(dump: Path, torn: Path) -> None:
    from stride_sim.replay import replay

    log = mujoco.MjLogConfig.get()
    log.logto_file = log.logto_console = True
    mujoco.MjLogConfig.set(log)
    with np.load(dump) as content:
        whole = dict(content)
    state, model = whole["state"], whole["model"]
    for name, value, said in (
        ("substeps", np.array([5, 5]), "substeps"),
        ("substeps", np.array(-1), "substeps -1: expected a whole number from 1"),
        ("substeps", np.array(1.5), "substeps 1.5"),
        ("substeps", np.array("5"), "substeps"),
        ("state", state[:-1], "state of"),
        ("state", state[None], "state of"),
        ("state", state.astype(str), "state of"),
        ("state", np.array(None), "ValueError"),  # pickled
        ("model", model[:1000], "not a dump"),
        ("model", np.zeros_like(model), "not a dump"),
    ):
        np.savez(torn, **{**whole, name: value})
        _one_line(torn, said)
    data = dump.read_bytes()
    for content in (data[:500], b"", b"PK\x03\x04", data[:900] + b"\x00\xff" + data[902:]):
        torn.write_bytes(content)
        _one_line(torn, "not a dump")
    with open(torn, "wb") as stream:
        np.save(stream, state)
    _one_line(torn, "not a dump")
    log = mujoco.MjLogConfig.get()
    assert not log.logto_file and not log.logto_console, "MuJoCo has its own lines"
    with pytest.raises(ConfigError, match="nowhere"):
        replay(torn.with_name("nowhere.npz"))


def _one_line(torn: Path, said: str) -> None:
    from stride_sim.replay import replay

    with pytest.raises(ConfigError, match=said) as error:
        replay(torn)
    assert str(torn) in str(error.value) and "\n" not in str(error.value)


def test_dumps_that_cannot_be_written_end_no_training(
    small: Task, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("stable_baselines3")
    from stride_training.vector import VectorEnvironment

    task = dataclasses.replace(small, episode=dataclasses.replace(small.episode, seconds=0.1))
    folder = tmp_path / "run"
    vector = VectorEnvironment(Environment(task, 1, 0, 1), folder / "diverged")
    vector.reset()
    for _ in range(6):
        vector.step_async(np.zeros((1, vector.environment.layout.size)))
        vector.step_wait()
    assert not folder.exists() and not capsys.readouterr().err, "episodes ended, none diverged"
    for _ in range(2):
        vector.environment.plant._qvel[0, 8] = 1e200
        vector.step_wait()
    assert not folder.exists(), "a folder that was deleted came back"
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "diverged: cannot be written: No such file or directory; training goes on" in line


def test_an_episode_shorter_than_a_tick_is_refused(small: Task) -> None:
    slow = dataclasses.replace(small.plant, rate_hz=4.0)
    brief = dataclasses.replace(small.episode, seconds=0.1)
    with pytest.raises(
        ConfigError, match=r"episode\.seconds: 0\.1: expected at least a tick, 0\.25"
    ):
        Environment(dataclasses.replace(small, plant=slow, episode=brief), 1, 0, 1)


def test_the_sources_full_layout_has_their_sizes() -> None:
    task = load_task("full", (), ["ground.levels=1", "ground.variants=1"])
    environment = Environment(task, 1, 0, 1)
    sizes = {term.name: term.size for term in environment.observation.terms}
    # quaternion 4, linear and angular velocity 3 each, and optionally the feet's heights 4
    assert environment.truth.size == 4 + 3 + 3 + 4
    assert sizes == {
        "gravity": 3, "joint_position": 12, "joint_velocity": 12, "phase": 2, "swing": 4,
        "action": 12, "asked": 3,
    }  # fmt: skip
    environment.reset()
    step = environment.step(np.zeros((1, 12)))
    quaternion = step.observation[0, environment.observation.size :][:4]
    assert quaternion == pytest.approx(step.truth.quaternion[0], abs=1e-6)


@pytest.mark.parametrize("task", ["rough", "rough_adaptive", "hard", "hard_adaptive"])
def test_shipped_tasks_see_what_a_robot_can_know(task: str) -> None:
    made = load_task(task, (), ["ground.levels=1", "ground.variants=1"])
    environment = Environment(made, 1, 0, 1)
    observation = environment.reset()
    actions = 16 if "adaptive" in task else 12
    assert environment.layout.size == actions
    names = [term.name for term in environment.observation.terms]
    assert not {"velocity", "height", "contact", "friction", "heights"} & set(names)
    assert environment.actor_size == sum(term.size for term in environment.observation.terms)
    assert observation.shape == (1, environment.size) and environment.size > environment.actor_size


def test_a_policy_of_another_servo_rate_or_robot_is_refused_by_its_contract() -> None:
    policy = find("untrained")
    assert policy.contract is not None
    task = load_task("rough", (), [f"plant.rate_hz={policy.contract.rate_hz:g}"])
    assert policy.fitted(task).servo == policy.contract.servo
    for setting, what in (("servo=sts3215_345", "servo"), ("plant.rate_hz=250", "rate_hz")):
        other = with_settings(task, [setting])
        with pytest.raises(ConfigError, match=f"policy untrained: contract: (robot_digest|{what})"):
            policy.fitted(other)


def test_a_policy_of_another_gait_is_refused(tmp_path: Path) -> None:
    policy = find("rough")
    config = config_file("fivebar").read_text()
    config = config.replace("cycle_time: 0.45", "cycle_time: 0.5")
    (tmp_path / "slow.yaml").write_text(config)
    task = load_task("rough")
    assert policy.fitted(task).pattern == "trot"
    with pytest.raises(ConfigError, match=r"it is for cycle_time 0\.45, not 0\.5"):
        policy.fitted(dataclasses.replace(task, params=str(tmp_path / "slow.yaml")))


@pytest.mark.parametrize("kind", ["stairs", "steps"])
def test_on_an_edge_too_the_watchdog_follows_at_once(small: Task, kind: str) -> None:
    """Where legs begin off the stance; else they would crawl for 8 s and then be let go."""
    ground = dataclasses.replace(small.ground, kinds=(kind,), difficulty=(1.0, 1.0))
    environment = Environment(dataclasses.replace(small, ground=ground), 24)
    environment.reset()
    off = np.abs(environment._sensed.position - environment.plant.spec.home).max()
    assert off > 0.15  # the watchdog's standing_tolerance
    for _ in range(5):
        environment.step(np.zeros((24, environment.layout.size)))
    assert (environment._state.safety.mode == Mode.ACTIVE).all()


def test_an_episode_begins_with_a_watchdog_that_follows_at_once(small: Task) -> None:
    """And one that has just been switched on lets the motors rest for a tick."""
    for active in (True, False):
        episode = dataclasses.replace(small.episode, active=active)
        environment = Environment(dataclasses.replace(small, episode=episode), 4, 0, 1)
        environment.reset()
        step = environment.step(np.zeros((4, environment.layout.size)))
        assert step.control.decision.powered.tolist() == [active] * 4


def test_a_robot_that_nobody_looks_at_walks_alike(small: Task, walk: Walk) -> None:
    seen, unseen = (Environment(small, 4, 3, 1, drawn=drawn) for drawn in (True, False))
    assert unseen.plant.model.ngeom < seen.plant.model.ngeom
    assert _same(walk(seen, 40), walk(unseen, 40))


def test_a_turn_that_the_gait_cannot_follow_is_no_error_of_the_heading() -> None:
    """Half a metre a second and a quick turn are more than the servos give: both are scaled."""
    task = load_task("rough", (), ("ground.kinds=[flat]", "commands.standing=0.0"))
    environment = Environment(task, 1, threads=1)
    environment.starts.fixed_command = np.array([[0.5, 0.0, 0.5]])
    environment.reset()
    for _ in range(500):
        environment.step(np.zeros((1, environment.layout.size)))
    assert abs(environment.moment.heading[0]) < 0.15  # 1.8 against the whole of what was asked


def test_a_walk_too_short_to_be_judged_moves_no_robot_of_the_curriculum() -> None:
    environment = Environment(load_task("rough"), 8, threads=1)
    starts = environment.starts
    environment.reset()
    before = copied(starts.progress)
    still = np.zeros((8, environment.layout.size))
    for _ in range(49):
        environment.step(still)
    environment.reset()
    assert np.array_equal(starts.progress, before)
    for _ in range(70):
        environment.step(still)
    mean = starts._error / starts._judged
    assert starts._judged.tolist() == [20.0] * 8
    environment.reset()
    change = starts.progress.level - before.level
    good, bad = mean < 0.06, mean > 0.12
    assert np.array_equal(change, np.where(bad, -1.0, good * 1.0).clip(-before.level))
