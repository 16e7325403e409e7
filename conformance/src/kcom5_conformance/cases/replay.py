"""A case for every vector: rows through the adapter, conversations over live sockets. Format: vectors/README.md."""

from __future__ import annotations

import json
import socket
import stat
from collections.abc import Iterator
from contextlib import AsyncExitStack, suppress

import trio

from ..explore.script import MOST_BOUND
from ..harness.call import Call, shown
from ..harness.case import ALONE_PORT, Case, NotRun, TooBusy
from ..harness.connection import Connection
from ..harness.harness import NO_BOUND, Harness, Listener
from ..harness.ports import HOSTS
from ..report.acts import Act
from ..results import Json
from . import vectors
from .other_user import against_another_user
from .steps import refused
from .vectors import Vector

DEFAULT_PORT = 13600


def cases(found: list[Vector]) -> Iterator[Case]:
    """Yields a case for each vector over each of its transports."""
    for vector in found:
        if vector.role in ("pack", "unpack"):
            yield Case(
                vector.id,
                vector.rule,
                vector.level,
                "address",
                "",
                vector.note or f"{vector.role} {json.dumps(vector.give['in'])}"[:100],
                _Row(vector).run,
                frozenset({"pack"}),
                is_hostile=False,
            )
            continue
        needs = {"send" if vector.role == "server" else "receive"}
        if "limits" in vector.give or vector.outcome.get("error") == "over-limit":
            needs.add("limits")
        if vector.role == "server" and vector.give.get("port") == 0:
            needs.add("port-zero")
        for via in vector.via:
            yield Case(
                f"{vector.id}@{via}",
                vector.rule,
                vector.level,
                "server" if vector.role == "server" else "client",
                via,
                vector.note,
                _Conversation(vector).run,
                frozenset({*needs, via}),
                takes=_waits(vector),
                is_hostile="error" in vector.outcome and vector.setup != "self",
                lock="default port" if vector.give.get("port") == "default" else "",
                is_alone=vector.setup == "self",
            )


def _bound(close: int) -> float:
    """Returns T in seconds, which scales the pauses; 1 if it does not pass while a vector is played."""
    return close if 0 < close <= MOST_BOUND else 1


def _waits(vector: Vector) -> float:
    """Returns the approximate duration of its pauses and waits, in seconds."""
    bound = _bound(vector.give["close"]) if "close" in vector.give else 0
    parts = {"most": 0.6, "half": 0.5, "tick": 0}
    pauses = sum(parts[step[1]] for step in vector.steps if step[0] == "pause")
    return float(bound * max(1, pauses))


class _Row:
    """`pack` or `unpack` of one row."""

    def __init__(self, vector: Vector) -> None:
        self.vector = vector

    async def run(self, harness: Harness) -> None:
        given, outcome = self.vector.give["in"], self.vector.outcome
        if self.vector.role == "pack":
            request = {"op": "pack", "port": given["port"], "key": vectors.octets(given["key"]).hex()}
        else:
            request = {"op": "unpack", "address": given}
        answer = await row(harness, request)
        if "error" in outcome:
            if answer.get("error") not in (outcome["error"], "error"):
                harness.fail("delivered", shown(answer), outcome["error"], "name" if "error" in answer else "accepts")
            return
        expected: Json
        if self.vector.role == "pack":
            expected = {"address": outcome["out"]}
        else:
            expected = {"port": outcome["out"]["port"], "key": vectors.octets(outcome["out"]["key"]).hex()}
        if answer != expected:
            harness.fail("delivered", shown(answer), shown(expected), "refuses" if "error" in answer else "altered")


async def row(harness: Harness, request: Json) -> Json:
    """Returns the adapter's answer to `pack` or `unpack`."""
    harness.log("suite", "request", text=request)
    harness.acts.append(Act("ask", request))
    await harness.adapter.ask(request, harness.patience)
    with trio.move_on_after(harness.patience):
        answer = await harness.adapter.answer(f"answer-{request['op']}", "error")
        harness.log("implementation", "answer", text=answer)
        return answer
    raise await harness.adapter.hang(harness.patience)


class _Conversation:
    """One conversation."""

    def __init__(self, vector: Vector) -> None:
        self.vector = vector

    async def run(self, harness: Harness) -> None:
        nonces: list[bytes] = []
        place: int | str | None = None
        if self.vector.give.get("port") == "default":
            await wait_for_port(harness, DEFAULT_PORT)
        elif self.vector.times > 1 or any(step[0] == "expect-refused" and step[1:] for step in self.vector.steps):
            place = await harness.own_place()
        for _ in range(self.vector.times):
            play = _Play(self.vector, harness, place)
            async with AsyncExitStack() as stack:
                if self.vector.setup == "other-user":
                    await against_another_user(harness, self.vector)
                    return
                call = await (play.server(stack) if self.vector.role == "server" else play.client(stack))
                await play.check(call)
            place = play.place
            nonces.append(play.nonce)
        if self.vector.outcome.get("nonce") == "differs" and len(set(nonces)) == 1:
            harness.fail(
                "wire", f"{nonces[0].hex(' ')} in each of {len(nonces)} exchanges", "three random octets", "predictable"
            )


class _Play:
    """One run of the steps."""

    def __init__(self, vector: Vector, harness: Harness, place: int | str | None) -> None:
        self.vector, self.harness = vector, harness
        self.place: int | str = place if place is not None else 0
        self.nonce = b""
        self.last_act = self.connected_at = trio.current_time()
        close = vector.give.get("close", NO_BOUND)
        self.bound = _bound(close)
        self.is_failure = "error" in vector.outcome
        self.has_sent = False

    def keys(self) -> Json:
        """Returns the keys of the request other than op, via and place."""
        give = self.vector.give
        keys: Json = {"close": give.get("close", NO_BOUND)}
        if "limits" in give:
            keys["limits"] = give["limits"]
        if self.vector.role == "server":
            message, data = give.get("message", ""), give.get("data", "")
            keys["message"] = message["text"] if isinstance(message, dict) and "text" in message else message
            if isinstance(message, dict) and "size" in message:
                keys["message"] = vectors.octets(message).decode()
            if isinstance(message, dict) and "hex" in message:  # vectors write spaces between the pairs
                keys["message"] = {"hex": vectors.octets(message).hex()}
            is_rule = isinstance(data, dict) and "size" in data
            keys["data"] = data if is_rule else {"hex": vectors.octets(data).hex()}
        return keys

    def port(self) -> int | str | None:
        """Returns the place of a request: the vector's, or that of the last run."""
        port = self.vector.give.get("port")
        if self.harness.via == "unix":
            return str(self.place or self.harness.path)
        if port == "default":
            return None
        return port if port is not None else self.place or None

    async def server(self, stack: AsyncExitStack) -> Call:
        vector, harness = self.vector, self.harness
        if vector.setup == "taken":
            self.place = (await stack.enter_async_context(harness.listen())).place
        elif vector.setup == "stale":
            harness.files.dead_socket("s")
        elif vector.setup == "file":
            harness.path.write_bytes(b"mine")
        keys = self.keys()
        if vector.give.get("port") == "default":
            call = await harness.call("send", None, port=None, **keys)
        else:
            call = await harness.call("send", self.port(), **keys)
        self.connected_at = self.last_act = call.start
        if not vector.steps:
            return call
        self.place = await call.listening()
        if vector.give.get("port") == "default" and self.place != DEFAULT_PORT:
            harness.fail("delivered", f"it listens on port {self.place}", f"on port {DEFAULT_PORT}")
        connection: Connection | None = None
        steps = list(vector.steps)
        if vector.setup != "nobody" and ("connect",) not in steps:
            steps.insert(0, ("connect",))
        for step in steps:
            connection = await self.step(step, connection, call)
        return call

    async def client(self, stack: AsyncExitStack) -> Call:
        vector, harness = self.vector, self.harness
        listener: Listener | None = None
        if vector.setup == "nobody":
            self.place = await harness.nowhere()
        elif vector.setup != "self":
            backlog = 0 if vector.setup == "full" else 8
            here = self.place if vector.give.get("port") != "default" else DEFAULT_PORT
            listener = await stack.enter_async_context(harness.listen(here, backlog))
            self.place = listener.place
        else:
            self.place = ALONE_PORT
        if vector.setup == "full":
            harness.acts.append(Act("full"))
            for _ in range(4):
                filler = stack.enter_context(
                    socket.socket(socket.AF_UNIX if harness.via == "unix" else HOSTS[harness.via][0])
                )
                filler.setblocking(False)
                filler.connect_ex(str(self.place) if harness.via == "unix" else (HOSTS[harness.via][1], self.place))
        self.connected_at = self.last_act = trio.current_time()
        call = await harness.call("receive", self.port(), **self.keys())
        connection: Connection | None = None
        if listener is not None and vector.steps and vector.setup != "full":
            connection = await listener.accept()
        for step in vector.steps:
            connection = await self.step(step, connection, call)
        return call

    async def step(self, step: vectors.Step, connection: Connection | None, call: Call) -> Connection | None:
        harness, kind = self.harness, step[0]
        if kind == "stall":
            await call.result(self.bound + harness.patience)
            return connection
        if kind == "pause":
            await self.pause(step[1], call)
            return connection
        if not kind.startswith("expect"):
            self.last_act = trio.current_time()
        if kind == "connect":
            self.connected_at = self.last_act
            try:
                return await harness.connect(self.place)
            except OSError as error:
                harness.fail("wire", f"no connection to {self.place}: {error.strerror}", "that it accepts", "unreached")
        if kind == "expect-mode":
            mode = oct(stat.S_IMODE(harness.path.stat().st_mode))
            if mode != oct(int(step[1], 8)):
                harness.fail("residue", f"the socket file has mode {mode}", f"mode {oct(int(step[1], 8))}", "residue")
            return connection
        if kind == "replace-file":
            # Clients still reach the socket by its new name.
            self.place = str(harness.files.move(harness.path, "moved"))
            harness.files.write("s", b"mine")
            return connection
        if kind == "expect-refused":
            await refused(harness, self.place, step[1] if len(step) > 1 else "")
            return connection
        assert connection is not None
        await self._on_the_wire(step, connection, call)
        return connection

    async def _on_the_wire(self, step: vectors.Step, connection: Connection, call: Call) -> None:
        kind = step[0]
        if kind in ("send", "close") and self.vector.rule == "time.stall" and call.ended.is_set():
            return  # sending to a closed end causes a reset, which destroys unread bytes
        if kind == "send":
            octets = vectors.joined(step[1:], self.nonce)
            parts = step[1:]
            written = " ".join(parts) if all(isinstance(part, str) for part in parts) else ""
            # A server that has finished may have closed. It must have sent its bytes, but need not read more.
            may_break = self.vector.role == "server" and self.has_sent
            self.has_sent = True
            await connection.send(octets, may_fail=self.is_failure, may_break=may_break, written=written)
        elif kind == "expect":
            if self.vector.role == "client" and not self.nonce:
                self.nonce = (await connection.hello())[5:]
            else:
                await connection.expect(vectors.joined(step[1:], self.nonce))
        elif kind == "expect-nothing":
            await connection.expect_nothing()
        elif kind == "expect-end":
            await connection.expect_end(or_reset=self.is_failure)
        elif kind == "expect-reset":
            await connection.expect_reset()
        elif kind == "half-close":
            connection.half_close()
        elif kind == "close":
            connection.close()
        else:
            assert kind == "reset"
            await connection.reset()

    async def is_held_whole(self, call: Call, within: float) -> bool:
        """Returns whether the server's kernel buffers all of a large frame, so that the server ends unconfirmed."""
        vector, connections = self.vector, self.harness.connections
        if (vector.role, vector.rule) != ("server", "time.stall") or not connections:
            return False
        with trio.move_on_after(within):
            await call.ended.wait()
        if (call.answer or {}).get("error") != "unconfirmed":
            return False
        message, data = vector.give.get("message", ""), vector.give.get("data", "")
        text = message.encode() if isinstance(message, str) else vectors.octets(message)
        whole = 20 + len(text) + len(vectors.octets(data))
        missing = whole - connections[0].received
        return len(await connections[0].read(missing + 1)) == missing and connections[0].ended == "end"

    def check_confirmed(self, call: Call) -> None:
        """Checks `confirmed`, if the answer has it."""
        wanted, told = self.vector.outcome.get("confirmed"), (call.answer or {}).get("confirmed")
        if wanted is not None and told is not None and told != wanted:
            words = {True: "a success that is confirmed", False: "a success that is not confirmed"}
            self.harness.fail("delivered", words[told], words[wanted])

    async def pause(self, how: str, call: Call) -> None:
        """Waits a moment, or a part of T. Returns early if the implementation ends."""
        seconds = {"tick": self.harness.tick, "half": 0.5 * self.bound, "most": 0.6 * self.bound}[how]
        start = trio.current_time()
        self.harness.acts.append(Act("wait", f"{seconds:.3f}"))
        self.harness.log("suite", "wait", text=f"{seconds:.3f} s")
        with trio.move_on_after(seconds):
            await call.ended.wait() if self.is_failure else await trio.sleep_forever()
        late = trio.current_time() - start - seconds
        if how != "tick" and late > 0.25 * self.bound:
            raise TooBusy(f"a pause of {seconds:.1f} s lasted {seconds + late:.1f} s")

    async def check(self, call: Call) -> None:
        harness, outcome = self.harness, self.vector.outcome
        within = (self.bound if "close" in self.vector.give else 0) + harness.patience
        if self.is_failure:
            if not await self.is_held_whole(call, within):
                await call.expect_error(outcome["error"], within=within)
        elif self.vector.role == "client":
            message = outcome.get("message", "")
            text = message if isinstance(message, str) else vectors.octets(message).decode()
            await call.expect_ok(text, vectors.octets(outcome.get("data", "")), within=within)
        else:
            await call.expect_ok(within=within)
            self.check_confirmed(call)
        last = self.vector.steps[-1][0] if self.vector.steps else ""
        # T of the frame starts with a byte; T of the handshake started with the connection.
        sent = sum(len(vectors.joined(step[1:], bytes(3))) for step in self.vector.steps if step[0] == "send")
        is_frame = last == "stall" and self.vector.setup != "nobody" and sent >= 8
        took = call.end - (self.last_act if is_frame else self.connected_at)
        if "after" in outcome and took < outcome["after"]:
            harness.fail("time", f"the end after {took:.3f} s", f"not before T, {outcome['after']} s", "early")
        if "within" in outcome and took > outcome["within"]:
            harness.fail("time", f"the end after {took:.3f} s", f"within {outcome['within']} s, T and a second", "late")
        if "path" in outcome and harness.path.exists() != (outcome["path"] == "kept"):
            harness.fail("residue", "the file is " + ("there" if harness.path.exists() else "gone"), outcome["path"])


async def wait_for_port(harness: Harness, port: int) -> None:
    """Waits until the port is free and no other case is about to use it."""
    with trio.move_on_after(3 * harness.patience):
        while True:
            with suppress(OSError):
                harness.reserve(port)
                return
            await trio.sleep(0.02)
    raise NotRun(f"port {port} is taken by another program")
