"""The `metadata.yaml` of a rosbag2 folder (version 9), and QoS profiles as it words them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import yaml

from stride_operator.mcap_format import Totals

FOREVER = (9223372036, 854775807)  # how rmw words an unset duration, (s, ns)


@dataclass(frozen=True)
class OfferedQos:
    """QoS of one publisher, by the names that rosbag2 uses; durations as (s, ns)."""

    history: str = "keep_last"
    depth: int = 10
    reliability: str = "reliable"
    durability: str = "volatile"
    deadline: tuple[int, int] = FOREVER
    lifespan: tuple[int, int] = FOREVER
    liveliness: str = "automatic"
    liveliness_lease_duration: tuple[int, int] = FOREVER


@dataclass(frozen=True)
class Topic:
    """A recorded topic: name, type, .msg definition (with those it refers to), hash, offers."""

    name: str
    type: str
    definition: str
    type_hash: str
    qos: tuple[OfferedQos, ...] = ()

    def channel_metadata(self) -> dict[str, str]:
        """What rosbag2 stores beside the channel."""
        return {"offered_qos_profiles": qos_text(self.qos), "topic_type_hash": self.type_hash}


def qos_text(profiles: Sequence[OfferedQos]) -> str:
    """Return `profiles` as YAML text, ``""`` for none."""
    return yaml.safe_dump([_qos_mapping(p) for p in profiles], sort_keys=False) if profiles else ""


def _qos_mapping(profile: OfferedQos) -> dict[str, object]:
    def duration(value: tuple[int, int]) -> dict[str, int]:
        return {"sec": value[0], "nsec": value[1]}

    return {
        "history": profile.history,
        "depth": profile.depth,
        "reliability": profile.reliability,
        "durability": profile.durability,
        "deadline": duration(profile.deadline),
        "lifespan": duration(profile.lifespan),
        "liveliness": profile.liveliness,
        "liveliness_lease_duration": duration(profile.liveliness_lease_duration),
        "avoid_ros_namespace_conventions": False,
    }


def topic_text(name: str, type_name: str, metadata: Mapping[str, str]) -> str:
    """Return a topic's lines of `metadata.yaml`, to which its message count is appended.

    `metadata` is the channel's. Kept as text by the writer: it never changes, and the file is
    written several times a second.
    """
    profiles = metadata.get("offered_qos_profiles", "")
    lines = [f"        {line}" for line in profiles.splitlines()]
    offered = "\n".join(["", *lines]) if lines else " []"
    return (
        "  - topic_metadata:\n"
        f"      name: {name}\n"
        f"      type: {type_name}\n"
        "      serialization_format: cdr\n"
        f"      offered_qos_profiles:{offered}\n"
        f"      type_description_hash: {metadata.get('topic_type_hash', '')}\n"
        "    message_count: "
    )


def metadata_text(file: str, topics: Mapping[int, str], totals: Totals, distro: str) -> str:
    """Return `metadata.yaml` of a bag of one MCAP `file`; `topics` are `topic_text` by channel."""
    duration = f"duration:\n{{0}}  nanoseconds: {totals.end - totals.start}\n"
    start = f"starting_time:\n{{0}}  nanoseconds_since_epoch: {totals.start}\n"
    rows = "".join(f"{text}{totals.counts.get(key, 0)}\n" for key, text in topics.items())
    return (
        "rosbag2_bagfile_information:\n"
        "  version: 9\n"
        "  storage_identifier: mcap\n"
        f"  relative_file_paths:\n  - {file}\n"
        f"  {duration.format('  ')}"
        f"  {start.format('  ')}"
        f"  message_count: {totals.messages}\n"
        f"  topics_with_message_count:{' []' if not rows else ''}\n{rows}"
        "  compression_format: ''\n"
        "  compression_mode: ''\n"
        f"  files:\n  - path: {file}\n"
        f"    {start.format('    ')}"
        f"    {duration.format('    ')}"
        f"    message_count: {totals.messages}\n"
        "  custom_data: null\n"
        f"  ros_distro: {distro}\n"
    )
