"""The commands of training: ``./stride COMMAND`` and ``python -m stride_training COMMAND``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module

from stride_core.arguments import USAGE_ERROR
from stride_core.yaml_file import one_line

COMMANDS = (
    *("train", "evaluate", "compare", "export", "play", "plot"),
    *("tune", "ablate", "bench", "replay"),
)
_TRAINING_SET = ("torch", "stable_baselines3", "gymnasium", "onnx", "optuna", "matplotlib")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the exit status is its own."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    command = given[0] if given else ""
    if command not in COMMANDS:
        known = ", ".join(COMMANDS)
        print(f"stride_training: {command!r}: expected one of {known}", file=sys.stderr)
        return USAGE_ERROR
    try:
        module = import_module(f"stride_training.cli.{command}")
        status: int = module.main(given[1:])
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _TRAINING_SET:
            raise
        print(
            f"./stride {command}: {error.name} is missing: ./stride setup --training installs it",
            file=sys.stderr,
        )
        return USAGE_ERROR
    except (ValueError, OSError) as error:
        print(f"./stride {command}: {one_line(error)}", file=sys.stderr)
        return USAGE_ERROR
    except KeyboardInterrupt:
        print(f"\n./stride {command}: interrupted", file=sys.stderr)
        return 130
    return status
