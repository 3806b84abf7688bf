"""A rosbag2 folder that is whole after every flush, whatever happens to the process next.

The MCAP file ends in a summary which readers need. Here each flush writes, in one call, a new
chunk over the old summary and a new summary behind it, so that a process killed between flushes
leaves a complete file, and one killed within the call (tens of microseconds in every quarter of a
second) leaves a file that `bag.read` reads and `bag.recover` completes. When the disk is full
the old summary is put back: its blocks are still there.

Messages are packed by the caller (about 1 µs each); a thread of the writer's own does the writing,
so that a slow disk never holds the caller up.
"""

from __future__ import annotations

import errno
import os
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from stride_operator.bag_metadata import Topic, metadata_text, topic_text
from stride_operator.mcap_format import (
    Channel,
    Chunk,
    PackedChunk,
    Schema,
    Totals,
    file_start,
    file_tail,
    pack_chunk,
)

FLUSH_PERIOD = 0.25  # s of wall time; at most this much, and one write, is lost to a SIGKILL
CHUNK_BYTES = 1 << 20
BACKLOG_BYTES = 256 << 20  # messages waiting for a slow disk before more are refused
LIBRARY = "stride"


class BagError(ValueError):
    """A bag cannot be made or read; the message is one line for a person."""


def refuse_existing(folder: Path) -> None:
    """Check before anything is started that a bag can be made at `folder`.

    Raises:
        BagError: There is something at `folder`, or no folder can be made there.
    """
    if folder.exists() or folder.is_symlink():
        raise BagError(f"bag {folder}: exists already; name a folder that does not")
    parent = next(p for p in folder.absolute().parents if p.exists())
    if not parent.is_dir() or not os.access(parent, os.W_OK):
        raise BagError(f"bag {folder}: no folder can be made in {parent}")


class McapFile:
    """An MCAP file open for appending whole chunks; it always ends in a summary and a footer."""

    def __init__(self, fd: int) -> None:
        self.totals = Totals()
        self._fd = fd
        self._end = 0  # of the data section: where the next chunk goes
        self._definitions = bytearray()
        self._chunk_indexes = bytearray()
        self._tail = b""

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return self._end + len(self._tail)

    def start(self) -> None:
        """Write a file without messages."""
        head = file_start(LIBRARY)
        tail = file_tail(b"", b"", self.totals, len(head))
        _write_at(self._fd, [head, tail], 0)
        self._end, self._tail = len(head), tail
        os.ftruncate(self._fd, self.size)

    def append(self, chunk: Chunk) -> None:
        """Write a chunk and the new tail.

        Raises:
            OSError: The disk is full or fails. The file is as it was before; it takes no more.
        """
        start, before = self._end, self.totals
        packed = self.adopt(chunk, start)
        tail = file_tail(self._definitions, self._chunk_indexes, self.totals, self._end)
        try:
            _write_at(self._fd, [packed.record, packed.message_indexes, tail], start)
        except OSError:
            self._end, self.totals = start, before
            _write_at(self._fd, [self._tail], start)
            os.ftruncate(self._fd, self.size)
            raise
        self._tail = tail

    def adopt(self, chunk: Chunk, start: int) -> PackedChunk:
        """Count in a chunk whose record stands at `start` in the file already."""
        packed = pack_chunk(chunk, start)
        self._chunk_indexes += packed.index
        self._definitions += chunk.definitions
        self.totals = self.totals.plus(chunk)
        self._end = start + len(packed)
        return packed

    def finish(self, start: int, message_indexes: bytes) -> None:
        """Write the indexes of the last chunk adopted, from `start` on, and the tail after them."""
        self._tail = file_tail(self._definitions, self._chunk_indexes, self.totals, self._end)
        _write_at(self._fd, [message_indexes, self._tail], start)
        os.ftruncate(self._fd, self.size)


def _write_at(fd: int, parts: list[bytes], offset: int) -> None:
    """Write all of `parts` at `offset`: one call, and more only where the system cuts it short."""
    written = os.pwritev(fd, parts, offset)
    if written == sum(map(len, parts)):
        return
    rest = memoryview(b"".join(parts))[written:]
    while rest:
        offset += written
        written = os.pwrite(fd, rest, offset)
        rest = rest[written:]


class BagWriter:
    """Writes a rosbag2 folder. `write` is cheap and never blocks on the disk.

    After a failure of the disk the recording stands still: `failure` is one line that says why,
    messages that come are counted in `lost`, and what was written stays readable.
    """

    def __init__(
        self,
        folder: Path,
        flush_period: float = FLUSH_PERIOD,
        on_failure: Callable[[str], None] = lambda line: None,
    ) -> None:
        """Make `folder` and an empty bag in it.

        `on_failure` is called once, from the writer's thread, with the line of `failure`.

        Raises:
            BagError: The folder exists or cannot be made.
        """
        refuse_existing(folder)
        self.folder = folder
        self.failure: str | None = None
        self.messages = 0  # that are in the file
        self.lost = 0  # messages refused after a failure or for want of a faster disk
        self._on_failure = on_failure
        self._flush_period = flush_period
        self._file_name = f"{folder.name}_0.mcap"
        self._distro = os.environ.get("ROS_DISTRO", "jazzy")
        self._chunk = Chunk()
        self._schemas: dict[str, int] = {}
        self._channels = 0
        self._topics: dict[int, str] = {}
        self._queue: deque[Chunk] = deque()
        self._queued_bytes = 0
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._closing = False
        try:
            folder.mkdir(parents=True)
            self._fd = os.open(folder / self._file_name, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644)
            self._file = McapFile(self._fd)
            self._file.start()
            self._write_metadata({})
        except OSError as error:
            raise BagError(f"bag {folder}: {error.strerror}") from error
        self._thread = threading.Thread(target=self._run, name="bag writer", daemon=True)
        self._thread.start()

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return self._file.size

    @property
    def backlog(self) -> int:
        """Bytes of messages that wait for the disk."""
        return self._queued_bytes + len(self._chunk.records)

    def add_topic(self, topic: Topic) -> int:
        """Return the channel id of a topic from now on."""
        metadata = topic.channel_metadata()
        with self._lock:
            schema_id = self._schemas.get(topic.type)
            if schema_id is None:
                schema_id = self._schemas[topic.type] = len(self._schemas) + 1
                self._chunk.add_schema(Schema(schema_id, topic.type, topic.definition))
            self._channels += 1
            self._chunk.add_channel(Channel(self._channels, schema_id, topic.name, metadata))
            self._topics[self._channels] = topic_text(topic.name, topic.type, metadata)
            return self._channels

    def write(self, channel_id: int, time: int, data: bytes) -> None:
        """Record one serialised message at log time `time` [ns, not negative]."""
        with self._lock:
            if self.failure or self._queued_bytes > BACKLOG_BYTES:
                self.lost += 1
                return
            chunk = self._chunk
            chunk.add_message(channel_id, time, data)
            if len(chunk.records) >= CHUNK_BYTES:
                self._cut()
                self._wake.set()

    def close(self) -> None:
        """Write what is left and finish. Does nothing the second time."""
        if self._closing:
            return
        self._closing = True
        self._wake.set()
        self._thread.join()
        os.close(self._fd)

    def _cut(self) -> None:
        self._queue.append(self._chunk)
        self._queued_bytes += len(self._chunk.records)
        self._chunk = Chunk()

    def _run(self) -> None:
        closing = False
        while not closing:
            self._wake.wait(self._flush_period)
            self._wake.clear()
            closing = self._closing
            self._flush()

    def _flush(self) -> None:
        with self._lock:
            if self._chunk.records:
                self._cut()
            topics = dict(self._topics)
        while self._queue and not self.failure:
            chunk = self._queue[0]
            try:
                if chunk.channels:  # before their messages: readers believe this list of topics
                    self._write_metadata(topics)
                self._file.append(chunk)
                self.messages = self._file.totals.messages
                with self._lock:
                    self._queue.popleft()
                    self._queued_bytes -= len(chunk.records)
                self._write_metadata(topics)
            except OSError as error:
                self._fail(error, topics)

    def _fail(self, error: OSError, topics: dict[int, str]) -> None:
        with suppress(OSError):  # the counts; a bag is read without them too
            overwrite_text(self._metadata_path, self._metadata(topics))
        with self._lock:
            waiting = [*self._queue, self._chunk]
            self.lost += sum(sum(chunk.counts().values()) for chunk in waiting)
            self._queue.clear()
            self._queued_bytes = 0
            self._chunk = Chunk()
            self.failure = (
                f"recording stopped: {error.strerror}; "
                f"{self.messages} messages up to then are kept in {self.folder}"
            )
        self._on_failure(self.failure)

    @property
    def _metadata_path(self) -> Path:
        return self.folder / "metadata.yaml"

    def _metadata(self, topics: dict[int, str]) -> str:
        return metadata_text(self._file_name, topics, self._file.totals, self._distro)

    def _write_metadata(self, topics: dict[int, str]) -> None:
        replace_text(self._metadata_path, self._metadata(topics))


def replace_text(path: Path, text: str) -> None:
    """Write a small file so that it is never seen half written."""
    temporary = path.with_name(path.name + ".tmp")
    try:
        temporary.write_text(text)
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def overwrite_text(path: Path, text: str) -> None:
    """Write a small file on a full disk: in place, if no new block is needed.

    Raises:
        OSError: It cannot be written; it is as it was.
    """
    data, block = text.encode(), 512  # bytes; no file system has smaller ones
    if -(-len(data) // block) > -(-path.stat().st_size // block):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with path.open("r+b") as file:
        file.write(data)
        file.truncate()
