"""Names become indices: whatever order the sender has, rows come out in ours."""

from __future__ import annotations

from array import array

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("builtin_interfaces")

from builtin_interfaces.msg import Time
from rclpy.serialization import serialize_message
from sensor_msgs.msg import Imu
from stride_control.messages import (
    Rows,
    doubles,
    peek_frame,
    peek_orientation,
    peek_stamp,
    printable,
    stamp_ns,
    to_stamp,
)

LEGS = ("FL", "FR", "RL", "RR")


def test_rows_in_our_order_come_out_as_they_are() -> None:
    assert Rows("leg", LEGS).read(list(LEGS), "f", [1.0, 2.0, 3.0, 4.0]).tolist() == [1, 2, 3, 4]


def test_rows_in_another_order_are_put_in_ours() -> None:
    rows = Rows("leg", LEGS)
    names = ["RR", "FL", "RL", "FR"]
    assert rows.read(names, "f", [4.0, 1.0, 3.0, 2.0]).tolist() == [1, 2, 3, 4]
    wide = [4.1, 4.2, 1.1, 1.2, 3.1, 3.2, 2.1, 2.2]
    assert rows.read(names, "f", wide, 2).tolist() == [1.1, 1.2, 2.1, 2.2, 3.1, 3.2, 4.1, 4.2]
    assert rows.read(list(LEGS), "f", [1.0, 2.0, 3.0, 4.0]).tolist() == [1, 2, 3, 4]


def test_rows_of_others_are_left_out() -> None:
    names = ["tail", *reversed(LEGS)]
    assert Rows("leg", LEGS).read(names, "f", [9.0, 4.0, 3.0, 2.0, 1.0]).tolist() == [1, 2, 3, 4]


@given(st.permutations(range(6)), st.integers(1, 3), st.booleans())
def test_every_order_gives_the_same(order: list[int], width: int, as_array: bool) -> None:
    ours = [f"j{i}" for i in range(6)]
    values = np.arange(6.0 * width).reshape(6, width)
    sent = values[order].ravel().tolist()
    got = Rows("joint", ours).read(
        [ours[i] for i in order], "f", array("d", sent) if as_array else sent, width
    )
    assert got.tolist() == values.ravel().tolist()


@pytest.mark.parametrize(
    "names",
    [["FL", "FR", "RL"], ["FL", "FR", "RL", "tail"], ["FL", "FR", "RL", "FL"], [], [*LEGS, "FL"]],
)
def test_a_missing_or_doubled_name_is_refused_by_name(names: list[str]) -> None:
    rows = Rows("leg", LEGS)
    with pytest.raises(ValueError, match=r"legs .*expected each of .*'RR'.* once"):
        rows.read(names, "feet", [0.0] * len(names))
    assert rows.read(list(LEGS), "feet", [1.0, 2.0, 3.0, 4.0]).tolist() == [1, 2, 3, 4]


def test_the_refusal_stays_when_the_same_names_come_again() -> None:
    rows = Rows("leg", LEGS)
    for _ in range(2):
        with pytest.raises(ValueError, match="expected each"):
            rows.read(["FL"], "feet", [0.0])


@pytest.mark.parametrize("count", [0, 3, 5, 12])
def test_another_number_of_values_is_refused_by_field(count: int) -> None:
    with pytest.raises(ValueError, match=f"feet: {count} values for 4 legs, expected 4"):
        Rows("leg", LEGS).read(list(LEGS), "feet", [0.0] * count)


@given(st.integers(0, 2**31 * 10**9 - 1))
def test_a_stamp_is_exact_to_the_nanosecond(nanoseconds: int) -> None:
    assert stamp_ns(to_stamp(nanoseconds)) == nanoseconds


def test_a_stamp_of_a_second_and_a_half() -> None:
    assert to_stamp(1_500_000_000) == Time(sec=1, nanosec=500_000_000)
    assert stamp_ns(Time(sec=2, nanosec=5)) == 2_000_000_005


def test_doubles_are_the_bits_of_the_array() -> None:
    values = np.array([[0.1, -0.0], [np.nan, 1e-300]])
    assert doubles(values).typecode == "d"
    assert doubles(values).tobytes() == values.tobytes()
    assert doubles(np.arange(6.0).reshape(2, 3).T).tolist() == [0, 3, 1, 4, 2, 5]  # row by row


@given(frame=st.text(max_size=20), stamp=st.integers(0, 10**18), known=st.booleans())
def test_what_is_peeked_at_is_what_the_whole_message_says(
    frame: str, stamp: int, known: bool
) -> None:
    imu = Imu()
    imu.header.frame_id, imu.header.stamp = frame.replace("\0", ""), to_stamp(stamp)
    q = imu.orientation
    q.x, q.y, q.z, q.w = 0.1, -0.2, 0.3, 0.9
    imu.orientation_covariance[0] = 0.0 if known else -1.0
    data = serialize_message(imu)
    assert peek_stamp(data) == stamp
    assert peek_frame(data) == imu.header.frame_id
    assert peek_orientation(data) == ((0.1, -0.2, 0.3, 0.9) if known else (0.0,) * 4)


def test_a_text_of_somebody_elses_is_made_printable() -> None:
    assert printable("rough@12: expected 50.0 µs") == "rough@12: expected 50.0 µs"
    text = printable("caf\udce9 \ud800 \x1b[31m\nline" + 600 * "x")
    assert text.startswith(r"caf\udce9 \ud800 \x1b[31m\nline")
    assert len(text.encode()) == 500
