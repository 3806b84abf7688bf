"""The figures on the page."""

from __future__ import annotations

import math
import re

import pytest

pytest.importorskip("viser")

from stride_operator.panel import SpeedHistory, Status, html


def text(status: Status) -> str:
    """The words of the panel."""
    return " ".join(re.sub(r"<style>.*?</style>|<[^>]+>", " ", html(status), flags=re.S).split())


def test_figures_are_shown_in_their_units() -> None:
    shown = text(
        Status(
            robot="toy", command=(0.2, 0.0, 0.5), velocity=(-0.153, 0.01, 0.4),
            tilt=math.radians(12.34), height=0.0721, state=3, time=61.26, factor=0.998,
            feet=(("FL", True, 2.0), ("FR", False, 0.0)),
        )
    )  # fmt: skip
    assert shown.startswith("toy ACTIVE 61.3 s forward −0.15 m/s told 0.20 sideways 0.01 m/s")
    assert "turn 0.40 rad/s told 0.50 tilt 12.3 ° height 72 mm real-time factor 1.00 ×" in shown
    assert shown.endswith("feet FL FR")


def test_a_policy_is_shown_with_how_much_of_it_counts() -> None:
    shown = text(Status(policy=("walker@0123456789ab", 0.62, 9.87)))
    assert "policy walker@0123456789ab 62 % · novelty 9.9" in shown
    assert "policy" not in text(Status(policy=("", 0.0, 0.0)))


def test_zero_has_no_sign() -> None:
    shown = text(Status(velocity=(-0.004, -0.0051, -1e-9), command=(-0.0, 0.0, 0.0)))
    assert "forward 0.00 m/s told 0.00 sideways −0.01 m/s" in shown
    assert "turn 0.00 rad/s" in shown


def test_without_data_it_says_so_and_shows_no_number() -> None:
    shown = text(Status())
    assert shown.startswith("Waiting for a robot NO DATA")
    assert not re.search(r"\d", shown)


def test_reasons_are_shown_as_text() -> None:
    assert "tilt &lt;0.5 rad&gt;" in html(Status(state=4, reasons=("tilt <0.5 rad>",)))
    assert "DAMPING" in text(Status(state=4))


def test_the_chart_holds_the_last_ten_seconds_and_restarts_with_the_run() -> None:
    history = SpeedHistory()
    for tick in range(1201):
        history.add(tick / 100, 0.1, tick / 1000)
    times, commands, speeds = history.columns()
    assert (times[0], times[-1], len(times)) == (pytest.approx(-10.0), 0.0, 1001)
    assert (commands[-1], speeds[-1]) == (0.1, 1.2)
    history.add(0.0, 0.0, 0.0)
    assert len(history.columns()[0]) == 1
