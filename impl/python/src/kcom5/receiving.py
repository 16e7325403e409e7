"""The client's side of a connection: hello, echo, frame, storing.

Does: the transport of a ClientExchange. Does not: connect, or decide what a byte means. Spec: "Closing", "Time".
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Generic, TypeVar

from .deadline import Deadline
from .exchange import ClientExchange
from .sink import Sink
from .stream import READ, WRITE, Steps, Stream

_HEAD = 1 << 16

_R = TypeVar("_R")
_T = TypeVar("_T")
Progress = Callable[[int, int], object]


class Receiving(Generic[_R]):
    """The exchange on a connection, into open sinks.

    On a Unix-domain socket it reads no byte beyond the present field, and leaves the last byte of the frame unread
    until everything is stored. Only a close with a byte unread resets such a socket.
    """

    def __init__(
        self,
        exchange: ClientExchange,
        stream: Stream,
        sink: Sink[_R],
        message: Sink[int] | None,
        timeout: float | None,
        progress: Progress | None,
    ) -> None:
        self._exchange = exchange
        self._stream = stream
        self._sink, self._message = sink, message
        self._progress = progress
        self._deadline = Deadline(timeout)

    def steps(self) -> Steps[None]:
        self._exchange.on("connected")
        yield from self._write_hello()
        rest = yield from self._read_head()
        yield from self._read_data(rest)
        yield from self._store()
        self._exchange.delivered()

    def _write_hello(self) -> Steps[None]:
        left = memoryview(self._exchange.hello)
        while left:
            count = yield from self._when(WRITE, lambda left=left: self._stream.socket.send(left))  # type: ignore[misc]
            left = left[count:]

    def _read_head(self) -> Steps[bytes]:
        """Read up to the data; return the bytes of the data and past it that arrived."""
        exchange, stream = self._exchange, self._stream
        while True:
            needed = exchange.needed if stream.is_local else _HEAD
            is_last = stream.is_local and exchange.state == "data-length"
            if is_last and needed > 1:
                needed, is_last = needed - 1, False
            flags = socket.MSG_PEEK if is_last else 0
            octets = yield from self._when(READ, lambda n=needed, f=flags: stream.receive(n, f))  # type: ignore[misc]
            if not octets:
                exchange.on("end")
            used = exchange.feed(octets)
            if exchange.state != "echo":
                self._deadline.restart()
            if is_last and exchange.needed and not stream.receive(1):
                exchange.on("end")  # the peeked byte is gone
            if exchange.state == "data":
                return octets[used:]

    def _read_data(self, rest: bytes) -> Steps[None]:
        exchange = self._exchange
        self._sink.begin(exchange.data_length)
        first = rest[: exchange.needed]
        if first:
            self._sink.put(first)
            yield from self._arrived(len(first))
        while exchange.needed:
            count = yield from self._when(READ, self._take)
            if count == 0:
                self._stream.check()
                exchange.on("end")
            yield from self._arrived(count)
            yield None

    def _take(self) -> int:
        left = self._exchange.needed
        if not self._stream.is_local:
            return self._sink.take(self._stream.socket, left)
        if left > 1:
            return self._sink.take(self._stream.socket, left - 1)
        octet = self._stream.receive(1, socket.MSG_PEEK)
        self._sink.put(octet)
        return len(octet)

    def _arrived(self, count: int) -> Steps[None]:
        exchange = self._exchange
        yield from self._sink.settle()
        exchange.arrived(count)
        self._deadline.restart()
        if self._progress is not None:
            self._progress(exchange.data_length - exchange.needed, exchange.data_length)

    def _store(self) -> Steps[None]:
        """Store everything that the caller asked for, before the server can see an orderly end."""
        sink, message = self._sink, self._message
        sink.complete()
        if message is not None:
            octets = self._exchange.message.encode()
            message.begin(len(octets))
            if octets:
                message.put(octets)
                yield from message.settle()
            message.complete()
            message.publish()
        try:
            sink.publish()
        except BaseException:
            if message is not None:
                message.retract()
            raise

    def _when(self, events: int, act: Callable[[], _T]) -> Steps[_T]:
        """Call a function that does not block, as soon as it can proceed."""
        exchange = self._exchange
        while True:
            is_over = self._deadline.has_passed()
            try:
                return act()
            except BlockingIOError:
                if is_over and exchange.state == "echo":
                    exchange.on("timeout", f"got {exchange.progress} within {self._deadline}")
                if is_over:
                    exchange.on("timeout", f"got nothing for {self._deadline}, after {exchange.progress}")
            yield self._stream.wait(events, self._deadline.left())
