"""The standard streams of the command. The parent process opened them, or left them closed."""

from __future__ import annotations

import errno
import os
import sys
from contextlib import suppress
from typing import Any

FAULTS = (errno.EPIPE, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
"""The errors of a write to a closed pipe, a full disk or a broken device."""


class _Forgiving:
    """Standard error: a line that cannot be written is dropped without an error."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with suppress(OSError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError):
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def prepare() -> bool:
    """Opens the null device for each closed standard stream, so that sockets and files do not get its number. Returns
    False if standard output was closed."""
    has_output = sys.stdout is not None
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # open() takes the lowest free number
    if sys.stderr is None:
        sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115
    sys.stderr = _Forgiving(sys.stderr)
    return has_output


def drop_output() -> None:
    """Discards everything that is still to be written to standard output, also at the end of the process."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
