"""The commands of training: ``./stride COMMAND`` and ``python -m stride_training COMMAND``."""

from __future__ import annotations

import re
import signal
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
        if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:  # see __main__
            signal.signal(signal.SIGINT, signal.default_int_handler)
        module = import_module(f"stride_training.cli.{command}")
        status: int = module.main(given[1:])
    except ImportError as error:
        said = _not_loaded(error)
    except (ValueError, OSError, MemoryError, RuntimeError) as error:
        said = _refused(error)
    except KeyboardInterrupt:
        print(f"\n./stride {command}: interrupted", file=sys.stderr)
        return 130
    else:
        return status
    print(f"./stride {command}: {said}", file=sys.stderr)
    return USAGE_ERROR


def _not_loaded(error: ImportError) -> str:
    """Of a package that is missing, or there and broken; raises what is a mistake of ours."""
    name = error.name or "a package"
    if name.startswith("stride_"):
        raise error
    if isinstance(error, ModuleNotFoundError) and name.partition(".")[0] in _TRAINING_SET:
        return f"{name} is missing: ./stride setup --training installs it"
    why = one_line(error)[:200]
    return f"{name} does not load ({why}): ./stride setup --training installs it anew"


def _refused(error: Exception) -> str:
    """Of a value, a file or the memory; raises what is a mistake of ours."""
    why = one_line(error)
    # numpy, torch and MuJoCo each say it in their own way
    if isinstance(error, MemoryError) or re.search("allocate memory|out of memory", why):
        more = f" ({why[:200]})" if why else ""
        return f"not enough memory{more}: expected fewer robots, fewer steps of each or less ground"
    if isinstance(error, RuntimeError):
        raise error
    return why
