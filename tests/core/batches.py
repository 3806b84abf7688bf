"""Comparing records of arrays with leading dimensions."""

from __future__ import annotations

from typing import Any

import numpy as np


def row(record: Any, index: object) -> Any:
    """One robot of a batched record."""
    return type(record)(*(None if field is None else np.array(field[index]) for field in record))


def assert_same(batched: Any, single: Any, index: object, atol: float = 1e-12) -> None:
    for name in batched._fields:
        np.testing.assert_allclose(
            np.asarray(getattr(batched, name)[index], float),
            np.asarray(getattr(single, name), float),
            rtol=0,
            atol=atol,
            err_msg=name,
        )
