"""What the launch file is told and what it starts, without ``launch`` itself.

``ros2 launch`` and ``./stride launch`` take the options of ``./stride sim`` as ``name:=value``;
``composed:=false`` is ``--processes``.
"""

from __future__ import annotations

import atexit
import difflib
import shutil
import tempfile
from argparse import Action, ArgumentTypeError
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cache
from pathlib import Path
from typing import Any

from stride_bringup.cli.arguments import number
from stride_bringup.cli.sim import parser
from stride_bringup.graph import check_remappings, ros_arguments, sim_nodes
from stride_bringup.options import Options


@dataclass(frozen=True)
class Argument:
    """One launch argument.

    Attributes:
        default: the value; ``typed`` has it as text.
        parse: from text to value; its error says what was expected.
    """

    name: str
    default: Any
    parse: Callable[[str], Any]
    description: str

    @property
    def typed(self) -> str:
        """The default as one would type it."""
        if isinstance(self.default, bool):
            return str(self.default).lower()
        if isinstance(self.default, float):
            return f"{self.default:g}"
        return ",".join(self.default) if isinstance(self.default, tuple) else str(self.default)

    def read(self, text: str) -> Any:
        """Value of ``text``.

        Raises:
            ValueError: one line that names the argument, the text and what was expected.
        """
        if text == self.typed:
            return self.default
        try:
            return self.parse(text)
        except (ValueError, ArgumentTypeError) as error:
            raise ValueError(f"{self.name}: {error}") from None


def _boolean(text: str) -> bool:
    known = {"true": True, "false": False, "1": True, "0": False}
    if text.lower() not in known:
        raise ValueError(f"{text!r}: expected true or false")
    return known[text.lower()]


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split(","))


_DEFAULTS: dict[str, Any] = {field.name: field.default for field in fields(Options)}
_DEFAULTS |= dict(zip(("vx", "vy", "wz"), _DEFAULTS["command"], strict=True))

_RUN = (
    Argument("seconds", _DEFAULTS["seconds"], number(0, 1e7), "simulated time; 0: until Ctrl-C"),
    Argument(
        "camera_rate", _DEFAULTS["camera_rate"], number(0, 1000), "pictures a simulated second"
    ),
    Argument(
        "stamped_cmd_vel", _DEFAULTS["stamped_cmd_vel"], _boolean, "cmd_vel is a TwistStamped"
    ),
    Argument("summary", _DEFAULTS["summary"], str, "JSON file for the figures of the run"),
)
"""Those that ``./stride sim`` lacks, or has another word for."""

_LAUNCH = (
    Argument(
        "composed", True, _boolean, "one process for the control loop; false: one for each node"
    ),
    Argument("rviz", False, _boolean, "start RViz too, with config/stride.rviz"),
    Argument(
        "use_sim_time", True, _boolean, "for RViz; stride's nodes go by the stamps of messages"
    ),
)
"""Those that say how to launch, not what to run."""

_ONLY_IN_A_TERMINAL = ("json", "processes")

LAUNCHS_OWN = ("launch-prefix", "launch-prefix-filter", "sigterm_timeout", "sigkill_timeout")
"""What ``ros2 launch`` takes for every launch file."""


def arguments() -> tuple[Argument, ...]:
    """All launch arguments."""
    return (*run_arguments(), *_LAUNCH)


@cache
def run_arguments() -> tuple[Argument, ...]:
    """Those that fill ``Options``; their defaults are its defaults."""
    own = {argument.name for argument in _RUN}
    shared = [
        from_option(option, _DEFAULTS)
        for option in parser().options
        if option.dest not in own and option.dest not in _ONLY_IN_A_TERMINAL
    ]
    return (*shared, *_RUN)


def from_option(option: Action, defaults: Mapping[str, Any]) -> Argument:
    """The launch argument of a command line's option."""
    default = defaults[option.dest]
    parse: Callable[[str], Any] = option.type if callable(option.type) else str
    if isinstance(default, bool):
        parse = _boolean
    elif isinstance(option.default, list):  # an option that may be repeated
        return Argument(option.dest, default, _words, f"{option.metavar}, several with commas")
    return Argument(option.dest, default, parse, option.help or "")


@dataclass(frozen=True)
class Process:
    """One process to start: the arguments of a ``Node`` action.

    Attributes:
        ros_arguments: those after ``--ros-args``; a namespace is not among them.
        guest: the run goes on without it.
        respawn: it is started again when it ends.
    """

    package: str
    executable: str
    arguments: tuple[str, ...] = ()
    ros_arguments: tuple[str, ...] = ()
    guest: bool = False
    respawn: bool = False


@dataclass(frozen=True)
class Launch:
    """What was asked for.

    Attributes:
        options: of the run.
        words: ``--name=value`` for the executable ``composed``: what differs from the defaults, but
            not the namespace.
    """

    options: Options
    words: tuple[str, ...]
    composed: bool
    rviz: bool
    use_sim_time: bool

    def processes(self) -> list[Process]:
        """The list of nodes as processes."""
        specs = sim_nodes(self.options)
        here = replace(self.options, namespace="")  # launch itself adds it to those around it
        started = []
        if self.composed:
            specs = [spec for spec in specs if spec.alone]
            started.append(Process("stride_bringup", "composed", self.words))
        started += [
            Process(
                spec.package,
                spec.executable,
                ros_arguments=tuple(ros_arguments(spec, here)[1:]),
                guest=spec.guest or spec.expendable,
                respawn=spec.expendable,
            )
            for spec in specs
        ]
        return [*started, *([self._rviz()] if self.rviz else [])]

    def _rviz(self) -> Process:
        clock = ("-p", f"use_sim_time:={str(self.use_sim_time).lower()}")
        return Process("rviz2", "rviz2", ("-d", str(share() / "config/stride.rviz")), clock, True)


def read(given: Mapping[str, str]) -> Launch:
    """Values of the launch arguments; whatever else ``given`` has is left alone.

    Raises:
        ValueError: one line that names the argument, its value and what was expected.
    """
    values = {each.name: each.read(given.get(each.name, each.typed)) for each in arguments()}
    how = {each.name: values.pop(each.name) for each in _LAUNCH}
    values["command"] = tuple(values.pop(name) for name in ("vx", "vy", "wz"))
    options = Options(**values, folder=run_folder())
    options.params_files()
    check_remappings(sim_nodes(options), options)
    if how["rviz"]:
        _check_rviz(options.namespace)
    words = [
        f"{flag(each.name)}={given[each.name]}"
        for each in run_arguments()
        if each.name != "namespace" and given.get(each.name, each.typed) != each.typed
    ]
    return Launch(options, tuple(words), **how)


def run_folder() -> str:
    """For what the nodes of a run leave for themselves, as long as launch runs."""
    folder = tempfile.mkdtemp(prefix="stride-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _check_rviz(namespace: str) -> None:
    if namespace:
        raise ValueError(
            f"rviz: true: expected false with namespace {namespace!r}; start rviz2 by hand, with "
            "the fixed frame and the TF prefix of that robot"
        )
    if not is_installed("rviz2"):
        raise ValueError("rviz: true: expected false, as rviz2 is not installed")


def is_installed(package: str) -> bool:
    """Tell whether ROS finds a package."""
    from ament_index_python.packages import get_packages_with_prefixes

    return package in get_packages_with_prefixes()


def flag(name: str) -> str:
    """An argument's name for the executable; ROS would take a ``name:=value`` for a remapping."""
    return f"--{name.replace('_', '-')}"


def split(
    words: Sequence[str], known_arguments: Sequence[Argument] | None = None
) -> dict[str, str]:
    """``name:=value`` words as a mapping; the last one of a name counts.

    Raises:
        ValueError: a word of another form, or a name that is no launch argument; one line.
    """
    given = {}
    known = [argument.name for argument in known_arguments or arguments()]
    for word in words:
        name, arrow, value = word.partition(":=")
        if not arrow:
            raise ValueError(f"{word!r}: expected name:=value")
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = f"did you mean {near[0]}?" if near else f"expected one of {', '.join(known)}"
            raise ValueError(f"{name}: no such argument; {hint}")
        given[name] = value
    return given


def described() -> str:
    """All arguments with their defaults, a line each."""
    ends = {each.name: f" (default: {each.typed})" if each.typed else "" for each in arguments()}
    return "\n".join(f"  {a.name:<16} {a.description}{ends[a.name]}" for a in arguments())


def share() -> Path:
    """Where stride_bringup's launch files and configuration are installed."""
    from ament_index_python.packages import get_package_share_directory

    return Path(get_package_share_directory("stride_bringup"))
