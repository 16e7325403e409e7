"""Plays a server against a client under test."""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import reduce
from operator import and_, or_
from pathlib import Path

import trio

from ..harness.call import Call
from ..harness.case import Mismatch
from ..harness.connection import Connection
from ..harness.ports import HOSTS
from ..report.acts import Act
from ..results import Json
from .play import NONCES, SOON, Play, at_once
from .script import Octets, Step

SAME_NONCES = 3
"""Random nonces do not repeat this often: they have 2^24 values, and few are kept."""


@dataclass
class ClientPlay(Play):
    """One run of a script for a client."""

    async def _play(self) -> None:
        script, harness = self.script, self.harness
        target = harness.folder / "out" / "data" if script.in_file else None
        if not script.steps or script.steps[0][0] in ("nobody", "full"):
            await self._without_connection(target)
            return
        async with harness.listen() as listener:
            call = await harness.call("receive", listener.place, **self._keys(target))
            connection = await listener.accept()
            at_once(connection)
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

    async def _step(self, index: int, step: Step, connection: Connection | None, call: Call) -> None:
        if connection is not None and step[0] == "end":
            await self._see_end(connection)
        else:
            await super()._step(index, step, connection, call)

    async def _see_end(self, connection: Connection) -> None:
        connection.look()
        with trio.move_on_after(self.harness.patience):
            while not connection.ended and connection.received <= 8:
                await connection.some()

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
            call = await self.harness.call("receive", place, **self._keys(target))
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

    def _keys(self, target: Path | None) -> Json:
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
            if "message-file" in self.harness.adapter.supports:
                keys["message_file"] = str(target.with_name("message"))
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
        found = {file.name: file.read_bytes() for file in target.parent.iterdir()}
        for name in found:
            (target.parent / name).unlink()
        self._check_files(found, "message_file" in call.request)

    def _check_files(self, found: dict[str, bytes], has_message: bool) -> None:
        """Checks the files of the data and, if it was asked for, of the message."""
        if beside := sorted(found.keys() - {"data", "message"}):
            self.fail("close.residue", "residue", f"the file {beside[0]} beside the data", "no file left behind",
                      saw="residue")  # fmt: skip
        if self.outcome != "ok":
            if found:
                self.fail("data.truncated", "delivered", f"the file of the {min(found)} after a failure",
                          "no file under the final name", saw="residue")  # fmt: skip
        elif found.get("data") != _octets_of(self.expected.data):
            self.fail("data.opaque", "delivered", "a file with other octets, or none", "the data", saw="altered")
        elif has_message and found.get("message") != self.expected.message.encode():
            self.fail("message.utf8", "delivered", "a file with another message, or none", "the message", saw="message")

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


def _constant_bits(nonces: Iterable[bytes]) -> int:
    """Returns how many of the 24 bits are the same in all of them."""
    values = [int.from_bytes(nonce, "big") for nonce in nonces]
    return 24 - (reduce(or_, values) ^ reduce(and_, values)).bit_count()


def _octets_of(data: Octets | bytes) -> bytes:
    return data.make() if isinstance(data, Octets) else data
