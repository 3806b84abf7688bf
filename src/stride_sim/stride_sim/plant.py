"""The plant: N robots with their servos, sensors and ground, stepped by the control tick.

It is the one model of all of these. The simulation's node is N = 1 of it and training N = many, and
robot i of many is bit for bit the robot that runs alone with the same seed.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import mujoco
import mujoco.batch
import numpy as np
from numpy.typing import ArrayLike
from stride_core.arrays import BoolArray, FloatArray
from stride_core.frames import quat_from_mujoco
from stride_core.robot import RobotSpec

from stride_sim.actuation import Actuation
from stride_sim.errors import SimError
from stride_sim.events import Blackouts, Pushes
from stride_sim.model import Indices, build_model, choose_grounds, index_model
from stride_sim.randomisation import Randomisation, RandomisationConfig
from stride_sim.records import NoiseConfig, PlantConfig, Sensors, Truth
from stride_sim.sensing import Sensing
from stride_sim.spawn import poses_of, seeds_of, stand
from stride_sim.terrain import GroundPool, Heightfield, TerrainConfig, generate

__all__ = [
    "NoiseConfig",
    "Plant",
    "PlantConfig",
    "PlantState",
    "RandomisationConfig",
    "Sensors",
    "Truth",
]

_NOW = int(mujoco.mjtStage.mjSTAGE_ACC)
_NOTHING = int(mujoco.mjtStage.mjSTAGE_NONE)
_TOUCH, _LIFT, _LIFTS = 1e-3, 5e-3, 200  # of a start in the ground: allowed, a try [m], tries


@dataclass(frozen=True, eq=False)
class PlantState:
    """A moment of a plant, for `Plant.restore`; opaque."""

    tick: int
    rows: FloatArray
    warnings: Any
    diverged: BoolArray
    choice: Indices
    randomisation: FloatArray
    events: Any
    actuation: Any
    sensing: Any


class Plant:
    """N robots on their ground.

    A tick is: `command`, `step`, then `sensors` and `truth` at the new stamp, tick / rate_hz.

    Attributes:
        spec, config, robots: as given.
        model: MuJoCo's, which all robots share (`robot_model` has one robot's own).
        grounds: the terrains that robots can be put on, those of `pool` last.
        choice: (N,) which of them each robot walks on.
        index: addresses of named things in the model.
        tick: ticks stepped since construction; `reset` leaves it alone.
        diverged: (N,) robots whose simulation broke down (NaN, overflow); they stay at their home
            pose, without motion, until they are reset.
        before: (N, ...) MuJoCo's state as the latest tick began, for those who look into it.
    """

    def __init__(
        self,
        spec: RobotSpec,
        config: PlantConfig | None = None,
        terrain: TerrainConfig | Sequence[TerrainConfig] | None = None,
        robots: int = 1,
        threads: int = 0,
        pool: Sequence[TerrainConfig] = (),
        drawn: bool = True,
    ) -> None:
        """Build N robots, standing at the origin with seed 0.

        Args:
            spec: the robot, with its chosen servo.
            config: rates, noise and delays.
            terrain: of all robots, or one each; None is flat.
            robots: N.
            threads: of the physics; 0: one for each processor, at most N. Results do not depend
                on it.
            pool: further terrains, which `reset` can put robots on.
            drawn: somebody will look at them; else they move alike, and step faster.

        Raises:
            SimError: a ValueError; one line.
        """
        if robots < 1 or threads < 0:
            raise SimError(f"{robots} robots, {threads} threads: expected at least 1 and 0")
        self.spec, self.config, self.robots = spec, config or PlantConfig(), robots
        self._drawn = drawn
        self._threads = min(threads or os.cpu_count() or 1, robots)
        self.tick = 0
        self.set_terrain(terrain or TerrainConfig(), pool)

    def set_terrain(
        self,
        terrain: TerrainConfig | Sequence[TerrainConfig],
        pool: Sequence[TerrainConfig] = (),
    ) -> None:
        """Put the robots on another terrain, and reset them with seed 0; the tick goes on.

        Raises:
            TerrainError: a ValueError; one line. The plant is as before.
        """
        wanted = [terrain] if isinstance(terrain, TerrainConfig) else list(terrain)
        if len(wanted) not in (1, self.robots):
            raise SimError(f"{len(wanted)} terrains: expected one, or {self.robots}, one a robot")
        kinds: list[TerrainConfig] = []
        for kind in (*wanted, *pool):
            if kind not in kinds:
                kinds.append(kind)
        made = [generate(kind) for kind in kinds]
        choice = np.array([kinds.index(kind) for kind in wanted], np.intp)
        self.kinds = tuple(kinds)
        self._build(made, choice if len(choice) > 1 else np.repeat(choice, self.robots))
        self.reset()

    def _build(self, made: Sequence[Heightfield], choice: Indices) -> None:
        config, spec, n = self.config, self.spec, self.robots
        joints = len(spec.joints)
        self.grounds, self.choice = GroundPool(made), choice
        self.model = build_model(spec, made, config.timestep, config.foot_friction, self._drawn)
        self.index = index_model(self.model, spec)
        # One MjData a robot: its next step goes on from what the last one left computed.
        self._batch = mujoco.batch.Batch(self.model, n, self._threads, persistent=True)
        if len(made) > 1:
            choose_grounds(self._batch, made, np.arange(n), choice)
        delays = config.action_delay_ticks, config.sensor_delay_ticks
        self._domain = Randomisation(config.randomisation, spec, self.index, self._batch, delays)
        self._weight = float(self.model.body_mass.sum() * -self.model.opt.gravity[2])
        self._pushes = Pushes(config.randomisation, n, self.period)
        self._blackouts = Blackouts(config.randomisation, self._domain, (n, joints), self.period)
        play = bool(config.randomisation.backlash)
        self._actuation = Actuation(self._batch, self.index, self._domain, play)
        bind = self._batch.bind
        self._qpos, self._qvel = bind("qpos"), bind("qvel")
        self._sensordata, self._sites = bind("sensordata"), bind("site_xpos")
        self._rotation = bind("xmat")[:, self.index.base].view()  # of the trunk
        self._rotation.shape = (n, 3, 3)  # refuses to copy, unlike reshape
        self._warning = self._batch.warning
        self.before = self._batch.state.copy()
        self._scratch = mujoco.MjData(self.model)
        self._exact = np.zeros((n, 3 * joints + 10))
        self._sensing = Sensing(config.noise, joints, n, self._domain.most_sensor_delay)
        self._pushed = bind("xfrc_applied")[:, self.index.base, :2]
        self.diverged = np.zeros(n, bool)

    @property
    def batch(self) -> mujoco.batch.Batch:
        """MuJoCo's own, for those who measure it."""
        return self._batch

    @property
    def domain(self) -> FloatArray:
        """What was drawn for each robot, (N, ...) within ±1 of the middle; see `Randomisation`."""
        return self._domain.summary

    @property
    def velocity(self) -> FloatArray:
        """(N, 3) of the trunk's origin in the world [m/s]."""
        return self._qvel[:, :3].copy()

    @property
    def pushed(self) -> FloatArray:
        """(N, 2) horizontal force of the push in the tick that ended, in the world [N]."""
        return self._pushed

    @property
    def weight(self) -> float:
        """Of the robot as its model has it, without payload [N]."""
        return self._weight

    @property
    def period(self) -> float:
        """Duration of a tick [s]."""
        return self.config.substeps * self.config.timestep

    @property
    def time(self) -> float:
        """Stamp of the present tick [s]."""
        return self.tick * round(1e9 * self.period) / 1e9  # as a message's stamp has it

    # --- the control tick -----------------------------------------------------------------------

    def command(self, position: ArrayLike, active: ArrayLike = True) -> None:
        """Set what the servos do from the next step on (later by the action delay).

        Args:
            position: (N, joints) or (joints,) targets [rad]. A robot with a target that is not
                finite has its motors off.
            active: (N,) or one for all; False is motors off: no torque but the back-EMF's.
        """
        self._actuation.command(position, active)

    def step(self) -> None:
        """Advance every robot by one tick; those that diverged stay where they are."""
        self._actuation.apply()
        self._pushes.step(self._pushed)
        self._blackouts.step()
        self.before[:] = self._batch.state
        ids = np.flatnonzero(~self.diverged) if np.count_nonzero(self.diverged) else None
        try:
            self._batch.step(ids, self.config.substeps, _NOW)
        except mujoco.batch.SimulationError as error:
            self._break_down(error.ids)
        if np.count_nonzero(self._warning):
            self._break_down(np.flatnonzero(self._warning.any((1, 2))))
        self.tick += 1
        self._measure()
        self._sensing.update(self._exact)

    def sensors(self) -> Sensors:
        """What the sensors say at this tick's stamp; the same however often it is asked."""
        return self._sensing.read(self._domain.sensor_delay)

    def truth(self) -> Truth:
        """A snapshot of the state at this tick's stamp."""
        at, qpos, qvel = self.index, self._qpos, self._qvel
        sites, j, exact = self._sites, len(self.spec.joints), self._exact.copy()
        return Truth(
            position=qpos[:, :3].copy(),
            quaternion=quat_from_mujoco(qpos[:, 3:7]),
            linear_velocity=(self._rotation * qvel[:, :3, None]).sum(1),  # world to trunk
            angular_velocity=qvel[:, 3:6].copy(),
            foot_force=self._sensordata.take(at.touch, axis=1),
            feet_world=sites.take(at.foot_site, axis=1),
            tips_world=sites.take(at.tip_site, axis=1),
            passive=qpos.take(at.passive_qpos, axis=1),
            joint_position=exact[:, :j],
            joint_velocity=exact[:, j : 2 * j],
            effort=exact[:, -j:],
            foot_radius=at.foot_radius,
            grounds=self.grounds,
            choice=self.choice.copy(),
        )

    def _measure(self) -> None:
        """Write the exact sensor values of the present state; see `Sensing` for the order."""
        row, j = self._exact, len(self.spec.joints)
        joints = self._batch.state.take(self.index.joint_columns, axis=1)
        row[:, : 2 * j] = joints
        row[:, 2 * j : -j] = self._sensordata.take(self.index.imu_columns, axis=1)
        row[:, -j:] = self._actuation.effort(joints[:, :j], joints[:, j:])

    def _break_down(self, ids: ArrayLike) -> None:
        """Mark robots as diverged and put them where everything is finite."""
        robots = np.asarray(ids, np.intp)
        self.diverged[robots] = True
        self._batch.reset(np.sort(robots), stage=_NOTHING)
        self._place(robots, np.zeros((len(robots), 3)))

    # --- beginning anew, and going back ---------------------------------------------------------

    def reset(
        self,
        seed: int | Sequence[int] = 0,
        pose: ArrayLike | None = None,
        ids: ArrayLike | None = None,
        ground: ArrayLike | None = None,
    ) -> None:
        """Let robots stand on the ground, at rest, motors holding the stance.

        Args:
            seed: of noise, randomisation and pushes. One number makes robot i draw from (seed, i);
                a sequence, one for each robot of `ids`, makes it draw from (its number, 0), as if
                alone.
            pose: x, y [m], yaw [rad]: (3,) for all, or (n, 3); None is the origin.
            ids: (n,) indices of the robots, or (N,) bool; None is all.
            ground: (n,) or one for all: the terrain that each is put on, an index of `kinds`; None
                leaves them where they are.

        Raises:
            SimError: the shape or the value of an argument; one line.
        """
        robots = self._which(ids)
        poses = poses_of(pose, len(robots))
        seeds = seeds_of(seed, robots)
        if not len(robots):
            return
        if ground is not None:
            self._choose(robots, ground)
        self._batch.reset(np.sort(robots), stage=_NOTHING)
        self.diverged[robots] = False
        for robot, own in zip(robots, seeds, strict=True):
            draws = np.random.default_rng((*own, 1))
            self._domain.draw(robot, draws)
            self._pushes.events.reset(robot, draws)
            self._blackouts.reset(robot, np.random.default_rng((*own, 2)))
        self._place(robots, poses)
        self._measure()
        random = [np.random.default_rng(own) for own in seeds]
        self._sensing.reset(self._exact, robots, random, self._domain.noise)

    def _choose(self, robots: Indices, ground: ArrayLike) -> None:
        wanted = np.broadcast_to(np.asarray(ground, np.intp), robots.shape)
        if wanted.min() < 0 or wanted.max() >= len(self.kinds):
            raise SimError(f"ground {ground!r}: expected indices from 0 to {len(self.kinds) - 1}")
        changed = self.choice[robots] != wanted
        self.choice[robots] = wanted
        if changed.any():
            choose_grounds(self._batch, self.grounds.grounds, robots[changed], wanted[changed])

    def _which(self, ids: ArrayLike | None) -> Indices:
        if ids is None:
            return np.arange(self.robots)
        chosen = np.asarray(ids)
        if chosen.dtype == bool and chosen.shape == (self.robots,):
            return np.flatnonzero(chosen)
        chosen = chosen.astype(np.intp).ravel()  # in the order of seeds and poses
        inside = ((chosen >= 0) & (chosen < self.robots)).all()
        if not inside or len(set(chosen.tolist())) != len(chosen):
            raise SimError(f"robots {ids}: expected indices from 0 to {self.robots - 1}, each once")
        return chosen

    def _place(self, robots: Indices, poses: FloatArray) -> None:
        """Write standing poses (n, 3) into the rows of robots (n,), and compute what follows."""
        at, spec = self.index, self.spec
        quat = np.empty(4)
        for robot, (x, y, yaw) in zip(robots, poses, strict=True):
            stance = stand(spec, self.ground_of(robot), at.foot_radius, x, y, yaw)
            mujoco.mju_mat2Quat(quat, stance.rotation.ravel())
            row = self._qpos[robot]
            row[:3], row[3:7] = stance.position, quat
            row[at.joint_qpos] = stance.joints
            row[at.passive_qpos] = spec.kinematics.passive(spec.legs_of(stance.joints)).ravel()
            self._actuation.hold(int(robot), stance.joints)
        self._batch.forward(np.sort(robots), _NOW)
        for robot in robots:
            if not self.ground_of(robot).is_flat:
                self._lift_out(robot)

    def _lift_out(self, robot: int) -> None:
        """Raise a robot until no part is in the ground: `stand` minds the feet, and a wall or a
        spike may stand between them."""
        for _ in range(_LIFTS):
            depth = -np.min(self._batch.get_data(robot, self._scratch).contact.dist, initial=0.0)
            if depth < _TOUCH:
                return
            self._qpos[robot, 2] += max(depth, _LIFT)
            self._batch.forward([robot], _NOW)

    def state(self) -> PlantState:
        """The present moment, complete."""
        return PlantState(
            self.tick,
            self._batch.state.copy(),
            self._warning.copy(),
            self.diverged.copy(),
            self.choice.copy(),
            self._domain.state(),
            (self._pushes.events.state(), self._blackouts.state()),
            self._actuation.state(),
            self._sensing.state(),
        )

    def restore(self, state: PlantState) -> None:
        """Go back to a moment of this plant; what follows is bit for bit what followed then."""
        self.tick = state.tick
        self._batch.state[:] = state.rows
        self._warning[:] = state.warnings
        self.diverged[:] = state.diverged
        self._choose(np.arange(self.robots), state.choice)
        self._domain.restore(state.randomisation)
        pushes, blackouts = state.events
        self._pushes.events.restore(pushes)
        self._blackouts.restore(blackouts)
        self._actuation.restore(state.actuation)
        self._sensing.restore(state.sensing)
        self._batch.forward(stage=_NOW)

    # --- for drawing ----------------------------------------------------------------------------

    def ground_of(self, robot: int = 0) -> Heightfield:
        """What one robot walks on."""
        return self.grounds.grounds[self.choice[robot]]

    def robot_model(self, robot: int = 0) -> mujoco.MjModel:
        """A copy of one robot's model, its own ground included."""
        return self._batch.get_model(robot)

    def robot_data(self, robot: int = 0, data: mujoco.MjData | None = None) -> mujoco.MjData:
        """One robot's data, whole, written into `data` if given."""
        return self._batch.get_data(robot, data)
