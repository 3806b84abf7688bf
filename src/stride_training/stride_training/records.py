"""Rows of records: a state of N robots is a tree of NamedTuples whose leaves lead with N."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Tree = TypeVar("Tree")
Indices = NDArray[np.intp]


def take(tree: Tree, robots: Indices) -> Tree:
    """Copies of the rows of some robots, (n,) indices."""
    return _each(lambda leaf: leaf[robots], tree)


def put(tree: Tree, robots: Indices, rows: Tree) -> Tree:
    """A copy of a tree with other rows for some robots; what shares arrays is left alone."""

    def leaf(value: Any, new: Any) -> Any:
        made = np.array(value)
        made[robots] = new
        return made

    return _each(leaf, tree, rows)


def copied(tree: Tree) -> Tree:
    """A tree of its own."""
    return _each(np.array, tree)


def _each(act: Any, tree: Any, *others: Any) -> Any:
    if tree is None:
        return None
    if isinstance(tree, tuple):
        parts = [_each(act, part, *rest) for part, *rest in zip(tree, *others, strict=True)]
        return type(tree)(*parts) if hasattr(tree, "_fields") else tuple(parts)
    return act(tree, *others)
