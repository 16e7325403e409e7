"""One exchange as two state machines, without sockets and clocks.

Does: takes the peer's bytes and the events of the state tables, and returns the actions and the result.
Does not: read, write, wait, or touch the data, which the caller moves and counts.
Spec: "States", "Limits".
"""

from __future__ import annotations

from typing import ClassVar, NamedTuple

from .errors import (
    InvalidConnection,
    Io,
    KcomError,
    MalformedMessage,
    OverLimit,
    Refused,
    Timeout,
    Truncated,
    Unconfirmed,
)
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


class Cell(NamedTuple):
    """The effect of an event in a state: the action, and the next state or the error that ends the exchange."""

    action: str
    next: str
    error: type[KcomError] | None = None


Row = dict[str, Cell]
"""The cells of a state. An event without a cell is a dash in the spec: it does nothing, and the state stays."""


def _to(state: str) -> Cell:
    return Cell("", state)


def _fail(error: type[KcomError]) -> Cell:
    return Cell("", "failed", error)


# The spec's tables. `more` is a dash in every state, so no event of that name exists here.
_CALLER = {"failure": _fail(Io), "cancel": _fail(Io)}
_WAIT = {"timeout": _fail(Timeout), **_CALLER}
_HANDSHAKE = {**_WAIT, **dict.fromkeys(("wrong", "end", "reset"), _fail(InvalidConnection))}
_FRAME = {**_WAIT, "end": _fail(Truncated), "reset": _fail(Truncated)}
_LEFT = {**_WAIT, "reset": _fail(Unconfirmed)}
_EARLY = dict.fromkeys(("end", "early-end"), _to("half-closed"))
_GONE = {**_LEFT, "timeout": _fail(Unconfirmed)}

SERVER_TABLE: dict[str, Row] = {
    "listening": {"connected": _to("hello"), "wrong": _fail(InvalidConnection), **_WAIT},
    "hello": {"whole": Cell("send echo and frame", "sending"), **_HANDSHAKE},
    "sending": {"sent": Cell("half-close", "confirming"), **_EARLY, **_LEFT},
    "half-closed": {"sent": Cell("half-close", "draining"), **_LEFT},
    "confirming": {"end": Cell("confirm", "done"), "early-end": _to("draining"), **_GONE},
    "draining": {"acknowledged": _to("done"), **_GONE},
    "done": {},
    "failed": {},
}

CLIENT_TABLE: dict[str, Row] = {
    "connecting": {"connected": Cell("send hello", "echo"), "refused": _fail(Refused), **_HANDSHAKE},
    "echo": {"whole": _to("message-length"), **_HANDSHAKE},
    "message-length": {"whole": _to("message"), "over": _fail(OverLimit), **_FRAME},
    "message": {"whole": _to("data-length"), "wrong": _fail(MalformedMessage), **_FRAME},
    "data-length": {"whole": _to("data"), "over": _fail(OverLimit), **_FRAME},
    "data": {"whole": Cell("deliver", "data"), **_FRAME},  # `delivered` goes on to `done`
    "done": {},
    "failed": {},
}

_HEAD = ("echo", "message-length", "message", "data-length")
"""The states in which a client takes bytes by `feed`."""

# The events that `on` takes, each with the error text for when no better one is given. The machine generates `whole`,
# `wrong` and `over` itself, from the bytes.
EVENTS = {
    "connected": "a connection exists",
    "refused": "nobody listens",
    "sent": "the last byte was taken",
    "acknowledged": "the peer's system has everything",
    "end": "the peer closed",
    "early-end": "the peer closed before it had everything",
    "reset": "the peer reset the connection",
    "timeout": "the time is over",
    "failure": "the system failed",
    "cancel": "cancelled by the caller",
}


class Limits:
    """The most bytes that a client accepts (`limit.over`): of message (16 MiB by default), and of data (None: any)."""

    def __init__(self, message: int | None = 16 * 1024 * 1024, data: int | None = None) -> None:
        self.message = message
        self.data = data


class _Exchange:
    """The parts that both roles share: a state of the table, the peer's bytes consumed so far, and any error."""

    table: ClassVar[dict[str, Row]]
    _first_field: ClassVar[str]
    _peer: ClassVar[str]

    def __init__(self) -> None:
        self.state = next(iter(self.table))
        self.consumed = 0
        self.error: KcomError | None = None
        # The awaited field, hello or echo first: its bytes (not those of data), its start, and its size.
        self._field = bytearray()
        self._start = 0
        self._size = HELLO_SIZE

    @property
    def progress(self) -> str:
        """How much of the awaited field has arrived, for people: "2 of 8 bytes of the hello"."""
        is_frame = "whole" in self.table[self.state] and self.state not in ("hello", "echo")
        field = self.state.replace("-", " ") if is_frame else self._first_field
        return f"{self.consumed - self._start} of {self._size} bytes of the {field}"

    def on(self, event: str, detail: str = "") -> str:
        """Take an event of EVENTS, or raise ValueError; return the action that the table asks for, or "".

        Raises the error that the table names. The exchange has then failed for good.
        """
        if event not in EVENTS:
            raise ValueError(f"no event {event!r}")
        return self._take(event, detail)

    def refuse_peer(self) -> None:
        """Fail because the peer runs as another user (`unix.owner`). Raises InvalidConnection."""
        self._take("wrong", f"the {self._peer} runs as another user")

    def check_done(self) -> None:
        """Raise the error, or Io if there is none, unless the exchange is in the state `done`."""
        if self.state != "done":
            raise self.error or Io(f"the exchange ended in the state {self.state}")

    def _take(self, event: str, detail: str = "") -> str:
        cell = self.table[self.state].get(event)
        if cell is None:
            return ""
        if cell.error is not None:
            self.error = cell.error(detail or self._words(event))
            self.state = cell.next
            raise self.error
        self.state = cell.next
        return cell.action

    def _words(self, event: str) -> str:
        return EVENTS[event]


class ServerExchange(_Exchange):
    """The server's exchange.

    It begins in `listening`. Report `connected`, then pass the client's bytes to `feed`. In `sending` write `head` and
    then the data, and report `sent`; this returns the action `half-close`. In `done`, `confirmed` tells whether the
    client's end came after the half-close.
    """

    table = SERVER_TABLE
    _first_field, _peer = "hello", "client"

    def __init__(self, message: str | bytes | bytearray | memoryview, data_length: int) -> None:
        """Set the message and the data's length. Raises MessageTooLong, MessageNotUtf8."""
        super().__init__()
        self.confirmed = False
        self._frame = encode_head(encode_message(message), data_length)

    @property
    def head(self) -> bytes:
        """The bytes before the data: the echo, and the frame up to its data (`echo.exact`, `frame.order`)."""
        return bytes(self._field) + self._frame

    def on(self, event: str, detail: str = "") -> str:
        """As for both roles; the action `confirm` sets `confirmed`."""
        action = super().on(event, detail)
        self.confirmed = self.confirmed or action == "confirm"
        return action

    def feed(self, octets: bytes | bytearray | memoryview) -> None:
        """Take all bytes of the client that have arrived; after the hello they are discarded (`close.extra`).

        Raises InvalidConnection at the first byte that is wrong (`hello.reject-early`), and at a ninth (`hello.alone`).
        """
        if self.state != "hello":
            return
        self._field += octets
        wrong = first_difference(self._field, MAGIC)
        if wrong is not None:
            self.consumed = wrong + 1
            self._take("wrong", f"byte {self.consumed} of the hello is wrong, expected KCOM5 and three bytes")
        self.consumed = min(len(self._field), HELLO_SIZE + 1)
        if self.consumed > HELLO_SIZE:
            self._take("wrong", f"got more than the {HELLO_SIZE} bytes of a hello")
        if self.consumed == HELLO_SIZE:
            self._take("whole")

    def _words(self, event: str) -> str:
        if event in ("end", "reset") and self.state == "hello":
            if self.consumed == 0:
                return "a client connected and left without sending anything; was it a port check?"
            return f"the client left after {self.progress}"
        return "the client left before it had taken everything" if event == "reset" else super()._words(event)


class ClientExchange(_Exchange):
    """The client's exchange.

    It begins in `connecting`. Report `connected` and write `hello`. Pass the server's bytes to `feed` until the state
    is `data`. Then read the data into its destination and pass the count to `arrived`. When `needed` is 0 there, store
    everything and call `delivered`. In `done`, `message` is the message.
    """

    table = CLIENT_TABLE
    _first_field, _peer = "echo", "server"

    def __init__(self, nonce: bytes, limits: Limits | None = None) -> None:
        """Take three random bytes (`hello.nonce`) and the limits, which are the defaults if None."""
        super().__init__()
        if len(nonce) != NONCE_SIZE:
            raise ValueError(f"a nonce has {NONCE_SIZE} bytes")
        self.hello = MAGIC + nonce
        self.message = ""
        self.data_length = 0
        self._limits = limits or Limits()

    @property
    def needed(self) -> int:
        """How many bytes the current field still needs; 0 in `data` when everything has arrived."""
        return self._start + self._size - self.consumed

    def feed(self, octets: bytes | bytearray | memoryview) -> int:
        """Take bytes of the server, and return how many were taken: all before the data.

        Raises InvalidConnection at the first byte of the echo that differs (`echo.mismatch`), OverLimit
        when a length is complete (`limit.over`), MalformedMessage when the message is (`message.utf8`).
        """
        used = 0
        while used < len(octets) and self.state in _HEAD:
            needed = self.needed
            piece = octets[used : used + needed]
            self._field += piece
            used += len(piece)
            if self.state == "echo":
                wrong = first_difference(self._field, self.hello)
                if wrong is not None:
                    self.consumed = wrong + 1
                    self._take("wrong", f"byte {self.consumed} of the echo differs from the hello")
            self.consumed += len(piece)
            if len(piece) == needed:
                self._complete()
        return used

    def arrived(self, count: int) -> str:
        """Record that `count` bytes of the data arrived, at most `needed` (`data.end`); return the action.

        The action is `deliver` when these were the last. The state stays `data` until `delivered`.
        """
        if self.state != "data" or not 0 <= count <= self.needed:
            raise ValueError(f"{count} bytes of data in state {self.state}, {self.needed} left")
        self.consumed += count
        return "" if self.needed else self._take("whole")

    def delivered(self) -> None:
        """Record that everything that the caller asked for is stored: the exchange is done.

        Raises ValueError before everything has arrived. If storing fails, report `failure` instead.
        """
        if self.state != "data" or self.needed:
            raise ValueError(f"delivered in state {self.state}, {self.needed} bytes left")
        self.state = "done"

    def _complete(self) -> None:
        """Check the complete field, and begin the next one."""
        field, self._field = self._field, bytearray()
        self._start = self.consumed
        if self.state == "echo":
            self._size = MESSAGE_LENGTH_SIZE
        elif self.state == "message-length":
            self._size = decode_length(field)
            self._check_limit("message", self._limits.message)
        elif self.state == "message":
            self._size = DATA_LENGTH_SIZE
            try:
                self.message = field.decode()
            except UnicodeDecodeError:
                self._take("wrong", "the message received is not valid UTF-8")
        else:
            self.data_length = self._size = decode_length(field)
            self._check_limit("data", self._limits.data)
        self._take("whole")
        if self.state == "message" and self._size == 0:
            self._complete()

    def _check_limit(self, what: str, limit: int | None) -> None:
        if limit is not None and self._size > limit:
            self._take("over", f"got a {what} length of {self._size}, expected at most {limit}")

    def _words(self, event: str) -> str:
        return f"the server left after {self.progress}" if event in ("end", "reset") else super()._words(event)
