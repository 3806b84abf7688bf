"""Reads a bag of the recorder, whole or cut short, and makes a cut one whole.

Needs neither ROS nor a library. Chunks that are compressed, which the recorder never writes, are
left to `rosbags` and the `mcap` tools.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from stride_operator.bag_metadata import metadata_text, topic_text
from stride_operator.bag_writer import BagError, McapFile, replace_text
from stride_operator.mcap_format import (
    CHUNK,
    DATA_END,
    Channel,
    Schema,
    chunk_content,
    parse_chunk,
    parse_records,
    scan,
)


class BagMessage(NamedTuple):
    """One message: topic, type (`sensor_msgs/msg/Imu`), log time [ns], serialised bytes (CDR)."""

    topic: str
    type: str
    time: int
    data: bytes


def read(path: Path | str) -> Iterator[BagMessage]:
    """Yield the messages of a bag, in the order in which they were recorded.

    `path` is the bag's folder or an .mcap file. A file that was cut short ends with its last
    whole chunk. The times of one topic follow its stamps.

    Raises:
        BagError: There is no bag, or it cannot be read.
    """
    schemas: dict[int, Schema] = {}
    channels: dict[int, Channel] = {}
    for file in _files(Path(path)):
        for _, content in _chunks(file):
            for _, item in parse_records(content):
                if isinstance(item, Schema):
                    schemas[item.id] = item
                elif isinstance(item, Channel):
                    channels[item.id] = item
                elif item.channel_id not in channels:
                    raise BagError(f"{file}: not laid out by this recorder; use 'rosbags'")
                else:
                    channel = channels[item.channel_id]
                    type_name = schemas[channel.schema_id].name
                    yield BagMessage(channel.topic, type_name, item.time, item.data)


def is_whole(path: Path | str) -> bool:
    """Tell whether the data of a bag have an end, and no chunk of them is damaged before it.

    Raises:
        BagError: There is no bag, or it cannot be read.
    """
    try:
        return all(_is_whole(file) for file in _files(Path(path)))
    except (ValueError, OSError) as error:
        raise BagError(f"{path}: {error}") from error


def _is_whole(path: Path) -> bool:
    with path.open("rb") as file:
        end = 0
        for opcode, _, body in scan(file):
            if opcode == CHUNK and chunk_content(body) is None:
                return False
            end = file.tell()
        file.seek(end)
        return file.read(1) == bytes([DATA_END])


def definitions(path: Path | str) -> dict[str, str]:
    """Return the .msg definition of each type in a bag.

    Raises:
        BagError: There is no bag, or it cannot be read.
    """
    return {
        item.name: item.text
        for file in _files(Path(path))
        for _, content in _chunks(file)
        for _, item in parse_records(content)
        if isinstance(item, Schema)
    }


def recover(path: Path | str) -> int:
    """Complete a bag folder whose recorder was killed, in place; return its number of messages.

    Writes the summary behind the last whole chunk, and `metadata.yaml`. A whole bag stays as it
    is but for the exact counts in its metadata.

    Raises:
        BagError: There is no bag, or it was not written by the recorder, or the disk is full.
    """
    folder = Path(path)
    files = _files(folder)
    if not folder.is_dir() or len(files) != 1:
        raise BagError(f"{folder}: expected a bag folder with one .mcap file")
    try:
        return _recover_file(folder, files[0])
    except OSError as error:
        raise BagError(f"{folder}: {error.strerror}") from error


def _recover_file(folder: Path, path: Path) -> int:
    fd = os.open(path, os.O_RDWR)
    try:
        file = McapFile(fd)
        schemas: dict[int, str] = {}
        topics: dict[int, str] = {}
        end, indexes = None, b""
        for offset, content in _chunks(path):
            chunk = parse_chunk(content)
            if end is not None and offset != end + len(indexes):
                raise BagError(f"{path}: not laid out by this recorder; use 'mcap recover'")
            packed = file.adopt(chunk, offset)
            end, indexes = offset + len(packed.record), packed.message_indexes
            for _, item in parse_records(bytes(chunk.definitions)):
                if isinstance(item, Schema):
                    schemas[item.id] = item.name
                elif isinstance(item, Channel):
                    topics[item.id] = topic_text(item.topic, schemas[item.schema_id], item.metadata)
        if end is None:
            file.start()
        else:
            file.finish(end, indexes)
        distro = os.environ.get("ROS_DISTRO", "jazzy")
        text = metadata_text(path.name, topics, file.totals, distro)
        replace_text(folder / "metadata.yaml", text)
        return file.totals.messages
    finally:
        os.close(fd)


def _files(path: Path) -> list[Path]:
    files = sorted(path.glob("*.mcap")) if path.is_dir() else [path]
    if not files or not files[0].is_file():
        raise BagError(f"{path}: expected a bag folder or an .mcap file")
    return files


def _chunks(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield (offset, records) of the whole chunks of a file, up to the first that is damaged."""
    try:
        with path.open("rb") as file:
            for opcode, offset, body in scan(file):
                if opcode != CHUNK:
                    continue
                content = chunk_content(body)
                if content is None:
                    return
                yield offset, content
    except (ValueError, OSError) as error:
        raise BagError(f"{path}: {error}") from error
