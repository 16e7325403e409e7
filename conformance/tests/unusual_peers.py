"""Correct peers with an unusual design. No case of a MUST may catch one.

    python3 unusual_peers.py NAME      runs it as an adapter (ADAPTER.md)
    python3 unusual_peers.py --list    prints [{"name", "what", "leaves_out"}, …]

`leaves_out` are the rules of level SHOULD that the peer does not follow.
"""

from __future__ import annotations

import contextlib
import json
import mmap
import os
import re
import select
import signal
import socket
import sys
import threading
import time
from typing import Any, ClassVar

from reference_peer import Failure, ReferencePeer, Sink, Source

MOMENT = 0.15
SLICE = 0.05


class Unusual(ReferencePeer):
    """The base of all unusual peers."""

    registry: ClassVar[dict[str, type[Unusual]]] = {}
    leaves_out: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls) -> None:
        cls.registry[re.sub("(?<!^)(?=[A-Z])", "-", cls.__name__).lower()] = cls


class WritesOctetByOctet(Unusual):
    """It sends the first hundred bytes one by one."""

    def send_some(self, end: socket.socket, pending: memoryview) -> int:
        return super().send_some(end, pending[:1] if self.taken < 100 else pending)

    def send_hello(self, end: socket.socket, hello: bytes) -> None:
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1) if self.via != "unix" else None
        for octet in hello:
            end.send(bytes([octet]))


class LooksAtItsClockBetweenOctets(WritesOctetByOctet):
    """It sends the first hundred bytes one by one, and looks at its clock after each."""

    def send_some(self, end: socket.socket, pending: memoryview) -> int:
        count = super().send_some(end, pending)
        if self.phase == "handshake" and self.taken + count < 8 and (self.remaining() or 1) <= 0:
            self.late()
        return count


class ComesLate(Unusual):
    """It pauses before it listens and before it connects."""

    def listen(self) -> socket.socket:
        time.sleep(MOMENT)
        return super().listen()

    def connect(self) -> socket.socket:
        time.sleep(MOMENT)
        return super().connect()


class SetsTheUmask(Unusual):
    """Its socket file gets its mode from the umask."""

    def bind_unix(self, listener: socket.socket) -> None:
        before = os.umask(0o177)
        try:
            super().bind_unix(listener)
        finally:
            os.umask(before)

    def set_mode(self) -> None:
        pass


class ClosesLate(Unusual):
    """It pauses before it closes and before it answers."""

    def close_confirming(self, end: socket.socket) -> None:
        time.sleep(MOMENT)
        super().close_confirming(end)

    def say(self, answer: dict[str, Any]) -> None:
        if "ok" in answer:
            time.sleep(MOMENT)
        super().say(answer)


class HalfCloses(Unusual):
    """The client half-closes after its hello."""

    def send_hello(self, end: socket.socket, hello: bytes) -> None:
        super().send_hello(end, hello)
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_WR)


class HasAThreadPerCall(Unusual):
    """Each call runs in a thread of its own."""

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        found: list[dict[str, Any]] = []
        thread = threading.Thread(target=lambda: found.append(super(HasAThreadPerCall, self).answer(request)))
        thread.start()
        thread.join()
        return found[0]


class HasAProcessPerCall(Unusual):
    """Each call runs in a process of its own."""

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        reader, writer = os.pipe()
        if (child := os.fork()) == 0:
            os.close(reader)
            with os.fdopen(writer, "w") as result:
                json.dump(super().answer(request), result)
            os._exit(0)
        os.close(writer)
        with os.fdopen(reader) as result:
            told = result.read()
        os.waitpid(child, 0)
        answer: dict[str, Any] = json.loads(told)
        self.msg = answer.get("message", self.msg)
        return answer


class DoesNotLinger(Unusual):
    """It closes without asking for a reset or an orderly end."""

    leaves_out = ("close.abort",)

    def reset_when_killed(self, new: socket.socket) -> None:
        pass

    def abort(self, end: socket.socket) -> None:
        end.close()

    def deliver(self, sink: Sink, note: Sink, message: str) -> dict[str, Any]:
        try:
            return super().deliver(sink, note, message)
        except OSError:  # but for `close.last`, which is a MUST
            if self.via != "unix" and self.connection:
                super().abort(self.connection)
                self.connection = None
            raise

    def receive_body(self, end: socket.socket, size: int, sink: Sink) -> None:
        try:
            super().receive_body(end, size, sink)
        except OSError:
            if self.via != "unix" and self.connection:
                super().abort(self.connection)
                self.connection = None
            raise

    def transmit(self, end: socket.socket, head: bytes, source: Source) -> None:
        try:
            super().transmit(end, head, source)
        except Failure as failure:  # and `file.size`
            if failure.name == "io" and self.connection:
                super().abort(self.connection)
                self.connection = None
            raise


class ReadsAhead(Unusual):
    """The client reads past the current field, which TCP allows."""

    is_client = False
    ahead = b""

    def receive_request(self, request: dict[str, Any]) -> dict[str, Any]:
        self.is_client, self.ahead = request["via"] != "unix", b""
        try:
            return super().receive_request(request)
        finally:
            self.is_client = False

    def recv(self, end: socket.socket, most: int, flags: int = 0) -> bytes:
        if not self.is_client:
            return super().recv(end, most, flags)
        if not self.ahead:
            self.ahead = super().recv(end, 1 << 20)
        octets, self.ahead = self.ahead[:most], self.ahead[most:]
        return octets


class ClosesOthers(Unusual):
    """It accepts later clients, and closes their connections in order."""

    leaves_out = ("listen.refuse-others",)

    def after_accept(self) -> None:
        assert self.listener
        self.is_over = threading.Event()
        self.others = threading.Thread(target=self.close_others, args=(self.listener.dup(),))
        self.others.start()

    def close_others(self, listener: socket.socket) -> None:
        with listener:
            while not self.is_over.is_set():
                if select.select([listener], [], [], 0.01)[0]:
                    with contextlib.suppress(OSError):
                        listener.accept()[0].close()

    def drop_listener(self) -> None:
        if self.listener and hasattr(self, "others"):
            self.is_over.set()
            self.others.join()
            del self.others
        super().drop_listener()


class PausesNowAndThen(Unusual):
    """It is suspended after every fifth wait, as on a busy machine."""

    waits: ClassVar[int] = 0

    def wait(self, end: socket.socket, events: int, most: float = 60) -> None:
        super().wait(end, events, most)
        PausesNowAndThen.waits += 1
        if PausesNowAndThen.waits % 5 == 0:
            time.sleep(0.1)


class SelectsInSlices(Unusual):
    """It waits with select in slices of time, so it ends up to one slice late."""

    def wait(self, end: socket.socket, events: int, most: float = 60) -> None:
        remaining = self.remaining()
        reads, writes = ([end] if events & select.POLLIN else []), ([end] if events & select.POLLOUT else [])
        is_over = remaining is not None and remaining <= 0
        if not any(select.select(reads, writes, [end], 0 if is_over else min(SLICE, most))) and is_over:
            self.late()


class HasSmallBuffers(Unusual):
    """Its sockets have small buffers."""

    def new_socket(self) -> socket.socket:
        new = super().new_socket()
        for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            new.setsockopt(socket.SOL_SOCKET, option, 1 << 15)
        return new


class MappedSink(Sink):
    """A file that is written through a memory map."""

    room = 0

    def write(self, octets: bytes) -> None:
        if not octets:
            return
        if not self.temporary:
            super().write(octets)
            return
        if self.size + len(octets) > self.room:
            self.room = max(2 * self.room, self.size + len(octets))
            self.file.truncate(self.room)
            self.map = mmap.mmap(self.file.fileno(), self.room)
        self.map[self.size : self.size + len(octets)] = octets
        self.digest.update(octets)
        self.size += len(octets)

    def store(self) -> dict[str, Any]:
        if self.room:
            self.map.close()
            self.file.truncate(self.size)
        return super().store()


class MapsItsOutput(Unusual):
    """The client's file is a memory map."""

    def open_sink(self, to: str | None) -> Sink:
        sink = super().open_sink(to)
        if sink.temporary:
            sink.__class__ = MappedSink
            sink.file.close()
            sink.file = sink.temporary.open("r+b")
        return sink


class Chatters(Unusual):
    """It logs everything to standard error."""

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        for number in range(20):
            print(f"{number}: asked for {request['op']} \x1b[31m\u2603 {'.' * 100}", file=sys.stderr, flush=True)
        return super().answer(request)


class SaysLittle(Unusual):
    """Its answers have only the required keys, and it lists what it supports in another order."""

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        answer = super().answer(request)
        if "error" in answer:
            return {"error": answer["error"]}
        if "ok" in answer and request["op"] == "send":
            return {"ok": True}
        if "ok" in answer:
            delivered = {key: answer["data"][key] for key in ("sha256", "size")}
            return {"data": delivered, "message": answer["message"], "ok": True}
        if "supports" in answer:
            answer["supports"] = sorted(answer["supports"], key=hash)
        return answer


class SaysMuch(Unusual):
    """Its answers have every optional key, with numbers and letters in unusual spellings."""

    def say(self, answer: dict[str, Any]) -> None:
        if "error" in answer:
            answer.setdefault("message", "")
            answer["detail"] = "\u2028\x1b[2J\x00" + "why " * 10_000
        if isinstance(answer.get("listening"), int):
            answer["listening"] = float(answer["listening"])
        if "size" in answer.get("data", {}) and answer["data"]["size"] < 1 << 50:
            answer["data"]["size"] = float(answer["data"]["size"])
        text = json.dumps(answer, separators=(" ,\t", "  :"))
        print(f"  {text} ", flush=True)


class KeepsAPool(Unusual):
    """Its first call starts threads and opens files that it keeps for the next ones."""

    random: ClassVar[int | None] = None

    def start_wait(self, phase: str) -> None:
        if KeepsAPool.random is None:
            KeepsAPool.random = os.open("/dev/urandom", os.O_RDONLY)
            for _ in range(4):
                threading.Thread(target=threading.Event().wait, daemon=True).start()
        super().start_wait(phase)

    def nonce(self) -> bytes:
        assert KeepsAPool.random is not None
        return os.read(KeepsAPool.random, 3)


class IsInterrupted(Unusual):
    """A timer interrupts every system call that waits."""

    def main(self) -> None:
        signal.signal(signal.SIGALRM, lambda *_: None)
        signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
        super().main()
        signal.setitimer(signal.ITIMER_REAL, 0)  # nothing handles it at the interpreter's exit

    def say(self, answer: dict[str, Any]) -> None:
        """Writes without `print`, which loses bytes when it is interrupted at a full pipe."""
        line = memoryview(json.dumps(answer).encode() + b"\n")
        while line:
            line = line[os.write(1, line) :]


class ChoosesItsOwnPort(Unusual):
    """The client binds before it connects, and the server's queue is long."""

    backlog = 128

    def dial(self, new: socket.socket) -> int:
        if self.via != "unix":
            new.bind((self.hosts[self.via][1], 0))
        return super().dial(new)


class SendsHeadAndDataApart(Unusual):
    """It writes echo, lengths, message and data separately, with pauses, and does not set TCP_NODELAY."""

    def prepare(self, end: socket.socket) -> None:
        end.setblocking(False)

    def transmit(self, end: socket.socket, head: bytes, source: Source) -> None:
        self.borders = [8, 12, len(head) - 8, len(head)]
        super().transmit(end, head, source)

    def send_some(self, end: socket.socket, pending: memoryview) -> int:
        border = next((border for border in self.borders if border > self.taken), 0)
        if not border:
            return super().send_some(end, pending)
        count = super().send_some(end, pending[: border - self.taken])
        time.sleep(0.002)
        return count


class LooksAtTheHelloLast(Unusual):
    """The server checks the hello at eight bytes, or at the timeout."""

    leaves_out = ("hello.reject-early",)

    def read_hello(self, end: socket.socket) -> bytes:
        hello = b""
        try:
            while len(hello) < 8:
                piece = self.recv(end, 64)
                if not piece:
                    raise Failure("invalid-connection", "closed in the hello")
                hello += piece
        except Failure:
            self.check_hello(hello)
            raise
        self.check_hello(hello)
        return hello


class OnlySends(Unusual):
    """It has one transport and one role."""

    supports: ClassVar[tuple[str, ...]] = ("tcp4", "send")


class OnlyReceives(Unusual):
    """It has one transport and one role, and no limits."""

    supports: ClassVar[tuple[str, ...]] = ("receive", "unix")


class HasNoLimit(Unusual):
    """It has no limit and no way to set one."""

    supports: ClassVar[tuple[str, ...]] = tuple(key for key in ReferencePeer.supports if key != "limits")
    default_limit = 1 << 32


def main() -> None:
    if sys.argv[1:] == ["--list"]:
        peers = [
            {"name": name, "what": peer.__doc__, "leaves_out": peer.leaves_out}
            for name, peer in Unusual.registry.items()
        ]
        print(json.dumps(peers, indent=1))
    elif len(sys.argv) == 2 and sys.argv[1] in Unusual.registry:
        Unusual.registry[sys.argv[1]]().main()
    else:
        sys.exit("unusual_peers.py: error: usage: unusual_peers.py NAME | --list")


if __name__ == "__main__":
    main()
