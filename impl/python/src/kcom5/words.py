"""What the program says: status lines, errors and hints for people, or JSON lines.

Does: escaping, formatting, progress, writing to the standard streams. Does not: decide what happened.
"""

from __future__ import annotations

import errno
import json
import os
import select
import time
import unicodedata
from contextlib import suppress

from .errors import Io, KcomError
from .system import reason

HINTS = {
    "invalid-address": "an address is PORT.HH.HH…: a port from 1 to 65535, then 1, 2, 3, 4, 6, 8, 12, 16, 24 or 48 "
    "two-digit hexadecimal groups",
    "invalid-key": "a key has 1, 2, 3, 4, 6, 8, 12, 16, 24 or 48 bytes; 48 is best",
    "invalid-port": "a port is a number from 1 to 65535; for send, 0 lets the system choose",
    "message-not-utf8": "a message is UTF-8 text; send other bytes as data",
    "message-too-long": "a message has at most 4294967295 bytes; send more as data",
    "in-use": "another program listens there: choose another --port, or 0 to let the system choose",
    "refused": "nobody listens there: start `kcom5 send` first, with the same --port, --ipv4 or --unix on both sides",
    "timeout": "the other side was silent for too long: is it running? --timeout SECONDS waits longer, 0 for ever",
    "io": "look at the path, the permissions and the disk",
    "invalid-connection": "the program on the other side does not speak KCOM5, or belongs to another user",
    "truncated": "the sender stopped before the end, and nothing was delivered: try again",
    "malformed-message": "the sender's message is not UTF-8: mend the sender",
    "over-limit": "--max-message BYTES and --max-data BYTES raise the limits",
    "unconfirmed": "the receiver did not take everything, or did not close in time: do not count on the delivery",
    "usage": "`kcom5 --help` and `kcom5 COMMAND --help` tell more",
}
_IN_PLACE = "the sender stopped before the end: what was written is not the whole"
_NO_IPV6 = "this system has no IPv6 loopback address: use --ipv4 on both sides"
_ABOUT = {
    "spool": "--spool-dir DIR names another folder for temporary files",
    "exists": "leave out --no-clobber to replace it",
}
_SHOWN = 200
"""Characters of a message that are shown."""
_INVISIBLE = {0x034F, 0x115F, 0x1160, 0x3164, 0xFFA0, *range(0x180B, 0x1810), *range(0xFE00, 0xFE10)}
_INVISIBLE |= set(range(0xE0100, 0xE01F0))


def hint_of(error: KcomError, is_in_place: bool = False) -> str:
    """Return what to do about an error."""
    if error.about:
        return _ABOUT[error.about]
    if error.name == "truncated" and is_in_place:
        return _IN_PLACE
    cause = error.__cause__ or error.__context__
    is_ipv6 = "[::1]" in error.detail
    if is_ipv6 and isinstance(cause, OSError) and cause.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
        return _NO_IPV6
    return HINTS[error.name]


def escaped(text: str) -> str:
    """Return the text on one line, with nothing that a terminal obeys or a reader does not see."""
    return "".join(map(_escaped, text))


def _escaped(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:
        # A byte that is not UTF-8, as the system's functions give it.
        return f"\\x{code - 0xDC00:02x}"
    category = unicodedata.category(character)
    if category == "Cc":
        return f"\\x{code:02x}"
    if category in ("Cf", "Zl", "Zp", "Cn", "Co", "Cs") or code in _INVISIBLE:
        return f"\\u{{{code:x}}}"
    return character


def quoted(text: str) -> str:
    """Return the text in quotation marks, cut after 200 characters."""
    shown = escaped(text[:_SHOWN].replace("\\", "\\\\").replace('"', '\\"'))
    return f'"{shown}"' + ("…" if len(text) > _SHOWN else "")


def json_line(line: dict[str, object]) -> bytes:
    """Return one line of ASCII; bytes that are not UTF-8 become the text \\xHH."""
    values = {
        key: "".join(_escaped(c) if 0xD800 <= ord(c) <= 0xDFFF else c for c in value)
        if isinstance(value, str) and not value.isascii()
        else value
        for key, value in line.items()
    }
    return json.dumps(values, separators=(",", ":")).encode() + b"\n"


def write(descriptor: int, octets: bytes) -> None:
    """Write all of it, also to a descriptor that does not block."""
    view = memoryview(octets)
    while view:
        try:
            view = view[os.write(descriptor, view) :]
        except BlockingIOError:
            select.select([], [descriptor], [])


class Words:
    """What the program says. `closed` are the standard streams that were closed when it was started."""

    def __init__(self, closed: frozenset[int]) -> None:
        self.closed = closed
        self.json_to: int | None = None
        self.is_quiet = False
        self.is_in_place = False
        """Whether what was received may be there in part."""
        self.lost: OSError | None = None
        """Why a JSON line could not be written."""
        self._since = self._progress_at = time.monotonic()
        self._has_progress = False

    def say(self, line: str) -> None:
        """Say how it goes. That nobody reads it changes nothing."""
        if self.json_to is None and not self.is_quiet:
            self._say(line)

    def warn_of_file(self, name: str) -> None:
        """Warn of a file with a key that others can read, on standard error unless that is for JSON lines."""
        if self.json_to != 2 and not self.is_quiet:
            shown = escaped(name)
            self._say(f"warning: {shown} can be read by other users: chmod 600 {shown}")

    def tell(self, **line: object) -> None:
        """Write a JSON line, if they are wanted."""
        if self.json_to is None:
            return
        try:
            self._write(self.json_to, json_line(line))
        except OSError as error:
            self.lost = self.lost or error

    def result(self, text: str, **line: object) -> None:
        """Write to standard output what the command is for. Raises Io."""
        if 1 in self.closed:
            raise Io("standard output is closed")
        try:
            self._write(1, text.encode() if self.json_to is None else json_line(line))
        except OSError as error:
            raise Io(f"standard output: {reason(error)}") from error

    def fail(self, name: str, detail: str, hint: str = "") -> None:
        """Say what went wrong."""
        if self.json_to is not None:
            self.tell(error=name, detail=detail)
            return
        is_red = os.isatty(2) and not os.environ.get("NO_COLOR")
        error = "\x1b[31merror:\x1b[0m" if is_red else "error:"
        self._say(f"{error} {name}: {escaped(detail)}" if detail else f"{error} {name}")
        if hint:
            self._say(f"hint: {hint}")

    def fail_lost(self) -> bool:
        """Say that a JSON line was lost, if one was; tell whether one was."""
        lost, where = self.lost, "standard output" if self.json_to == 1 else "standard error"
        if lost is None:
            return False
        self.json_to = None
        what = "is closed" if lost.errno == errno.EBADF else f": {reason(lost)}"
        self.fail("io", f"{where} {what}".replace(" :", ":"), HINTS["io"])
        return True

    def start(self) -> None:
        """The transfer begins."""
        self._since = self._progress_at = time.monotonic()

    def progress(self, done: int, total: int) -> None:
        """Draw one line anew, ten times a second, after the first second."""
        now = time.monotonic()
        since = now - self._since
        if since < 1 or now - self._progress_at < 0.1 or done == total:
            return
        self._progress_at = now
        self._has_progress = True
        rate = done / since / (1 << 20)
        line = f"\r{100 * done // total} %  {done:,} of {total:,} bytes  {rate:.1f} MiB/s\x1b[K"
        try:
            write(2, line.encode())
        except OSError:
            self._has_progress = False

    def _say(self, line: str) -> None:
        clear = "\r\x1b[K" if self._has_progress else ""
        self._has_progress = False
        with suppress(OSError):
            self._write(2, f"{clear}kcom5: {line}\n".encode("utf-8", "backslashreplace"))

    def _write(self, descriptor: int, octets: bytes) -> None:
        if descriptor in self.closed:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        write(descriptor, octets)
