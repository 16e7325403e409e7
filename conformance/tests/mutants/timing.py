"""Mutants that break a rule of time."""

from __future__ import annotations

import errno
import select
import socket
import time
from typing import Any

from reference_peer import Failure

from .registry import Mutant


class LooksAtItsClock(Mutant):
    """Base class. After a wait it checks only its clock, and not the socket again."""

    def wait(self, end: socket.socket, events: int, most: float = 60) -> None:
        super().wait(end, events, most)
        remaining = self.remaining()
        if remaining is not None and remaining <= 0:
            self.late()


class ServerLooksAtItsClock(LooksAtItsClock):
    """A server that was stopped for longer than T ends with `timeout` though its client is there."""

    rule, role = "time.late", "server"


class ClientLooksAtItsClock(LooksAtItsClock):
    """A client that was stopped for longer than T ends with `timeout` though the bytes are there."""

    rule, role = "time.late", "client"


class HandshakeFromTheCall(Mutant):
    """The client's bound for the handshake starts with the call, and not with the connection."""

    rule, role = "time.handshake", "client"

    def connect(self) -> socket.socket:
        self.called = time.monotonic()
        return super().connect()

    def handshake(self, end: socket.socket) -> None:
        self.limit, kept = (self.limit - (time.monotonic() - self.called) if self.limit else self.limit), self.limit
        super().handshake(end)
        self.limit = kept


class MillisecondsOf32Bits(Mutant):
    """The server keeps T in milliseconds, in 32 bits."""

    rule, role = "time.bounds", "server"

    def limit_of(self, close: int) -> float | None:
        limit = super().limit_of(close)
        return limit and (int(limit * 1000) & 0xFFFFFFFF) / 1000


class FullPathForEver(Mutant):
    """The client retries a full queue of a Unix-domain socket without a bound."""

    rule, role = "time.connect", "client"

    def dial(self, new: socket.socket) -> int:
        while (code := super().dial(new)) == errno.EAGAIN:
            time.sleep(0.02)
        return code


class TimesOutWhileDraining(Mutant):
    """The server's wait for acknowledgements ends with `timeout`."""

    rule, role = "time.confirm", "server"

    def wait_for_acknowledgement(self, end: socket.socket) -> None:
        try:
            super().wait_for_acknowledgement(end)
        except Failure as failure:
            raise Failure("timeout" if "does not take" in str(failure) else failure.name) from None


class Timeless(Mutant):
    """Base class. The phase `endless` has no bound."""

    endless = ""

    def start_wait(self, phase: str) -> None:
        super().start_wait(phase)
        if phase == self.endless:
            self.deadline = None


class WaitsForEverForAClient(Timeless):
    """The server waits for a client without a bound."""

    rule, role, endless = "time.wait", "server", "wait"


class WaitsForEverForAConnection(Timeless):
    """The client uses the kernel's timeout for connect."""

    rule, role, endless = "time.connect", "client", "connect"


class WaitsForEverForTheHello(Timeless):
    """The server's bound is on the listening socket, and not on the accepted one."""

    rule, role, endless = "time.handshake", "server", "handshake"
    effect = "a client that connects and says nothing hangs the server for ever"


class WaitsForEverForTheEcho(Timeless):
    """The client waits for the echo without a bound."""

    rule, role, endless = "time.handshake", "client", "handshake"


class WaitsForEverForTheReader(Timeless):
    """A server whose client stops reading waits without a bound."""

    rule, role, endless = "time.stall", "server", "frame"


class WaitsForEverForTheFrame(Timeless):
    """A client whose server stops sending waits without a bound."""

    rule, role, endless = "time.stall", "client", "frame"


class WaitsForEverForTheClose(Timeless):
    """The server waits for the client's end without a bound."""

    rule, role, endless = "time.confirm", "server", "confirm"


class BoundPerCallAtTheServer(Mutant):
    """Each read of the server's handshake has its own T, so a slow hello is never ended."""

    rule, role = "time.handshake", "server"

    def recv(self, end: socket.socket, most: int, flags: int = 0) -> bytes:
        self.start_wait(self.phase)
        return super().recv(end, most, flags)


class BoundPerCallAtTheClient(BoundPerCallAtTheServer):
    """Each read of the client's handshake has its own T, so a slow echo is never ended."""

    rule, role = "time.handshake", "client"


class BoundOfTheWholeAtTheServer(Mutant):
    """T bounds the whole transfer at the server."""

    rule, role = "time.slow", "server"

    def each_octet(self) -> None:
        if self.phase != "frame":
            super().each_octet()


class BoundOfTheWholeAtTheClient(BoundOfTheWholeAtTheServer):
    """T bounds the whole transfer at the client."""

    rule, role = "time.slow", "client"


class BoundOfTheCall(Mutant):
    """One bound of T for the whole call: waiting, handshake, frame and close together."""

    rule, role = "time.bounds", "server"

    def start_wait(self, phase: str) -> None:
        if phase == "wait":
            super().start_wait(phase)
        self.phase = phase


class BoundOfTheClientsCall(Mutant):
    """One bound of T for the whole call: connecting, handshake and frame together."""

    rule, role = "time.bounds", "client"

    def start_wait(self, phase: str) -> None:
        if phase == "connect":
            super().start_wait(phase)
        self.phase = phase


class LooksAtRoomOnly(Mutant):
    """A blocked server waits for poll, which reports room only after a third of the buffer is free."""

    rule, role = "time.slow", "server"

    def blocked(self, end: socket.socket) -> None:
        self.wait(end, select.POLLOUT)
        if not self.is_writable(end):
            self.late()


class TalkExtendsTheClose(Mutant):
    """Bytes from the client extend the wait for its end."""

    rule, role, extended = "time.confirm", "server", "confirm"

    def discard(self, end: socket.socket) -> None:
        has_octets = bool(select.select([end], [], [], 0)[0])
        super().discard(end)
        if has_octets and self.phase == self.extended:
            self.each_octet()


class TalkExtendsTheStall(TalkExtendsTheClose):
    """The server counts bytes from the client as progress of the frame."""

    rule, role, extended = "time.stall", "server", "frame"


class UnconfirmedIsOk(Mutant):
    """A server whose client does not close in time reports success."""

    rule, role = "time.confirm", "server"

    def drain(self, end: socket.socket) -> None:
        try:
            super().drain(end)
        except Failure as failure:
            if "gone" in str(failure):
                raise


class UnconfirmedIsTimeout(Mutant):
    """A server whose client does not close in time reports timeout."""

    rule, role = "time.confirm", "server"

    def failed(self, request: dict[str, Any], name: str, detail: str) -> dict[str, Any]:
        return super().failed(request, "timeout" if name == "unconfirmed" and "gone" not in detail else name, detail)


class EndsTooEarly(Mutant):
    """The server's waits end after nine tenths of T."""

    rule, role = "time.bounds", "server"

    def limit_of(self, close: int) -> float | None:
        return close * 0.9 if close > 0 else None


class EndsTooEarlyAsClient(EndsTooEarly):
    """The client's waits end after nine tenths of T."""

    rule, role = "time.bounds", "client"


class CountsMilliseconds(Mutant):
    """T is in milliseconds."""

    rule, role = "time.bounds", "server"

    def limit_of(self, close: int) -> float | None:
        return close / 1000 if close > 0 else None


class EndsTooLate(Mutant):
    """The server's waits end after T + 3 s."""

    rule, role = "time.prompt", "server"

    def limit_of(self, close: int) -> float | None:
        return close + 3 if close > 0 else None


class EndsTooLateAsClient(EndsTooLate):
    """The client's waits end after T + 3 s."""

    rule, role = "time.prompt", "client"


class ZeroIsAtOnce(Mutant):
    """With T zero the server's waits end at once."""

    rule, role = "time.never", "server"

    def limit_of(self, close: int) -> float | None:
        return close if close >= 0 else None


class ZeroIsAtOnceAsClient(ZeroIsAtOnce):
    """With T zero the client's waits end at once."""

    rule, role = "time.never", "client"


class NegativeIsAtOnce(Mutant):
    """With a negative T the server's waits end at once."""

    rule, role = "time.never", "server"

    def limit_of(self, close: int) -> float | None:
        return close or None


class NegativeIsAtOnceAsClient(NegativeIsAtOnce):
    """With a negative T the client's waits end at once."""

    rule, role = "time.never", "client"


class NoLimitIsThreeSeconds(Mutant):
    """With a T of 0 or less the server waits three seconds for the client's end."""

    rule, role = "time.never", "server"

    def half_close_and_drain(self, end: socket.socket) -> None:
        self.limit = self.limit or 3
        super().half_close_and_drain(end)
