"""From the physical state to what the sensors say: noise, bias and delay, a generator per robot."""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from typing import Any

import numpy as np
from stride_core.arrays import FloatArray

from stride_sim.generators import generators_at, states_of
from stride_sim.records import NoiseConfig, Sensors
from stride_sim.ring import Indices, Ring

# q ⊗ (e, 0) = Q(q) e for q = x, y, z, w: Q's entries as indices into q, and their signs.
_PRODUCT = np.array([[3, 2, 1], [2, 3, 0], [1, 0, 3], [0, 1, 2]])
_SIGN = np.array([[1.0, -1.0, 1.0], [1.0, 1.0, -1.0], [-1.0, 1.0, 1.0], [-1.0, -1.0, -1.0]])


class Sensing:
    """The sensors of N robots, which see a row of exact values each, (N, width).

    A row is position, velocity (joints each), gyro, accel (3 each), quaternion (4), effort
    (joints).

    What robot i draws depends on its own generator alone, so that a robot's row does not depend on
    how many others there are.
    """

    def __init__(self, config: NoiseConfig, joints: int, robots: int, delay: int) -> None:
        """Take the number of joints and robots, and the longest delay in ticks."""
        c = config
        noise = [(c.joint_position, joints), (c.joint_velocity, joints), (c.gyro, 3), (c.accel, 3)]
        bias = [(c.joint_position_bias, joints), (0.0, joints), (c.gyro_bias, 3), (c.accel_bias, 3)]
        # A small rotation's quaternion has half its angle.
        noise.append((0.5 * c.orientation, 3))
        bias.append((0.5 * c.orientation_bias, 3))
        self._noise = c.scale * np.concatenate([np.full(n, std) for std, n in noise])
        self._bias_std = c.scale * np.concatenate([np.full(n, std) for std, n in bias])
        self._noisy = bool(self._noise.any() or self._bias_std.any())
        self._joints = joints
        self._vector = 2 * joints + 6  # columns of a row that noise simply adds to
        self.width = 3 * joints + 10
        self._draw = np.zeros((robots, len(self._noise)))
        self._bias = np.zeros_like(self._draw)
        self._past = Ring(delay + 1, np.zeros((robots, self.width)))
        self._times = np.ones((robots, 1))
        self._random: list[np.random.Generator] = [np.random.default_rng(0)] * robots

    def reset(
        self, exact: FloatArray, ids: Iterable[int], random: Iterable[Any], times: FloatArray
    ) -> None:
        """Start robots `ids` anew with a generator each.

        Args:
            exact: (N, width), the first row.
            ids: (n,) of robots.
            random: (n,) generators.
            times: (N, 1) what multiplies the noise and bias.
        """
        ids = list(ids)
        self._times[:] = times
        for robot, generator in zip(ids, random, strict=True):
            self._random[robot] = generator
            self._bias[robot] = generator.standard_normal(len(self._bias_std)) * self._bias_std
        self._bias[ids] *= self._times[ids]
        self._past.fill(np.array(ids, np.intp), self._sense(exact, ids)[ids])

    def update(self, exact: FloatArray) -> None:
        """Take the rows (N, width) of a new tick."""
        self._past.advance()
        self._past.newest[:] = self._sense(exact, range(len(exact)))

    def read(self, delay: Indices) -> Sensors:
        """Return what the sensors say now, (N,) ticks late, in arrays of the caller's own."""
        row = self._past.read(delay)
        j, v = self._joints, self._vector
        return Sensors(
            position=row[:, :j],
            velocity=row[:, j : 2 * j],
            effort=row[:, v + 4 :],
            quaternion=row[:, v : v + 4],
            gyro=row[:, 2 * j : 2 * j + 3],
            accel=row[:, 2 * j + 3 : v],
        )

    def _sense(self, exact: FloatArray, ids: Iterable[int]) -> FloatArray:
        """Add noise and bias to rows; only robots `ids` draw."""
        if not self._noisy:
            return exact
        for robot in ids:
            self._random[robot].standard_normal(out=self._draw[robot])
        error = self._draw * self._noise
        error *= self._times
        error += self._bias
        row, v = exact.copy(), self._vector
        row[:, :v] += error[:, :v]
        quat, turn = row[:, v : v + 4], error[:, None, v:]
        product = quat.take(_PRODUCT, axis=1)
        product *= _SIGN
        product *= turn
        quat += np.add.reduce(product, axis=-1)
        quat /= np.sqrt(1.0 + np.add.reduce(turn * turn, axis=-1))  # the two were orthogonal
        return row

    def state(self) -> Any:
        """Everything that changes, as one object for `restore`."""
        past, random = self._past.state(), states_of(self._random)
        return deepcopy((self._bias, self._times, past, random))

    def restore(self, state: Any) -> None:
        """Go back to a `state`."""
        bias, times, past, random = deepcopy(state)
        self._bias[:], self._times[:] = bias, times
        self._past.restore(past)
        self._random = generators_at(random)
