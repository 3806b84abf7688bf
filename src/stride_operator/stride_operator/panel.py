"""The figures beside the scene: what is shown, and how it is worded as HTML."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

import numpy as np
import viser
from viser import uplot

HISTORY = 10.0  # s of the chart
_STOP = "Stop: motors off"
GOOD, CAUTION, BAD, QUIET = "#3ddc97", "#f5a524", "#ff5d5d", "#7d8896"
STATES = {
    0: ("BOOT", QUIET),
    1: ("STANDBY", QUIET),
    2: ("STANDING", "#5b9bff"),
    3: ("ACTIVE", GOOD),
    4: ("DAMPING", BAD),
    5: ("ESTOP", BAD),
}  # as SafetyStatus numbers them

STYLE = """
<style>
.st{font-family:system-ui,sans-serif;font-variant-numeric:tabular-nums;padding:2px 12px 6px}
.st .top{display:flex;align-items:baseline;gap:8px;margin:2px 0 8px}
.st .name{font-size:17px;font-weight:650;letter-spacing:.2px}
.st .pill{border-radius:999px;padding:1px 9px;font-size:11px;font-weight:650;letter-spacing:.6px}
.st .time{margin-left:auto;font-size:14px;opacity:.75}
.st .why{font-size:12px;margin:-2px 0 8px}
.st .grid{display:grid;grid-template-columns:1fr 1fr;gap:6px}
.st .card{background:rgba(127,140,160,.11);border-radius:8px;padding:6px 9px}
.st .wide{grid-column:1/3}
.st .key{font-size:11px;opacity:.62}
.st .value{font-size:17px;font-weight:600;line-height:1.3}
.st .unit{font-size:11px;opacity:.62;font-weight:400;margin-left:3px}
.st .sub{font-size:11px;opacity:.62}
.st .feet{display:flex;gap:5px;margin-top:3px}
.st .foot{flex:1;text-align:center;border-radius:6px;font-size:11px;font-weight:600;padding:2px 0}
</style>
"""


@dataclass(frozen=True)
class Status:
    """What the panel shows; None for what no topic has told yet.

    Attributes:
        command: (vx, vy, wz) in force [m/s, m/s, rad/s].
        velocity: measured (vx, vy, wz), as the command.
        tilt: of the trunk from upright [rad].
        height: of the trunk above ground [m].
        state, reasons: as in SafetyStatus.
        time: of the run [s]; factor: run seconds per second of the wall.
        feet: name, whether it touches, force [N].
        policy: its identity, empty for none; strength in [0, 1]; novelty [standard deviations].
    """

    robot: str = ""
    command: tuple[float, float, float] | None = None
    velocity: tuple[float, float, float] | None = None
    tilt: float | None = None
    height: float | None = None
    state: int | None = None
    reasons: tuple[str, ...] = ()
    time: float | None = None
    factor: float | None = None
    feet: tuple[tuple[str, bool, float], ...] = ()
    policy: tuple[str, float, float] | None = None


def html(status: Status) -> str:
    """Return the panel's HTML."""
    state, colour = STATES.get(-1 if status.state is None else status.state, ("NO DATA", QUIET))
    why = "".join(
        f'<div class="why" style="color:{CAUTION}">{escape(reason)}</div>'
        for reason in status.reasons
    )
    tilt = None if status.tilt is None else float(np.degrees(status.tilt))
    cards = [
        _speed("forward", status, 0, "m/s"),
        _speed("sideways", status, 1, "m/s"),
        _speed("turn", status, 2, "rad/s"),
        _card("tilt", tilt, "°", ".1f"),
        _card("height", None if status.height is None else 1000 * status.height, "mm", ".0f"),
        _card("real-time factor", status.factor, "×", ".2f"),
        _policy(status),
        _feet(status),
    ]
    return (
        f'{STYLE}<div class="st"><div class="top">'
        f'<span class="name">{escape(status.robot) or "Waiting for a robot"}</span>'
        f'<span class="pill" style="color:{colour};background:{colour}26">{state}</span>'
        f'<span class="time">{_number(status.time, ".1f")} s</span></div>'
        f'{why}<div class="grid">{"".join(cards)}</div></div>'
    )


def _number(value: float | None, form: str) -> str:
    if value is None:
        return "–"
    text = f"{value:{form}}"
    return text.replace("-", "−" if float(text) else "")  # a true minus; none before a zero


def _card(key: str, value: float | None, unit: str, form: str, sub: str = "") -> str:
    return (
        f'<div class="card"><div class="key">{key}</div><div class="value">{_number(value, form)}'
        f'<span class="unit">{unit}</span></div>{sub}</div>'
    )


def _speed(key: str, status: Status, axis: int, unit: str) -> str:
    actual = None if status.velocity is None else status.velocity[axis]
    command = None if status.command is None else status.command[axis]
    return _card(key, actual, unit, ".2f", f'<div class="sub">told {_number(command, ".2f")}</div>')


def _policy(status: Status) -> str:
    """How much of the policy counts, as a bar; amber once the robot sees what is strange to it."""
    if status.policy is None or not status.policy[0]:
        return ""
    identity, strength, novelty = status.policy
    colour = GOOD if strength > 0.99 else CAUTION
    bar = (
        f'<div style="height:4px;border-radius:2px;background:{QUIET}44;margin-top:3px">'
        f'<div style="height:4px;border-radius:2px;width:{100 * strength:.0f}%;'
        f'background:{colour}"></div></div>'
    )
    words = f"{100 * strength:.0f} % · novelty {novelty:.1f}"
    return (
        f'<div class="card wide"><div class="key">policy {escape(identity)}</div>'
        f'<div class="sub">{words}</div>{bar}</div>'
    )


def _feet(status: Status) -> str:
    if not status.feet:
        return ""
    pills = "".join(
        f'<div class="foot" style="color:{GOOD if touches else QUIET};'
        f'background:{GOOD if touches else QUIET}22" title="{force:.1f} N">{escape(name)}</div>'
        for name, touches, force in status.feet
    )
    body = f'<div class="key">feet</div><div class="feet">{pills}</div>'
    return f'<div class="card wide">{body}</div>'


@dataclass
class SpeedHistory:
    """The last seconds of commanded and measured forward speed."""

    rows: deque[tuple[float, float, float]] = field(default_factory=deque)

    def add(self, time: float, command: float, velocity: float) -> None:
        """Note one instant; a time that runs backwards starts anew."""
        if self.rows and time < self.rows[-1][0]:
            self.rows.clear()
        self.rows.append((time, command, velocity))
        while self.rows[0][0] < time - HISTORY:
            self.rows.popleft()

    def columns(self) -> tuple[np.ndarray[Any, Any], ...]:
        """Times [s, from the last], commands and speeds [m/s], each (n,)."""
        rows = np.array(self.rows or [(0.0, 0.0, 0.0)])
        return rows[:, 0] - rows[-1, 0], rows[:, 1].copy(), rows[:, 2].copy()


class Panel:
    """The panel on the page: figures, chart of the speed, and the switches."""

    def __init__(self, server: viser.ViserServer) -> None:
        """Lay it out."""
        gui = server.gui
        gui.configure_theme(
            dark_mode=True, show_logo=False, show_share_button=False, brand_color=(79, 140, 255),
            control_width="medium",
        )  # fmt: skip
        gui.set_panel_label("stride")
        icon = viser.Icon.HAND_STOP
        self.stop = gui.add_button(_STOP, color="red", hint="also the key X", icon=icon)
        self.stop_key = gui.add_command(_STOP, hotkey="X", icon=icon)
        self._figures = gui.add_html(html(Status()))
        self._history = SpeedHistory()
        self._chart = gui.add_uplot(
            data=self._history.columns(), series=_series(), axes=_axes(), height=150,
            scales={"x": uplot.Scale(time=False, range=(-HISTORY, 0.0))},
            legend=uplot.Legend(show=False), cursor=uplot.Cursor(show=False),
        )  # fmt: skip
        self.follow = gui.add_checkbox("Follow the robot", True)
        self.trail = gui.add_checkbox("Show its path", True)
        self.reset = gui.add_button("Reset the view")
        self.resume = gui.add_button("Reset the watchdog", hint="after a stop: stands up again")

    def show(self, status: Status) -> None:
        """Show the figures."""
        self._figures.content = html(status)
        if None not in (status.time, status.velocity):
            assert status.time is not None and status.velocity is not None
            command = status.command[0] if status.command else 0.0
            self._history.add(status.time, command, status.velocity[0])

    def draw_chart(self) -> None:
        """Bring the chart up to date."""
        self._chart.data = self._history.columns()


def _series() -> Sequence[Any]:
    return (
        uplot.Series(label="s"),
        uplot.Series(label="told", stroke="#7d8896", width=1.5, dash=(5, 4)),
        uplot.Series(label="forward m/s", stroke=GOOD, width=2),
    )


def _axes() -> Sequence[Any]:
    grid = {"stroke": "rgba(127,140,160,.18)", "width": 1}
    look = {"stroke": QUIET, "grid": grid, "ticks": grid, "font": "11px system-ui", "size": 28}
    return uplot.Axis(**look), uplot.Axis(**{**look, "size": 42})
