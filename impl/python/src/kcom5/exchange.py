"""One exchange as two state machines, without sockets and clocks.

Does: takes the peer's bytes and the events of the state tables, says what is to be sent and how it ended.
Does not: read, write, wait, or touch the data: the caller moves the data and tells how much of it came.
Spec: "States", "Limits".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from .errors import ERRORS, Io, KcomError
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
)

Table = dict[str, dict[str, str]]

# The spec's tables, cell by cell: "action; next state", a next state, or the name of an error. A pair that is
# not here is a dash there: nothing is done, and the state stays.
_CALLER = {"failure": "io", "cancel": "io"}
_WAIT = {"timeout": "timeout", **_CALLER}
_HANDSHAKE = {**_WAIT, **dict.fromkeys(("wrong", "end", "reset"), "invalid-connection")}
_FRAME = {**_WAIT, "end": "truncated", "reset": "truncated"}
_GONE = {"reset": "unconfirmed", "timeout": "unconfirmed", **_CALLER}

SERVER_TABLE: Table = {
    "listening": {"connected": "hello", "wrong": "invalid-connection", **_WAIT},
    "hello": {"whole": "send echo and frame; sending", **_HANDSHAKE},
    "sending": {
        "sent": "half-close; confirming",
        "end": "half-closed",
        "early-end": "half-closed",
        "reset": "unconfirmed",
        **_WAIT,
    },
    "half-closed": {"sent": "half-close; draining", "reset": "unconfirmed", **_WAIT},
    "confirming": {"end": "confirm; done", "early-end": "draining", **_GONE},
    "draining": {"acknowledged": "done", **_GONE},
    "done": {},
    "failed": {},
}

CLIENT_TABLE: Table = {
    "connecting": {"connected": "send hello; echo", "refused": "refused", **_HANDSHAKE},
    "echo": {"whole": "message-length", **_HANDSHAKE},
    "message-length": {"whole": "message", "over": "over-limit", **_FRAME},
    "message": {"whole": "data-length", "wrong": "malformed-message", **_FRAME},
    "data-length": {"whole": "data", "over": "over-limit", **_FRAME},
    "data": {"whole": "deliver; done", **_FRAME},
    "done": {},
    "failed": {},
}

# Each event, and how an error that it causes is told when neither the caller nor the state says it better.
EVENTS = {
    "connected": "a connection exists",
    "refused": "nobody listens",
    "more": "bytes arrived",
    "whole": "the field is complete",
    "wrong": "the peer runs as another user",
    "over": "the declared length is over the limit",
    "sent": "the last byte was taken",
    "acknowledged": "the peer's system has everything",
    "end": "the peer closed",
    "early-end": "the peer closed before it had everything",
    "reset": "the peer reset the connection",
    "timeout": "the time is over",
    "failure": "the system failed",
    "cancel": "cancelled by the caller",
}


@dataclass
class Limits:
    """The most bytes that a client takes (`limit.over`): of message, 16 MiB unless set, and of data (None: none)."""

    message: int | None = 16 * 1024 * 1024
    data: int | None = None


class _Exchange:
    """What both roles share: a state of the table, the peer's bytes consumed so far, and the error, if any."""

    table: ClassVar[Table]
    _first_field: ClassVar[str]

    def __init__(self) -> None:
        self.state = next(iter(self.table))
        self.at = 0
        self.error: KcomError | None = None
        # The field that is awaited, hello or echo first: the bytes of it (not of data), where it began, and its size.
        self._field = bytearray()
        self._start = 0
        self._size = HELLO_SIZE

    @property
    def progress(self) -> str:
        """How much of the awaited field has come, for people: "2 of 8 bytes of the hello"."""
        is_frame = "whole" in self.table[self.state] and self.state not in ("hello", "echo")
        field = self.state.replace("-", " ") if is_frame else self._first_field
        return f"{self.at - self._start} of {self._size} bytes of the {field}"

    def on(self, event: str, detail: str = "") -> str:
        """Take an event and return the action that the table asks for, or "".

        After `deliver` the state stays until the caller has stored everything and says so by `delivered`.
        Raises the error that the table names; the exchange has then failed, and stays so. A ValueError is an
        event that there is not.
        """
        if event not in EVENTS:
            raise ValueError(f"no event {event!r}")
        cell = self.table[self.state].get(event)
        if cell is None:
            return ""
        action, _, target = cell.rpartition("; ")
        if target in ERRORS:
            self.error = ERRORS[target](detail or self._words(event))
            self.state = "failed"
            raise self.error
        if action != "deliver":
            self.state = target
        return action

    def check_done(self) -> None:
        """Raise the error, or Io if there is none, unless the exchange is done: success is a state."""
        if self.state != "done":
            raise self.error or Io(f"the exchange ended in the state {self.state}")

    def _words(self, event: str) -> str:
        return EVENTS[event]


class ServerExchange(_Exchange):
    """The server's exchange.

    It begins in `listening`. Give it `connected`, then the client's bytes by `feed`. In `sending` write
    `output` and then the data, and give it `sent`. `half-close` is asked for by the answer of `on`.
    `confirmed` tells whether the client's end came after that, when it had everything.
    """

    table = SERVER_TABLE
    _first_field = "hello"

    def __init__(self, message: str | bytes | bytearray | memoryview, data_length: int) -> None:
        """Take what is to be sent. Raises MessageTooLong, MessageNotUtf8."""
        super().__init__()
        self.confirmed = False
        self._head = encode_head(encode_message(message), data_length)

    @property
    def output(self) -> bytes:
        """Echo and frame up to its data: what is written before the data (`echo.exact`, `frame.order`)."""
        return bytes(self._field) + self._head

    def on(self, event: str, detail: str = "") -> str:
        """As for both roles; the action `confirm` sets `confirmed`."""
        action = super().on(event, detail)
        self.confirmed = self.confirmed or action == "confirm"
        return action

    def feed(self, octets: bytes | bytearray | memoryview) -> None:
        """Take bytes of the client, all that have arrived.

        Raises InvalidConnection at the first byte that is wrong (`hello.reject-early`), or if there are
        more than eight (`hello.alone`). After the hello they are thrown away (`close.extra`).
        """
        if self.state != "hello":
            self.on("more")
            return
        self._field += octets
        wrong = first_difference(self._field, MAGIC)
        if wrong is not None:
            self.at = wrong + 1
            self.on("wrong", f"byte {self.at} of the hello is wrong, expected KCOM5 and three bytes")
        self.at = min(len(self._field), HELLO_SIZE + 1)
        if self.at > HELLO_SIZE:
            self.on("wrong", f"got more than the {HELLO_SIZE} bytes of a hello")
        self.on("whole" if self.at == HELLO_SIZE else "more")

    def _words(self, event: str) -> str:
        if event in ("end", "reset") and self.state == "hello":
            if self.at == 0:
                return "a client connected and left without sending anything; was it a port check?"
            return f"the client left after {self.progress}"
        if event == "reset":
            return "the client left before it had taken everything"
        return "the client runs as another user" if event == "wrong" else super()._words(event)


class ClientExchange(_Exchange):
    """The client's exchange.

    It begins in `connecting`. Give it `connected` and write `hello`; give it the server's bytes by `feed`
    until its state is `data`, then read the data where it belongs and tell `arrived` how many bytes came.
    When `data_left` is 0, store everything and say `delivered`. In `done`, `message` is the message.
    """

    table = CLIENT_TABLE
    _first_field = "echo"

    def __init__(self, nonce: bytes, limits: Limits | None = None) -> None:
        """Take three random bytes (`hello.nonce`) and the limits, which are the defaults if None."""
        super().__init__()
        if len(nonce) != NONCE_SIZE:
            raise ValueError(f"a nonce has {NONCE_SIZE} bytes")
        self.hello = MAGIC + nonce
        self.message = ""
        self.data_length = 0
        self.data_left = 0
        self._limits = limits or Limits()

    @property
    def needed(self) -> int:
        """How many bytes the current field still needs; 0 in `data` when everything has arrived."""
        return self.data_left if self.state == "data" else self._size - len(self._field)

    def feed(self, octets: bytes | bytearray | memoryview) -> int:
        """Take bytes of the server, and return how many were taken: those of the data and past it are not.

        Raises InvalidConnection at the first byte of the echo that differs (`echo.mismatch`), OverLimit
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
                    self.on("wrong", f"byte {self.at} of the echo differs from the hello")
            if len(self._field) == self._size:
                self._whole()
            else:
                self.on("more")
        return used

    def arrived(self, count: int) -> str:
        """Take that count bytes of the data have come, at most `data_left` (`data.end`); return the action.

        The action is `deliver` when these were the last.
        """
        if self.state != "data" or not 0 <= count <= self.data_left:
            raise ValueError(f"{count} bytes of data in state {self.state}, {self.data_left} left")
        self.at += count
        self.data_left -= count
        return self.on("more" if self.data_left else "whole")

    def delivered(self) -> None:
        """Take that everything the caller asked for is stored: the exchange is done.

        A ValueError is a call before everything has arrived. If storing fails, give `failure` instead.
        """
        if self.state != "data" or self.data_left:
            raise ValueError(f"delivered in state {self.state}, {self.data_left} bytes left")
        self.state = "done"

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
            except UnicodeDecodeError:
                self.on("wrong", "the message received is not valid UTF-8")
            self._size = DATA_LENGTH_SIZE
            self.on("whole")
        else:
            self.data_length = self._length("data", decode_length(field), self._limits.data)
            self.data_left = self._size = self.data_length

    def _length(self, what: str, declared: int, limit: int | None) -> int:
        if limit is not None and declared > limit:
            self.on("over", f"got a {what} length of {declared}, expected at most {limit}")
        self.on("whole")
        return declared

    def _words(self, event: str) -> str:
        if event in ("end", "reset"):
            return f"the server left after {self.progress}"
        return "the server runs as another user" if event == "wrong" else super()._words(event)
