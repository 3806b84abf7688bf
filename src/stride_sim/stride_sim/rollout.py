"""Plant and controller in one loop, without topics: N robots at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from stride_core.arrays import FloatArray
from stride_core.attitude import ImuMount
from stride_core.control import Control, Controller, ControlState, Sensed
from stride_core.gait import GaitInputs

from stride_sim.plant import Plant, Sensors, Truth


def read(mount: ImuMount, sensors: Sensors, time: float) -> Sensed:
    """What the controller knows of N robots whose sensors say this at ``time`` [s]."""
    return Sensed(
        position=sensors.position,
        velocity=sensors.velocity,
        up=mount.up(sensors.quaternion),
        gyro=mount.turn(sensors.gyro),
        time=np.full(len(sensors.position), time),
    )


@dataclass(frozen=True)
class Tick:
    """One tick of all robots: the truth at its stamp, and what the controller answered."""

    truth: Truth
    state: ControlState
    control: Control


def rollout(
    plant: Plant,
    controller: Controller,
    inputs: GaitInputs,
    ticks: int,
    residual: FloatArray | None = None,
) -> Iterator[Tick]:
    """Walk from where the plant stands; the first tick is at its present stamp.

    Args:
        plant: N robots.
        controller: of the same robot.
        inputs: with leading dimension N, held throughout.
        ticks: how many.
        residual: ``(N, legs, 3)`` [m], held throughout; None is zero.
    """
    offset = np.zeros((plant.robots, len(plant.spec.legs), 3)) if residual is None else residual
    mount = ImuMount(plant.spec.imu.rpy)
    state = controller.initial(inputs)
    for number in range(ticks):
        sensors = plant.sensors()
        sensed = read(mount, sensors, plant.time)
        dt = plant.period if number else 0.0
        asked = inputs._replace(yaw=mount.yaw(sensors.quaternion))
        state, control = controller.tick(state, sensed, asked, offset, dt)
        yield Tick(plant.truth(), state, control)
        plant.command(control.decision.command, control.decision.powered)
        plant.step()
