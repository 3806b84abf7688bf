"""``./stride play POLICY``: film a policy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from stride_core.arguments import Parser, number

from stride_training.cli.conditions import add_conditions, conditions


def parser() -> Parser:
    """All options of ``play``."""
    made = Parser(prog="./stride play", description=__doc__)
    made.add_argument("policy", metavar="POLICY", help="as ./stride evaluate has it")
    add_conditions(made)
    made.add_argument("--vx", type=number(-10.0, 10.0), default=0.3, help="forward [m/s]")
    made.add_argument("--turn", type=number(-10.0, 10.0), default=0.0, help="[rad/s]")
    made.add_argument("--seconds", type=number(0.1, 3600.0), default=10.0)
    made.add_argument("--film", default="play.mp4", metavar="FILE", help=".mp4 or .gif")
    return made


def main(arguments: Sequence[str]) -> int:
    """Walk, film, and say how it went."""
    given = parser().parse_args(arguments)
    from stride_sim.camera import Camera, Film
    from stride_sim.plant import RandomisationConfig

    from stride_training.environment import Environment
    from stride_training.episodes import examination
    from stride_training.policies import find

    policy = find(given.policy)
    task = examination(policy.fitted(conditions(given)), given.seconds, given.seed)
    if not given.randomised:
        task = replace(task, plant=replace(task.plant, randomisation=RandomisationConfig()))
    environment = Environment(task, 1, given.seed, given.threads, drawn=True)
    environment.starts.fixed_command = np.array([[given.vx, 0.0, given.turn]])
    observation = environment.reset()
    every = max(1, math.ceil(task.plant.rate_hz / 50.0))
    begin = environment.plant.truth().position[0]
    with (
        Film(given.film, task.plant.rate_hz / every) as film,
        Camera(environment.plant) as camera,
    ):
        for tick in range(environment.last_tick):
            action = np.zeros((1, environment.layout.size))
            if policy.answer is not None:
                action = policy.answer(observation[:, : environment.actor_size])
            step = environment.step(action)
            observation = step.observation
            if tick % every == 0:
                film.add(camera.render())
            if step.fell[0]:
                break
    seconds = float(environment.age[0] * environment.plant.period)
    far = float(np.linalg.norm((step.truth.position[0] - begin)[:2]))
    how = "fell" if step.fell[0] else "stood"
    print(f"{given.film}: {policy.name} {how} after {seconds:.1f} s and {far:.2f} m")
    return 0
