"""Intervals of 95 %, so that a table says how far it can be trusted."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from stride_core.arrays import FloatArray

_Z = 1.959963984540054  # normal quantile of 97.5 %
_RESAMPLES = 2000


class Interval(NamedTuple):
    """A figure and the bounds of its interval."""

    value: float
    low: float
    high: float


def share(successes: int, total: int) -> Interval:
    """Of successes, by Wilson's score interval, which holds for 0 and for all too."""
    if not total:
        return Interval(float("nan"), 0.0, 1.0)
    p, square = successes / total, _Z * _Z / total
    middle = (p + square / 2.0) / (1.0 + square)
    half = _Z / (1.0 + square) * np.sqrt(p * (1.0 - p) / total + square / (4.0 * total))
    return Interval(p, float(max(middle - half, 0.0)), float(min(middle + half, 1.0)))


def mean(values: FloatArray, seed: int = 0) -> Interval:
    """Of ``(n,)``, by the percentiles of bootstrap means; those that are NaN do not count."""
    known = values[np.isfinite(values)]
    if not len(known):
        return Interval(float("nan"), float("nan"), float("nan"))
    random = np.random.default_rng(seed)
    means = known[random.integers(len(known), size=(_RESAMPLES, len(known)))].mean(-1)
    low, high = np.percentile(means, [2.5, 97.5])
    return Interval(float(known.mean()), float(low), float(high))


# fmt: off
_STUDENT = (
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228,
    2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086,
)
# fmt: on
"""Quantiles of 97.5 % of Student's t, from one degree of freedom on (any table of it)."""


def across(values: FloatArray) -> Interval:
    """Of a few runs, ``(n,)``: mean ± t·s/√n; without bounds for a single one."""
    value, n = float(values.mean()), len(values)
    if n < 2:
        return Interval(value, float("nan"), float("nan"))
    half = _STUDENT[min(n - 1, len(_STUDENT)) - 1] * float(values.std(ddof=1)) / np.sqrt(n)
    return Interval(value, value - half, value + half)
