"""What the spec allows a server. The suite is the client."""

from __future__ import annotations

from .fields import is_utf8
from .script import MAGIC, Step
from .walk import Expected, Walk

SURELY_TAKEN = 64 << 10
"""Bytes that every kernel buffers unread."""
SURELY_NOT_TAKEN = 12 << 20
"""Bytes that no kernel buffers unread."""


class ServerWalk(Walk):
    """The server under test; the suite is the client."""

    def walk(self) -> Expected:
        script = self.script
        if script.port is not None and not 0 <= script.port <= 65535:
            self.found.may_send = False
            return self.decide("listen.port", "invalid-port")
        if not is_utf8(script.message):
            self.found.may_send = False
            return self.decide("message.utf8", "message-not-utf8")
        steps = script.steps if ("connect",) in script.steps else (("connect",), *script.steps)
        shift = len(script.steps) - len(steps)
        self.hello = bytearray()
        self.is_alone = True
        for index, step in enumerate(steps):
            self.at, kind = index + shift, step[0]
            if kind == "connect":
                self.take("connected")
                self.begin_bound(self.at)
            elif kind == "stall" or (step == ("pause", "most") and self.wait()):
                self.found.may_send = False
                return self.late("time.wait" if self.state == "listening" else "time.handshake")
            elif kind == "send":
                if ended := self._hello(step[1], steps[index + 1 :]):
                    return ended
            elif kind in ("half-close", "close", "reset"):
                self.found.may_send = False
                return self.decide("hello.eof", self.take("reset" if kind == "reset" else "end"))
        self.found.may_send = False
        return self.decide("time.handshake", "timeout")

    def _hello(self, octets: bytes, rest: tuple[Step, ...]) -> Expected | None:
        had = len(self.hello)
        self.hello += octets
        hello = bytes(self.hello)
        if hello[:5] != MAGIC[: len(hello)]:
            self.found.may_send = False
            self.decide("hello.reject", self.take("wrong"))
            return self.found
        if len(hello) < 8:
            self.take("more")
            return None
        served = _Served(self, rest).walk() if len(hello) == 8 else None
        if served is not None and not (rest and rest[0][0] == "send"):
            return served
        # Bytes after the hello may or may not have arrived with it.
        is_sure = len(hello) > 8 and (had == 0 or (len(octets) == len(hello) - had and had < 8 and len(hello) > 8))
        outcome = self.table.cell("hello", "wrong").error
        if served is None:
            served = _Served(self, rest, extra=True).walk()
        left = {name: ("hello.alone" if is_sure else should) for name, should in served.outcomes.items()}
        served.outcomes = {outcome: "", **left} if is_sure else {**left, outcome: ""}
        served.from_step = min(served.from_step, self.at)
        served.rule = "hello.alone" if is_sure else served.rule
        return served


class _Served:
    """The acts of the client after the server has the hello."""

    def __init__(self, walk: ServerWalk, rest: tuple[Step, ...], extra: bool = False) -> None:
        self.of, self.script, self.found, self.extra = walk, walk.script, walk.found, extra
        self.rest, self.first = rest, walk.at + 1
        self.whole = 8 + 12 + len(self.script.message) + self.script.data.size
        self.read = 0
        self.is_complete = False
        """Whether everything was read, including the server's end."""
        self.is_synced = False
        """Whether the echo was read, which proves that the hello has arrived."""
        self.half_closed: str = ""
        """`early` or `late`: before or after everything was read."""

    def walk(self) -> Expected:
        of = self.of
        of.take("whole")
        of.begin_bound(of.at)
        for of.at, step in enumerate(self.rest, self.first):
            kind = step[0]
            if kind == "read":
                self._read(int(step[1]))
            elif kind == "end":
                self._see_end()
            elif kind in ("send", "fill"):
                self.extra = True
                of.found.path.append((of.state, "more"))
            elif kind == "half-close" and not self.half_closed:
                self.half_closed = "late" if self.is_complete else "early"
                if self.is_complete and self.half_closed == "late":
                    return self._success("late")
            elif kind == "stall" or (step == ("pause", "most") and of.wait()):
                return self._stalled()
            elif kind == "close":
                return self._closed()
            elif kind == "reset":
                return self._reset()
        return self._closed()  # every play ends with a close

    def _read(self, count: int) -> None:
        if self.whole - self.read > SURELY_NOT_TAKEN:
            self.of.begin_bound(self.of.at - 1)  # bytes move, maybe also earlier; a small frame was already buffered
        self.read = self.whole if count < 0 else min(self.whole, self.read + count)
        if self.read >= 8:
            self.is_synced = True

    def _see_end(self) -> None:
        if self.read < self.whole:
            return
        of = self.of
        if self.half_closed:
            of.take("end")
        of.take("sent")
        self.is_complete = True
        if self.whole > SURELY_TAKEN:
            of.begin_bound(of.at - 1)

    def _success(self, half_closed: str) -> Expected:
        of, found = self.of, self.found
        if half_closed == "early":
            found.is_confirmed = False if self.whole > SURELY_NOT_TAKEN else None
            if not self.is_complete:
                of.take("end")
                of.take("sent")
            of.take("acknowledged")
        else:
            found.is_confirmed = True  # it reads the last byte before it ends, so its end is not early
            if not self.is_complete:
                of.take("sent")
            of.take("end")
        after = self.rest[of.at + 1 - self.first :]
        if half_closed and any(step[0] == "reset" for step in after):
            found.outcomes["unconfirmed"] = ""
        of.decide(self._rule(), "ok")
        return found

    def _rule(self) -> str:
        """Returns the rule that a right script demonstrates."""
        steps = self.script.steps
        if ("late",) in steps:
            return "listen.one-client"
        if self.extra:
            return "close.extra"
        if self.half_closed:
            return "close.half"
        if ("pause", "most") in steps:
            if self.script.close <= 0:
                return "time.never"
            return "time.slow" if self.whole > SURELY_NOT_TAKEN and self.of.now > 1 else "time.bounds"
        if self.script.close <= 0:
            return "time.never"
        if sum(step[0] == "send" for step in steps) > 1:
            return "hello.segments"
        if self.script.message:
            return "message.utf8"
        return "data.opaque" if self.script.data.size else "hello.any-nonce"

    def _stalled(self) -> Expected:
        of, left = self.of, self.whole - self.read
        if self.is_complete:
            if self.half_closed:
                return self._success(self.half_closed)
            return of.late("time.confirm", ok="close.confirm")
        if left > SURELY_NOT_TAKEN:
            return of.late("time.stall")
        of.found.bound_from = of.bound_from
        if self.half_closed:
            self._success("early")
            return of.decide("close.half", "ok", *(["timeout", "unconfirmed"] if left > SURELY_TAKEN else []))
        of.take("sent")
        of.late("time.confirm", ok="close.confirm")
        return of.decide("time.confirm", *(["timeout"] if left > SURELY_TAKEN else []))

    def _closed(self) -> Expected:
        of, left = self.of, self.whole - self.read
        if not left:
            return self._success(self.half_closed)
        of.take("end")
        of.take("reset")
        if left > SURELY_NOT_TAKEN:
            return of.decide("result.sync", "unconfirmed")
        return of.decide("close.confirm", "unconfirmed", "ok")

    def _reset(self) -> Expected:
        of, left = self.of, self.whole - self.read
        if self.script.via == "unix" and not left:
            return self._closed()  # without unread bytes a close is not a reset
        if self.half_closed:
            self._success(self.half_closed)
            return of.decide("close.half", "ok", "unconfirmed")
        if self.is_complete or not left:
            of.take("reset")
            return of.decide("close.confirm", "unconfirmed", ok="close.confirm")
        of.take("reset")
        of.decide("close.confirm", "unconfirmed", *(() if self.is_synced else ("invalid-connection", "io")))
        if left <= SURELY_NOT_TAKEN:
            is_sure = self.is_synced and self.script.via != "unix"
            of.found.outcomes["ok"] = "close.confirm" if is_sure else ""
        return of.found
