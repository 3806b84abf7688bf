"""A policy that stops, dies and comes back, in a process of its own: the robot walks on without."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy")

from rclpy.node import Node
from sensor_msgs.msg import JointState
from stride_control.messages import stamp_ns
from stride_core.arrays import FloatArray
from tests.graph.harness import Graph, Started, stage
from tests.graph.watching import DEEP
from tests.policy.models import HIDDEN, ROBOT, write_policy
from tests.policy.test_swaps import shipped_statistics

from stride_msgs.msg import FootTargets, Residual

PERIOD = 10_000_000  # ns
GOES_ON = 30  # ticks

SIM = """
import sys
import stride_bringup.graph as graph
import stride_bringup.processes as processes
graph._PATIENCE_S = graph._RATES_PATIENCE_S = 0.5
processes._LIVED_S = 0.0
from stride_bringup.cli import main
sys.exit(main(sys.argv[1:]))
"""
"""In lockstep a tick waits less for a policy that is gone, and it is started again at any age."""


Feet = dict[int, FloatArray]


class Outside:
    """The robot and its policy's process, seen from another process.

    Attributes:
        nominal, residual, targets: (legs, 3) of each tick: feet, offsets [m], joint angles [rad].
        used: ticks whose targets are not those of the nominal feet.
    """

    def __init__(self, graph: Graph, run: Started) -> None:
        self.graph, self.run = graph, run
        self.nominal: Feet = {}
        self.residual: Feet = {}
        self.targets: Feet = {}
        self.used: list[int] = []
        node = graph.add(Node, "outside")
        hear = node.create_subscription
        hear(FootTargets, "foot_targets", lambda m: self._keep(self.nominal, m, m.position), DEEP)
        hear(Residual, "residual", lambda m: self._keep(self.residual, m, m.offset), DEEP)
        hear(JointState, "joint_targets", lambda m: self._keep(self.targets, m, m.position), DEEP)

    def _keep(self, where: Feet, message: Any, values: Any) -> None:
        tick = stamp_ns(message.header.stamp) // PERIOD
        where[tick] = np.reshape(values, (-1, 3))
        if where is self.residual or tick not in self.nominal or tick not in self.targets:
            return
        if not leads_to(self.nominal[tick], self.targets[tick]):
            self.used.append(tick)

    @property
    def now(self) -> int:
        """The newest tick with targets."""
        return max(self.targets, default=-1)

    @property
    def last_used(self) -> int:
        """The newest tick with a residual that counted."""
        return max(self.used, default=-1)

    def signal(self, signum: int) -> None:
        """To the policy's process alone."""

        def pids() -> list[int]:
            return [pid for pid, line in self.run.family().items() if "policy_node" in line]

        (pid,) = self.graph.until(pids)
        os.kill(pid, signum)

    def goes_on_without(self) -> int:
        """Wait until the robot has walked for a while without; the last tick with a residual."""
        self.graph.until(lambda: self.now >= self.last_used + GOES_ON)
        return self.last_used

    def is_back(self) -> None:
        """Wait until the residual counts again, tick by tick."""
        since = self.now
        self.graph.until(lambda: len([tick for tick in self.used if tick > since]) > GOES_ON)


def leads_to(feet: FloatArray, angles: FloatArray) -> bool:
    """Whether feet (legs, 3) are what these joint targets are for."""
    return bool(np.abs(ROBOT.kinematics.inverse(feet).angles - angles).max() < 1e-9)


@pytest.mark.parametrize("factor", ["max", "1"])
def test_a_policy_that_stops_or_dies_costs_its_residual_and_comes_back(
    tmp_path: Path, factor: str
) -> None:
    policy = str(
        write_policy(
            tmp_path / "policy.onnx", normaliser=shipped_statistics(), hidden=HIDDEN, gain=0.1
        )
    )
    with stage(tmp_path) as (processes, graph):
        run = processes.start(
            *(sys.executable, "-c", SIM, "sim", "--headless", "--json", "--processes"),
            *("--vx", "0.1", "--policy", policy, "--realtime-factor", factor),
        )
        seen = Outside(graph, run)
        seen.is_back()
        gone = []
        for cut, repair in ((signal.SIGSTOP, signal.SIGCONT), (signal.SIGKILL, None)):
            seen.signal(cut)
            gone.append(seen.goes_on_without())
            if repair is not None:
                seen.signal(repair)
            seen.is_back()
        run.process.terminate()
        assert run.wait() == 0, run.err
        assert run.report()["falls"] == 0
    assert "policy ended (killed by SIGKILL)" in run.err
    assert "policy is started again" in run.err
    # each tick has its targets: those of the nominal gait, or with the very residual of the tick
    first = min(seen.targets)
    assert sorted(seen.targets)[: gone[-1] - first] == list(range(first, gone[-1]))
    for tick in set(seen.used) & set(seen.residual):
        assert leads_to(seen.nominal[tick] + seen.residual[tick], seen.targets[tick]), tick
    # without its policy the very next tick is the nominal gait's, and so on until it is back
    for stop in gone:
        assert not {tick for tick in seen.used if stop < tick <= stop + GOES_ON}
