"""A second process that takes the torque off when the driver cannot: servos have no timeout.

    python -m stride_hardware.guard ARGUMENTS_AS_JSON

The driver writes a byte a tick to its standard input. When they stop, because the driver was killed
(the pipe ends) or hangs, it kills what is left of the driver, opens the port and lets the torque
fall to nothing. It outlives the driver for that moment only, or until a port that is gone is back:
servos that have power hold their last goal until then.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from stride_hardware.motors import BusError, MotorBus
from stride_hardware.state_file import record

_BYE = b"q"
_STEP_S = 0.02
_TRIES = 50
_PROMPT_S = 1.0
"""For so long the port is tried at each step: a driver that was killed still holds it a moment."""
_WAIT_S = 0.5
"""Between two tries after that."""


@dataclass(frozen=True)
class Watch:
    """What the guard is told.

    Attributes:
        driver: its process id.
        silence: this long without a byte is a hang [s].
        damping_time: over which the torque falls [s].
        patience: to wait for a port that is gone [s].
    """

    driver: int
    backend: str
    port: str
    baudrate: int
    bus_timeout: float
    ids: Sequence[int]
    silence: float
    damping_time: float
    patience: float
    state_file: str


class Guard:
    """The driver's end."""

    def __init__(self, watch: Watch) -> None:
        command = [sys.executable, "-m", "stride_hardware.guard", json.dumps(asdict(watch))]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)
        assert self._process.stdin is not None
        self._pipe = self._process.stdin
        os.set_blocking(self._pipe.fileno(), False)

    @property
    def alive(self) -> bool:
        """Whether it still watches."""
        return self._process.poll() is None

    def beat(self) -> None:
        """The driver lives."""
        with suppress(OSError):
            os.write(self._pipe.fileno(), b".")

    def dismiss(self) -> None:
        """The driver ends in order, the torque is off."""
        with suppress(OSError):
            os.write(self._pipe.fileno(), _BYE)
            self._pipe.close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(1.0)


def wait(pipe: int, silence: float) -> str:
    """Wait for the driver's end; its cause, or "" when it ended in order.

    A hang counts from the first sign of life on: before, the driver is still being made.
    """
    patience: float | None = None
    while True:
        ready, _, _ = select.select([pipe], [], [], patience)
        if not ready:
            return f"driver hung: no sign for {1e3 * silence:.0f} ms"
        said = os.read(pipe, 4096)
        if not said:
            return "driver died"
        if _BYE in said:
            return ""
        patience = silence


def release(watch: Watch, cause: str) -> bool:
    """Take the torque off; whether every servo confirmed it."""
    if os.getppid() == watch.driver:  # else it is gone, and its number may be another's by now
        with suppress(ProcessLookupError):
            os.kill(watch.driver, signal.SIGKILL)  # one that hangs holds the port
    began, said = time.monotonic(), None
    while True:
        try:
            if _attempt(watch):
                _say(watch, "locked", f"{cause}; torque taken off by the guard")
                return True
            _say(watch, "unknown", f"{cause}; not every servo answered the guard")
            return False
        except BusError as error:
            trouble = str(error)
        waited = time.monotonic() - began
        if waited < _PROMPT_S:
            time.sleep(_STEP_S)
            continue
        if waited >= watch.patience:
            _say(watch, "unknown", f"{cause}; {trouble}")
            return False
        if said is None:
            waits = f"{cause}; {trouble}; the guard waits for it, up to {watch.patience:.0f} s"
            print(f"stride: {waits}: the servos may still have torque", file=sys.stderr, flush=True)
            said = _say(watch, "unknown", waits)
        elif said and _content(watch.state_file) not in (said, ""):
            return False  # a driver that came later has the servos, and a guard of its own
        time.sleep(_WAIT_S)


def _attempt(watch: Watch) -> bool:
    """Open the port and let the torque go; whether every servo confirmed it.

    Raises:
        BusError: the port is gone, or somebody else's.
    """
    from stride_hardware.rustypot_bus import RustypotBus

    bus = RustypotBus(watch.backend, watch.port, watch.baudrate, watch.bus_timeout)
    try:
        return _let_go(bus, watch)
    finally:
        bus.close()


def _content(state_file: str) -> str:
    try:
        return Path(state_file).read_text("utf-8")
    except OSError:
        return ""


def _let_go(bus: MotorBus, watch: Watch) -> bool:
    """Let the torque fall, then take it off; whether every servo confirmed it.

    Raises:
        BusError: the port is gone.
    """
    ids, steps = list(watch.ids), int(watch.damping_time / _STEP_S)
    for step in range(steps):
        bus.write_strength(ids, [1.0 - (step + 1) / steps] * len(ids))
        time.sleep(_STEP_S)
    for _ in range(_TRIES):
        bus.write_power(ids, False)
        time.sleep(_STEP_S)
        if bus.unpowered(ids).all():
            return True
    return False


def _say(watch: Watch, state: str, cause: str) -> str:
    """On disk, and what stands there; one line if that cannot be: nobody else is left to say it."""
    try:
        return record(Path(watch.state_file), state, cause)
    except OSError as error:
        print(f"stride: {state}: {cause} ({watch.state_file}: {error.strerror})", file=sys.stderr)
        return ""


def main() -> int:
    """Watch until the driver ends."""
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, signal.SIG_IGN)  # those are the driver's to answer
    given = json.loads(sys.argv[1])
    watch = Watch(**given)
    import rustypot  # noqa: F401

    import stride_hardware.rustypot_bus  # noqa: F401  now, so that it is there at once later

    cause = wait(sys.stdin.fileno(), watch.silence)
    if not cause:
        return 0
    return 0 if release(watch, cause) else 1


if __name__ == "__main__":
    sys.exit(main())
