"""Dispatch of ``./stride COMMAND``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module

from stride_bringup.cli.arguments import USAGE_ERROR

COMMANDS = {
    "sim": "the simulated robot walks",
    "hardware": "the robot walks, or its twin on an emulated servo bus",
    "faults": "break things on the twin, one by one, and see that it stays safe",
    "bench": "latency, speed and their floors, measured",
    "calibrate": "measure the gait's speeds, or find the servos' zeros, and write them down",
    "policy": "list, show, check and verify residual policies",
    "launch": "ros2 launch of this workspace's launch files",
}
TRAINING = {
    "train": "learn a residual policy by PPO",
    "evaluate": "a policy's figures over many episodes",
    "compare": "several policies on the same episodes",
    "export": "write a run's policy as ONNX with its contract",
    "play": "film a policy",
    "plot": "draw a run's learning curves",
    "tune": "search hyperparameters",
    "ablate": "what each part of the recipe is worth",
}
OWN = {
    "setup": "install and build what is missing (every other command does so too)",
    "exec": "run any command in the workspace's environment, such as python my_node.py",
    "test": "linter, type checker and all tests",
    "help": "this text; ./stride COMMAND --help has the options",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the exit status is its own."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    command = given[0] if given else "help"
    if command in ("help", "--help", "-h"):
        if len(given) > 1 and given[1] in COMMANDS | TRAINING:
            return main([given[1], "--help"])
        print(usage())
        return 0
    if command in TRAINING:
        from stride_training.cli import main as training

        return training(given)
    if command not in COMMANDS:
        known = ", ".join([*COMMANDS, *TRAINING, *OWN])
        print(f"stride: {command!r}: expected one of {known}", file=sys.stderr)
        return USAGE_ERROR
    return _run(command, given[1:])


def usage() -> str:
    """All commands, with examples."""
    from stride_bringup.cli.sim import EXAMPLES

    lines = [f"  {name:<10} {what}" for name, what in (COMMANDS | TRAINING | OWN).items()]
    return "\n".join(["usage: ./stride COMMAND [options]", "", *lines, "", EXAMPLES.rstrip()])


def _run(command: str, arguments: Sequence[str]) -> int:
    module = import_module(f"stride_bringup.cli.{command}")
    status: int = module.main(arguments)
    return status
