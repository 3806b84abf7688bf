"""The records of an MCAP file (https://mcap.dev/spec), as bytes: building and scanning them.

Pure functions without state or files of their own. All integers are little-endian. Chunks are
written uncompressed, so that a chunk cut short is still legible, and with a checksum, so that it
is known to be.
"""

from __future__ import annotations

import zlib
from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from struct import Struct, pack, unpack_from
from typing import BinaryIO

MAGIC = b"\x89MCAP0\r\n"

HEADER, FOOTER, SCHEMA, CHANNEL, MESSAGE, CHUNK, MESSAGE_INDEX, CHUNK_INDEX = range(1, 9)
STATISTICS, DATA_END = 0x0B, 0x0F

_MESSAGE = Struct("<BQHIQQ")  # opcode, length, channel, sequence, log time, publish time
_MESSAGE_BODY = 22  # bytes of a message record's body before its data
_CHUNK_HEAD = Struct("<QQQI")  # first time, last time, uncompressed size, checksum
_PREFIX = Struct("<BQ")


@dataclass(frozen=True)
class Schema:
    """A message type: `name` as in `sensor_msgs/msg/Imu`, `text` its .msg definition or ``""``."""

    id: int
    name: str
    text: str


@dataclass(frozen=True)
class Channel:
    """A topic of one type. `metadata` holds strings, among them the publishers' QoS."""

    id: int
    schema_id: int
    topic: str
    metadata: Mapping[str, str]


@dataclass(frozen=True)
class Message:
    """One serialised message; `time` is its log time [ns]."""

    channel_id: int
    time: int
    data: bytes


@dataclass
class Chunk:
    """Records of a chunk and, for each channel, its messages' (time, offset) pairs, flat.

    `definitions` are those of its records that define schemas and channels.
    """

    records: bytearray = field(default_factory=bytearray)
    index: dict[int, array[int]] = field(default_factory=dict)
    definitions: bytearray = field(default_factory=bytearray)
    schemas: int = 0
    channels: int = 0

    def add_schema(self, schema: Schema) -> None:
        """Append the definition of a message type."""
        definition = schema_record(schema)
        self.records += definition
        self.definitions += definition
        self.schemas += 1

    def add_channel(self, channel: Channel) -> None:
        """Append the definition of a topic, whose schema has been added before."""
        definition = channel_record(channel)
        self.records += definition
        self.definitions += definition
        self.channels += 1

    def add_message(self, channel_id: int, time: int, data: bytes) -> None:
        """Append one message. `time` in ns since any epoch, not negative."""
        pairs = self.index.get(channel_id)
        if pairs is None:
            pairs = self.index[channel_id] = array("Q")
        records = self.records
        pairs.append(time)
        pairs.append(len(records))
        records += _MESSAGE.pack(MESSAGE, _MESSAGE_BODY + len(data), channel_id, 0, time, time)
        records += data

    def counts(self) -> dict[int, int]:
        """Messages of each channel."""
        return {channel_id: len(pairs) // 2 for channel_id, pairs in self.index.items()}

    def span(self) -> tuple[int, int]:
        """First and last log time [ns]; (0, 0) without messages, as the format says."""
        times = [pairs[::2] for pairs in self.index.values()]
        if not times:
            return 0, 0
        return min(min(t) for t in times), max(max(t) for t in times)


@dataclass(frozen=True)
class Totals:
    """What the statistics record of a file says. Times in ns, (0, 0) without messages."""

    counts: Mapping[int, int] = field(default_factory=dict)
    chunks: int = 0
    schemas: int = 0
    channels: int = 0
    start: int = 0
    end: int = 0

    @property
    def messages(self) -> int:
        """Messages of all channels."""
        return sum(self.counts.values())

    def plus(self, chunk: Chunk) -> Totals:
        """Return the totals with one more chunk."""
        start, end, counts = self.start, self.end, dict(self.counts)
        if chunk.index:
            first, last = chunk.span()
            start = min(start, first) if counts else first
            end = max(end, last) if counts else last
        for channel_id, count in chunk.counts().items():
            counts[channel_id] = counts.get(channel_id, 0) + count
        schemas, channels = self.schemas + chunk.schemas, self.channels + chunk.channels
        return Totals(counts, self.chunks + 1, schemas, channels, start, end)


@dataclass(frozen=True)
class PackedChunk:
    """A chunk as it goes to the file at `offset`: its record, its indexes, and its summary line."""

    record: bytes
    message_indexes: bytes
    index: bytes

    def __len__(self) -> int:
        """Bytes the chunk takes in the data section."""
        return len(self.record) + len(self.message_indexes)


def record(opcode: int, body: bytes | bytearray) -> bytes:
    """Return one record: opcode, length of the body, body."""
    return _PREFIX.pack(opcode, len(body)) + body


def _string(text: str) -> bytes:
    data = text.encode()
    return pack("<I", len(data)) + data


def file_start(library: str) -> bytes:
    """Return the magic and the header record of a ROS 2 file."""
    return MAGIC + record(HEADER, _string("ros2") + _string(library))


def schema_record(schema: Schema) -> bytes:
    """Return the record of a message type."""
    encoding = "ros2msg" if schema.text else ""
    body = _string(schema.name) + _string(encoding) + _string(schema.text)
    return record(SCHEMA, pack("<H", schema.id) + body)


def channel_record(channel: Channel) -> bytes:
    """Return the record of a topic."""
    metadata = b"".join(_string(k) + _string(v) for k, v in channel.metadata.items())
    body = pack("<HH", channel.id, channel.schema_id) + _string(channel.topic) + _string("cdr")
    return record(CHANNEL, body + pack("<I", len(metadata)) + metadata)


def pack_chunk(chunk: Chunk, offset: int) -> PackedChunk:
    """Return the records of `chunk` for a file whose data ends at `offset` [bytes]."""
    start, end = chunk.span()
    size = len(chunk.records)
    head = _CHUNK_HEAD.pack(start, end, size, zlib.crc32(chunk.records))
    body = head + _string("") + pack("<Q", size) + bytes(chunk.records)
    chunk_record = record(CHUNK, body)
    indexes = bytearray()
    offsets = bytearray()
    for channel_id, pairs in chunk.index.items():
        offsets += pack("<HQ", channel_id, offset + len(chunk_record) + len(indexes))
        pairs_bytes = pairs.tobytes()
        index_body = pack("<HI", channel_id, len(pairs_bytes)) + pairs_bytes
        indexes += record(MESSAGE_INDEX, index_body)
    line = pack("<QQQQ", start, end, offset, len(chunk_record))
    line += pack("<I", len(offsets)) + offsets + pack("<Q", len(indexes))
    line += _string("") + pack("<QQ", size, size)
    return PackedChunk(chunk_record, bytes(indexes), record(CHUNK_INDEX, line))


def file_tail(
    definitions: bytes | bytearray, chunk_indexes: bytes | bytearray, totals: Totals, offset: int
) -> bytes:
    """Return what follows the data section, which ends at `offset`: end mark, summary, footer.

    `definitions` are the schema and channel records once more, `chunk_indexes` the summary lines
    of all chunks.
    """
    counts = b"".join(pack("<HQ", *item) for item in totals.counts.items())
    head = pack("<QHI", totals.messages, totals.schemas, totals.channels)
    rest = pack("<IIIQQ", 0, 0, totals.chunks, totals.start, totals.end)
    statistics = record(STATISTICS, head + rest + pack("<I", len(counts)) + counts)
    data_end = record(DATA_END, pack("<I", 0))
    footer = record(FOOTER, pack("<QQI", offset + len(data_end), 0, 0)) + MAGIC
    return b"".join([data_end, definitions, statistics, chunk_indexes, footer])


def scan(file: BinaryIO) -> Iterator[tuple[int, int, bytes]]:
    """Yield (opcode, offset, body) of the data section's records, up to where the file is torn.

    Raises:
        ValueError: The file is not an MCAP file of ROS 2.
    """
    if file.read(len(MAGIC)) != MAGIC:
        raise ValueError("not an MCAP file")
    size = file.seek(0, 2)
    offset = len(MAGIC)
    while offset + _PREFIX.size <= size:
        file.seek(offset)
        opcode, length = _PREFIX.unpack(file.read(_PREFIX.size))
        if opcode in (0, DATA_END, FOOTER) or offset + _PREFIX.size + length > size:
            return
        body = file.read(length)
        if len(body) < length:
            return
        yield opcode, offset, body
        offset += _PREFIX.size + length


def chunk_content(body: bytes) -> bytes | None:
    """Return the records within a chunk record's body, or None when it is damaged.

    Raises:
        ValueError: The chunk is compressed.
    """
    if len(body) < _CHUNK_HEAD.size + 12:
        return None
    _, _, size, checksum = _CHUNK_HEAD.unpack_from(body)
    (length,) = unpack_from("<I", body, _CHUNK_HEAD.size)
    if length:
        name = body[_CHUNK_HEAD.size + 4 : _CHUNK_HEAD.size + 4 + length]
        if name in (b"lz4", b"zstd"):
            raise ValueError(f"{name.decode()} chunks: only uncompressed ones are read here")
        return None
    content = body[_CHUNK_HEAD.size + 12 :]
    if len(content) != size or (checksum and zlib.crc32(content) != checksum):
        return None
    return content


def parse_records(content: bytes) -> Iterator[tuple[int, Schema | Channel | Message]]:
    """Yield (offset, item) of the schemas, channels and messages in a run of whole records."""
    start = 0
    while start < len(content):
        opcode, length = _PREFIX.unpack_from(content, start)
        end = start + _PREFIX.size + length
        body = content[start + _PREFIX.size : end]
        if opcode == MESSAGE:
            channel_id, _, time, _ = unpack_from("<HIQQ", body)
            yield start, Message(channel_id, time, body[_MESSAGE_BODY:])
        elif opcode == SCHEMA:
            yield start, _parse_schema(body)
        elif opcode == CHANNEL:
            yield start, _parse_channel(body)
        start = end


def parse_chunk(content: bytes) -> Chunk:
    """Return the chunk, as the writer had it, of its `content`."""
    chunk = Chunk(bytearray(content))
    for offset, item in parse_records(content):
        if isinstance(item, Message):
            chunk.index.setdefault(item.channel_id, array("Q")).extend((item.time, offset))
        elif isinstance(item, Schema):
            chunk.definitions += schema_record(item)
            chunk.schemas += 1
        else:
            chunk.definitions += channel_record(item)
            chunk.channels += 1
    return chunk


def _take_string(body: bytes, offset: int) -> tuple[str, int]:
    (length,) = unpack_from("<I", body, offset)
    offset += 4
    return body[offset : offset + length].decode(), offset + length


def _parse_schema(body: bytes) -> Schema:
    name, offset = _take_string(body, 2)
    _, offset = _take_string(body, offset)
    text, _ = _take_string(body, offset)
    return Schema(unpack_from("<H", body)[0], name, text)


def _parse_channel(body: bytes) -> Channel:
    channel_id, schema_id = unpack_from("<HH", body)
    topic, offset = _take_string(body, 4)
    _, offset = _take_string(body, offset)
    (length,) = unpack_from("<I", body, offset)
    offset += 4
    end = offset + length
    metadata: dict[str, str] = {}
    while offset < end:
        key, offset = _take_string(body, offset)
        metadata[key], offset = _take_string(body, offset)
    return Channel(channel_id, schema_id, topic, metadata)
