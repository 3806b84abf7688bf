"""Random generators of many robots, one each: kept, and put back where they were."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np


def states_of(generators: Iterable[np.random.Generator]) -> list[Any]:
    """Where each generator is, in plain values."""
    return [generator.bit_generator.state for generator in generators]


def generators_at(states: Iterable[Any]) -> list[np.random.Generator]:
    """Generators of their own that go on from `states_of`."""
    made = []
    for state in states:
        generator = np.random.default_rng()
        generator.bit_generator.state = state
        made.append(generator)
    return made
