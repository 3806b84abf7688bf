"""Training walks what the graph walks: same seed, same actions, same everything (promise 7).

The composed lockstep graph walks with a policy of random weights, with noise, delays, pushes and
every kind of randomisation; the batched environment is then given the actions of the bag.
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from nav_msgs.msg import Odometry
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import JointState
from stride_control.scene_reader import SceneReader
from stride_core.action import ActionConfig
from stride_core.arrays import FloatArray
from stride_core.config import from_mapping
from stride_core.observation import Observed
from stride_sim.plant import PlantConfig
from stride_training.environment import Environment
from stride_training.places import config_folder
from stride_training.starts import Start
from stride_training.task import Task, load_task
from tests.graph.harness import CLI, FAST, Processes, free_domain
from tests.policy.models import write_policy

from stride_msgs.msg import FootTargets, Residual
from stride_operator import bag

TICKS, RATE, SEED, COMMAND = 150, 50.0, 7, (0.15, 0.03, 0.2)
EXACT = 1e-9
MODULATION = {"step_height": 0.05, "stride": 0.5, "cycle_time": 0.2, "height": 0.05}
PLANT: dict[str, Any] = {
    "rate_hz": RATE,
    "noise": {"scale": 1.5, "joint_position_bias": 0.01},
    "randomisation": {
        "friction": [0.3, 1.25], "mass": [0.85, 1.15], "payload": [0.0, 0.3],
        "centre_of_mass": [-0.01, 0.01], "strength": [0.8, 1.0], "stiffness": [0.8, 1.2],
        "derivative": [0.8, 1.2], "damping": [0.8, 1.2], "joint_friction": [0.5, 1.5],
        "backlash": [0.5, 1.0], "noise": [0.5, 2.0], "action_delay": [1.0, 3.0],
        "sensor_delay": [1.0, 3.0], "push_force": [3.0, 8.0], "push_interval": [0.5, 1.0],
    },
}  # fmt: skip
GROUNDS = {"rough": ("rough", 0.5, 3), "waves": ("waves", 0.6, 4)}

Walked = dict[str, FloatArray]


@pytest.fixture(scope="module")
def params(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The robot's parameters, the plant's beside them; the residual is never faded by the gate."""
    content = yaml.safe_load((config_folder() / "fivebar.yaml").read_text())
    content["/**/sim"] = {"ros__parameters": {"plant": PLANT}}
    content["/**/policy"]["ros__parameters"]["gate"] = {"enabled": False}
    path: Path = tmp_path_factory.mktemp("params") / "fivebar.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


@pytest.fixture(scope="module")
def graph(params: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Walked]]:
    """What the graph's bag says of each ground, (ticks, …)."""
    action = ActionConfig(0.02, MODULATION)
    file = write_policy(params.parent / "random.onnx", gain=3.0, action=action, rate_hz=RATE)

    def walk(name: str) -> Walked:
        kind, difficulty, terrain_seed = GROUNDS[name]
        folder = tmp_path_factory.mktemp(name)
        vx, vy, wz = map(str, COMMAND)
        arguments = [
            "--config", str(params), "--policy", str(file), "--rate", str(RATE), "--seconds",
            str(TICKS / RATE), "--seed", str(SEED), "--vx", vx, "--vy", vy, "--wz", wz, "--terrain",
            kind, "--difficulty", str(difficulty), "--terrain-seed", str(terrain_seed),
        ]  # fmt: skip
        with free_domain() as domain:
            processes = Processes(folder, domain)
            started = processes.start(*CLI, "sim", *FAST, *arguments, "--record", "bag")
            assert started.wait() == 0, started.err
            processes.close()
        return _read(folder / "bag", action)

    with ThreadPoolExecutor(2) as pool:
        yield dict(zip(GROUNDS, pool.map(walk, GROUNDS), strict=True))


def _read(path: Path, action: ActionConfig) -> Walked:
    """Messages as arrays; the observations as the policy's node reads them."""
    raw: dict[str, list[bytes]] = defaultdict(list)
    for message in bag.read(path):
        raw[message.topic].append(message.data)

    def of(topic: str, kind: Any) -> list[Any]:
        return [deserialize_message(data, kind) for data in raw[topic]]

    residual = of("/residual", Residual)
    offsets = np.array([m.offset for m in residual]) / action.residual
    columns = [0, 5, 2, 1]  # height, stride, cycle_time, step_height among the shape's parts
    order = [columns[k] for k in (3, 1, 2, 0)]  # as MODULATION names them
    rates = np.array([m.rates for m in residual])[:, order] / list(MODULATION.values())
    places = [m.pose.pose for m in of("/odom", Odometry)]
    return {
        "action": np.concatenate([offsets, rates], axis=1),
        "observation": _observations(raw, np.concatenate([offsets, rates], axis=1), action),
        "feet": np.array([m.position for m in of("/foot_targets", FootTargets)]),
        "command": np.array(
            [m.position if m.position else [np.nan] * 12 for m in of("/joint_commands", JointState)]
        ),
        "position": np.array([(p.position.x, p.position.y, p.position.z) for p in places]),
        "effort": np.array([m.effort for m in of("/joint_states", JointState)]),
        "quaternion": np.array(
            [(p.orientation.x, p.orientation.y, p.orientation.z, p.orientation.w) for p in places]
        ),
    }


def _observations(
    raw: dict[str, list[bytes]], actions: FloatArray, action: ActionConfig
) -> FloatArray:
    environment = Environment(_task("rough", None, action), 1, threads=1)
    robot = environment.plant.spec
    reader = SceneReader(robot)
    last = np.zeros(actions.shape[1])
    seen = []
    streams = zip(raw["/joint_states"], raw["/imu"], raw["/foot_targets"], actions, strict=True)
    for state, imu, feet, answer in streams:
        reader.hear_state(state)
        reader.hear_imu(imu)
        reader.hear_feet(feet)
        scene = reader.read()
        seen.append(environment.observation.build(Observed(scene.sensed, scene.gait, last)))
        last = answer
    return np.array(seen)


def _task(ground: str, params: Path | None, action: ActionConfig) -> Task:
    kind, difficulty, _ = GROUNDS[ground]
    task = load_task("rough")
    return dataclasses.replace(
        task,
        params=str(params or ""),
        plant=from_mapping(PlantConfig, PLANT, "plant"),
        action=action,
        episode=dataclasses.replace(
            task.episode, seconds=1000.0, max_tilt=3.1, min_height=0.0, active=False
        ),
        ground=dataclasses.replace(
            task.ground, kinds=(kind,), difficulty=(difficulty, difficulty), levels=1, variants=1
        ),
    )


def _walk(
    ground: str,
    params: Path,
    actions: FloatArray,
    robots: int = 1,
    place: int = 0,
    spoil: Callable[[FloatArray, int], FloatArray] = lambda action, tick: action,
) -> Walked:
    """The batched environment with the bag's actions; the other robots do something else."""
    environment = Environment(_task(ground, params, ActionConfig(0.02, MODULATION)), robots, 5, 2)
    starts = environment.starts
    command = np.tile([0.1, 0.0, 0.0], (robots, 1))
    command[place] = COMMAND
    starts.fixed_command, starts.fixed_pose = command, np.zeros((robots, 3))
    begin = starts.begin
    kind, _, seed = GROUNDS[ground]
    (which,) = [k for k, made in enumerate(environment.plant.kinds) if made.name == kind]
    environment.plant.set_terrain(dataclasses.replace(environment.plant.kinds[which], seed=seed))

    def same(ids: Any) -> Start:
        start = begin(ids)
        seeds = [100 + int(robot) for robot in ids]
        seeds[place] = SEED
        nowhere = np.full(len(ids), np.nan)
        ground = np.zeros(len(ids), np.intp)
        return dataclasses.replace(start, seeds=seeds, phase=nowhere, ground=ground)

    object.__setattr__(starts, "begin", same)
    observation = environment.reset()
    others = np.random.default_rng(0).uniform(-1, 1, (robots, environment.layout.size))
    seen: dict[str, list[FloatArray]] = defaultdict(list)
    for tick, answer in enumerate(actions):
        truth, sensors = environment.plant.truth(), environment.plant.sensors()
        seen["observation"].append(environment.exact_observation()[place])
        seen["position"].append(truth.position[place])
        seen["quaternion"].append(truth.quaternion[place])
        seen["effort"].append(sensors.effort[place])
        action = others.copy()
        action[place] = spoil(answer, tick)
        step = environment.step(action)
        starts.command = command
        seen["feet"].append(step.control.gait.feet[place].ravel())
        seen["command"].append(step.control.decision.command[place])
    assert observation.shape[0] == robots
    return {name: np.array(values) for name, values in seen.items()}


def _differences(ours: Walked, theirs: Walked) -> dict[str, float]:
    found = {}
    for name, values in ours.items():
        assert np.array_equal(np.isnan(values), np.isnan(theirs[name])), name
        found[name] = float(np.nanmax(np.abs(values - theirs[name])))
    return found


@pytest.mark.parametrize("robots, place", [(1, 0), (64, 37)], ids=["alone", "one of 64"])
@pytest.mark.parametrize("ground", GROUNDS)
def test_the_environment_walks_what_the_graph_walks(
    graph: dict[str, Walked], params: Path, ground: str, robots: int, place: int
) -> None:
    theirs = graph[ground]
    assert np.ptp(theirs["action"], axis=0).min() > 0.05  # every action moves
    assert np.abs(theirs["position"][-1, :2]).max() > 0.1  # and the robot
    ours = _walk(ground, params, theirs["action"], robots, place)
    assert set(ours) == set(theirs) - {"action"}
    worst = _differences(ours, theirs)
    assert max(worst.values()) <= EXACT, worst


def _swap(action: FloatArray, tick: int) -> FloatArray:
    order = np.arange(len(action))
    order[[1, 2]] = [2, 1]
    return action[order]


def _flip(action: FloatArray, tick: int) -> FloatArray:
    return action * np.where(np.arange(len(action)) == 4, -1.0, 1.0)


@pytest.mark.parametrize("mutation", [_swap, _flip, "late", "joints", "sign"])
def test_a_mistake_in_one_path_is_noticed(
    graph: dict[str, Walked], params: Path, mutation: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = graph["rough"]
    actions, spoil = theirs["action"], lambda action, tick: action
    if mutation == "late":
        actions = np.concatenate([actions[:1], actions[:-1]])
    elif mutation == "joints":  # two joints change places in what the robot senses
        _mutate(monkeypatch, lambda position: position[:, [1, 0, *range(2, position.shape[1])]])
    elif mutation == "sign":
        _mutate(monkeypatch, lambda position: position * np.where(np.arange(12) == 7, -1.0, 1.0))
    else:
        spoil = mutation
    worst = _differences(_walk("rough", params, actions, spoil=spoil), theirs)
    assert max(worst.values()) > 1e3 * EXACT, worst


def _mutate(monkeypatch: pytest.MonkeyPatch, act: Callable[[FloatArray], FloatArray]) -> None:
    real = Environment._read

    def read(self: Environment) -> Any:
        sensed, yaw = real(self)
        return sensed._replace(position=act(sensed.position)), yaw

    monkeypatch.setattr(Environment, "_read", read)
