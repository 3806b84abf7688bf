"""The bag: written, read back by others' tools, cut short at any byte, on a full disk."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from stride_operator.bag_metadata import OfferedQos, Topic
from stride_operator.bag_writer import BagError, BagWriter, refuse_existing

from stride_operator import bag

Wait = Callable[[Callable[[], Any]], Any]

STRING = Topic(
    name="/said",
    type="std_msgs/msg/String",
    definition="string data\n",
    type_hash="RIHS01_" + "0" * 64,
    qos=(OfferedQos(), OfferedQos(durability="transient_local", depth=1)),
)
CLOCK = Topic(
    name="/clock",
    type="rosgraph_msgs/msg/Clock",
    definition="builtin_interfaces/Time clock\n"
    + "=" * 80
    + "\nMSG: builtin_interfaces/Time\nint32 sec\nuint32 nanosec\n",
    type_hash="RIHS01_" + "1" * 64,
)


def said(number: int) -> bytes:
    """A std_msgs/String by hand: encapsulation, length with the final zero, text, zero."""
    text = f"message {number}".encode() + b"\0"
    return b"\0\1\0\0" + len(text).to_bytes(4, "little") + text


def by_rosbags(folder: Path) -> list[tuple[str, int, bytes]]:
    """(topic, time, data) as rosbags reads them."""
    reader = pytest.importorskip("rosbags.rosbag2").Reader(folder)
    with reader:
        return [(c.topic, time, bytes(data)) for c, time, data in reader.messages()]


def by_mcap(folder: Path) -> list[tuple[str, int, bytes]]:
    """(topic, time, data) as the mcap library reads them by the index."""
    make_reader = pytest.importorskip("mcap.reader").make_reader
    with next(folder.glob("*.mcap")).open("rb") as file:
        found = make_reader(file, validate_crcs=True).iter_messages()
        return [(channel.topic, m.log_time, m.data) for _, channel, m in found]


def by_us(folder: Path) -> list[tuple[str, int, bytes]]:
    """(topic, time, data) as we read them, in the order of time."""
    found = [(m.topic, m.time, m.data) for m in bag.read(folder)]
    return sorted(found, key=lambda message: message[1])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "run"


@pytest.fixture
def writer(folder: Path) -> Iterator[BagWriter]:
    made = BagWriter(folder, flush_period=0.01)
    yield made
    made.close()


def test_three_readers_read_alike_what_is_written(folder: Path, writer: BagWriter) -> None:
    channel = writer.add_topic(STRING)
    expected = [("/said", 1000 * number, said(number)) for number in range(100)]
    for _, time, data in expected:
        writer.write(channel, time, data)
    writer.close()
    assert by_us(folder) == by_rosbags(folder) == by_mcap(folder) == expected


def test_metadata_and_summary_tell_topics_types_qos_counts_and_times(
    folder: Path, writer: BagWriter
) -> None:
    rosbag2 = pytest.importorskip("rosbags.rosbag2")
    writer.write(writer.add_topic(STRING), 7_000_000_000, said(0))
    channel = writer.add_topic(CLOCK)
    for second in (5, 6):
        writer.write(channel, second * 10**9, b"\0\1\0\0" + second.to_bytes(8, "little"))
    writer.close()
    with rosbag2.Reader(folder) as reader:
        assert reader.message_count == 3
        assert reader.start_time == 5_000_000_000
        assert reader.duration == 2_000_000_001  # rosbags counts the last nanosecond in
        topics = {c.topic: c for c in reader.connections}
    assert topics["/said"].msgtype == "std_msgs/msg/String"
    assert topics["/said"].msgdef.data == STRING.definition
    assert topics["/said"].digest == STRING.type_hash
    assert topics["/clock"].msgcount == 2
    qos = topics["/said"].ext.offered_qos_profiles
    assert [(q.durability.name, q.depth) for q in qos] == [("VOLATILE", 10), ("TRANSIENT_LOCAL", 1)]


def test_the_stored_definitions_decode_the_messages(folder: Path, writer: BagWriter) -> None:
    decoder = pytest.importorskip("mcap_ros2.decoder").DecoderFactory()
    make_reader = pytest.importorskip("mcap.reader").make_reader
    writer.write(writer.add_topic(STRING), 1, said(3))
    writer.write(writer.add_topic(CLOCK), 2, b"\0\1\0\0" + b"\5\0\0\0" + b"\7\0\0\0")
    writer.close()
    with next(folder.glob("*.mcap")).open("rb") as file:
        reader = make_reader(file, decoder_factories=[decoder])
        found = [message for *_, message in reader.iter_decoded_messages()]
    assert found[0].data == "message 3"
    assert (found[1].clock.sec, found[1].clock.nanosec) == (5, 7)


def test_an_open_bag_is_whole_after_every_flush(
    folder: Path, writer: BagWriter, wait_until: Wait
) -> None:
    channel = writer.add_topic(STRING)
    expected = []
    for number in range(5):
        expected.append(("/said", number, said(number)))
        writer.write(channel, number, said(number))
        wait_until(lambda: writer.messages == len(expected))
        assert by_mcap(folder) == expected


def test_a_topic_that_comes_late_is_read_too(
    folder: Path, writer: BagWriter, wait_until: Wait
) -> None:
    writer.write(writer.add_topic(STRING), 1, said(1))
    wait_until(lambda: writer.messages == 1)
    writer.write(writer.add_topic(CLOCK), 2, b"\0\1\0\0" + bytes(8))
    writer.close()
    assert [topic for topic, *_ in by_rosbags(folder)] == ["/said", "/clock"]


def test_an_empty_bag_opens(folder: Path, writer: BagWriter) -> None:
    writer.close()
    assert by_rosbags(folder) == by_mcap(folder) == by_us(folder) == []


def test_a_large_message_passes_whole(folder: Path, writer: BagWriter) -> None:
    image = b"\0\1\0\0" + bytes(range(256)) * 20_000  # 5 MB, several times a chunk
    channel = writer.add_topic(STRING)
    for time in range(3):
        writer.write(channel, time, image)
    writer.close()
    assert by_rosbags(folder) == by_us(folder) == [("/said", time, image) for time in range(3)]


def test_an_existing_folder_is_refused_and_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("dear")
    with pytest.raises(BagError, match="exists already"):
        BagWriter(tmp_path)
    with pytest.raises(BagError, match="exists already"):
        refuse_existing(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["kept"]


def test_a_folder_below_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BagError, match="no folder can be made"):
        refuse_existing(tmp_path / "file" / "run")


def test_reading_what_is_no_bag_says_so_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(BagError, match="expected a bag folder"):
        list(bag.read(tmp_path))
    (tmp_path / "x.mcap").write_bytes(b"not a bag at all")
    with pytest.raises(BagError, match="not an MCAP file"):
        list(bag.read(tmp_path))


# Killed at any moment ---------------------------------------------------------------------------


def torn_write(
    folder: Path, monkeypatch: pytest.MonkeyPatch, wait_until: Wait
) -> tuple[bytes, bytes, int]:
    """Write two messages, then one more; return the file before, what was written, and where."""
    calls: list[tuple[bytes, int]] = []
    real = os.pwritev

    def pwritev(fd: int, parts: list[bytes], offset: int) -> int:
        calls.append((b"".join(parts), offset))
        return int(real(fd, parts, offset))

    monkeypatch.setattr(os, "pwritev", pwritev)
    made = BagWriter(folder, flush_period=0.01)
    channel = made.add_topic(STRING)
    for number in range(2):
        made.write(channel, number, said(number))
    wait_until(lambda: made.messages == 2)
    before = next(folder.glob("*.mcap")).read_bytes()
    made.write(channel, 2, said(2))
    made.close()
    return before, *calls[-1]


def test_a_bag_that_is_cut_short_or_damaged_is_not_whole(folder: Path) -> None:
    made = BagWriter(folder, flush_period=0.01)
    channel = made.add_topic(STRING)
    for number in range(3):
        made.write(channel, number, said(number))
    made.close()
    assert bag.is_whole(folder)
    file = next(folder.glob("*.mcap"))
    good = file.read_bytes()
    place = good.index(said(1))
    for damaged in (
        good[:place],
        good[:place] + b"\xff" + good[place + 1 :],
        good[: good.rindex(said(2)) + len(said(2))],
    ):
        file.write_bytes(damaged)
        assert not bag.is_whole(folder)


def test_a_write_cut_at_any_byte_loses_only_what_it_carried(
    folder: Path, monkeypatch: pytest.MonkeyPatch, wait_until: Wait
) -> None:
    before, write, offset = torn_write(folder, monkeypatch, wait_until)
    file = next(folder.glob("*.mcap"))
    kept = [("/said", number, said(number)) for number in range(3)]
    lengths = set()
    for cut in range(len(write) + 1):
        torn = bytearray(before)
        torn[offset : offset + cut] = write[:cut]
        file.write_bytes(torn)
        found = by_us(folder)
        assert found in (kept[:2], kept)
        assert bag.recover(folder) == len(found)
        assert by_us(folder) == found
        if cut % 10 == 0:
            assert by_rosbags(folder) == by_mcap(folder) == found
        lengths.add(len(found))
    assert lengths == {2, 3}


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None
)
@given(fraction=st.floats(0, 1))
def test_a_file_cut_off_anywhere_keeps_its_whole_chunks(
    tmp_path: Path, wait_until: Wait, fraction: float
) -> None:
    make_reader = pytest.importorskip("mcap.reader").make_reader
    folder = tmp_path / f"run_{len(list(tmp_path.iterdir()))}"
    made = BagWriter(folder, flush_period=0.001)
    channel = made.add_topic(STRING)
    expected = [("/said", number, said(number)) for number in range(6)]
    for number in range(6):
        made.write(channel, number, said(number))
        wait_until(lambda: made.messages > number)  # noqa: B023  (called at once)
    made.close()
    file = next(folder.glob("*.mcap"))
    with file.open("rb") as stream:
        chunks = make_reader(stream).get_summary().chunk_indexes
    ends = [chunk.chunk_start_offset + chunk.chunk_length for chunk in chunks]
    times = [chunk.message_end_time for chunk in chunks if chunk.message_index_offsets]
    assert times == list(range(6))
    content = file.read_bytes()
    cut = int(fraction * len(content))
    file.write_bytes(content[:cut])
    if cut < 8:
        with pytest.raises(BagError):
            bag.recover(folder)
        return
    whole = sum(end <= cut for end in ends[-6:])
    assert bag.recover(folder) == whole
    assert by_rosbags(folder) == by_mcap(folder) == expected[:whole]


CHILD = """
import sys, itertools
from pathlib import Path
from stride_operator.bag_writer import BagWriter
from stride_operator.bag_metadata import Topic
writer = BagWriter(Path(sys.argv[1]), flush_period=0.002)
channel = writer.add_topic(Topic("/said", "std_msgs/msg/String", "string data\\n", ""))
for number in itertools.count():
    text = f"message {number}".encode() + b"\\0"
    writer.write(channel, number, b"\\0\\1\\0\\0" + len(text).to_bytes(4, "little") + text)
    if number % 5000 == 4999:
        print(writer.messages, flush=True)
"""


@pytest.mark.parametrize("lines", [1, 3, 8])
def test_a_killed_recorder_leaves_what_it_had_flushed(
    folder: Path, start_python: Callable[..., Any], lines: int
) -> None:
    child = start_python(CHILD, str(folder))
    for _ in range(lines):
        flushed = int(child.stdout.readline())
    child.send_signal(signal.SIGKILL)
    child.wait()
    found = by_us(folder)
    assert len(found) >= flushed
    assert found == [("/said", number, said(number)) for number in range(len(found))]
    assert bag.recover(folder) == len(found)
    assert by_rosbags(folder) == by_mcap(folder) == found


IDLE_CHILD = (
    CHILD.split("for number")[0]
    + """
writer.write(channel, 1, b"\\0\\1\\0\\0\\1\\0\\0\\0\\0")
while writer.messages < 1:
    pass
print("flushed", flush=True)
sys.stdin.read()
"""
)


def test_a_bag_killed_between_flushes_opens_without_recovery(
    folder: Path, start_python: Callable[..., Any]
) -> None:
    child = start_python(IDLE_CHILD, str(folder), stdin=subprocess.PIPE)
    assert child.stdout.readline() == "flushed\n"
    child.kill()
    child.wait()
    empty = [("/said", 1, b"\0\1\0\0\1\0\0\0\0")]
    assert by_rosbags(folder) == by_mcap(folder) == by_us(folder) == empty


# The disk is full -------------------------------------------------------------------------------

FULL_CHILD = """
import resource, sys, itertools, time
from pathlib import Path
from stride_operator.bag_writer import BagWriter
from stride_operator.bag_metadata import Topic
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
lines = []
writer = BagWriter(Path(sys.argv[1]), flush_period=0.001, on_failure=lines.append)
channel = writer.add_topic(Topic("/said", "std_msgs/msg/String", "string data\\n", ""))
for number in itertools.count():
    text = f"message {number}".encode() + b"\\0"
    writer.write(channel, number, b"\\0\\1\\0\\0" + len(text).to_bytes(4, "little") + text)
    time.sleep(0.0001)
    if writer.failure and writer.lost > 10:
        break
writer.close()
assert lines == [writer.failure], lines
print(writer.messages, writer.lost, number + 1, writer.failure, sep="\\n")
"""


@pytest.mark.parametrize("limit", [20_000, 77_777, 300_000])
def test_a_full_disk_stops_the_recording_with_one_line_and_keeps_the_rest(
    folder: Path, start_python: Callable[..., Any], limit: int
) -> None:
    rosbag2 = pytest.importorskip("rosbags.rosbag2")
    child = start_python(FULL_CHILD, str(folder), str(limit))
    output, _ = child.communicate(timeout=60)
    assert child.returncode == 0
    kept, lost, sent, line = output.splitlines()
    assert int(kept) + int(lost) == int(sent)
    assert line.startswith("recording stopped: File too large") and str(folder) in line
    found = by_rosbags(folder)
    assert found == by_mcap(folder) == by_us(folder)
    assert found == [("/said", number, said(number)) for number in range(int(kept))]
    with rosbag2.Reader(folder) as reader:
        assert reader.message_count == int(kept)
    assert next(folder.glob("*.mcap")).stat().st_size <= limit
    assert int(kept) > 0


def test_a_disk_with_no_room_at_all_is_refused_in_one_line(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwritev", full)
    with pytest.raises(BagError, match="No space left on device"):
        BagWriter(folder)
