"""When a wait ends.

Does: one absolute moment on the monotonic clock, or never. Does not: wait. Spec: "Time".
"""

from __future__ import annotations

from time import monotonic

_LONGEST = 1e300
"""Seconds: the clock's floating-point numbers hold any sum with it."""


class Deadline:
    """The moment T seconds after it was made; with T zero or negative, never (`time.never`)."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.restart()

    def __str__(self) -> str:
        """T, for people."""
        return f"{self._seconds} s" if isinstance(self._seconds, int) else f"{self._seconds:g} s"

    def restart(self) -> None:
        """Begin T anew, as a byte of the frame does (`time.stall`)."""
        self._end = monotonic() + min(self._seconds, _LONGEST) if self._seconds > 0 else None

    def has_passed(self) -> bool:
        """Whether T is over: never before it (`time.bounds`).

        Ask before the last look at what the kernel holds, so that what arrived in time counts.
        """
        return self._end is not None and monotonic() >= self._end

    def left(self, most: float = _LONGEST) -> float:
        """Return the seconds that are left, at least 0 and no more than `most`."""
        return most if self._end is None else max(0.0, min(most, self._end - monotonic()))
