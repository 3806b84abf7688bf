"""Arguments of the command line: one line for each mistake, and nothing is guessed."""

from __future__ import annotations

from argparse import ArgumentTypeError
from collections.abc import Callable
from typing import Any

import pytest
from stride_bringup.cli.arguments import Parser, number, realtime_factor, size, whole


@pytest.mark.parametrize(
    ("parse", "text", "value"),
    [
        (number(), "-0.5", -0.5),
        (number(), "1e-3", 0.001),
        (number(0, 1), "1", 1.0),
        (number(0, 1), "0", 0.0),
        (whole(), "0", 0),
        (whole(), str(2**31 - 1), 2**31 - 1),
        (realtime_factor, "max", 0.0),
        (realtime_factor, "2.5", 2.5),
        (size, "4,2.5,0.3", (4.0, 2.5, 0.3)),
    ],
)
def test_what_makes_sense_is_read(parse: Callable[[str], Any], text: str, value: Any) -> None:
    assert parse(text) == value
    assert type(parse(text)) is type(value)


@pytest.mark.parametrize(
    ("parse", "text", "expected"),
    [
        (number(), "fast", "'fast': expected a finite number"),
        (number(), "nan", "'nan': expected a finite number"),
        (number(), "-inf", "'-inf': expected a finite number"),
        (number(), "", "expected a finite number"),
        (number(0, 1), "1.01", "'1.01': expected a finite number from 0 to 1"),
        (number(0.5), "0.4", "expected a finite number of at least 0.5"),
        (whole(), "-1", "'-1': expected a whole number from 0 to 2147483647"),
        (whole(), "1.0", "'1.0': expected a whole number"),
        (whole(), str(2**31), "expected a whole number"),
        (realtime_factor, "0", "'0': expected a finite number from 0.001 to 1000"),
        (realtime_factor, "fastest", "'fastest': expected"),
        (size, "1,2", "'1,2': expected X,Y,Z in metres"),
        (size, "1,2,x", "'x': expected"),
        (size, "1,2,-3", "'-3': expected"),
    ],
)
def test_what_does_not_is_named(parse: Callable[[str], Any], text: str, expected: str) -> None:
    with pytest.raises(ArgumentTypeError) as caught:
        parse(text)
    assert expected in str(caught.value)


def test_a_mistake_is_one_line_and_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    parser = Parser(prog="./stride toy")
    parser.add_argument("--level", type=whole(1, 3))
    with pytest.raises(SystemExit) as caught:
        parser.parse_args(["--level", "9"])
    assert caught.value.code == 2
    said = capsys.readouterr()
    assert said.out == ""
    (line,) = said.err.splitlines()
    assert line.startswith(
        "./stride toy: argument --level: '9': expected a whole number from 1 to 3"
    )
    assert "./stride toy --help" in line
