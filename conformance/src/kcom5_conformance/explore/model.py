"""The oracle of the outcomes that the spec allows. It has no I/O, no clock, and no code of an implementation.

The states and transitions are the tables of the spec's text (`tables`). This module turns bytes into events, and adds
the outcomes of races between the two ends. In doubt the oracle allows an outcome.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from math import inf

from .script import DEFAULT_LIMIT, MAGIC, Octets, Script, Step
from .tables import FINAL, table

SURELY_TAKEN = 64 << 10
"""Bytes that every kernel buffers unread."""
SURELY_NOT_TAKEN = 12 << 20
"""Bytes that no kernel buffers unread."""
MARGIN = 0.15
"""Fraction of T. This close to its end, a timeout may or may not have passed."""


@dataclass
class Expected:
    """The allowed outcomes of a script."""

    rule: str
    """The rule that any other outcome breaks."""
    outcomes: dict[str, str] = field(default_factory=dict)
    """Maps the allowed outcomes (`ok` and error names, the likeliest first) to the SHOULD rule that each breaks, or to
    an empty string."""
    from_step: int = 1 << 30
    """The step from which the implementation may have closed."""
    bound_from: int | None = None
    """The step at which the timeout starts that ends it; -1 for the connection, -2 for the call."""
    message: str = ""
    data: Octets | bytes = b""
    """The content that a client delivers."""
    may_send: bool = True
    """Whether a server may have sent the echo and the frame, or a part of them."""
    is_confirmed: bool | None = None
    """The value of `confirmed` at a success; None if both are right."""
    path: list[tuple[str, str]] = field(default_factory=list)
    """State and event pairs of the likeliest path."""
    late: Expected | None = None
    """What is right, too, if the implementation looked once more after its timeout, and found what the peer did after
    it (`time.late`)."""
    late_from: int = 0
    """The step that has to be there when it looks."""

    @property
    def likely(self) -> str:
        return next(iter(self.outcomes))


def expect(script: Script) -> Expected:
    """Returns the outcomes that the spec allows."""
    walk = _Client(script) if script.role == "client" else _Server(script)
    found = walk.walk()
    if walk.lapse is None:
        return found
    # An implementation that is not late ends as if the peer did nothing any more.
    steps = (*script.steps[: walk.lapse], ("stall",), *script.steps[walk.lapse + 1 :])
    late_from = walk.at if walk.late_from is None else walk.late_from
    return replace(expect(replace(script, steps=steps)), late=found, late_from=late_from)


class _Walk:
    """The state of the likeliest path, by the table, and the time in units of T."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.table = table(script.role)
        self.state = self.table.states[0]
        self.found = Expected("")
        self.now = self.since = 0.0
        self.at = -1
        """The current step."""
        self.bound_from = -2
        self.lapse: int | None = None
        """The step in which a timeout passed, after which the peer acts again."""
        self.late_from: int | None = None
        """The step after it that starts the next timeout."""

    def take(self, event: str) -> str:
        """Applies an event and returns the error that it leads to, if any."""
        cell = self.table.cell(self.state, event)
        if self.state not in FINAL:
            self.found.path.append((self.state, event))
        self.state = cell.next or self.state
        return cell.error

    def begin_bound(self, at: int) -> None:
        self.since, self.bound_from = self.now, at
        if self.lapse is not None and self.late_from is None:
            self.late_from = self.at

    def wait(self) -> bool:
        """Waits for 0.6 T. Returns whether a timeout has passed for the second time."""
        self.now += 0.6
        if not self.script.is_limited or self.now - self.since <= 1 + MARGIN:
            return False
        if self.lapse is not None:
            return True
        self.lapse, self.since = self.at, inf
        return False

    def decide(self, rule: str, *outcomes: str, **should: str) -> Expected:
        """Returns the outcomes of an end at this step. `should` maps outcomes (with _) to broken SHOULD rules."""
        found = self.found
        found.rule, found.from_step = rule, min(found.from_step, self.at)
        found.outcomes |= dict.fromkeys(outcomes, "")
        found.outcomes |= {name.replace("_", "-"): left for name, left in should.items()}
        return found

    def late(self, rule: str, **should: str) -> Expected:
        """Returns the outcomes after the timeout of this state."""
        self.found.bound_from = self.bound_from
        return self.decide(rule, self.take("timeout"), **should)


# ---- the client under test


class _Client(_Walk):
    """The client under test; the suite is the server."""

    def walk(self) -> Expected:
        script, found = self.script, self.found
        if script.port is not None and not 1 <= script.port <= 65535:
            return self.decide("listen.port", "invalid-port")
        if script.steps == (("nobody",),):
            return self.decide("connect.refused", self.take("refused"))
        if script.steps == (("full",),):
            return self.late("time.connect")
        if script.steps[:1] != (("unread",),):
            self.take("connected")
        self.fields = _Fields(script)
        for self.at, step in enumerate(script.steps):
            kind = step[0]
            if kind in ("send", "fill"):
                octets = step[1] if kind == "send" else Octets(step[1], step[2])
                if ended := self._arrive(octets):
                    return ended
            elif kind == "stall" or (step == ("pause", "most") and self.wait()):
                return self.late(self._time_rule())
            elif kind in ("half-close", "close"):
                return self._ended(kind)
            elif kind == "reset":
                return self._reset()
        found.path.append((self.state, "timeout"))
        return self.decide("time.stall", "timeout")  # an unfinished script can only time out

    def _time_rule(self) -> str:
        return "time.handshake" if self.state in ("connecting", "echo") else "time.stall"

    def _arrive(self, octets: bytes | Octets) -> Expected | None:
        for event in self.fields.feed(octets):
            before = self.state
            error = self.take(event)
            if error:
                rule = {"echo": "echo.mismatch", "message": "message.utf8"}.get(before, "limit.over")
                return self.decide(rule, error)
            if self.state == "done":
                return self._done()
        if self.state not in ("connecting", "echo"):
            self.begin_bound(self.at)
        return None

    def _done(self) -> Expected:
        found, rest = self.found, self.script.steps[self.at + 1 :]
        found.message, found.data = self.fields.message.decode(), self.fields.data
        found.outcomes["ok"] = ""
        if any(step[0] == "reset" for step in rest):
            # A reset may destroy data that had arrived, so the outcome of any prefix is allowed.
            found.outcomes |= {"truncated": "", "invalid-connection": ""}
        return self.decide(self._rule_of_success(rest), "ok")

    def _rule_of_success(self, rest: tuple[Step, ...]) -> str:
        """Returns the rule that a right script demonstrates."""
        script, fields = self.script, self.fields
        if fields.surplus or any(step[0] in ("send", "fill") for step in rest):
            return "data.end"
        if ("pause", "most") in script.steps:
            return "time.slow" if script.is_limited else "time.never" if script.close <= 0 else "time.bounds"
        if script.close <= 0:
            return "time.never"
        sizes = [len(step[1]) for step in script.steps if step[0] == "send"]
        if len(sizes) > 1:
            return "echo.segments" if sizes[0] < 8 else "frame.segments"
        if any(limit is not None for limit in script.limits):
            return "limit.over"
        if fields.message:
            return "message.utf8"
        return "data.opaque" if fields.size else "data.length"

    def _ended(self, kind: str) -> Expected:
        before = self.state
        error = self.take("end")
        rule = "echo.mismatch" if before in ("connecting", "echo") else "data.truncated"
        if before == "message" and not self.fields.may_become_utf8:
            return self.decide(rule, error, "malformed-message")
        return self.decide(rule, error)

    def _reset(self) -> Expected:
        before = self.state
        error = self.take("reset")
        if before in ("connecting", "echo"):
            return self.decide("echo.mismatch", error)
        return self.decide("data.truncated", error, "invalid-connection")


class _Fields:
    """Turns the bytes of a server into events."""

    def __init__(self, script: Script) -> None:
        message, data = script.limits
        self.limits = (DEFAULT_LIMIT if message is None else message, 1 << 64 if data is None else data)
        self.message = bytearray()
        self.data: Octets | bytes = b""
        self.size = 0
        """The declared length of the data."""
        self.surplus = 0
        self._kind = "echo"
        self._left = 8
        self._field = bytearray()

    @property
    def may_become_utf8(self) -> bool:
        return _is_prefix_of_utf8(bytes(self._field))

    def feed(self, octets: bytes | Octets) -> Iterator[str]:
        """Yields the events. A field of 0 bytes is complete at once."""
        if isinstance(octets, Octets):
            if self._kind == "data" and self._left == octets.size and not self._field:
                self.data, self._left, self._kind = octets, 0, "over"
                yield "whole"
                return
            octets = octets.make()
        at = 0
        while self._kind != "over" and at < len(octets):
            piece = octets[at : at + self._left]
            at += len(piece)
            self._field += piece
            self._left -= len(piece)
            if self._kind == "echo" and any(piece):
                yield "wrong"
                return
            if self._left:
                yield "more"
            while not self._left and self._kind != "over":
                event = self._complete(bytes(self._field))
                yield event
                if event != "whole":
                    return
        self.surplus += len(octets) - at

    def _complete(self, value: bytes) -> str:
        """Handles a complete field."""
        self._field.clear()
        if self._kind == "echo":
            self._kind, self._left = "message-length", 4
        elif self._kind == "message-length":
            self._kind, self._left = "message", int.from_bytes(value, "little")
            return "whole" if self._left <= self.limits[0] else "over"
        elif self._kind == "message":
            self.message[:] = value
            self._kind, self._left = "data-length", 8
            return "whole" if _is_utf8(value) else "wrong"
        elif self._kind == "data-length":
            self._kind, self._left = "data", int.from_bytes(value, "little")
            self.size = self._left
            return "whole" if self._left <= self.limits[1] else "over"
        else:
            self.data, self._kind = value, "over"
        return "whole"


def _is_utf8(octets: bytes) -> bool:
    try:
        octets.decode()
    except UnicodeDecodeError:
        return False
    return True


def _is_prefix_of_utf8(octets: bytes) -> bool:
    try:
        octets.decode()
    except UnicodeDecodeError as error:
        return error.end == len(octets) and error.reason == "unexpected end of data"
    return True


# ---- the server under test


class _Server(_Walk):
    """The server under test; the suite is the client."""

    def walk(self) -> Expected:
        script = self.script
        if script.port is not None and not 0 <= script.port <= 65535:
            self.found.may_send = False
            return self.decide("listen.port", "invalid-port")
        if not _is_utf8(script.message):
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
            waits = any(step[0] == "stall" or step == ("pause", "most") for step in rest)
            total = len(hello) + sum(len(step[1]) for step in rest if step[0] == "send")
            if total < 8 and waits and self.script.is_limited:
                self.found.outcomes["timeout"] = "hello.reject-early"
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

    def __init__(self, walk: _Server, rest: tuple[Step, ...], extra: bool = False) -> None:
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
