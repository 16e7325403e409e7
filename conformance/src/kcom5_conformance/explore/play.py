"""Plays a script against an implementation and compares the result with the model."""

from __future__ import annotations

import socket
from abc import ABC, abstractmethod
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from typing import NoReturn

import trio

from .. import spec
from ..harness.call import Call, within_words
from ..harness.case import Mismatch, TooBusy
from ..harness.connection import Connection
from ..harness.harness import Harness
from ..report.acts import Act
from ..results import Axis, Level, Problem, Saw
from .model import expect
from .script import Octets, Script, Step
from .walk import Expected

EARLY = 0.02
"""Seconds by which a timeout may seem early, because two processes read the clock at different times."""
LATE = 1.0
"""Seconds after T within which a wait must end (`time.prompt`)."""
SLACK = 0.2
"""Seconds more that the suite allows."""
NONCES = 64
"""The number of nonces that are kept. That a bit of so many random ones never changes has a chance of 2^-63."""
SOON = 1.0
"""Timeout in seconds for the next act of an implementation."""


@cache
def level_of(rule: str) -> Level:
    return next((found.level for found in spec.rules() if found.name == rule), "MUST")


@dataclass
class Known:
    """Facts about the implementation from earlier conversations."""

    broken: set[str] = field(default_factory=set)
    """Broken SHOULD rules. The play does not wait for their timeouts again."""
    nonces: deque[bytes] = field(default_factory=lambda: deque(maxlen=NONCES))
    """The nonces of its last hellos."""
    lateness: float | None = None
    """The maximum delay in seconds of a timeout during which the peer did nothing; None if it was never measured."""


@dataclass
class Play(ABC):
    """One run of a script."""

    script: Script
    expected: Expected
    harness: Harness
    known: Known
    should: list[Problem] = field(default_factory=list)
    """SHOULD rules that were broken."""
    outcome: str = ""
    times: dict[int, float] = field(default_factory=dict)
    """The start time of each step; -1 for the connection, -2 for the call."""
    sent: int = 0
    was_reset: bool = False
    """A send failed because the connection was gone."""

    async def run(self) -> None:
        """Plays the script. Raises Mismatch for a broken rule; `should` collects broken SHOULD rules."""
        self.times[-2] = trio.current_time()
        await self._play()

    @abstractmethod
    async def _play(self) -> None:
        """Plays the role of the peer."""

    # ---- problems

    def fail(self, rule: str, axis: Axis, got: str, expected: str, at: int | None = None, saw: Saw = "") -> NoReturn:
        raise Mismatch(self.problem(rule, axis, got, expected, at, saw))

    def problem(self, rule: str, axis: Axis, got: str, expected: str, at: int | None = None, saw: Saw = "") -> Problem:
        stream = wanted = ""
        if self.harness.connections:
            connection = self.harness.connections[0]
            stream, wanted = bytes(connection.got).hex(), bytes(connection.wanted).hex()
        return Problem(rule, level_of(rule), axis, got, expected, stream, wanted, at, saw)

    def note(self, rule: str, axis: Axis, got: str, expected: str, saw: Saw = "") -> None:
        """Records a broken SHOULD rule. The conversation goes on."""
        self.known.broken.add(rule)
        self.should.append(self.problem(rule, axis, got, expected, saw=saw))

    # ---- steps

    async def _step(self, index: int, step: Step, connection: Connection | None, call: Call) -> None:
        kind = step[0]
        if kind == "pause":
            await self._pause(step[1], call, index >= self.expected.from_step)
        elif kind == "stall":
            self.harness.acts.append(Act("answer"))
            with trio.move_on_after(self.script.bound + self.harness.patience):
                await call.ended.wait()
        elif connection is None or kind == "unread":
            return
        elif kind in ("send", "fill"):
            octets = step[1] if kind == "send" else Octets(step[1], step[2]).make()
            may_fail = index >= self.expected.from_step or self.sent >= 8 * (self.script.role == "server")
            if self.script.role == "client" and self.sent < 8:
                octets = _relative(octets, connection.greeting, self.sent)
            self.sent += len(octets)
            await self._send(connection, octets, may_fail)
        elif kind == "nothing":
            await connection.expect_nothing()
        elif kind == "reset":
            await connection.reset()
        else:
            {"half-close": connection.half_close, "close": connection.close}[kind]()

    async def _send(self, connection: Connection, octets: bytes, may_fail: bool) -> None:
        try:
            await connection.send(octets)
        except Mismatch as failure:
            if not may_fail or failure.problem.saw == "untaken":  # it must read, or be gone
                raise
            self.was_reset = True  # the send consumed the error, so a later recv() sees an end

    async def _pause(self, how: str, call: Call, may_end: bool) -> None:
        seconds = self.harness.tick if how == "tick" else 0.6 * self.script.bound
        start = trio.current_time()
        self.harness.acts.append(Act("wait", f"{seconds:.3f}"))
        self.harness.log("suite", "wait", text=f"{seconds:.3f} s")
        with trio.move_on_after(seconds):
            await (call.ended.wait() if may_end else trio.sleep_forever())
        late = trio.current_time() - start - seconds
        if how != "tick" and late > 0.1 * self.script.bound:
            raise TooBusy(f"a pause of {seconds:.1f} s lasted {seconds + late:.1f} s")

    # ---- the end

    @staticmethod
    def _is_closed(script: Script) -> bool:
        return any(step[0] in ("close", "reset") for step in script.steps)

    async def _judge(self, call: Call) -> None:
        """Checks the answer and its time."""
        bound = self.script.bound if self.expected.bound_from is not None and self.script.close > 0 else 0
        self.harness.acts.append(Act("answer"))
        with trio.move_on_after(bound + self.harness.patience) as scope:
            await call.ended.wait()
        if scope.cancelled_caught:
            expected = f"{self.expected.likely} {within_words(call.request, bound + self.harness.patience)}"
            self.fail(self.expected.rule, "ended", "the call does not end", expected, saw="hangs")
        if call.error:
            raise call.error
        if self._may_be_late(call):
            await self._check_late(call)
        self._check_outcome(call)
        if bound and self.outcome in ("timeout", "unconfirmed") and self.expected.bound_from is not None:
            late = self.expected.late
            last = late.bound_from if late is not None and late.bound_from is not None else self.expected.bound_from
            self._check_time(call.end - self.times[self.expected.bound_from], call.end - self.times[last])

    def _may_be_late(self, call: Call) -> bool:
        """Returns whether the answer is one that only what the peer did after the timeout explains (`time.late`)."""
        outcome, late = _outcome_of(call), self.expected.late
        is_usual = outcome in self.expected.outcomes and not self.expected.outcomes[outcome]
        return (
            late is not None
            and outcome in late.outcomes
            and not is_usual
            and call.end > self.times[self.expected.late_from]
        )

    async def _check_late(self, call: Call) -> None:
        """Checks that it looked in time, and expects from now on what follows from what it found."""
        expected, bound = self.expected, self.script.bound
        assert expected.late is not None
        assert expected.bound_from is not None
        late = self.times[expected.late_from] - self.times[expected.bound_from] - bound
        if late > LATE + SLACK and late > await self._lateness() + SLACK:
            got = f"the answer {call.told}, by what came {late:.1f} s after T"
            self.fail(expected.rule, "time", got, expected.likely, saw="late")
        self.expected = expected.late

    async def _lateness(self) -> float:
        """Returns how late a timeout of this implementation is if its peer does nothing."""
        if self.known.lateness is None:
            stall = Script(self.script.role, self.script.via, (("stall",),), close=1)
            await type(self)(stall, expect(stall), self.harness, self.known).run()
        return self.known.lateness or 0.0

    def _check_time(self, took: float, took_last: float) -> None:
        """Checks the seconds since the first and the last timeout began that may have ended it."""
        bound = self.script.bound
        if took < bound - EARLY:
            self.fail(
                "time.bounds", "time", f"{self.outcome} after {took:.3f} s", f"not before T, {bound:.1f} s", saw="early"
            )
        if ("pause", "most") not in self.script.steps:
            self.known.lateness = max(self.known.lateness or 0.0, took_last - bound)
        if took_last > bound + LATE + SLACK:
            self.note(
                "time.prompt",
                "time",
                f"{self.outcome} after {took_last:.1f} s",
                f"within T, {bound:.1f} s, and {LATE:.1f} s",
                "late",
            )

    def _check_outcome(self, call: Call) -> None:
        answer, outcomes = call.answer or {}, self.expected.outcomes
        self.outcome = _outcome_of(call)
        if self.outcome == "error":  # an implementation without names
            self.outcome = next((name for name in outcomes if name != "ok"), "error")
        saw: Saw = "accepts" if self.outcome == "ok" else "refuses" if self.expected.likely == "ok" else "name"
        if self.outcome not in outcomes:
            names = " or ".join(name for name, left in outcomes.items() if not left)
            self.fail(self._blamed(call), "delivered", f"the answer {call.told}", names, saw=saw)
        if left := outcomes[self.outcome]:
            self.note(left, "delivered", f"the answer {call.told}", self.expected.likely, saw)
        wanted = self.expected.is_confirmed
        if self.outcome == "ok" and wanted is not None and answer.get("confirmed", wanted) != wanted:
            self.fail("close.confirm", "delivered", f"the answer {call.told}", f"confirmed: {wanted}".lower())

    def _blamed(self, call: Call) -> str:
        """Returns the rule that the outcome breaks."""
        named = {"over-limit": "limit.over", "malformed-message": "message.utf8", "message-not-utf8": "message.utf8"}
        if self.expected.likely == "ok":
            if self.outcome == "timeout" and call.end - call.start < self.script.close:
                return "time.bounds"
            return named.get(self.outcome, self.expected.rule)
        return self.expected.rule

    def _check_end(self, connection: Connection) -> None:
        """Checks how the connection ends, unless the suite ended it."""
        if not connection.ended:
            self.fail("close.residue", "residue", "a connection that is open after the answer", "that it is closed",
                      saw="open")  # fmt: skip
        if self.script.via == "unix" or self.outcome == "unconfirmed":
            return
        is_failure = self.outcome != "ok"
        if is_failure and connection.ended == "end" and not self.was_reset and not has_half_closed(self.script):
            self.note("close.abort", "ended", "an orderly end after a failure", "a reset", "orderly")
        if not is_failure and connection.ended == "reset" and self.expected.rule not in ("data.end", "close.extra"):
            self.note("close.confirm", "ended", "a reset after a success", "an orderly end", "reset")


def _outcome_of(call: Call) -> str:
    answer = call.answer or {}
    return "ok" if "ok" in answer else str(answer.get("error"))


def has_half_closed(script: Script) -> bool:
    """Returns whether the suite half-closes."""
    return any(step[0] == "half-close" for step in script.steps)


def at_once(connection: Connection) -> None:
    """Turns off Nagle's algorithm, which would delay a piece until the one before it is acknowledged."""
    with suppress(OSError):
        connection.raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _relative(octets: bytes, hello: bytes, at: int) -> bytes:
    """The bytes of an echo, exclusive-or with the hello."""
    own = hello[at : at + len(octets)]
    return bytes(a ^ b for a, b in zip(octets, own, strict=False)) + octets[len(own) :]
