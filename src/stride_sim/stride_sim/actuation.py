"""From joint targets to what the servos drive their joints to: delay, backlash, power."""

from __future__ import annotations

from typing import Any

import mujoco.batch
import numpy as np
from numpy.typing import ArrayLike
from stride_core.arrays import FloatArray

from stride_sim.model import ModelIndex
from stride_sim.randomisation import Randomisation
from stride_sim.ring import Ring


class Actuation:
    """The servos' inputs of N robots."""

    def __init__(
        self,
        batch: mujoco.batch.Batch,
        index: ModelIndex,
        domain: Randomisation,
        play: bool,
    ) -> None:
        """Bind the batch's inputs; ``play``: whether there is any backlash."""
        n, joints = batch.nsim, len(index.actuator)
        self._index, self._domain, self._has_play = index, domain, play
        self._ctrl = batch.bind("ctrl")
        self._off = batch.expand("opt.disableactuator")
        # joint targets, and in the last column 1 for motors on
        self._commands = Ring(domain.most_action_delay + 1, np.ones((n, joints + 1)))
        self._play = np.zeros((n, joints))

    def command(self, position: ArrayLike, active: ArrayLike) -> None:
        """See `Plant.command`."""
        newest = self._commands.newest
        targets = np.empty((len(newest), newest.shape[1] - 1))
        targets[...] = position
        on = np.isfinite(targets).all(-1) & np.asarray(active, bool)
        if not on.all():
            targets[~on] = 0.0
        newest[:, :-1], newest[:, -1] = targets, on

    def apply(self) -> None:
        """Write the inputs of this tick into the batch."""
        command = self._commands.read(self._domain.action_delay)
        self._ctrl[:, self._index.actuator] = self._through_backlash(command[:, :-1])
        self._off[:] = command[:, -1] == 0.0  # as a number, the group's bit
        newest = self._commands.newest  # holds until there is a newer one
        self._commands.advance()
        self._commands.newest[:] = newest

    def _through_backlash(self, targets: FloatArray) -> FloatArray:
        """What the servos drive their joints to, (N, joints): play follows its input loosely.

        The gear drives the joint at one flank or the other; reversing costs the whole free play.
        That a joint rattles freely between them is not modelled, and the play moves by ticks.
        """
        if not self._has_play:
            return targets
        half = 0.5 * self._domain.backlash
        np.clip(self._play, targets - half, targets + half, out=self._play)
        return self._play

    def hold(self, robot: int, joints: FloatArray) -> None:
        """Let a robot hold (joints,) as if it had for ever."""
        self._ctrl[robot, self._index.actuator] = joints
        self._off[robot] = 0
        self._commands.fill(np.array(robot), np.append(joints, 1.0))
        self._play[robot] = joints

    def effort(self, position: FloatArray, velocity: FloatArray) -> FloatArray:
        """Torque at the servos' output [N·m] before their friction, at (N, joints) [rad], [rad/s].

        As MuJoCo has it: the clipped actuator and, as the joint's damping, the back-EMF.
        """
        servo = self._domain.servos
        torque = self._ctrl.take(self._index.actuator, axis=1)
        torque -= position
        torque *= servo.stiffness
        torque -= velocity * servo.derivative
        torque = np.minimum(np.maximum(torque, -servo.stall_torque), servo.stall_torque)
        torque *= (self._off == 0)[:, None]
        torque -= velocity * servo.damping
        return torque

    def state(self) -> Any:
        """Everything that changes, as one object for `restore`."""
        return self._commands.state(), self._play.copy(), self._off.copy()

    def restore(self, state: Any) -> None:
        """Go back to a `state`."""
        commands, self._play[:], self._off[:] = state
        self._commands.restore(commands)
