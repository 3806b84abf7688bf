"""Same seed, same bag; and the graph walks what the batched path walks (promises 2 and 7)."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from nav_msgs.msg import Odometry
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import JointState
from stride_bringup.options import Options
from stride_core.arrays import FloatArray
from stride_core.control import load_controller
from stride_core.gait import PATTERNS, GaitInputs, shape_array
from stride_core.robot import load_robot
from stride_sim.plant import Plant, PlantConfig
from stride_sim.rollout import rollout
from stride_sim.terrain import TerrainConfig
from tests.graph.harness import CLI, FAST, Processes, free_domain

from stride_msgs.msg import FootTargets
from stride_operator import bag

TICKS = 200
COMMAND = (0.15, 0.03, 0.2)
SEED = 7
RUN = (
    "--seconds", "2", "--vx", "0.15", "--vy", "0.03", "--wz", "0.2", "--terrain", "rough",
    "--terrain-seed", "3",
)  # fmt: skip
RUNS = {
    "one": ("--seed", "7"),
    "again": ("--seed", "7"),
    "processes": ("--seed", "7", "--processes"),
    "impatient": ("--seed", "7"),
    "other seed": ("--seed", "8"),
}
IMPATIENT = """
import sys
import stride_sim.sim_node as plant
plant._IDLE_S, plant._RETRY_S, plant._FIRST_RETRY_S = 0.0005, 0.0, 0.0
from stride_bringup.cli import main
sys.exit(main(sys.argv[1:]))
"""
"""A plant that repeats every tick which is not answered at once, as happens on a busy machine."""
OF_THE_WALL = {"/diagnostics", "/rosout", "/parameter_events"}
MOVING = {
    "/clock", "/foot_contacts", "/foot_targets", "/imu", "/joint_commands", "/joint_states",
    "/joint_targets", "/odom", "/safety_status", "/tf",
}  # fmt: skip
STILL = {"/robot_description", "/terrain", "/tf_static"}

Bag = dict[str, list[tuple[int, bytes]]]  # log times [ns] and messages


@pytest.fixture(scope="module")
def bags(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Bag]]:
    """Log times and serialised messages by topic of each of the runs."""

    def record(name: str) -> Bag:
        folder: Path = tmp_path_factory.mktemp("record")
        with free_domain() as domain:
            processes = Processes(folder, domain)
            command = (sys.executable, "-c", IMPATIENT) if name == "impatient" else CLI
            started = processes.start(*command, "sim", *FAST, *RUN, *RUNS[name], "--record", "bag")
            assert started.wait() == 0, started.err
            processes.close()
        found: Bag = defaultdict(list)
        for message in bag.read(folder / "bag"):
            found[message.topic].append((message.time, message.data))
        return found

    with ThreadPoolExecutor(2) as pool:
        yield dict(zip(RUNS, pool.map(record, RUNS), strict=True))


def test_a_bag_holds_every_message_of_every_tick(bags: dict[str, Bag]) -> None:
    found = bags["one"]
    assert found.keys() - OF_THE_WALL == MOVING | STILL
    counts = {topic: len(found[topic]) for topic in MOVING | STILL}
    ticks = dict.fromkeys(MOVING, TICKS) | {"/tf": TICKS // 2} | dict.fromkeys(STILL, 1)
    assert counts == ticks


@pytest.mark.parametrize("other", ["again", "processes", "impatient"])
def test_equal_runs_write_equal_bytes(bags: dict[str, Bag], other: str) -> None:
    assert bags[other].keys() - OF_THE_WALL == bags["one"].keys() - OF_THE_WALL
    for topic in MOVING | STILL:
        assert bags[other][topic] == bags["one"][topic], topic


def test_another_seed_is_other_noise_on_the_same_ground(bags: dict[str, Bag]) -> None:
    for topic in ("/imu", "/joint_states"):
        pairs = zip(bags["other seed"][topic], bags["one"][topic], strict=True)
        assert not [one for other, one in pairs if other == one], topic
    # the gait holds its heading by the IMU; the ground has a seed of its own
    assert bags["other seed"]["/foot_targets"] != bags["one"]["/foot_targets"]
    for topic in STILL | {"/clock"}:
        assert bags["other seed"][topic] == bags["one"][topic], topic


@pytest.fixture(scope="module", params=[0, 5], ids=["alone", "one of eight"])
def batched(request: pytest.FixtureRequest) -> dict[str, FloatArray]:
    """The same run through the batched path: (ticks, …) of the robot with the run's seed."""
    spec = load_robot("fivebar")
    options = Options(command=COMMAND)
    controller = load_controller(spec, *options.params_files())
    place = request.param
    robots = 8 if place else 1
    plant = Plant(spec, PlantConfig(), TerrainConfig("rough", 0.5, 3), robots)
    seeds = [100 + robot for robot in range(robots)]
    seeds[place] = SEED
    plant.reset(seeds)
    gait = controller.gait_config
    commands = np.tile([0.1, 0.0, 0.0], (robots, 1))  # the others walk elsewhere
    commands[place] = COMMAND
    inputs = GaitInputs(
        command=commands,
        shape=np.tile(shape_array(gait.shape), (robots, 1)),
        pattern=np.full(robots, PATTERNS.index(gait.pattern)),
        upright=np.ones(robots, dtype=bool),
    )
    found: dict[str, list[FloatArray]] = defaultdict(list)
    for tick in rollout(plant, controller, inputs, TICKS):
        sensors = plant.sensors()
        found["joint_states"].append(sensors.position[place])
        found["velocity"].append(sensors.velocity[place])
        found["foot_targets"].append(tick.control.gait.feet[place].ravel())
        found["joint_targets"].append(tick.control.target[place])
        found["powered"].append(tick.control.decision.powered[place])
        found["joint_commands"].append(tick.control.decision.command[place])
        found["odom"].append(tick.truth.position[place])
    return {name: np.array(values) for name, values in found.items()}


def messages(bags: dict[str, Bag], topic: str, kind: Any) -> list[Any]:
    return [deserialize_message(data, kind) for _, data in bags["one"][topic]]


@pytest.mark.parametrize("topic", ["joint_states", "joint_targets"])
def test_joints_through_topics_are_those_of_the_batched_path(
    bags: dict[str, Bag], batched: dict[str, FloatArray], topic: str
) -> None:
    walked = np.array([m.position for m in messages(bags, f"/{topic}", JointState)])
    assert np.ptp(walked, axis=0).min() > 0.01  # every joint moves
    np.testing.assert_allclose(walked, batched[topic], rtol=0.0, atol=1e-12)


def test_feet_commands_and_motion_are_those_of_the_batched_path(
    bags: dict[str, Bag], batched: dict[str, FloatArray]
) -> None:
    feet = [m.position for m in messages(bags, "/foot_targets", FootTargets)]
    np.testing.assert_allclose(feet, batched["foot_targets"], rtol=0.0, atol=1e-12)
    commands = messages(bags, "/joint_commands", JointState)
    powered = batched["powered"]
    assert [bool(m.position) for m in commands] == powered.tolist()
    given = [m.position for m in commands if m.position]
    np.testing.assert_allclose(given, batched["joint_commands"][powered], rtol=0.0, atol=1e-12)
    places = [m.pose.pose.position for m in messages(bags, "/odom", Odometry)]
    walked = [(place.x, place.y, place.z) for place in places]
    np.testing.assert_allclose(walked, batched["odom"], rtol=0.0, atol=1e-12)
    velocity = [m.velocity for m in messages(bags, "/joint_states", JointState)]
    np.testing.assert_allclose(velocity, batched["velocity"], rtol=0.0, atol=1e-12)


def test_most_of_the_run_the_motors_are_on(batched: dict[str, FloatArray]) -> None:
    assert batched["powered"].sum() >= TICKS - 2
