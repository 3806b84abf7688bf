"""Observations of walking robots, for statistics and to compare: the batched path, no topics."""

from __future__ import annotations

import numpy as np
from stride_bringup.options import Options
from stride_core.action import ActionConfig, ActionLayout
from stride_core.arrays import FloatArray
from stride_core.attitude import ImuMount
from stride_core.control import load_controller
from stride_core.gait import PATTERNS, GaitInputs, shape_array
from stride_core.observation import DEPLOYABLE, Observation, Observed
from stride_core.robot import load_robot
from stride_sim.plant import Plant, PlantConfig
from stride_sim.rollout import read
from stride_sim.terrain import TerrainConfig

ROBOT = load_robot("fivebar")
FASTEST = np.array([0.3, 0.08, 0.6])
HELD = 300
"""Ticks for which a command is held."""


def observations(
    robots: int,
    ticks: int,
    seed: int,
    action: ActionConfig | None = None,
    roughness: float = 0.15,
) -> FloatArray:
    """What a policy sees, ``(ticks, robots, size)``: smooth random actions, random commands.

    Half of the robots walk on flat ground, half on rough.

    Args:
        robots: an even number.
        ticks: of 10 ms.
        seed: of actions, commands, terrain and sensors.
        action: the layout; foot residuals by default.
        roughness: spread of the actions, in shares of a full one.
    """
    random = np.random.default_rng(seed)
    layout = ActionLayout(ROBOT, action or ActionConfig())
    observation = Observation(ROBOT, DEPLOYABLE, layout.size)
    controller = load_controller(ROBOT, *Options().params_files())
    grounds = [TerrainConfig(), TerrainConfig("rough", 0.5, seed)]
    plant = Plant(ROBOT, PlantConfig(), [grounds[i % 2] for i in range(robots)], robots)
    plant.reset([1000 * seed + robot for robot in range(robots)])
    gait = controller.gait_config
    inputs = GaitInputs(
        command=np.zeros((robots, 3)),
        shape=np.tile(shape_array(gait.shape), (robots, 1)),
        pattern=np.full(robots, PATTERNS.index(gait.pattern)),
        upright=np.ones(robots, dtype=bool),
    )
    state = controller.initial(inputs)
    mount = ImuMount(ROBOT.imu.rpy)
    answer = np.zeros((robots, layout.size))
    found = []
    for tick in range(ticks):
        if tick % HELD == 0:
            command = random.uniform(-FASTEST, FASTEST, (robots, 3))
            inputs = inputs._replace(command=command * (random.random((robots, 1)) > 0.1))
        sensors = plant.sensors()
        sensed = read(mount, sensors, plant.time)
        inputs = inputs._replace(yaw=mount.yaw(sensors.quaternion))
        state, nominal = controller.plan(state, inputs, plant.period if tick else 0.0)
        found.append(observation.build(Observed(sensed, nominal, answer)))
        # first-order noise with a time constant of ten ticks, of the spread asked for
        answer = np.clip(
            0.9 * answer + roughness * np.sqrt(0.19) * random.standard_normal(answer.shape), -1, 1
        )
        act = layout.apply(answer)
        inputs = inputs._replace(rates=act.rates)
        state, control = controller.act(state, sensed, nominal, act.offset)
        plant.command(control.decision.command, control.decision.powered)
        plant.step()
    return np.array(found)
