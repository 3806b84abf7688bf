"""The list of nodes: one place for composed runs, processes and launch files."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import entry_points
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml

pytest.importorskip("rclpy")

from stride_bringup.graph import NodeSpec, check_remappings, listeners, ros_arguments, sim_nodes
from stride_bringup.hardware import HardwareOptions, hardware_nodes
from stride_bringup.options import Options, config_file
from stride_bringup.processes import executable

LOOP = ("gait", "policy", "ik", "safety")


def named(options: Options) -> dict[str, NodeSpec]:
    return {spec.name: spec for spec in sim_nodes(options)}


def given(arguments: list[str]) -> dict[str, Any]:
    """Parameters after `-p`, read as ROS reads them: as YAML."""
    rules = [value for flag, value in pairwise(arguments) if flag == "-p"]
    return {name: yaml.safe_load(value) for name, _, value in (r.partition(":=") for r in rules)}


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({"headless": True}, [*LOOP, "sim"]),
        ({}, [*LOOP, "viewer", "sim"]),
        ({"window": True}, [*LOOP, "sim"]),
        ({"headless": True, "record": "bag"}, [*LOOP, "recorder", "sim"]),
        ({"record": "bag"}, [*LOOP, "recorder", "viewer", "sim"]),
    ],
    ids=str,
)
def test_who_watches_depends_on_the_options_and_the_plant_is_last(
    options: dict[str, Any], names: list[str]
) -> None:
    assert [spec.name for spec in sim_nodes(Options(**options))] == names


def test_every_executable_and_class_exists() -> None:
    installed = {e.name: e.value for e in entry_points(group="console_scripts")}
    for spec in sim_nodes(Options(record="bag")):
        module, _, name = spec.path.partition(":")
        assert module.split(".")[0] == spec.package
        assert installed[spec.executable] == f"{module}:main"
        assert callable(getattr(import_module(module), name))
        assert executable(spec)[-1].startswith(f"import sys; from {module} import main")


def test_an_executable_that_nobody_installed_is_refused() -> None:
    with pytest.raises(ValueError, match=r"stride_sim nosuch_node: no such executable"):
        executable(NodeSpec("x", "stride_sim", "nosuch_node", "x:X"))


def test_only_the_viewer_keeps_out_of_the_control_loops_process() -> None:
    assert [s.name for s in sim_nodes(Options(record="bag")) if s.alone] == ["viewer"]


@pytest.mark.parametrize(
    ("tick", "topics"),
    [
        (
            ["sim", "gait", "ik", "safety", "sim"],
            ["joint_states", "foot_targets", "joint_targets", "joint_commands"],
        ),
        (["sim", "gait", "policy", "ik"], ["joint_states", "foot_targets", "residual"]),
        (["sim", "policy", "gait"], ["imu", "residual"]),
    ],
)
def test_the_chain_of_a_tick_is_closed(tick: list[str], topics: list[str]) -> None:
    nodes = named(Options(headless=True, policy="untrained"))
    for teller, topic, hearer in zip(tick, topics, tick[1:], strict=False):
        assert topic in nodes[teller].tells and topic in nodes[hearer].hears


def test_the_first_tick_waits_for_every_listener() -> None:
    def counts(options: Options) -> dict[str, int]:
        waiting = [item.split("=") for item in named(options)["sim"].parameters["wait_for"]]
        return {topic: int(count) for topic, count in waiting}

    alone = counts(Options(headless=True))
    # gait, safety; the same; ik, and the policy's node for one tick; gait, ik; safety
    expected = {"joint_states": 2, "imu": 2, "foot_targets": 2, "residual": 2, "joint_targets": 1}
    assert {topic: alone[topic] for topic in expected} == expected
    with_policy = counts(Options(headless=True, policy="untrained"))
    more = {topic for topic in alone if with_policy[topic] == alone[topic] + 1}
    assert more == {"joint_states", "imu"}
    recorded = counts(Options(headless=True, record="bag"))
    assert recorded == {topic: count + 1 for topic, count in alone.items()}
    assert counts(Options(record="bag")) == recorded  # a viewer is not waited for
    assert listeners([])[0] == "/clock=0"


def test_options_reach_the_nodes_as_parameters() -> None:
    options = Options(
        terrain="rough", difficulty=0.25, terrain_seed=4, seed=9, command=(0.1, -0.05, 0.2),
        gait="walk", seconds=2.5, rate=50.0, realtime_factor=0.0, servo="sts3215_345",
        record="a bag", stamped_cmd_vel=True,
    )  # fmt: skip
    nodes = {name: given(ros_arguments(spec, options)) for name, spec in named(options).items()}
    assert nodes["gait"]["initial_command"] == [0.1, -0.05, 0.2]
    assert nodes["gait"]["gait.pattern"] == "walk"
    assert nodes["gait"]["stamped_cmd_vel"] is True
    assert nodes["recorder"]["output"] == "a bag"
    sim = nodes["sim"]
    assert (sim["terrain"], sim["difficulty"], sim["terrain_seed"]) == ("rough", 0.25, 4)
    assert (sim["seed"], sim["stop_after"], sim["plant.rate_hz"]) == (9, 2.5, 50.0)
    assert sim["realtime_factor"] == 0.0
    for name in (*LOOP, "sim"):
        assert nodes[name]["servo"] == "sts3215_345"


@pytest.mark.parametrize("command", [(1, 0.5, 0), (1e-7, 0.0, 2.0)])
def test_a_command_is_one_list_of_numbers_for_ros(command: tuple[float, float, float]) -> None:
    options = Options(command=command)
    (rule,) = [
        word for word in ros_arguments(named(options)["gait"], options) if "initial_command" in word
    ]
    values = rule.partition("[")[2].rstrip("]").split(",")
    assert all("." in value or "e" in value for value in values)  # not one an integer
    assert tuple(map(float, values)) == command


def test_what_nobody_said_is_the_configurations_to_say() -> None:
    nodes = {name: spec.parameters for name, spec in named(Options(headless=True)).items()}
    assert set(nodes["gait"]) == {"robot", "servo"}
    assert nodes["policy"]["rate_hz"] == 100.0
    assert set(nodes["sim"]) == {"robot", "servo", "plant.rate_hz", "wait_for"}
    assert nodes["sim"]["plant.rate_hz"] == nodes["policy"]["rate_hz"]  # or the policy is refused


def test_what_was_said_overrides_it_even_where_it_is_the_default() -> None:
    options = Options(headless=True, command=(0.0, 0.0, 0.0), given=frozenset({"command", "seed"}))
    nodes = {name: spec.parameters for name, spec in named(options).items()}
    assert nodes["gait"]["initial_command"] == [0.0, 0.0, 0.0]
    assert nodes["sim"]["seed"] == 0
    assert "terrain" not in nodes["sim"]


def test_a_name_that_looks_like_a_number_stays_a_name() -> None:
    options = Options(record="2024")
    assert given(ros_arguments(named(options)["recorder"], options))["output"] == "2024"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (Options(policy="untrained"), "untrained"),
        (Options(policy="default"), "rough"),  # what config/fivebar.yaml names
        (Options(), "none"),
    ],
)
def test_the_policy_is_of_the_same_graph_whichever_it_is(options: Options, expected: str) -> None:
    nodes = named(options)
    assert list(nodes) == list(named(Options()))
    assert nodes["policy"].parameters["policy"] == expected
    assert nodes["ik"].parameters["expect_residual"] is (expected != "none")
    assert [spec.name for spec in nodes.values() if spec.expendable] == ["policy"]


def test_the_residual_is_awaited_by_all_who_hear_it() -> None:
    assert named(Options(headless=True))["policy"].parameters["listeners"] == 2  # gait, ik
    assert named(Options(headless=True, record="bag"))["policy"].parameters["listeners"] == 3


def test_in_lockstep_a_tick_waits_for_its_policy_and_in_real_time_not_beyond_its_share() -> None:
    waiting, paced = named(Options(realtime_factor=0.0)), named(Options(rate=50.0))
    assert waiting["policy"].parameters["lockstep"] is True
    assert waiting["ik"].parameters["residual_deadline"] >= 1.0
    assert waiting["gait"].parameters["rates_deadline"] >= 1.0
    assert paced["ik"].parameters["residual_deadline"] == pytest.approx(0.4 * 0.02)
    assert paced["policy"].parameters["tick_deadline"] == pytest.approx(0.4 * 0.02)
    assert "rates_deadline" not in paced["gait"].parameters


def test_a_namespace_goes_to_every_node() -> None:
    options = Options(namespace="/left/dog/", record="bag")
    for spec in sim_nodes(options):
        arguments = ros_arguments(spec, options)
        assert arguments[-2:] == ["-r", "__ns:=/left/dog"]
    assert "-r" not in ros_arguments(sim_nodes(Options())[0], Options())


def test_a_remapping_goes_to_the_nodes_that_have_the_topic() -> None:
    options = Options(headless=True, remap=("joint_states:=measured",))
    check_remappings(sim_nodes(options), options)
    arguments = {spec.name: ros_arguments(spec, options) for spec in sim_nodes(options)}
    having = {name for name, words in arguments.items() if "joint_states:=measured" in words}
    assert having == {"gait", "policy", "safety", "sim"}


@pytest.mark.parametrize("rule", ["nosuch:=x", "odom", "odom:=", ":=x", "*:=x"])
def test_a_remapping_of_nothing_is_refused(rule: str) -> None:
    options = Options(remap=("odom:=truth", rule))
    with pytest.raises(ValueError, match=r"expected TOPIC:=NAME with one of .*odom") as caught:
        check_remappings(sim_nodes(options), options)
    assert repr(rule) in str(caught.value)


def test_the_motors_run_at_the_rate_of_their_policy_and_by_the_walls_clock(tmp_path: Path) -> None:
    config = tmp_path / "fivebar.yaml"
    said = yaml.safe_load(config_file("fivebar").read_text("utf-8"))
    said["/**/sim"] = {"ros__parameters": {"realtime_factor": 0.0}}
    config.write_text(yaml.safe_dump(said), "utf-8")
    options = HardwareOptions(twin=True, policy="rough", config=str(config))
    nodes = {spec.name: spec.parameters for spec in hardware_nodes(options)}
    members = {one.name: one.parameters for spec in hardware_nodes(options) for one in spec.members}
    assert nodes["actuator"]["rate_hz"] == nodes["policy"]["rate_hz"] == 50.0
    assert nodes["policy"]["lockstep"] is False
    assert members["ik"]["residual_deadline"] == pytest.approx(0.4 / 50.0)
