"""What a policy sees and does through topics is what it sees and does in the batched path."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy")

from nav_msgs.msg import Odometry
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import JointState
from stride_bringup.options import Options
from stride_bringup.verify import ticks
from stride_control.policy.loading import Policy, Terms, load_policy
from stride_control.scene_reader import SceneReader
from stride_core.action import ActionConfig
from stride_core.arrays import FloatArray
from stride_core.attitude import ImuMount
from stride_core.control import load_controller
from stride_core.gait import PATTERNS, GaitInputs, shape_array
from stride_core.observation import Observed
from stride_sim.plant import Plant, PlantConfig
from stride_sim.rollout import read
from stride_sim.terrain import TerrainConfig
from tests.graph.harness import FAST, Processes, free_domain
from tests.policy.models import HIDDEN, ROBOT, write_policy
from tests.policy.test_swaps import shipped_statistics

from stride_msgs.msg import FootTargets
from stride_operator import bag

TICKS = 150
SEED = 7
COMMAND = (0.15, 0.03, 0.2)
RUN = (
    *FAST, "--seconds", str(TICKS / 100), "--vx", "0.15", "--vy", "0.03", "--wz", "0.2",
    "--terrain", "rough", "--terrain-seed", "3", "--seed", str(SEED), "--record", "bag",
)  # fmt: skip
ACTIONS = {
    "12-D": ActionConfig(),
    "16-D": ActionConfig(
        modulation={"step_height": 0.1, "stride": 1.0, "cycle_time": 0.5, "height": 0.05}
    ),
}


@pytest.fixture(scope="module", params=ACTIONS)
def walk(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Policy, Path]]:
    """A policy, and the bag of its walk through the graph."""
    folder: Path = tmp_path_factory.mktemp("walk")
    action = ACTIONS[request.param]
    statistics = shipped_statistics()
    extra = len(action.modulation)
    mean = (*statistics.mean, *[0.0] * extra)
    # wide, so that nothing is strange: the batched path has no gate
    std = (*(max(value, 0.2) for value in statistics.std), *[0.2] * extra)
    file = write_policy(
        folder / "policy.onnx", action=action, hidden=HIDDEN, gain=0.3,
        normaliser=type(statistics)(mean, std),
    )  # fmt: skip
    with free_domain() as domain:
        processes = Processes(folder, domain)
        run = processes.sim(*RUN, "--policy", str(file))
        assert run.wait() == 0, run.err
        processes.close()
    yield load_policy(file, Terms(ROBOT, 100.0)), folder / "bag"


@pytest.fixture(scope="module", params=[0, 3], ids=["alone", "one of six"])
def batched(request: pytest.FixtureRequest, walk: tuple[Policy, Path]) -> dict[str, FloatArray]:
    """The same walk through the batched path: (ticks, …) of the robot with the run's seed."""
    policy, _ = walk
    place = request.param
    robots = 6 if place else 1
    controller = load_controller(ROBOT, *Options().params_files())
    plant = Plant(ROBOT, PlantConfig(), TerrainConfig("rough", 0.5, 3), robots)
    seeds = [100 + robot for robot in range(robots)]
    seeds[place] = SEED
    plant.reset(seeds)
    commands = np.tile([0.1, 0.0, 0.0], (robots, 1))
    commands[place] = COMMAND
    gait = controller.gait_config
    inputs = GaitInputs(
        command=commands,
        shape=np.tile(shape_array(gait.shape), (robots, 1)),
        pattern=np.full(robots, PATTERNS.index(gait.pattern)),
        upright=np.ones(robots, dtype=bool),
    )
    mount, state = ImuMount(ROBOT.imu.rpy), controller.initial(inputs)
    action = np.zeros((robots, policy.action.size))
    found: dict[str, list[FloatArray]] = defaultdict(list)
    for tick in range(TICKS):
        sensors = plant.sensors()
        sensed = read(mount, sensors, plant.time)
        inputs = inputs._replace(yaw=mount.yaw(sensors.quaternion))
        state, nominal = controller.plan(state, inputs, plant.period if tick else 0.0)
        seen = policy.observation.build(Observed(sensed, nominal, action))
        # one by one: onnxruntime's products of matrices round otherwise than those of vectors
        action = np.clip([policy.network(row) for row in seen], -1.0, 1.0)
        act = policy.action.apply(action)
        found["observation"].append(seen[place])
        found["action"].append(action[place])
        found["shape"].append(nominal.shape[place])
        found["odom"].append(plant.truth().position[place])
        inputs = inputs._replace(rates=act.rates)
        state, control = controller.act(state, sensed, nominal, act.offset)
        found["joint_targets"].append(control.target[place])
        plant.command(control.decision.command, control.decision.powered)
        plant.step()
    return {name: np.array(values) for name, values in found.items()}


def messages(folder: Path, topic: str, kind: Any) -> list[Any]:
    return [deserialize_message(m.data, kind) for m in bag.read(folder) if m.topic == topic]


def test_the_observation_of_the_node_is_that_of_the_batch_to_the_last_bit(
    walk: tuple[Policy, Path], batched: dict[str, FloatArray]
) -> None:
    policy, folder = walk
    before = np.zeros(policy.action.size)
    for tick, (scene, residual) in enumerate(ticks(folder, SceneReader(ROBOT))):
        seen = policy.observation.build(Observed(scene.sensed, scene.gait, before))
        np.testing.assert_array_equal(seen, batched["observation"][tick], err_msg=str(tick))
        before = batched["action"][tick]
        np.testing.assert_array_equal(residual.offset, policy.action.apply(before).offset.ravel())
    assert tick == TICKS - 1
    assert np.abs(batched["action"]).max() > 0.2


def test_the_walk_through_topics_is_that_of_the_batch(
    walk: tuple[Policy, Path], batched: dict[str, FloatArray]
) -> None:
    policy, folder = walk
    targets = np.array([m.position for m in messages(folder, "/joint_targets", JointState)])
    shape = np.array([m.shape for m in messages(folder, "/foot_targets", FootTargets)])
    places = [m.pose.pose.position for m in messages(folder, "/odom", Odometry)]
    position = np.array([(p.x, p.y, p.z) for p in places])
    np.testing.assert_allclose(targets, batched["joint_targets"], rtol=0.0, atol=1e-12)
    np.testing.assert_array_equal(shape, batched["shape"])
    np.testing.assert_allclose(position, batched["odom"], rtol=0.0, atol=1e-12)
    modulated = np.ptp(shape, axis=0) > 1e-4
    assert modulated.sum() == len(policy.action.config.modulation)


def test_a_shuffled_observation_is_noticed(
    walk: tuple[Policy, Path], batched: dict[str, FloatArray]
) -> None:
    """The comparison above can fail: the same bag, read for legs in another order."""
    policy, folder = walk
    scene, _ = next(iter(ticks(folder, SceneReader(ROBOT))))
    swapped = scene.sensed._replace(position=scene.sensed.position[::-1])
    seen = policy.observation.build(Observed(swapped, scene.gait, np.zeros(policy.action.size)))
    assert (seen != batched["observation"][0]).any()
