"""What ``hardware.launch.py`` is told and what it starts, without ``launch`` itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from functools import cache
from typing import Any

from stride_bringup.cli.arguments import number
from stride_bringup.cli.hardware import parser
from stride_bringup.graph import check_remappings, ros_arguments
from stride_bringup.hardware import HardwareOptions, hardware_nodes
from stride_bringup.launch_support import Argument, Process, from_option, run_folder

_NOT_HERE = ("json",)


@cache
def arguments() -> tuple[Argument, ...]:
    """Those of ``./stride hardware``, as ``name:=value``."""
    defaults: dict[str, Any] = {field.name: field.default for field in fields(HardwareOptions)}
    defaults |= dict(zip(("vx", "vy", "wz"), defaults["command"], strict=True))
    seconds = Argument("seconds", 0.0, number(0, 1e7), "after the motors came on; 0: until Ctrl-C")
    shared = [
        from_option(option, defaults)
        for option in parser().options
        if option.dest not in (*_NOT_HERE, seconds.name)
    ]
    return (*shared, seconds)


def read(given: Mapping[str, str]) -> HardwareOptions:
    """Values of the launch arguments.

    Raises:
        ValueError: one line that names the argument, its value and what was expected.
    """
    values = {each.name: each.read(given.get(each.name, each.typed)) for each in arguments()}
    values["command"] = tuple(values.pop(name) for name in ("vx", "vy", "wz"))
    # launch gives the defaults, too: what differs from them was said
    options = HardwareOptions(**values, folder=run_folder())
    options.params_files()
    check_remappings(hardware_nodes(options), options)
    return options


def processes(options: HardwareOptions) -> list[Process]:
    """A process for each node of the list, the controller's in one."""
    here = replace(options, namespace="")  # launch itself adds it to those around it
    return [
        Process(
            spec.package,
            spec.executable,
            tuple(member.path for member in spec.members),
            tuple(ros_arguments(spec, here)[1:]),
            guest=spec.expendable or spec.guest,
            respawn=spec.expendable,
        )
        for spec in hardware_nodes(options)
    ]
