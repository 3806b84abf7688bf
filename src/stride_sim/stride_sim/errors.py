"""Errors of the simulation; the message of each is one line meant for a person."""

from __future__ import annotations

from stride_core.config import ConfigError


class SimError(ConfigError):
    """Something the user asked of the simulation cannot be; a ValueError."""


class TerrainError(SimError):
    """A terrain that cannot be made."""


class RenderError(SimError):
    """A picture or film that cannot be made."""
