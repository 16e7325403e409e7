"""The error names of KCOM5, one exception class each.

Does: names, families and co-bases from the standard library. Does not: decide when an error is raised.
Spec: "Results and errors".
"""

from __future__ import annotations

from typing import ClassVar


class KcomError(Exception):
    """Every failure of KCOM5 (`result.class`): the base of one class for each name.

    `name` is the spec's name, the same in every language; `family` is `usage`, `transport` or `protocol`;
    `detail` says what was seen. An error of the system is found in `__context__`. `about` tells where advice
    depends on it: `spool` (the folder for temporary files), `exists` (a file that was not to be replaced), or "".
    """

    name: ClassVar[str]
    family: ClassVar[str]

    def __init__(self, detail: str, about: str = "") -> None:
        super().__init__(detail)
        self.detail = detail
        self.about = about

    def __str__(self) -> str:
        return f"{self.name}: {self.detail}"


class InvalidAddress(KcomError, ValueError):
    """The text is no address (`address.reject`)."""

    name = "invalid-address"
    family = "usage"


class InvalidKey(KcomError, ValueError):
    """The key's length does not divide 48 (`address.pack-reject`)."""

    name = "invalid-key"
    family = "usage"


class InvalidPort(KcomError, ValueError):
    """The port is out of range (`address.pack-reject`, `listen.port-zero`)."""

    name = "invalid-port"
    family = "usage"


class MessageNotUtf8(KcomError, ValueError):
    """The message to send is ill-formed (`message.utf8`)."""

    name = "message-not-utf8"
    family = "usage"


class MessageTooLong(KcomError, ValueError):
    """The message to send is over 2**32 - 1 bytes (`message.too-long`)."""

    name = "message-too-long"
    family = "usage"


class InUse(KcomError, OSError):
    """The port or path is taken (`listen.exclusive`, `unix.stale`)."""

    name = "in-use"
    family = "transport"


class Refused(KcomError, ConnectionRefusedError):
    """Nobody listens (`connect.refused`, `connect.self`)."""

    name = "refused"
    family = "transport"


class Timeout(KcomError, TimeoutError):
    """A wait passed its bound (`time.wait`, `time.connect`, `time.handshake`, `time.stall`)."""

    name = "timeout"
    family = "transport"


class Io(KcomError, OSError):
    """Any other system error, with the system's own text; the caller cancelled."""

    name = "io"
    family = "transport"


class InvalidConnection(KcomError, ConnectionError):
    """Bad hello, bad echo, or a peer of another user (`hello.reject`, `echo.mismatch`, `unix.owner`)."""

    name = "invalid-connection"
    family = "protocol"


class Truncated(KcomError, EOFError):
    """The server closed or reset inside the frame (`data.truncated`)."""

    name = "truncated"
    family = "protocol"


class MalformedMessage(KcomError, ValueError):
    """The message received is ill-formed (`message.utf8`)."""

    name = "malformed-message"
    family = "protocol"


class OverLimit(KcomError, ValueError):
    """A declared length is over a limit (`limit.over`)."""

    name = "over-limit"
    family = "protocol"


class Unconfirmed(KcomError, ConnectionError):
    """The client did not take everything, or its end was not seen (`close.confirm`, `time.confirm`)."""

    name = "unconfirmed"
    family = "protocol"


ERRORS: dict[str, type[KcomError]] = {cls.name: cls for cls in KcomError.__subclasses__()}
"""The class of each error name."""
