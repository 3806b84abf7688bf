"""Why there is no torque, for the state on disk: the driver's own reason, or the watchdog's."""

from __future__ import annotations

from stride_core.safety_rules import Reason

from stride_msgs.msg import SafetyStatus

_HEARSAY = str(Reason.MOTORS_LOCKED.name)
"""With this the watchdog says that it has heard of the driver's own reason."""


class Cause:
    """Remembers both.

    Attributes:
        sits: why the watchdog has the robot sit down, with torque; empty if it does not.
    """

    def __init__(self) -> None:
        self.sits = ""
        self._own = self._watchdogs = ""
        self._reasons: tuple[str, ...] = ()

    def hear(self, status: SafetyStatus) -> None:
        """Take the watchdog's word; the numbers are those with which its reasons began."""
        self.sits = f"sitting down; {_words(status)}" if status.action == SafetyStatus.SIT else ""
        names, before = tuple(status.reasons), self._reasons
        self._reasons = names if status.state >= SafetyStatus.DAMPING else ()
        if self._reasons and self._reasons == before:
            return
        self._watchdogs = ""
        if status.state >= SafetyStatus.DAMPING:
            self._watchdogs = _words(status)

    def of(self, own: str, powered: bool) -> str:
        """The cause now.

        Args:
            own: the driver's, empty while it obeys.
            powered: whether the motors have torque.
        """
        if own or powered:
            self._own = own
        if own or (self._own and _HEARSAY in self._watchdogs):
            return self._own
        return "" if powered else self._watchdogs


def _words(status: SafetyStatus) -> str:
    reasons = zip(status.reasons, status.values, status.limits, strict=False)
    words = (f"{name} ({value:.3g}, limit {most:.3g})" for name, value, most in reasons)
    return f"watchdog: {', '.join(words)}"
