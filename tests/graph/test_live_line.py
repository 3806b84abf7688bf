"""The line of figures while a robot walks: rewritten on a terminal, now and then in a log."""

from __future__ import annotations

import io

import numpy as np
import pytest
from stride_sim.onlookers import LiveLine
from stride_sim.statistics import RunStatistics

LEVEL = np.array([0.0, 0.0, 0.0, 1.0])
SECOND = 1_000_000_000  # ns


class Stream(io.StringIO):
    """A terminal, or a file that looks like none."""

    def __init__(self, terminal: bool) -> None:
        super().__init__()
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal


def shown(terminal: bool, monkeypatch: pytest.MonkeyPatch) -> str:
    """What a robot that walks 0.2 m/s for ten seconds, at twice real time, leaves behind."""
    wall = [0.0]
    monkeypatch.setattr("stride_sim.onlookers.monotonic", lambda: wall[0])
    stream, statistics = Stream(terminal), RunStatistics(0.1)
    line = LiveLine(stream)
    for tick in range(101):
        wall[0] = 0.05 * tick
        statistics.add(np.array([0.02 * tick, 0.0, 0.08]), LEVEL, 0.08)
        statistics.add_latency(321.0)
        line.look(tick * SECOND // 10, statistics)
    line.close()
    return stream.getvalue()


def test_on_a_terminal_it_is_rewritten_twice_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    text = shown(True, monkeypatch)
    lines = text.split("\r")
    assert len(lines) == 11  # 5 s of the wall, and the end
    assert text.endswith("\r\n")
    words = " ".join(lines[-2].split())
    assert words == "10.0 s +0.200 m/s tilt 0.0° tick 321 µs missed 0 x2.00"


def test_in_a_log_it_is_a_line_each_5_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    text = shown(False, monkeypatch)
    (line,) = text.splitlines()
    assert "\r" not in text and "+0.200 m/s" in line
