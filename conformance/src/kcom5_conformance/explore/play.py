"""Plays a script against an implementation and compares the result with the model."""

from __future__ import annotations

import hashlib
import socket
import stat
from collections import deque
from collections.abc import Iterable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from functools import cache, reduce
from operator import and_, or_
from pathlib import Path
from typing import Any, NoReturn

import trio

from .. import spec
from ..harness.call import USAGE, Call, within_words
from ..harness.case import Mismatch, TooBusy
from ..harness.connection import Connection
from ..harness.harness import Harness
from ..harness.ports import HOSTS
from ..report.acts import Act
from ..results import Axis, Json, Level, Problem, Saw
from .model import Expected, expect
from .script import Octets, Script, Step

EARLY = 0.02
"""Seconds by which a timeout may seem early, because two processes read the clock at different times."""
LATE = 1.0
"""Seconds after T within which a wait must end (`time.prompt`)."""
SLACK = 0.2
"""Seconds more that the suite allows."""
SAME_NONCES = 3
"""Random nonces do not repeat this often: they have 2^24 values, and few are kept."""
NONCES = 64
"""The number of nonces that are kept. That a bit of so many random ones never changes has a chance of 2^-63."""
OWN_FILES = {"data", "out", "tmp"}
"""The suite's files in the folder of a conversation."""
SOON = 1.0
"""Timeout in seconds for the next act of an implementation."""


@cache
def level_of(rule: str) -> Level:
    return next((found.level for found in spec.rules() if found.name == rule), "MUST")


def _constant_bits(nonces: Iterable[bytes]) -> int:
    """Returns how many of the 24 bits are the same in all of them."""
    values = [int.from_bytes(nonce, "big") for nonce in nonces]
    return 24 - (reduce(or_, values) ^ reduce(and_, values)).bit_count()


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
class Play:
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
        await (self._server() if self.script.role == "server" else self._client())

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

    # ---- the implementation is the server

    async def _server(self) -> None:
        script, harness = self.script, self.harness
        call = await harness.call("send", script.port, **self._server_keys())
        if self.expected.likely in USAGE:
            await call.expect_error(self.expected.likely)
            return
        self.place = await call.listening()
        if script.via == "unix" and (mode := stat.S_IMODE(harness.path.stat().st_mode)) != 0o600:
            self.fail("unix.mode", "residue", f"the socket file has mode {mode:04o}", "mode 0600", saw="residue")
        hello = b"".join(step[1] for step in script.steps if step[0] == "send")[:8]
        self.whole = hello + script.frame()
        connection: Connection | None = None
        steps = list(enumerate(script.steps))
        if ("connect",) not in script.steps:
            steps.insert(0, (-1, ("connect",)))
        for index, step in steps:
            self.times[index] = trio.current_time()
            if step[0] == "connect":
                connection = await self._connect(index >= self.expected.from_step)
                self.times[-1] = self.times[index]
            else:
                await self._step(index, step, connection, call)
        is_served = self.expected.may_send and len(script.steps) <= self.expected.from_step
        if connection is not None and is_served and not self._is_closed(script):
            connection.close()
        await self._judge(call)
        if script.via == "unix" and harness.path.exists():
            self.fail("unix.cleanup", "residue", "the socket file after the answer", "that it is gone", saw="residue")
        if script.via == "unix" and (left := {file.name for file in harness.folder.iterdir()} - OWN_FILES):
            self.fail("close.residue", "residue", f"the file {min(left)} beside the socket", "no file left behind",
                      saw="residue")  # fmt: skip
        if connection is not None and not is_served and not self._is_closed(script):
            await self._rest_of_server(connection)

    def _server_keys(self) -> Json:
        script = self.script
        try:
            message: Any = script.message.decode()
        except UnicodeDecodeError:
            message = {"hex": script.message.hex()}
        data = script.data.to_json()
        if script.in_file:
            file = self.harness.folder / "data"
            file.write_bytes(script.data.make())
            data = {"file": str(file)}
        return {"close": script.close, "message": message, "data": data}

    async def _connect(self, may_fail: bool) -> Connection | None:
        try:
            connection = await self.harness.connect(self.place)
        except OSError as error:
            if may_fail:
                return None
            self.fail(
                "listen.one-client", "wire", f"no connection: {error.strerror}", "that it accepts", saw="unreached"
            )
        _at_once(connection)
        return connection

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
        elif kind == "read":
            await self._read(connection, step[1], index, call)
        elif kind == "end":
            await self._see_end(connection)
        elif kind == "nothing":
            await connection.expect_nothing()
        elif kind == "late":
            await self._late()
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

    async def _read(self, connection: Connection, count: int, index: int, call: Call) -> None:
        start = connection.received
        end = len(self.whole) if count < 0 else min(len(self.whole), start + count)
        connection.wanted += self.whole[len(connection.wanted) : min(end, 1024)]
        self.harness.acts.append(Act("expect", str(end - start), connection.number))
        while connection.received < end and not connection.ended:
            at, piece = connection.received, b""
            with trio.move_on_after(self.harness.patience) as scope:
                piece = await connection.some(min(end - at, 1 << 20))
            if piece != self.whole[at : at + len(piece)]:
                self._wrong_octet(at, piece)
            if scope.cancelled_caught:
                break
        if connection.received < end and not any(name not in ("ok", "unconfirmed") for name in self.expected.outcomes):
            await self._too_short(connection, end, call, "close.keep" if self._has_stalled(index) else "")

    def _has_stalled(self, index: int) -> bool:
        """Returns whether the implementation ended by a timeout before this step."""
        return ("stall",) in self.script.steps[:index]

    def _wrong_octet(self, at: int, piece: bytes) -> NoReturn:
        wrong = next(at + i for i, octet in enumerate(piece) if octet != self.whole[at + i])
        got, expected = piece[wrong - at], self.whole[wrong]
        self.fail(self._rule_at(wrong), "wire", f"{got:02x} at octet {wrong}", f"{expected:02x}", wrong, "octets")

    def _rule_at(self, offset: int) -> str:
        """Returns the rule of a byte that the server sends."""
        message = len(self.script.message)
        for end, rule in ((8, "echo.exact"), (12, "message.length"), (12 + message, "message.utf8"),
                          (20 + message, "data.length"), (len(self.whole), "data.opaque")):  # fmt: skip
            if offset < end:
                return rule
        return "frame.order"

    async def _too_short(self, connection: Connection, end: int, call: Call, rule: str) -> NoReturn:
        """Reports missing bytes. If the implementation's answer is wrong too, that is reported instead."""
        how = {"end": "the end", "reset": "a reset", "": "nothing more"}[connection.ended]
        with trio.move_on_after(SOON):
            await call.ended.wait()
        if call.answer is not None and "error" in call.answer:
            self._check_outcome(call)
        got = f"{how} after {connection.received:,} octets"
        self.fail(rule or self.expected.rule, "wire", got, f"{end:,} octets",
                  connection.received, "short" if connection.ended else "silent")  # fmt: skip

    async def _see_end(self, connection: Connection) -> None:
        octets = b""
        connection.look()
        if not connection.ended:
            with trio.move_on_after(
                self.harness.tick if "close.confirm" in self.known.broken else self.harness.patience
            ):
                octets = await connection.some()
        if octets:
            at = connection.received - len(octets)
            self.fail(
                "frame.order", "wire", f"{len(octets)} octets more: {octets[:16].hex(' ')}", "the end", at, "surplus"
            )
        if connection.ended != "end" and connection.received == len(self.whole):
            got = "a reset" if connection.ended else "nothing"
            saw: Saw = "reset" if connection.ended else "open"
            self.note("close.confirm", "ended", got, "that the server half-closes when all is sent", saw)

    async def _late(self) -> None:
        """Checks that a second client is refused at once and gets no byte."""
        try:
            other = await self.harness.connect(self.place)
        except OSError:
            return
        octets = b""
        other.look(SOON)
        with trio.move_on_after(self.harness.tick if "listen.refuse-others" in self.known.broken else SOON):
            octets = await other.some()
        self.harness.connections.remove(other)
        other.raw.close()
        if octets:
            self.fail("listen.one-client", "wire", f"{len(octets)} octets on a second connection", "not one octet",
                      saw="connects")  # fmt: skip
        if other.ended != "reset":
            got = "a second connection " + ("is closed in order" if other.ended else "stays open")
            self.note("listen.refuse-others", "ended", got, "that it is refused or reset", "connects")

    async def _rest_of_server(self, connection: Connection) -> None:
        """Checks that only allowed bytes and an end follow the answer."""
        limit = len(self.whole) if self.expected.may_send and self.outcome != "invalid-connection" else 0
        while not connection.ended:
            with trio.move_on_after(SOON) as scope:
                await connection.some()
            if scope.cancelled_caught:
                break
        if connection.received > limit:
            got = f"{connection.received:,} octets: {bytes(connection.got[:16]).hex(' ')}"
            rule = "frame.order" if limit else self.expected.rule
            self.fail(rule, "wire", got, f"{limit:,} octets" if limit else "not one octet", limit, "surplus")
        if self.outcome == "timeout" and limit and connection.received == limit:
            got = f"the answer timeout, and all {limit:,} octets, so that its system had taken them"
            self.fail("time.confirm", "delivered", got, "unconfirmed", saw="name")
        is_kept = connection.ended == "end" and connection.received == len(self.whole) and self.sent == 8
        if is_kept and connection.raw.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self.fail("close.keep", "ended", "a reset after the half-close", "that it closes in order", saw="reset")
        self._check_end(connection)

    # ---- the implementation is the client

    async def _client(self) -> None:
        script, harness = self.script, self.harness
        target = harness.folder / "out" / "data" if script.in_file else None
        if not script.steps or script.steps[0][0] in ("nobody", "full"):
            await self._without_connection(target)
            return
        async with harness.listen() as listener:
            call = await harness.call("receive", listener.place, **self._client_keys(target))
            connection = await listener.accept()
            _at_once(connection)
            self.times[-1] = trio.current_time()
            if script.steps[0] != ("unread",):
                await self._hear(connection)
            for index, step in enumerate(script.steps):
                self.times[index] = trio.current_time()
                await self._step(index, step, connection, call)
            await self._judge(call)
            self._check_delivered(call, target)
            if not self._is_closed(script):
                with trio.move_on_after(SOON):
                    while not connection.ended:
                        await connection.some()
            if connection.received > 8:
                self.fail("hello.form", "wire", f"{connection.received - 8} octets after the hello", "nothing", 8,
                          "surplus")  # fmt: skip
            if not self._is_closed(script):
                if connection.ended == "end":
                    await connection.look_for_reset()
                self._check_end(connection)

    async def _without_connection(self, target: Path | None) -> None:
        """Plays without a connection: no server listens, none accepts, or the port is invalid."""
        async with AsyncExitStack() as stack:
            place = self.script.port if self.script.port is not None else await self.harness.nowhere()
            if self.script.steps == (("full",),):
                place = (await stack.enter_async_context(self.harness.listen(0, 0))).place
                self.harness.acts.append(Act("full"))
                unix = self.harness.via == "unix"
                for _ in range(4):
                    filler = stack.enter_context(socket.socket(socket.AF_UNIX if unix else HOSTS[self.harness.via][0]))
                    filler.setblocking(False)
                    filler.connect_ex(str(place) if unix else (HOSTS[self.harness.via][1], place))
            call = await self.harness.call("receive", place, **self._client_keys(target))
            await self._judge(call)
            self._check_delivered(call, target)

    async def _hear(self, connection: Connection) -> None:
        try:
            self._check_nonce((await connection.hello())[5:])
        except Mismatch as failure:
            found = failure.problem
            self.fail("hello.form", "wire", found.got, found.expected, found.at, found.saw)

    def _check_nonce(self, nonce: bytes) -> None:
        nonces = self.known.nonces
        nonces.append(nonce)
        got = ""
        if (count := nonces.count(nonce)) >= SAME_NONCES:
            got = f"the nonce {nonce.hex(' ')} in {count} of the last {len(nonces)} exchanges"
        elif len(nonces) == NONCES and (same := _constant_bits(nonces)):
            got = f"{same} of the 24 bits of the nonce the same in the last {NONCES} exchanges"
        if got:
            self.note("hello.nonce", "wire", got, "three random octets", "predictable")

    def _client_keys(self, target: Path | None) -> Json:
        script = self.script
        keys: Json = {"close": script.close}
        limits = {
            name: limit for name, limit in zip(("message", "data"), script.limits, strict=True) if limit is not None
        }
        if limits:
            keys["limits"] = limits
        if script.before is not None:
            keys["message"] = script.before
        if target is not None:
            keys["to"] = {"file": str(target)}
        return keys

    def _check_delivered(self, call: Call, target: Path | None) -> None:
        answer = call.answer or {}
        if self.outcome != "ok":
            if self.script.before is not None and answer.get("message", self.script.before) != self.script.before:
                got = f"the message {answer['message'][:60]!r} after a failure"
                self.fail("result.message", "delivered", got, repr(self.script.before), saw="message")
        else:
            self._check_data(answer)
        if target is None:
            return
        left = {file.name: file for file in target.parent.iterdir()}
        is_whole = (
            "data" in left and self.outcome == "ok" and left["data"].read_bytes() == _octets_of(self.expected.data)
        )
        for file in left.values():
            file.unlink()
        found = left.pop("data", None)
        if left:
            self.fail("close.residue", "residue", f"the file {sorted(left)[0]} beside the data", "no file left behind",
                      saw="residue")  # fmt: skip
        if found is not None and self.outcome != "ok":
            self.fail("data.truncated", "delivered", "a file with a part of the data", "no file under the final name",
                      saw="residue")  # fmt: skip
        if self.outcome == "ok" and not is_whole:
            self.fail("data.opaque", "delivered", "a file with other octets, or none", "the data", saw="altered")

    def _check_data(self, answer: Json) -> None:
        expected = self.expected
        if answer["message"] != expected.message:
            got, wanted = answer["message"], expected.message
            rule = "message.utf8" if abs(len(got) - len(wanted)) <= 3 else "message.length"
            self.fail(rule, "delivered", f"the message {got[:60]!r} of {len(got):,} characters",
                      f"{wanted[:60]!r} of {len(wanted):,}", saw="message")  # fmt: skip
        if "data" not in answer:
            return  # the data is in a file
        data, got = expected.data, answer["data"]
        size = data.size if isinstance(data, Octets) else len(data)
        digest = data.digest if isinstance(data, Octets) else hashlib.sha256(data).hexdigest()
        if got["size"] != size:
            rule = "data.end" if got["size"] > size else "data.opaque"
            self.fail(rule, "delivered", f"{got['size']:,} octets delivered as the whole", f"{size:,} octets",
                      saw="lost" if got["size"] < size else "altered")  # fmt: skip
        if got["sha256"] != digest:
            self.fail("data.opaque", "delivered", f"octets with SHA-256 {got['sha256'][:16]}…", f"{digest[:16]}…",
                      saw="altered")  # fmt: skip

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
            await Play(stall, expect(stall), self.harness, self.known).run()
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
        if is_failure and connection.ended == "end" and not self.was_reset and not _has_half_closed(self.script):
            self.note("close.abort", "ended", "an orderly end after a failure", "a reset", "orderly")
        if not is_failure and connection.ended == "reset" and self.expected.rule not in ("data.end", "close.extra"):
            self.note("close.confirm", "ended", "a reset after a success", "an orderly end", "reset")


def _outcome_of(call: Call) -> str:
    answer = call.answer or {}
    return "ok" if "ok" in answer else str(answer.get("error"))


def _has_half_closed(script: Script) -> bool:
    return any(step[0] == "half-close" for step in script.steps)


def _at_once(connection: Connection) -> None:
    """Turns off Nagle's algorithm, which would delay a piece until the one before it is acknowledged."""
    with suppress(OSError):
        connection.raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _relative(octets: bytes, hello: bytes, at: int) -> bytes:
    """The bytes of an echo, exclusive-or with the hello."""
    own = hello[at : at + len(octets)]
    return bytes(a ^ b for a, b in zip(octets, own, strict=False)) + octets[len(own) :]


def _octets_of(data: Octets | bytes) -> bytes:
    return data.make() if isinstance(data, Octets) else data
