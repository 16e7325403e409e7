"""The standard streams of the command, which somebody else opened, or did not."""

from __future__ import annotations

import errno
import os
import sys
from contextlib import suppress
from typing import Any

FAULTS = (errno.EPIPE, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
"""What a write to a stream may fail with."""


class _Forgiving:
    """Standard error, of which a line that cannot be written is lost and changes nothing."""

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
    """Opens the null device in place of each standard stream that is closed, so that no socket and no file takes its
    number; false if standard output was one of them."""
    has_output = sys.stdout is not None
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the least number that is free
    if sys.stderr is None:
        sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115
    sys.stderr = _Forgiving(sys.stderr)
    return has_output


def drop_output() -> None:
    """Nothing more is written to standard output, also not at the end of the process."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
