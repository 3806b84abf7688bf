"""sim: the simulated plant. Its joint_states start each tick; joint_commands end it.

In lockstep the plant waits for the command that bears the tick's stamp before it steps. In real
time a tick has one period for its answer, counted from its own state and not from the time when
that was due: a late timer costs the graph nothing, and the next ticks follow closer until the time
is made up for. A tick without an answer by then, or by the timer's call in the last tenth of the
period, is missed, and the newest command is used.
"""

from __future__ import annotations

import json
import sys
from math import inf
from pathlib import Path
from time import monotonic, perf_counter_ns
from typing import Any

import numpy as np
from rclpy.clock import Clock, ClockType
from sensor_msgs.msg import JointState
from std_srvs.srv import SetBool
from stride_control.executor import run
from stride_control.messages import NANOSECONDS, Rows, peek_stamp, to_stamp
from stride_control.node import StrideNode
from stride_control.wire import Reader

from stride_msgs.srv import ResetSimulation, StepSimulation
from stride_sim.exclusive import hold
from stride_sim.falls import commanded_height, fallen
from stride_sim.onlookers import Onlookers
from stride_sim.outputs import CLOCK, Outputs
from stride_sim.pacing import EARLY, Pacer
from stride_sim.plant import Plant, Truth
from stride_sim.sim_config import SimConfig
from stride_sim.statistics import RunStatistics
from stride_sim.terrain import TerrainConfig

_RETRY_S = 1.0
"""A tick that nobody answered for this long in lockstep is published again."""

_FIRST_RETRY_S = 0.1
"""The first tick comes before all nodes have found each other: it is repeated sooner."""

_FARTHEST = 1000.0
"""A reset takes no pose beyond this [m, rad]."""

_NOT_BEGUN = "before the first tick: the graph is not complete yet"
_IDLE_S = 0.01
_ALMOST = 0.9
"""Of a period: a timer of the same period may be a little early."""


class SimNode(StrideNode[SimConfig]):
    """Wires a ``Plant`` of one robot to topics, tick by tick."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__("sim", SimConfig, **kwargs)
        config = self.config
        self._lock = hold(self.get_namespace())
        self._terrain = TerrainConfig(
            config.terrain, config.difficulty, config.terrain_seed, config.size
        )
        self._seed = config.seed
        self.plant = Plant(self.robot, config.plant, self._terrain)
        self.plant.reset(config.seed, config.pose)
        self._period_ns = round(NANOSECONDS / config.plant.rate_hz)
        rows = Rows("joint", self.robot.joints)
        self._commands = Reader(JointState, rows, "name", {"position": 1}, ["position"])
        self._target = self.robot.home
        self._answer = b""
        self._answered_ns = -1
        self._published_at = 0
        self._wait_for = [_topic_count(item) for item in config.wait_for]
        self._running = False
        self._paused = False
        self._steps_asked = 0
        self.statistics = RunStatistics(1.0 / config.plant.rate_hz)
        self.done = False
        self._began = monotonic()

        self.outputs = Outputs(self, self.robot, self.plant.model)
        self.outputs.publish_terrain(self.plant.ground_of(), 0)
        self._onlookers = Onlookers(self, config, self.plant)
        self._transform_every = max(round(config.plant.rate_hz / config.transform_rate), 1)
        self.hear(JointState, "joint_commands", self._on_command)
        self.create_service(ResetSimulation, "~/reset", self._on_reset)
        self.create_service(SetBool, "~/pause", self._on_pause)
        self.create_service(StepSimulation, "~/step", self._on_step)
        paced = config.realtime_factor > 0.0
        self._pacer = Pacer(1.0 / config.plant.rate_hz, config.realtime_factor) if paced else None
        # [s] for an answer; the first tick, and in lockstep every tick, ends with its answer alone
        self._deadline = inf if self._pacer is None or config.waits else self._pacer.wall_period
        self._timer = self.create_timer(
            _IDLE_S, self._on_timer, clock=Clock(clock_type=ClockType.STEADY_TIME)
        )

    def apply(self, config: SimConfig) -> None:
        """Nothing here changes while running."""

    @property
    def _now_ns(self) -> int:
        """Stamp of the present tick."""
        return self.plant.tick * self._period_ns

    # --- the tick -------------------------------------------------------------------------------

    def _on_timer(self) -> None:
        """The wall's clock: waits for the graph, then paces real time."""
        if not self._running:
            self._start_when_ready()
        elif self._paused:
            return
        elif self._answer or (
            self._answered_ns >= 0 and self._waited_s() > _ALMOST * self._deadline
        ):
            self._finish_if_due(EARLY)
        elif self._answered_ns < 0 or self.config.waits:
            self._retry_if_silent()

    def _waited_s(self) -> float:
        """For the answer to the present tick, on the wall's clock."""
        return (perf_counter_ns() - self._published_at) / NANOSECONDS

    def _finish_if_due(self, early: float = 0.0) -> None:
        if not self._running or self._paused:
            return
        if self._pacer is None or self._pacer.due(monotonic(), early):
            self._finish_tick()

    def _start_when_ready(self) -> None:
        def resolve(topic: str) -> str:  # counting heeds neither remappings nor our own clock
            return self.outputs.clock if topic == CLOCK else self.resolve_topic_name(topic)

        if not self.count_publishers(resolve("joint_commands")) or not all(
            self.count_subscribers(resolve(topic)) >= count for topic, count in self._wait_for
        ):
            return
        self._running = True
        if self._pacer is not None:
            self._timer.timer_period_ns = round(self._pacer.wall_period * NANOSECONDS)
        self._publish_tick()

    def _publish_tick(self) -> None:
        now_ns = self._now_ns
        truth = self.plant.truth()
        self._judge(truth)
        if self.plant.tick % self._transform_every == 0 and self.outputs.transforms_wanted():
            self.outputs.publish_transforms(self.plant.robot_data(), now_ns)
        self._onlookers.look(now_ns, self.statistics)
        self._answer = b""
        self._publish(truth)

    def _judge(self, truth: Truth) -> None:
        told = commanded_height(self.robot, self._target[None], truth.foot_radius)
        down = fallen(truth, told, np.array([self.statistics.down]))
        where, turn, height = truth.position[0], truth.quaternion[0], float(truth.height[0])
        self.statistics.add(where, turn, height, bool(down[0]))

    def _publish(self, truth: Truth) -> None:
        sensors = self.plant.sensors()
        self.outputs.publish_surroundings(sensors, truth, self._now_ns)
        self._published_at = perf_counter_ns()
        self.outputs.publish_joints(sensors, self._now_ns)

    def _on_command(self, command: bytes) -> None:
        heard_at = perf_counter_ns()
        stamp = peek_stamp(command)
        if stamp > self._now_ns:
            self.warn_once("joint_commands", "joint_commands is stamped in the future: ignored")
            return
        if not self._obey(command):  # nor does it end the tick: a good one may follow
            return
        if stamp == self._now_ns and not self._answer:
            taken = (heard_at - self._published_at) / NANOSECONDS
            self.statistics.add_latency(1e6 * taken)
            self.statistics.missed += self._answered_ns >= 0 and taken > self._deadline
            self._answer = command
        if self._answered_ns < 0:
            self._begin()
        self._answered_ns = self._now_ns
        if self._answer is command:
            self._finish_if_due()

    def _begin(self) -> None:
        """The graph is connected from end to end: from here on time counts."""
        self._began = monotonic()
        if self._pacer is not None:
            self._pacer.restart()

    def _obey(self, command: bytes) -> bool:
        """Hand a command to the plant. A position list that is empty switches the motors off."""
        try:
            (target,) = self._commands.read(command, "joint_commands")
        except ValueError as error:
            self.warn_once("joint_commands", f"{error}: ignored")
            return False
        if not target.size:
            self.plant.command(self.robot.home[None], np.array([False]))
            return True
        if not np.isfinite(target).all():
            self.warn_once("joint_commands", "joint_commands.position is not finite: ignored")
            return False
        self.plant.command(target[None], np.array([True]))
        self._target = target
        return True

    def _finish_tick(self) -> None:
        """Step the plant over the period that the tick began, and begin the next."""
        if not self._answer:
            self.statistics.missed += 1
            self._guard_motors()
        self.plant.step()
        if self.plant.diverged[0] and not self.counts.get("diverged"):
            self.counts["diverged"] = 1
            self.statistics.falls += 1
            self.get_logger().error("the simulation diverged: the robot stands still at home")
        stop = self.config.stop_after
        if stop and self._now_ns >= stop * NANOSECONDS:
            self.finish()
            return
        if self._steps_asked:
            self._steps_asked -= 1
            self._paused = self._steps_asked == 0
        self._publish_tick()

    def _guard_motors(self) -> None:
        """The second timeout, beside the motors."""
        silence = self._now_ns - self._answered_ns
        if silence > self.config.command_timeout * NANOSECONDS:
            self.plant.command(self.robot.home[None], np.array([False]))
            self.warn_once("silence", "joint_commands fell silent: motors off")

    def _retry_if_silent(self) -> None:
        patience = _RETRY_S if self._answered_ns >= 0 else _FIRST_RETRY_S
        if self._waited_s() > patience and not self._answer:
            self.counts["ticks_repeated"] = self.counts.get("ticks_repeated", 0) + 1
            self._publish(self.plant.truth())

    # --- services -------------------------------------------------------------------------------

    def _on_reset(
        self, request: ResetSimulation.Request, response: ResetSimulation.Response
    ) -> ResetSimulation.Response:
        try:
            self._reset(request)
        except ValueError as error:
            response.success, response.message = False, str(error)
            return response
        response.success, response.message = True, "the robot stands at its start"
        return response

    def _reset(self, request: ResetSimulation.Request) -> None:
        place = (request.x, request.y, request.yaw)
        if not all(abs(value) <= _FARTHEST for value in place):
            raise ValueError(f"x, y, yaw {place}: expected finite numbers within {_FARTHEST:g}")
        for name in ("seed", "terrain_seed"):
            if getattr(request, name) < 0:
                raise ValueError(f"{name} {getattr(request, name)}: expected a number from 0")
        if request.terrain:
            terrain = TerrainConfig(request.terrain, request.difficulty, request.terrain_seed)
            self.plant.set_terrain(terrain)
            self._terrain = terrain
            self.outputs.publish_terrain(self.plant.ground_of(), self._now_ns)
            self.outputs.change_model(self.plant.model)
            self._onlookers.change_ground()
        self.plant.reset(int(request.seed), place)
        self._target, self._seed = self.robot.home, int(request.seed)
        self.statistics.reset()

    def _on_pause(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        was, self._paused = self._paused, bool(request.data)
        self._steps_asked = 0  # a pause cuts short what was asked for, and so does going on
        state = "paused" if self._paused else "running"
        response.success = True
        response.message = state if self._running else f"{state} {_NOT_BEGUN}"
        if was and not self._paused:
            self._go_on()
        return response

    def _on_step(
        self, request: StepSimulation.Request, response: StepSimulation.Response
    ) -> StepSimulation.Response:
        response.stamp = to_stamp(self._now_ns)
        response.message = self._why_not_step(request.ticks)
        response.success = not response.message
        if not response.success:
            return response
        self._steps_asked, self._paused = int(request.ticks), False
        response.stamp = to_stamp(self._now_ns + int(request.ticks) * self._period_ns)
        response.message = "stepping"
        self._go_on()
        return response

    def _why_not_step(self, ticks: int) -> str:
        if ticks < 1:
            return f"{ticks} ticks: expected at least 1"
        if not self._running:
            return f"{ticks} ticks {_NOT_BEGUN}"
        if self._steps_asked:
            return f"{ticks} ticks: {self._steps_asked} of those asked for before are to come"
        return "" if self._paused else f"{ticks} ticks: expected a paused simulation: call pause"

    def _go_on(self) -> None:
        """Out of a pause: the tick in which it began may have been answered meanwhile."""
        if self._pacer is not None:
            self._pacer.restart()
        elif self._running and self._answer:
            self._finish_tick()

    # --- the end --------------------------------------------------------------------------------

    def diagnose(self) -> dict[str, str]:
        """Wall-clock figures: here and nowhere else, so that bags are reproducible."""
        figures = self.statistics.summary(monotonic() - self._began)
        for topic in ("joint_states", "joint_commands"):
            if self.count_publishers(self.resolve_topic_name(topic)) > 1:
                self.warn_once(topic, f"{topic} has a second publisher: nobody guards what it says")
        return {
            "state": "paused" if self._paused else "running" if self._running else "waiting",
            "missed_ticks": str(figures.missed_ticks),
            "realtime_factor": f"{figures.realtime_factor:.3f}",
        } | {f"latency_us_{k}": f"{v:.1f}" for k, v in figures.tick_latency_us.items() if v}

    def finish(self) -> None:
        """End the run once: close the film, write the figures."""
        if self.done:
            return
        self.done = True
        self._onlookers.close()
        if self.config.summary:
            summary = self.statistics.summary(monotonic() - self._began)
            figures = json.dumps(self._what_runs() | summary.as_dict())
            try:
                Path(self.config.summary).write_text(figures, "utf-8")
            except OSError as error:
                self.get_logger().error(f"summary {self.config.summary}: {error.strerror}")

    def _what_runs(self) -> dict[str, Any]:
        return {
            "terrain": self._terrain.name,
            "difficulty": self._terrain.difficulty,
            "terrain_seed": self._terrain.seed,
            "seed": self._seed,
            "rate_hz": self.config.plant.rate_hz,
        }

    def destroy_node(self) -> None:
        """Whatever ends the process, the run's figures are kept."""
        self.finish()
        self._lock.close()
        super().destroy_node()


def _topic_count(text: str) -> tuple[str, int]:
    topic, _, count = text.partition("=")
    if not topic or not count.isdigit():
        raise ValueError(f"wait_for: {text!r}: expected topic=number of subscribers")
    return topic, int(count)


def main() -> int:
    """Entry point of the ``sim_node`` executable."""
    return run(lambda: [SimNode()])


if __name__ == "__main__":
    sys.exit(main())
