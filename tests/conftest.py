"""For all tests: no deadlines, since machines are shared and noisy; timing belongs in the bench."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("stride", deadline=None, max_examples=40)
settings.load_profile("stride")
