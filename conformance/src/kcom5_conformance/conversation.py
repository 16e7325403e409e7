"""A case for every vector: rows through the adapter, conversations over live sockets, by vectors/README.md."""

from __future__ import annotations

import json
import os
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import trio

from . import vectors
from .bench import ALONE_PORT, HOSTS, NO_BOUND, Bench, Call, Case, Connection, Listener, NotRun, TooBusy, shown
from .model import Json
from .vectors import Vector

DEFAULT_PORT = 13600


def cases(found: list[Vector]) -> Iterator[Case]:
    """A case for each vector over each of its transports."""
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
        if "limits" in vector.give:
            needs.add("limits")
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


def _waits(vector: Vector) -> float:
    """About how many seconds its pauses take, and what it waits for."""
    bound = max(1, vector.give["close"]) if "close" in vector.give else 0
    parts = {"most": 0.6, "half": 0.5, "tick": 0}
    pauses = sum(parts[step[1]] for step in vector.steps if step[0] == "pause")
    return float(bound * max(1, pauses))


class _Row:
    """`pack` or `unpack` of one row."""

    def __init__(self, vector: Vector) -> None:
        self.vector = vector

    async def run(self, bench: Bench) -> None:
        given, outcome = self.vector.give["in"], self.vector.outcome
        if self.vector.role == "pack":
            request = {"op": "pack", "port": given["port"], "key": vectors.octets(given["key"]).hex()}
        else:
            request = {"op": "unpack", "address": given}
        answer = await row(bench, request)
        if "error" in outcome:
            if answer.get("error") not in (outcome["error"], "error"):
                bench.fail("delivered", shown(answer), outcome["error"])
            return
        expected: Json
        if self.vector.role == "pack":
            expected = {"address": outcome["out"]}
        else:
            expected = {"port": outcome["out"]["port"], "key": vectors.octets(outcome["out"]["key"]).hex()}
        if answer != expected:
            bench.fail("delivered", shown(answer), shown(expected))


async def row(bench: Bench, request: Json) -> Json:
    """The adapter's answer to `pack` or `unpack`."""
    bench.log("suite", "request", text=request)
    await bench.adapter.ask(request, bench.patience)
    with trio.move_on_after(bench.patience):
        answer = await bench.adapter.answer(f"answer-{request['op']}", "error")
        bench.log("implementation", "answer", text=answer)
        return answer
    raise await bench.adapter.hang(bench.patience)


class _Conversation:
    """One conversation."""

    def __init__(self, vector: Vector) -> None:
        self.vector = vector

    async def run(self, bench: Bench) -> None:
        nonces: list[bytes] = []
        place: int | str | None = None
        if self.vector.give.get("port") == "default":
            await _wait_for_port(bench, DEFAULT_PORT)
        elif self.vector.times > 1:
            place = await bench.own_place()
        for _ in range(self.vector.times):
            play = _Play(self.vector, bench, place)
            async with AsyncExitStack() as stack:
                if self.vector.setup == "other-user":
                    await _against_another_user(bench, self.vector)
                    return
                call = await (play.server(stack) if self.vector.role == "server" else play.client(stack))
                await play.check(call)
            place = play.place
            nonces.append(play.nonce)
        if self.vector.outcome.get("nonce") == "differs" and len(set(nonces)) == 1:
            bench.fail("wire", f"{nonces[0].hex(' ')} in each of {len(nonces)} exchanges", "three random octets")


class _Play:
    """One time through the steps."""

    def __init__(self, vector: Vector, bench: Bench, place: int | str | None) -> None:
        self.vector, self.bench = vector, bench
        self.place: int | str = place if place is not None else 0
        self.nonce = b""
        self.last_act = self.connected_at = trio.current_time()
        close = vector.give.get("close", NO_BOUND)
        self.bound: float = close if close > 0 else 1
        self.is_failure = "error" in vector.outcome

    def keys(self) -> Json:
        """What the request says beside op, via and place."""
        give = self.vector.give
        keys: Json = {"close": give.get("close", NO_BOUND)}
        if "limits" in give:
            keys["limits"] = give["limits"]
        if self.vector.role == "server":
            message, data = give.get("message", ""), give.get("data", "")
            keys["message"] = message["text"] if isinstance(message, dict) and "text" in message else message
            if isinstance(message, dict) and "size" in message:
                keys["message"] = vectors.octets(message).decode()
            is_rule = isinstance(data, dict) and "size" in data
            keys["data"] = data if is_rule else {"hex": vectors.octets(data).hex()}
        return keys

    def port(self) -> int | str | None:
        """The place of a request: the vector's, or where the last time was."""
        port = self.vector.give.get("port")
        if self.bench.via == "unix":
            return str(self.place or self.bench.path)
        if port == "default":
            return None
        return port if port is not None else self.place

    async def server(self, stack: AsyncExitStack) -> Call:
        vector, bench = self.vector, self.bench
        if vector.setup == "taken":
            self.place = (await stack.enter_async_context(bench.listen())).place
        elif vector.setup == "stale":
            with socket.socket(socket.AF_UNIX) as dead:
                dead.bind(str(bench.path))
        elif vector.setup == "file":
            bench.path.write_bytes(b"mine")
        keys = self.keys()
        if vector.give.get("port") == "default":
            call = await bench.call("send", None, port=None, **keys)
        else:
            call = await bench.call("send", self.port(), **keys)
        self.connected_at = self.last_act = call.start
        if not vector.steps:
            return call
        self.place = await call.listening()
        if vector.give.get("port") == "default" and self.place != DEFAULT_PORT:
            bench.fail("delivered", f"it listens on port {self.place}", f"on port {DEFAULT_PORT}")
        connection: Connection | None = None
        steps = list(vector.steps)
        if vector.setup != "nobody" and ("connect",) not in steps:
            steps.insert(0, ("connect",))
        for step in steps:
            connection = await self.step(step, connection, call)
        return call

    async def client(self, stack: AsyncExitStack) -> Call:
        vector, bench = self.vector, self.bench
        listener: Listener | None = None
        if vector.setup == "nobody":
            self.place = await bench.nowhere()
        elif vector.setup != "self":
            backlog = 0 if vector.setup == "full" else 8
            here = self.place if vector.give.get("port") != "default" else DEFAULT_PORT
            listener = await stack.enter_async_context(bench.listen(here, backlog))
            self.place = listener.place
        else:
            self.place = ALONE_PORT
        if vector.setup == "full":
            for _ in range(4):
                filler = stack.enter_context(
                    socket.socket(socket.AF_UNIX if bench.via == "unix" else HOSTS[bench.via][0])
                )
                filler.setblocking(False)
                filler.connect_ex(str(self.place) if bench.via == "unix" else (HOSTS[bench.via][1], self.place))
        self.connected_at = self.last_act = trio.current_time()
        call = await bench.call("receive", self.port(), **self.keys())
        connection: Connection | None = None
        if listener is not None and vector.steps and vector.setup != "full":
            connection = await listener.accept()
        for step in vector.steps:
            connection = await self.step(step, connection, call)
        return call

    async def step(self, step: vectors.Step, connection: Connection | None, call: Call) -> Connection | None:
        bench, kind = self.bench, step[0]
        if kind == "stall":
            await call.result(self.bound + bench.patience)
            return connection
        if kind == "pause":
            await self.pause(step[1], call)
            return connection
        if not kind.startswith("expect"):
            self.last_act = trio.current_time()
        if kind == "connect":
            self.connected_at = self.last_act
            try:
                return await bench.connect(self.place)
            except OSError as error:
                bench.fail("wire", f"no connection to {self.place}: {error.strerror}", "that it accepts")
        if kind == "expect-mode":
            mode = oct(stat.S_IMODE(bench.path.stat().st_mode))
            if mode != oct(int(step[1], 8)):
                bench.fail("residue", f"the socket file has mode {mode}", f"mode {oct(int(step[1], 8))}")
            return connection
        if kind == "replace-file":
            # The socket is still reached by its other name.
            self.place = str(bench.path.rename(bench.path.with_name("moved")))
            bench.path.write_bytes(b"mine")
            return connection
        if kind == "expect-refused":
            await refused(bench, self.place, step[1] if len(step) > 1 else "")
            return connection
        assert connection is not None
        if kind == "send":
            octets = vectors.joined(step[1:], self.nonce)
            parts = step[1:]
            written = " ".join(parts) if all(isinstance(part, str) for part in parts) else ""
            await connection.send(octets, may_fail=self.is_failure, written=written)
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
            connection.reset()
        return connection

    def check_confirmed(self, call: Call) -> None:
        """Whether it says rightly that the client's end confirmed the success, if it says anything."""
        wanted, told = self.vector.outcome.get("confirmed"), (call.answer or {}).get("confirmed")
        if wanted is not None and told is not None and told != wanted:
            words = {True: "a success that is confirmed", False: "a success that is not confirmed"}
            self.bench.fail("delivered", words[told], words[wanted])

    async def pause(self, how: str, call: Call) -> None:
        """A moment, or a part of T. An implementation that ends in the meantime is not waited for any longer."""
        seconds = {"tick": self.bench.tick, "half": 0.5 * self.bound, "most": 0.6 * self.bound}[how]
        start = trio.current_time()
        self.bench.acts.append(("wait", f"{seconds:.3f}"))
        self.bench.log("suite", "wait", text=f"{seconds:.3f} s")
        with trio.move_on_after(seconds):
            await call.ended.wait() if self.is_failure else await trio.sleep_forever()
        late = trio.current_time() - start - seconds
        if how != "tick" and late > 0.25 * self.bound:
            raise TooBusy(f"a pause of {seconds:.1f} s lasted {seconds + late:.1f} s")

    async def check(self, call: Call) -> None:
        bench, outcome = self.bench, self.vector.outcome
        within = (self.bound if "close" in self.vector.give else 0) + bench.patience
        if self.is_failure:
            await call.expect_error(outcome["error"], within=within)
        elif self.vector.role == "client":
            message = outcome.get("message", "")
            text = message if isinstance(message, str) else vectors.octets(message).decode()
            await call.expect_ok(text, vectors.octets(outcome.get("data", "")), within=within)
        else:
            await call.expect_ok(within=within)
            self.check_confirmed(call)
        last = self.vector.steps[-1][0] if self.vector.steps else ""
        # The wait for the frame begins with an octet; that for the handshake began with the connection.
        is_frame = last == "stall" and self.vector.setup != "nobody" and self.vector.rule != "time.handshake"
        took = call.end - (self.last_act if is_frame else self.connected_at)
        if "after" in outcome and took < outcome["after"]:
            bench.fail("time", f"the end after {took:.3f} s", f"not before {outcome['after']} s")
        if "within" in outcome and took > outcome["within"]:
            bench.fail("time", f"the end after {took:.3f} s", f"within {outcome['within']} s")
        if "path" in outcome and bench.path.exists() != (outcome["path"] == "kept"):
            bench.fail("residue", "the file is " + ("there" if bench.path.exists() else "gone"), outcome["path"])


async def refused(bench: Bench, place: int | str, host: str = "") -> None:
    """One more connection is refused, or reset without one octet."""
    via = bench.via if not host else "tcp6" if ":" in host else "tcp4"
    where = host or place
    try:
        other = await bench.connect(place, host, via)
    except OSError:
        return
    with trio.move_on_after(bench.patience):
        octets = await other.some()
        if octets:
            bench.fail("wire", f"{len(octets)} octets on a second connection to {where}", "not one octet")
        if other.ended == "end":
            bench.fail("ended", f"a second connection to {where} is closed in order", "that it is refused or reset")
        return
    bench.fail("ended", f"a second connection to {where} stays open", "that it is refused or reset")


async def _wait_for_port(bench: Bench, port: int) -> None:
    """Waits until nobody else listens there, and no other case is about to."""
    with trio.move_on_after(3 * bench.patience):
        while True:
            with suppress(OSError):
                bench.reserve(port)
                return
            await trio.sleep(0.02)
    raise NotRun(f"port {port} is taken by another program")


def other_user() -> int:
    """The number of a user that is not this one. Raises NotRun."""
    own = os.geteuid() if hasattr(os, "geteuid") else None
    if own != 0:
        raise NotRun("only root can play another user")
    users = Path("/proc/self/uid_map")
    if not users.exists():
        return 65534
    for line in users.read_text().splitlines():
        first, _, count = map(int, line.split())
        for user in (65534, first, first + 1):
            if user != own and first <= user < first + count:
                return user
    raise NotRun(f"this user namespace has no other user: {users}")


_OTHER_CLIENT = """
import os, socket, sys
os.setgroups([]); os.setgid(int(sys.argv[2])); os.setuid(int(sys.argv[2]))
with socket.socket(socket.AF_UNIX) as client:
    client.settimeout(10)
    client.connect(sys.argv[1])
    try:
        client.sendall(b"KCOM5abc")
        print(client.recv(100).hex())
    except ConnectionError:
        print("")
"""
_OTHER_SERVER = """
import os, socket, sys
os.setgroups([]); os.setgid(int(sys.argv[2])); os.setuid(int(sys.argv[2]))
with socket.socket(socket.AF_UNIX) as server:
    server.settimeout(10)
    server.bind(sys.argv[1])
    os.chmod(sys.argv[1], 0o666)
    server.listen()
    print(flush=True)
    connection, _ = server.accept()
    try:
        print(connection.recv(100).hex())
    except ConnectionError:
        print("")
"""


async def _against_another_user(bench: Bench, vector: Vector) -> None:
    """The suite's end runs as another user: it must not get one octet."""
    user = other_user()
    for folder in bench.folder.parents:
        if not folder.stat().st_mode & 0o001:
            raise NotRun(f"another user cannot reach {folder}: choose another folder by TMPDIR")
    bench.folder.chmod(0o777)
    script = _OTHER_CLIENT if vector.role == "server" else _OTHER_SERVER
    command = [sys.executable, "-I", "-c", script, str(bench.path), str(user)]
    if vector.role == "server":
        call = await bench.call("send", str(bench.path), message="secret", data={"hex": "00"})
        await call.listening()
        bench.path.chmod(0o666)
        other = await trio.lowlevel.open_process(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    else:
        other = await trio.lowlevel.open_process(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        assert other.stdout is not None
        await other.stdout.receive_some(1)
        call = await bench.call("receive", str(bench.path))
    try:
        await call.expect_error("invalid-connection")
        assert other.stdout is not None
        got = b""
        with trio.move_on_after(bench.patience):
            while piece := await other.stdout.receive_some():
                got += piece
        if got.strip():
            bench.fail("wire", f"octets to another user's process: {got.strip().decode()}", "not one octet")
    finally:
        other.kill()
        await other.wait()
        assert other.stdout is not None
        await other.stdout.aclose()
        bench.path.unlink(missing_ok=True)
