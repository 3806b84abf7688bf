"""Who is promoted and who is demoted, and what a share of a range of commands is."""

from __future__ import annotations

import numpy as np
import pytest
from stride_training.curriculum import Progress, begin, update
from stride_training.starts import _within
from stride_training.task import Curriculum

CONFIG = Curriculum(start=0.3, reach=0.5, step=0.1, good=0.06, bad=0.12)
LEVELS = 5


def after(level: float, reach: float, fell: bool, error: float, draw: float = 0.7) -> list[float]:
    before = Progress(np.array([level]), np.array([reach]))
    found = update(CONFIG, LEVELS, before, np.array([fell]), np.array([error]), np.array([draw]))
    return [float(found.level[0]), round(float(found.reach[0]), 9)]


def test_success_promotes_failure_and_falls_demote_and_what_is_between_stays() -> None:
    assert after(2.0, 0.7, False, 0.05) == [3.0, 0.8]
    assert after(2.0, 0.7, False, 0.13) == [1.0, 0.6]
    assert after(2.0, 0.7, True, 0.05) == [1.0, 0.6]
    assert after(2.0, 0.7, False, 0.09) == [2.0, 0.7]
    assert after(0.0, 0.5, True, 0.05) == [0.0, 0.5]  # neither goes below its beginning
    assert after(4.0, 1.0, False, 0.05) == [3.0, 1.0]  # past the last: anywhere, by the draw


def test_all_begin_within_the_first_share_of_the_levels() -> None:
    draws = np.linspace(0.0, 0.999, 100)
    found = begin(CONFIG, LEVELS, draws)
    assert set(found.level) == {0.0, 1.0}  # 0.3 of 5, rounded up
    assert set(found.reach) == {0.5}
    even = begin(Curriculum(terrain=False, commands=False), LEVELS, draws)
    assert set(even.level) == {0.0, 1.0, 2.0, 3.0, 4.0} and set(even.reach) == {1.0}


@pytest.mark.parametrize(
    ("span", "reach", "least", "most"),
    [
        ((0.0, 0.5), 0.5, 0.0, 0.25),
        ((-0.5, 0.5), 0.4, -0.2, 0.2),
        ((-0.1, 0.5), 0.4, -0.1, 0.2),
        ((0.4, 0.6), 1.0, 0.4, 0.6),
        ((0.4, 0.6), 0.5, 0.4, 0.4),  # a range without 0 keeps its smallest
        ((-0.6, -0.4), 0.5, -0.4, -0.4),
        ((-0.6, -0.4), 0.9, -0.54, -0.4),
    ],
)
def test_a_share_of_a_range_lies_within_it(
    span: tuple[float, float], reach: float, least: float, most: float
) -> None:
    told = [_within(span, place, reach) for place in (0.0, 1.0)]
    assert told == pytest.approx([least, most])
