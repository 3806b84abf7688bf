"""N robots that learn, stepped at once: plant, control law, commands, rewards, ends and starts.

One step is one control tick, with the very functions of the nodes:

    act with the action → plant → sensors → plan → observation

A robot is known by its number: what happens to it depends on the seed, its number and how many
episodes it has had, and neither on the others nor on the number of threads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from stride_core.action import ActionLayout
from stride_core.arrays import BoolArray, FloatArray
from stride_core.attitude import ImuMount
from stride_core.config import ConfigError
from stride_core.control import Control, Controller, Sensed, load_controller
from stride_core.frames import up_in_body, yaw_of
from stride_core.gait import PATTERNS, GaitInputs, shape_array
from stride_core.observation import Observation, Observed
from stride_core.robot import load_robot
from stride_core.safety import Mode, SafetyState
from stride_sim.falls import standing_height
from stride_sim.plant import Plant
from stride_sim.records import Truth
from stride_sim.rollout import read

from stride_training.following import at_rest, follow, off_heading
from stride_training.places import params_files
from stride_training.privileged import Privileged
from stride_training.records import Indices, copied, put, take
from stride_training.rewards import Moment, Reward
from stride_training.starts import Starts, pool
from stride_training.task import Task

Observations = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Step:
    """What a step led to, ``(N, …)``, before any robot begins anew.

    Attributes:
        observation: ``(N, size)`` float32: the actor's part, then the critic's.
        reward: ``(N,)``.
        terms: ``(N, terms)`` weighted, whose sum it is.
        fell: ``(N,)`` the episode ends by a fall.
        late: ``(N,)`` it ends by its time alone.
        diverged: ``(N,)`` those of the falls where the simulation broke down.
        truth: of the plant.
        control: what was decided.
    """

    observation: Observations
    reward: FloatArray
    terms: FloatArray
    fell: BoolArray
    late: BoolArray
    diverged: BoolArray
    truth: Truth
    control: Control

    @property
    def done(self) -> BoolArray:
        """``(N,)``."""
        return self.fell | self.late


def _fitting_pattern(task: Task, controller: Controller) -> str:
    """The gait's pattern, of a task that can be walked.

    Raises:
        ConfigError: one line.
    """
    most = controller.residual_limit
    if task.action.residual > most:
        raise ConfigError(
            f"task {task.name}: action.residual: {task.action.residual:g}: expected at most the"
            f" ik's residual_limit, {most:g} m, which would clip it"
        )
    if round(task.episode.seconds * task.plant.rate_hz) < 1:
        raise ConfigError(
            f"task {task.name}: episode.seconds: {task.episode.seconds:g}: expected at least a"
            f" tick, {1.0 / task.plant.rate_hz:g} s at plant.rate_hz {task.plant.rate_hz:g}"
        )
    pattern = task.pattern or controller.gait_config.pattern
    if pattern not in PATTERNS:
        known = ", ".join(PATTERNS)
        raise ConfigError(f"task {task.name}: pattern: {pattern!r}: expected one of {known}")
    return pattern


class Environment:
    """A task with N robots.

    Attributes:
        task, robots: as given.
        plant, controller, layout, observation, reward: what it is made of.
        truth, privileged: what actor and critic see beside the observation.
        actor_size, size: columns of the actor's part of an observation, and of all.
        starts: where and how each robot begins, with its curriculum and its commands.
        age: ``(N,)`` ticks since each robot's start.
        moment: what the latest step led to.
    """

    def __init__(
        self,
        task: Task,
        robots: int,
        seed: int = 0,
        threads: int = 0,
        first: int = 0,
        drawn: bool = False,
    ) -> None:
        """Build it; `reset` starts it.

        Args:
            task: what is to be learnt.
            robots: N.
            seed: of everything that is drawn.
            threads: of the physics; 0: one for each processor.
            first: number of the first robot.
            drawn: somebody will look at them, which costs speed.

        Raises:
            ConfigError: a ValueError; one line.
        """
        self.task, self.robots = task, robots
        spec = load_robot(task.robot, task.servo or None)
        self.controller = load_controller(spec, *params_files(spec, task.params))
        self._pattern = PATTERNS.index(_fitting_pattern(task, self.controller))
        self.plant = Plant(spec, task.plant, None, robots, threads, pool(task.ground), drawn)
        self.layout = ActionLayout(spec, task.action)
        self.observation = Observation(spec, task.observation, self.layout.size)
        self.truth = Privileged(task.truth, self.plant)
        self.privileged = Privileged(task.privileged, self.plant)
        self.reward = Reward(task.rewards.preset, task.rewards.weights)
        self.actor_size = self.observation.size + self.truth.size
        self.size = self.actor_size + self.privileged.size
        self.starts = Starts(task, self.plant, robots, seed, first)
        self.last_tick = round(task.episode.seconds / self.plant.period)
        self.age = np.zeros(robots, np.int64)
        self._mount = ImuMount(spec.imu.rpy)
        config = self.controller.gait_config
        self._shape = shape_array(config.shape)
        self._limits = (spec.joint_lower, spec.joint_upper)
        radius = self.plant.index.foot_radius
        self._stance_height = float(config.shape.height - spec.hips[:, 2].mean() + radius)
        n, actions = robots, self.layout.size
        self._action = np.zeros((n, actions))
        self._following, self._feet = at_rest(np.zeros(n)), np.zeros((n, len(spec.legs), 3))
        self._inputs = self._inputs_of(np.zeros((n, 3)))
        self._state = self.controller.initial(self._inputs)
        self._state, self._nominal = self.controller.plan(self._state, self._inputs, 0.0)
        self._sensed, _ = self._read()

    # --- starting ---------------------------------------------------------------------------------

    def reset(self, ids: Sequence[int] | Indices | None = None) -> Observations:
        """Let robots begin anew, all of them without ``ids``.

        Returns:
            ``(n, size)`` float32, their first observations.
        """
        robots = np.arange(self.robots) if ids is None else np.asarray(ids, np.intp)
        start = self.starts.begin(robots)
        self.plant.reset(start.seeds, start.pose, robots, start.ground)
        self.age[robots] = 0
        truth = self.plant.truth()
        self._action[robots] = 0.0
        self._following = put(self._following, robots, at_rest(start.pose[:, 2]))
        self._feet[robots] = truth.feet_world[robots]
        self._sensed, yaw = self._read()
        inputs = self._inputs_of(self.starts.command[robots])._replace(yaw=yaw[robots])
        fresh = self.controller.initial(inputs)
        moving = ~np.isnan(start.phase)
        fresh = fresh._replace(
            gait=fresh.gait._replace(phase=np.where(moving, start.phase, 0.0), walking=moving)
        )
        if self.task.episode.active:
            fresh = fresh._replace(safety=self._stood_up(robots, inputs))
        fresh, nominal = self.controller.plan(fresh, inputs, 0.0)
        self._state = put(self._state, robots, fresh)
        self._nominal = put(self._nominal, robots, nominal)
        return self._observe(truth)[robots]

    def _stood_up(self, robots: Indices, inputs: GaitInputs) -> SafetyState:
        """The watchdog of robots that have been told to hold the stance, and have reached it.

        On the edge of a stair a leg may begin off the stance by more than the watchdog's tolerance.
        In the graph the gait waits until it is there; here it walks from the first tick on.
        """
        still = inputs._replace(command=np.zeros_like(inputs.command))
        state, stance = self.controller.plan(self.controller.initial(still), still, 0.0)
        sensed = take(self._sensed, robots)
        nothing = np.zeros_like(stance.feet)
        for ago in range(_TO_ACTIVE, 0, -1):
            before = sensed._replace(time=sensed.time - ago * self.plant.period)
            state, _ = self.controller.act(state, before, stance, nothing)
        safety, standing = state.safety, state.safety.mode == Mode.STANDING
        return safety._replace(
            mode=np.where(standing, np.int64(Mode.ACTIVE), safety.mode),
            stood=np.where(standing, np.inf, safety.stood),
        )

    def _inputs_of(self, command: FloatArray) -> GaitInputs:
        n = len(command)
        return GaitInputs(
            command=self._asked(command),
            shape=np.tile(self._shape, (n, 1)),
            pattern=np.full(n, self._pattern),
            upright=np.ones(n, bool),
            rates=np.zeros((n, len(self._shape))) if self.task.action.modulation else None,
        )

    def _asked(self, command: FloatArray) -> FloatArray:
        return np.zeros_like(command) if self.task.without_gait else command

    # --- stepping ---------------------------------------------------------------------------------

    def step(self, action: FloatArray) -> Step:
        """One control tick of all robots.

        Args:
            action: ``(N, actions)``, clipped to ±1; what is not finite does nothing.
        """
        action = np.clip(action, -1.0, 1.0).astype(np.float64)
        act = self.layout.apply(action)
        state, control = self.controller.act(self._state, self._sensed, self._nominal, act.offset)
        self.plant.command(control.decision.command, control.decision.powered)
        self.plant.step()
        self.age += 1
        self.starts.resample(self.age)
        self._sensed, yaw = self._read()
        period = self.plant.period
        inputs = self._inputs._replace(
            command=self._asked(self.starts.command), rates=act.rates, yaw=yaw
        )
        swing = self._nominal.swing
        self._state, self._nominal = self.controller.plan(state, inputs, period)
        truth = self.plant.truth()
        moment = self.moment = self._moment(truth, control, action, swing)
        terms = self.reward(moment)
        self._action, self._feet = np.where(np.isfinite(action), action, 0.0), truth.feet_world
        self.starts.learn(moment)
        return Step(
            observation=self._observe(truth),
            reward=terms.sum(-1),
            terms=terms,
            fell=moment.fell,
            late=(self.age >= self.last_tick) & ~moment.fell,
            diverged=self.plant.diverged.copy(),
            truth=truth,
            control=control,
        )

    def _read(self) -> tuple[Sensed, FloatArray]:
        """What the robots know of themselves, and their yaw."""
        sensors = self.plant.sensors()
        sensed = read(self._mount, sensors, self.plant.time)
        return sensed, self._mount.yaw(sensors.quaternion)

    def _moment(
        self, truth: Truth, control: Control, action: FloatArray, swing: BoolArray
    ) -> Moment:
        world = self.plant.velocity
        yaw = yaw_of(truth.quaternion)
        cos, sin = np.cos(yaw), np.sin(yaw)
        planar = np.stack(
            [cos * world[:, 0] + sin * world[:, 1], cos * world[:, 1] - sin * world[:, 0]], -1
        )
        gravity = -up_in_body(truth.quaternion)
        turning = -(gravity * truth.angular_velocity).sum(-1)  # about the vertical
        command, period = self.starts.command, self.plant.period
        aim = command[:, 2] if self.task.without_gait else self._state.gait.turn
        following = follow(self._following, planar, turning, command, aim, period)
        self._following = following
        limits = self.task.episode
        soles = self.plant.spec.hips[:, 2] + control.feet[..., 2] - truth.foot_radius
        low = -limits.min_height * soles.min(-1)  # of what the legs were told to hold
        fell = (
            (-gravity[:, 2] < np.cos(limits.max_tilt))
            | (standing_height(truth) < low)
            | self.plant.diverged
        )
        return Moment(
            truth=truth,
            velocity=following.velocity,
            turn=following.turn,
            pace=following.pace,
            planar=planar,
            vertical=world[:, 2],
            command=self._followed(),
            gravity=gravity,
            heading=off_heading(following, yaw),
            stance_height=self._stance_height,
            action=np.where(np.isfinite(action), action, 0.0),
            last=self._action,
            limits=self._limits,
            swing=swing,
            feet_before=self._feet,
            period=period,
            weight=self.plant.weight,
            fell=fell,
        )

    def _followed(self) -> FloatArray:
        """What is asked, and the turn that also brings the robot back to its heading."""
        command = self.starts.command.copy()
        if not self.task.without_gait:
            command[:, 2] = self._nominal.command[:, 2]
        return command

    def exact_observation(self) -> FloatArray:
        """The actor's part as the policy's node has it before its network, ``(N, actor_size)``."""
        nominal = self._nominal
        if self.task.without_gait:
            nominal = nominal._replace(asked=self.starts.command)
        return self.observation.build(Observed(self._sensed, nominal, self._action))

    def _observe(self, truth: Truth) -> Observations:
        parts = [
            self.exact_observation(),
            *self.truth.build(truth, self._following),
            *self.privileged.build(truth, self._following),
        ]
        made = np.empty((self.robots, self.size), np.float32)
        column = 0
        for part in parts:
            made[:, column : column + part.shape[1]] = part
            column += part.shape[1]
        return made

    # --- going back -------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """The present moment, whole: it can be pickled."""
        mine = {name: copied(getattr(self, name)) for name in _STATE}
        return {"plant": self.plant.state(), "starts": self.starts.state(), **mine}

    def restore(self, state: dict[str, Any]) -> None:
        """Go back to a moment of an environment that was built alike."""
        self.plant.restore(state["plant"])
        self.starts.restore(state["starts"])
        for name in _STATE:
            setattr(self, name, copied(state[name]))


_TO_ACTIVE = 3
"""Ticks in which a watchdog trusts a robot, switches its motors on, and may find it standing."""

_STATE = (
    "age",
    "_action",
    "_following",
    "_feet",
    "_state",
    "_nominal",
    "_sensed",
)


def check(task: Task) -> None:
    """Build what a task names, small.

    Raises:
        ConfigError: a ValueError; one line.
    """
    Environment(replace(task, ground=replace(task.ground, levels=1, variants=1)), 1, threads=1)


def for_one_command(task: Task, command: tuple[float, float, float]) -> Task:
    """The task with one command, held, and none of the curriculum."""
    forward, sideways, turn = command
    return replace(
        task,
        commands=replace(
            task.commands,
            forward=(forward, forward),
            sideways=(sideways, sideways),
            turn=(turn, turn),
            standing=0.0,
            straight=0.0,
            resample=(1e6, 1e6),
        ),
        curriculum=replace(task.curriculum, terrain=False, commands=False),
    )
