"""One exchange as two state machines, without sockets and clocks.

Does: takes the peer's octets and the events of the state tables, says what is to be sent and how it ended.
Does not: read, write, wait, or touch the data: the caller moves the data and tells how much of it came.
Spec: "States", "Limits".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from .errors import ERRORS, KcomError
from .wire import (
    DATA_LENGTH_SIZE,
    HELLO_SIZE,
    MAGIC,
    MESSAGE_LENGTH_SIZE,
    NONCE_SIZE,
    decode_length,
    encode_head,
    encode_message,
    first_difference,
    not_utf8,
    show,
)

Table = dict[str, dict[str, str]]

# The spec's tables, cell by cell: "action; next state", a next state, or the name of an error. A pair that is
# not here is a dash there: nothing is done, and the state stays.
_WAIT = {"timeout": "timeout", "failure": "io"}
_HANDSHAKE = {**_WAIT, **dict.fromkeys(("wrong", "end", "reset"), "invalid-connection")}
_FRAME = {**_WAIT, "end": "truncated", "reset": "truncated"}

SERVER_TABLE: Table = {
    "listening": {"connected": "hello", "wrong": "invalid-connection", **_WAIT},
    "hello": {"whole": "send echo and frame; sending", **_HANDSHAKE},
    "sending": {"sent": "half-close; confirming", "end": "half-closed", "reset": "unconfirmed", **_WAIT},
    "half-closed": {"sent": "half-close; done", "reset": "unconfirmed", **_WAIT},
    "confirming": {"end": "done", "reset": "unconfirmed", "timeout": "unconfirmed", "failure": "io"},
    "done": {},
    "failed": {},
}

CLIENT_TABLE: Table = {
    "connecting": {"connected": "send hello; echo", "refused": "refused", "wrong": "invalid-connection", **_WAIT},
    "echo": {"whole": "message-length", **_HANDSHAKE},
    "message-length": {"whole": "message", "over": "over-limit", **_FRAME},
    "message": {"whole": "data-length", "wrong": "malformed-message", **_FRAME},
    "data-length": {"whole": "data", "over": "over-limit", **_FRAME},
    "data": {"whole": "deliver; done", **_FRAME},
    "done": {},
    "failed": {},
}

# Each event, and how an error that it causes is told when the caller says nothing better.
EVENTS = {
    "connected": "a connection exists",
    "refused": "nobody listens",
    "more": "octets arrived",
    "whole": "the field is complete",
    "wrong": "the field cannot become valid, or the peer is another user's",
    "over": "the declared length is over the limit",
    "sent": "the last octet was taken",
    "end": "the peer closed",
    "reset": "the peer reset the connection",
    "timeout": "the time is over",
    "failure": "the system failed",
}


@dataclass
class Limits:
    """The most octets that a client takes (`limit.over`): of message, 16 MiB unless set, and of data (None: none)."""

    message: int | None = 16 * 1024 * 1024
    data: int | None = None


class _Exchange:
    """What both roles share: a state of the table, the peer's octets consumed so far, and the error, if any."""

    table: ClassVar[Table]

    def __init__(self) -> None:
        self.state = next(iter(self.table))
        self.at = 0
        self.error: KcomError | None = None
        # The field that is awaited, hello or echo first: the octets of it (not of data), where it began, and its size.
        self._field = bytearray()
        self._start = 0
        self._size = HELLO_SIZE

    def on(self, event: str, detail: str = "") -> str:
        """Take an event and return the action that the table asks for, or "".

        Raises the error that the table names; the exchange has then failed, and stays so. A ValueError is an
        event that there is not.
        """
        if event not in EVENTS:
            raise ValueError(f"no event {event!r}")
        cell = self.table[self.state].get(event)
        if cell is None:
            return ""
        action, _, target = cell.rpartition("; ")
        if target not in ERRORS:
            self.state = target
            return action
        detail = detail or EVENTS[event]
        if event in ("end", "reset", "timeout") and "whole" in self.table[self.state]:
            detail += f", got {self.at - self._start} of {self._size} octets"
        self.error = ERRORS[target](f"{detail} ({self.state}, after {self.at} octets)")
        self.state = "failed"
        raise self.error


class ServerExchange(_Exchange):
    """The server's exchange.

    It begins in `listening`. Give it `connected`, then the client's octets by `feed`. In `sending` write
    `output` and then the data, and give it `sent`. `half-close` is asked for by the answer of `on`.
    """

    table = SERVER_TABLE

    def __init__(self, message: str | bytes | bytearray | memoryview, data_length: int) -> None:
        """Take what is to be sent. Raises MessageTooLong, MessageNotUtf8."""
        super().__init__()
        self._head = encode_head(encode_message(message), data_length)

    @property
    def output(self) -> bytes:
        """Echo and frame up to its data: what is written before the data (`echo.exact`, `frame.order`)."""
        return bytes(self._field) + self._head

    def feed(self, octets: bytes | bytearray | memoryview) -> None:
        """Take octets of the client, all that have arrived.

        Raises InvalidConnection at the first octet that is wrong (`hello.reject-early`), or if there are
        more than eight (`hello.alone`). After the hello they are thrown away (`close.extra`).
        """
        if self.state != "hello":
            self.on("more")
            return
        self._field += octets
        wrong = first_difference(self._field, MAGIC)
        if wrong is not None:
            self.at = wrong + 1
            got = f"got {show(self._field[:HELLO_SIZE])}, expected {show(MAGIC)} and {NONCE_SIZE} octets"
            self.on("wrong", f"octet {self.at} of the hello: {got}")
        self.at = min(len(self._field), HELLO_SIZE + 1)
        if self.at > HELLO_SIZE:
            self.on("wrong", f"got more than {HELLO_SIZE} octets, expected the hello alone")
        self.on("whole" if self.at == HELLO_SIZE else "more")


class ClientExchange(_Exchange):
    """The client's exchange.

    It begins in `connecting`. Give it `connected` and write `hello`; give it the server's octets by `feed`
    until its state is `data`, then read the data where it belongs and tell `arrived` how many octets came.
    In `done`, `message` is the message.
    """

    table = CLIENT_TABLE

    def __init__(self, nonce: bytes, limits: Limits | None = None) -> None:
        """Take three random octets (`hello.nonce`) and the limits, which are the defaults if None."""
        super().__init__()
        if len(nonce) != NONCE_SIZE:
            raise ValueError(f"a nonce has {NONCE_SIZE} octets")
        self.hello = MAGIC + nonce
        self.message = ""
        self.data_length = 0
        self.data_left = 0
        self._limits = limits or Limits()

    @property
    def needed(self) -> int:
        """How many octets the current field still needs; of the data, `data_left` says it."""
        return self._size - len(self._field)

    def feed(self, octets: bytes | bytearray | memoryview) -> int:
        """Take octets of the server, and return how many were taken: those of the data and past it are not.

        Raises InvalidConnection at the first octet of the echo that differs (`echo.mismatch`), OverLimit
        when a length is complete (`limit.over`), MalformedMessage when the message is (`message.utf8`).
        """
        used = 0
        while used < len(octets) and self.state not in ("data", "done", "failed"):
            piece = octets[used : used + self.needed]
            self._field += piece
            used += len(piece)
            self.at += len(piece)
            if self.state == "echo":
                wrong = first_difference(self._field, self.hello)
                if wrong is not None:
                    self.at = wrong + 1
                    got = f"got {show(self._field)}, expected {show(self.hello)}"
                    self.on("wrong", f"octet {self.at} of the echo: {got}")
            if len(self._field) == self._size:
                self._whole()
            else:
                self.on("more")
        return used

    def arrived(self, count: int) -> None:
        """Take that count octets of the data have come to where they belong, at most `data_left` (`data.end`)."""
        if self.state != "data" or not 0 <= count <= self.data_left:
            raise ValueError(f"{count} octets of data in state {self.state}, {self.data_left} left")
        self.at += count
        self.data_left -= count
        self.on("more" if self.data_left else "whole")

    def _whole(self) -> None:
        """Take the field that is complete; begin the next one, which may be complete at once."""
        field, self._field = self._field, bytearray()
        self._start = self.at
        if self.state == "echo":
            self._size = MESSAGE_LENGTH_SIZE
            self.on("whole")
        elif self.state == "message-length":
            self._size = self._length("message", decode_length(field), self._limits.message)
            if self._size == 0:
                self._whole()
        elif self.state == "message":
            try:
                self.message = field.decode()
            except UnicodeDecodeError as error:
                self.on("wrong", not_utf8(error))
            self._size = DATA_LENGTH_SIZE
            self.on("whole")
        else:
            self.data_length = self._length("data", decode_length(field), self._limits.data)
            self.data_left = self._size = self.data_length
            if self.data_left == 0:
                self.arrived(0)

    def _length(self, what: str, declared: int, limit: int | None) -> int:
        if limit is not None and declared > limit:
            self.on("over", f"got a declaration of {declared} octets of {what}, expected at most {limit} (the limit)")
        self.on("whole")
        return declared
