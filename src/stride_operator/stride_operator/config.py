"""Parameters of the operator's nodes."""

from __future__ import annotations

from dataclasses import dataclass

from stride_core.config import param


@dataclass(frozen=True)
class RecorderConfig:
    """The recorder."""

    output: str = param(doc="folder to make; it must not exist")
    topics: tuple[str, ...] = param((), doc="absolute names; none means all but hidden ones")
    discovery_period: float = param(
        0.1, doc="how often the graph is searched for topics", unit="s", min=0.01, max=10.0
    )
    flush_period: float = param(
        0.25, doc="what a killed recorder may lose", unit="s", min=0.01, max=0.5
    )
    patience: float = param(
        2.0,
        doc="messages wait this long for the first tick, to know whose clock their stamps are of",
        unit="s",
        min=0.01,
        max=600.0,
    )
    summary: str = param("", doc="write the numbers of messages and of lost ones here, as .json")


@dataclass(frozen=True)
class ViewerConfig:
    """The live page."""

    host: str = param("127.0.0.1", doc="address to serve on; loopback unless told otherwise")
    port: int = param(8080, doc="or the next free one", min=0, max=65535)
    tf: str = param("/tf", doc="topic of the frames, remapped or not")
    rate: float = param(30.0, doc="updates of the scene", unit="Hz", min=1.0, max=60.0)
