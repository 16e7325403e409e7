"""When a wait ends.

Does: one absolute moment on the monotonic clock, or never; checks a timeout. Does not: wait. Spec: "Time".
"""

from __future__ import annotations

from time import monotonic

_LONGEST = 1e300
"""Seconds; the clock's floating-point numbers hold any sum with it."""


def check_timeout(timeout: float | None) -> None:
    """Raise ValueError unless it is None or more than 0."""
    if timeout is not None and not timeout > 0:
        raise ValueError(f"got a timeout of {timeout!r}, expected None or more than 0 seconds")


class Deadline:
    """The moment this many seconds after its creation, or never if they are None (`time.never`)."""

    def __init__(self, seconds: float | None) -> None:
        self._seconds = seconds
        self._added = None if seconds is None else min(seconds, _LONGEST)
        self.restart()

    def __str__(self) -> str:
        """Return the seconds, for people."""
        return f"{self._seconds:g} s" if isinstance(self._seconds, float) else f"{self._seconds} s"

    def restart(self) -> None:
        """Start again, as after a byte of the frame (`time.stall`)."""
        self._end = None if self._added is None else monotonic() + self._added

    def has_passed(self) -> bool:
        """Whether the time is over; never early (`time.bounds`).

        Ask before the last read, so that bytes that arrived in time count.
        """
        return self._end is not None and monotonic() >= self._end

    def left(self, most: float = _LONGEST) -> float:
        """Return the seconds that are left, at least 0 and no more than `most`."""
        return most if self._end is None else max(0.0, min(most, self._end - monotonic()))
