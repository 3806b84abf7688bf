"""Runs the list of nodes, composed or in processes, and returns the figures of the run."""

from __future__ import annotations

import dataclasses
import json
import signal
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import rclpy
from rclpy.signals import SignalHandlerOptions
from stride_control.executor import StopFlag, destroy, spin

from stride_bringup.cli.arguments import USAGE_ERROR
from stride_bringup.composed import make_nodes
from stride_bringup.graph import NodeSpec, check_remappings, recorder_summary, sim_nodes
from stride_bringup.options import Options
from stride_bringup.processes import Children


@dataclass(frozen=True)
class Result:
    """How a run went.

    Attributes:
        figures: of the plant (``stride_sim.statistics.Summary``); None if it never came to them.
        failure: one line about a node that ended by itself and should not have; empty otherwise.
        refused: a node in a process of its own could not be made as it was told, and has said so.
        recorded: of the recorder: how many ``messages``, how many ``lost``; None without one.
    """

    figures: dict[str, Any] | None
    failure: str = ""
    refused: bool = False
    recorded: dict[str, int] | None = None


def run(options: Options, processes: bool = False) -> Result:
    """Run until the time is up, a signal comes or a node fails.

    Raises:
        ValueError, OSError: a node cannot be made; one line.
    """
    check_remappings(sim_nodes(options), options)
    with tempfile.TemporaryDirectory(prefix="stride-") as folder:
        summary = Path(options.summary or f"{folder}/summary.json")
        options = dataclasses.replace(options, summary=str(summary), folder=folder)
        ended = (_in_processes if processes else _composed)(options)
        return dataclasses.replace(
            ended, figures=_read(summary), recorded=_read(recorder_summary(options.summary))
        )


def _read(path: Path) -> Any:
    return json.loads(path.read_text("utf-8")) if path.is_file() else None


def _composed(options: Options) -> Result:
    """One process for all but those that the list keeps alone."""
    stop = StopFlag()
    stop.install()
    specs = sim_nodes(options)
    nodes: list[Any] = []
    rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
    with Children() as children:
        try:
            nodes = make_nodes([spec for spec in specs if not spec.alone], options)
            for spec in specs:
                if spec.alone:
                    children.start(spec, options)
            spin(nodes, stop)
        finally:
            destroy(nodes)
            rclpy.try_shutdown()
    return Result(None)


def _in_processes(options: Options) -> Result:
    """A process for each node of the list."""
    stop = StopFlag()
    stop.install()
    with Children() as children:
        specs = {spec.name: spec for spec in sim_nodes(options)}
        for spec in specs.values():
            children.start(spec, options)
        return supervise(children, specs, options, lambda: stop.signum is not None, "sim")


def supervise(
    children: Children,
    specs: Mapping[str, NodeSpec],
    options: Options,
    stopped: Callable[[], bool],
    last: str,
) -> Result:
    """Watch over the processes of a run until it is over.

    Args:
        children: they run.
        specs: of them, by name.
        options: of the run.
        stopped: whether somebody wants it to end; asked now and then.
        last: the node whose end is the end of the run.
    """
    while not stopped():
        ended = children.wait(stopped)
        if stopped():  # a terminal sends Ctrl-C to the children too
            break
        for name, status in ended.items():
            spec = specs[name]
            if name == last and status == 0:
                return Result(None)
            if not spec.guest and status == USAGE_ERROR and not children.restarted(name):
                return Result(None, refused=True)
            print(f"stride: {name} ended ({how(status)})", file=sys.stderr)
            if spec.expendable and children.may_start_again(name):
                print(f"stride: {name} is started again", file=sys.stderr)
                children.start(spec, options)
            # without a node of the loop there is no walk to go on with
            elif not (spec.guest or spec.expendable):
                return Result(None, failure=f"{name} ended ({how(status)})")
    return Result(None)


def how(status: int) -> str:
    """An exit status in words."""
    return f"killed by {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"
