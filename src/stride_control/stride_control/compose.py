"""The executable ``compose``: several nodes in one process, on one executor.

compose stride_control.gait_node:GaitNode stride_control.ik_node:IkNode --ros-args …
"""

from __future__ import annotations

import sys
from importlib import import_module

from stride_control.executor import run


def main() -> int:
    """Run the nodes that are named before ``--ros-args``; each ``module:Class``."""
    words = sys.argv[1:]
    own = words[: words.index("--ros-args")] if "--ros-args" in words else words
    if not own or any(":" not in word for word in own):
        print("compose: expected module:Class for each node", file=sys.stderr)
        return 2
    classes = []
    for word in own:
        module, _, name = word.partition(":")
        classes.append(getattr(import_module(module), name))
    return run(lambda: [cls() for cls in classes])


if __name__ == "__main__":
    sys.exit(main())
