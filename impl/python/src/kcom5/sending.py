"""The server's side of a connection: hello, frame, close.

Does: the transport of a ServerExchange. Does not: listen, or decide what a byte means. Spec: "Closing", "Time".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from .deadline import Deadline
from .exchange import ServerExchange
from .source import Source
from .stream import MUCH, READ, WRITE, Steps, Stream, Wait
from .wire import HELLO_SIZE

_DRAIN = 1 << 16
_LOOK = 0.25
"""Seconds after which a blocked sender checks for progress: a socket is ready only when much is free."""
_AGAIN = 0.001, 0.05
"""The first and the longest wait, in seconds, between checks whether everything is acknowledged."""


class Settings(Protocol):
    """The settings of a server that it reads, and the stage that it sets."""

    timeout: float | None
    progress: Callable[[int, int], object] | None
    stage: str


class Sending:
    """The exchange on a connection: hello, frame, close."""

    def __init__(self, exchange: ServerExchange, stream: Stream, source: Source, settings: Settings) -> None:
        self._exchange = exchange
        self._stream = stream
        self._source = source
        self._settings = settings
        self._deadline = Deadline(settings.timeout)

    def steps(self) -> Steps[None]:
        self._exchange.on("connected")
        yield from self._read_hello()
        yield from self._write()
        self._half_close()
        yield from self._confirm()
        yield from self._drain()

    def _read_hello(self) -> Steps[None]:
        exchange = self._exchange
        while exchange.state == "hello":
            is_over = self._deadline.has_passed()
            try:
                octets = self._stream.receive(64)
            except BlockingIOError:
                if is_over:
                    exchange.on("timeout", f"got {exchange.progress} within {self._deadline}")
                yield self._stream.wait(READ, self._deadline.left())
            else:
                if not octets:
                    exchange.on("end")
                exchange.feed(octets)

    def _write(self) -> Steps[None]:
        """Send echo, head and data (`frame.order`)."""
        stream, source = self._stream, self._source
        if source.size > MUCH:
            stream.enlarge_send_buffer()
        first = source.first()
        start = memoryview(self._exchange.head)
        size = len(start)
        sent = 0
        while sent < size + source.size:
            is_over = self._deadline.has_passed()
            # A client that half-closed before the last bytes were written cannot confirm them.
            self._look_at_client()
            if self._exchange.state == "half-closed":
                source.send_copies()
            try:
                count = stream.send(start[sent:], first) if sent < size else source.send(stream.socket, sent - size)
            except BlockingIOError:
                yield from self._wait_to_write(is_over)
                continue
            sent += count
            if sent >= HELLO_SIZE:
                self._deadline.restart()
            if sent > size and self._settings.progress is not None:
                self._settings.progress(sent - size, source.size)
            yield None

    def _wait_to_write(self, is_over: bool) -> Steps[None]:
        exchange, stream = self._exchange, self._stream
        if stream.has_drained():
            self._deadline.restart()
        elif is_over:
            exchange.on("timeout", f"the client took nothing for {self._deadline}")
        # After the client's end, a wait to read would return at once, again and again.
        events = WRITE | (READ if exchange.state == "sending" else 0)
        yield stream.wait(events, self._deadline.left(_LOOK))

    def _look_at_client(self) -> None:
        """Read and discard bytes of the client (`close.extra`), or report its end to the exchange."""
        exchange, stream = self._exchange, self._stream
        if exchange.state not in ("sending", "confirming"):
            stream.check()
            return
        try:
            octets = stream.receive(_DRAIN)
        except BlockingIOError:
            return
        if not octets:
            exchange.on("early-end" if stream.unacknowledged() else "end")

    def _half_close(self) -> None:
        # First, because the kernel may report a reset only now.
        self._stream.check()
        self._stream.half_close()
        self._settings.stage = "sent"
        self._exchange.on("sent")
        self._stream.has_drained()
        self._deadline.restart()

    def _confirm(self) -> Steps[None]:
        """Wait for the client's end (`close.confirm`)."""
        while self._exchange.state == "confirming":
            is_over = self._deadline.has_passed()
            self._look_at_client()
            if self._exchange.state == "confirming":
                self._check_bound(is_over)
                yield self._stream.wait(READ, self._deadline.left(_LOOK))

    def _drain(self) -> Steps[None]:
        """The client half-closed early: wait until its kernel has everything."""
        wait, longest = _AGAIN
        while self._exchange.state == "draining":
            is_over = self._deadline.has_passed()
            left = self._stream.unacknowledged()
            # After the count, because bytes that a reset discarded are not acknowledged.
            self._stream.check()
            if left == 0:
                self._exchange.on("acknowledged")
                return
            self._check_bound(is_over)
            yield Wait(None, 0, self._deadline.left(wait))
            wait = min(2 * wait, longest)

    def _check_bound(self, is_over: bool) -> None:
        if self._stream.has_drained():
            self._deadline.restart()
        elif is_over:
            detail = f"the client did not close within {self._deadline}; it may have everything"
            self._exchange.on("timeout", detail)
