"""Plays a client against a server under test."""

from __future__ import annotations

import socket
import stat
import sys
from dataclasses import dataclass
from typing import Any, NoReturn

import trio

from ..harness.call import USAGE, Call
from ..harness.connection import Connection
from ..report.acts import Act
from ..results import Json, Saw
from .play import SOON, Play, at_once, has_half_closed
from .script import Step

OWN_FILES = {"data", "out", "tmp"}
"""The suite's files in the folder of a conversation."""


@dataclass
class ServerPlay(Play):
    """One run of a script for a server."""

    place: int | str = 0
    """Where the server listens."""
    whole: bytes = b""
    """The echo and the frame that it should send."""

    async def _play(self) -> None:
        script, harness = self.script, self.harness
        call = await harness.call("send", script.port, **self._keys())
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
            await self._rest(connection)

    def _keys(self) -> Json:
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
        at_once(connection)
        return connection

    async def _step(self, index: int, step: Step, connection: Connection | None, call: Call) -> None:
        if connection is not None and step[0] == "read":
            await self._read(connection, step[1], index, call)
        elif connection is not None and step[0] == "end":
            await self._see_end(connection)
        elif connection is not None and step[0] == "late":
            await self._late()
        else:
            await super()._step(index, step, connection, call)
            if connection is not None and step[0] == "stall":
                self._check_acknowledged(connection, call)

    def _check_acknowledged(self, connection: Connection, call: Call) -> None:
        """Checks that a success came only when the system of a client that has half-closed had everything."""
        queued = None if self.script.via == "unix" or sys.platform != "linux" else connection.unread()
        if queued is None or not has_half_closed(self.script) or "ok" not in (call.answer or {}):
            return
        if (arrived := connection.received + queued) < len(self.whole):
            got = f"a success when {arrived:,} of {len(self.whole):,} octets are acknowledged"
            self.note("close.confirm", "delivered", got, "that it waits until all are", "accepts")

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

    async def _rest(self, connection: Connection) -> None:
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
