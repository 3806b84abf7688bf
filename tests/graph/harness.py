"""What the tests of the running graph share: a free domain, processes, and a ROS context to watch.

Nothing here sleeps for a fixed time: every wait is for a condition, with a patience that only a
fault reaches.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

PATIENCE = float(os.environ.get("STRIDE_TEST_PATIENCE", "60"))  # s
CLI = (sys.executable, "-m", "stride_bringup.cli")
FAST = ("--headless", "--realtime-factor", "max", "--json")
LEVEL = re.compile(r"\[(WARN|ERROR|FATAL)\] \[[\d.]+\] \[([\w.]+)\]: (.*)")
_DOMAINS = range(60, 102)  # beyond 101 the ports of DDS meet those of outgoing connections
_TAG = "STRIDE_TEST_TAG"
_LIBC = ctypes.CDLL(None)
_PR_SET_PDEATHSIG = 1


def wait_until(condition: Callable[[], Any], step: Callable[[], None] | None = None) -> Any:
    """Return the first true value of `condition()`, running `step` in between; fail in the end."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        step() if step else time.sleep(0.02)
    raise AssertionError(f"waited {PATIENCE:.0f} s in vain")


@contextmanager
def free_domain() -> Iterator[int]:
    """A ROS domain that nobody on this machine uses, held by a lock for as long as we do."""
    first = os.getpid() % len(_DOMAINS)
    for number in [*_DOMAINS[first:], *_DOMAINS[:first]]:
        path = Path(tempfile.gettempdir(), f"stride-test-{os.getuid()}-domain-{number}.lock")
        with path.open("w") as lock, suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _unheard(number):
                yield number
                return
    raise AssertionError("no ROS domain is free")


def _unheard(domain: int) -> bool:
    """Whether the port of the domain's first participant (DDSI-RTPS 9.6.1.1) is free."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(("", 7410 + 250 * domain))
        except OSError:
            return False
    return True


def _end_with_the_tests() -> None:
    """For a child: SIGTERM when the tests were killed and could not end it themselves (Linux)."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


class Started:
    """A process with its output in files, and everything that it started in its turn."""

    def __init__(self, folder: Path, command: Sequence[str], env: dict[str, str]) -> None:
        self.folder = folder
        self._tag = uuid.uuid4().hex
        self._out, self._err = (folder / f"{self._tag}.{name}" for name in ("out", "err"))
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, cwd=folder,
                env={**os.environ, **env, _TAG: self._tag}, start_new_session=True,
                preexec_fn=_end_with_the_tests,
            )  # fmt: skip

    @property
    def out(self) -> str:
        """Standard output so far."""
        return self._out.read_text("utf-8", "replace")

    @property
    def err(self) -> str:
        """Standard error so far."""
        return self._err.read_text("utf-8", "replace")

    def wait(self) -> int:
        """Wait for its end and return the exit status."""
        return self.process.wait(PATIENCE)

    def signal(self, signum: int, whole_group: bool = False) -> None:
        """Signal the process, or its process group as Ctrl-C at a terminal does."""
        (os.killpg if whole_group else os.kill)(self.process.pid, signum)

    def family(self) -> dict[int, str]:
        """Command lines, by process id, of all that live of what was started here."""
        return {pid: _read(pid, "cmdline") for pid in _tagged(self._tag)}

    def report(self) -> dict[str, Any]:
        """The last line of standard output as strict JSON (no NaN)."""
        last: dict[str, Any] = json.loads(self.out.splitlines()[-1], parse_constant=_not_json)
        return last

    def end(self) -> None:
        """Ask it to end, then kill whatever is left, by id."""
        if self.process.poll() is None:
            self.process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(10.0)
        for pid in self.family():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()


class Processes:
    """Starts processes in one domain, which all end with it."""

    def __init__(self, folder: Path, domain: int) -> None:
        self.folder, self.domain = folder, domain
        self._all: list[Started] = []

    def start(self, *command: str, **env: str) -> Started:
        """Start a command with further environment variables."""
        env = {"ROS_DOMAIN_ID": str(self.domain)} | env
        started = Started(
            self.folder, command, {**env, "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}
        )
        self._all.append(started)
        return started

    def sim(self, *arguments: str) -> Started:
        """Start `./stride sim` with arguments."""
        return self.start(*CLI, "sim", *arguments)

    def done(self, *command: str) -> Started:
        """Run a command to its end."""
        started = self.start(*command)
        started.wait()
        return started

    def close(self) -> None:
        """End everything."""
        for started in self._all:
            started.end()


class Graph:
    """A ROS context of the test's own with an executor: the separate process that looks on."""

    def __init__(self, domain: int) -> None:
        import rclpy
        from rclpy.experimental import EventsExecutor

        self.context = rclpy.Context()
        rclpy.init(context=self.context, domain_id=domain)
        self._executor = EventsExecutor(context=self.context)
        self._nodes: list[Any] = []
        self._clients: dict[tuple[Any, str], Any] = {}

    def add(self, make: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Make a node, `make(*args, context=..., **kwargs)`, and spin it."""
        node = make(*args, context=self.context, **kwargs)
        self._nodes.append(node)
        self._executor.add_node(node)
        return node

    def spin(self) -> None:
        """Run what is due, for a moment."""
        self._executor.spin_once(timeout_sec=0.01)

    def until(self, condition: Callable[[], Any]) -> Any:
        """Spin until `condition()` is true, and return its value."""
        return wait_until(condition, self.spin)

    def call(self, node: Any, kind: Any, name: str, **fields: Any) -> Any:
        """Call a service and return its response.

        By one client a node and name: the server may not have found a new one when it answers, and
        one in some hundred answers to new ones was lost.
        """
        client = self._clients.get((node, name))
        if client is None:
            client = self._clients[node, name] = node.create_client(kind, name)
        self.until(client.service_is_ready)
        future = client.call_async(kind.Request(**fields))
        self.until(future.done)
        return future.result()

    def destroy(self, node: Any) -> None:
        """Take a node out."""
        self._nodes.remove(node)
        self._clients = {key: one for key, one in self._clients.items() if key[0] is not node}
        self._executor.remove_node(node)
        node.destroy_node()

    def close(self) -> None:
        """Destroy everything."""
        for node in list(self._nodes):
            self.destroy(node)
        self._executor.shutdown()
        self.context.try_shutdown()


@contextmanager
def stage(folder: Path) -> Iterator[tuple[Processes, Graph]]:
    """A domain with processes and a ROS context in it."""
    with free_domain() as domain:
        processes, graph = Processes(folder, domain), Graph(domain)
        try:
            yield processes, graph
        finally:
            graph.close()
            processes.close()


def warnings(text: str, node: str = "") -> list[str]:
    """What was said as a warning or worse on standard error, by one node or all."""
    return [said for _, name, said in LEVEL.findall(text) if node in ("", name)]


def _not_json(text: str) -> None:
    raise AssertionError(f"{text} is not JSON")


def _tagged(tag: str) -> list[int]:
    mark = f"{_TAG}={tag}"
    pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    return [pid for pid in pids if mark in _read(pid, "environ")]


def _read(pid: int, what: str) -> str:
    """A file of a process; empty for one that is gone, a zombie included."""
    try:
        return (
            Path(f"/proc/{pid}/{what}").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        )
    except OSError:
        return ""
