"""Signals that ask the program to end.

Does: turns them into an exception where the program can clean up. Does not: print.
"""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType
from typing import TypeVar

from .stream import Steps, Wake, run

_ENDING = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT") if hasattr(signal, name)]
_IGNORED = [getattr(signal, name) for name in ("SIGPIPE", "SIGXFSZ") if hasattr(signal, name)]
_CLEANUP = 2.0
"""Seconds after which a blocked clean-up is interrupted too."""

_T = TypeVar("_T")


class Interrupted(BaseException):
    """A signal asks the program to end. Not an Exception, so that no handler takes it for a failure."""

    def __init__(self, number: int, detail: str = "") -> None:
        super().__init__(number)
        self.number = number
        self.detail = detail


class Signals:
    """The signals of this process, from `catch` to `ignore`."""

    def __init__(self) -> None:
        self._number = 0
        self._is_running = self._has_succeeded = self._is_late = False
        self._pipe: tuple[int, int] | None = None

    def catch(self) -> None:
        """Handle them; those that were ignored when the process was started stay ignored."""
        if sys.platform != "win32":
            self._pipe = os.pipe()
            for end in self._pipe:
                os.set_blocking(end, False)
            signal.signal(signal.SIGALRM, self._too_long)
        for number in _IGNORED:
            signal.signal(number, signal.SIG_IGN)
        for number in _ENDING:
            if signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, self._handle)

    def ignore(self) -> None:
        """Ignore signals, because the result is known and must not change."""
        for number in _ENDING:
            signal.signal(number, signal.SIG_IGN)

    def run(self, steps: Steps[_T], *, is_last: bool = True) -> _T:
        """Run the steps. A signal ends them where they wait, so that they clean up.

        When the last steps have succeeded, no signal changes that.
        """
        self._is_running = True
        result = run(steps, None if self._pipe is None else Wake(self._pipe[0], self._check))
        self._has_succeeded = is_last
        self._is_running = False
        return result

    def _check(self) -> None:
        if self._number:
            raise Interrupted(self._number)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._has_succeeded or self._number:
            return
        self._number = number
        if not self._is_running or self._pipe is None:
            raise Interrupted(number)
        os.write(self._pipe[1], b"\0")
        signal.setitimer(signal.ITIMER_REAL, _CLEANUP)

    def _too_long(self, number: int, frame: FrameType | None) -> None:
        if self._has_succeeded:
            return
        if self._is_late:
            os._exit(128 + self._number)
        self._is_late = True
        signal.setitimer(signal.ITIMER_REAL, _CLEANUP)
        raise Interrupted(self._number)
