"""A correct implementation of KCOM5 as an adapter, in small methods that mutants override.

It shares nothing with the implementations under impl/. The suite's mutants derive from it, and no case may catch it.
It uses blocking calls, one exchange at a time. Contract: ADAPTER.md. Spec: all of kcom5.md.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import json
import math
import os
import select
import socket
import stat
import struct
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, NoReturn

MAGIC = b"KCOM5"
GROUPS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 48)
MESSAGE_MOST = 2**32 - 1
SIOCOUTQ = 0x5411
GONE = (ConnectionResetError, BrokenPipeError)
PIECE = 1 << 18


class Failure(Exception):
    """A failure with its name (`result.class`)."""

    def __init__(self, name: str, detail: str = "") -> None:
        super().__init__(detail or name)
        self.name = name


class Source:
    """The data to send: hexadecimal, a fill, or a file with its size at the start."""

    def __init__(self, given: dict[str, Any]) -> None:
        self.file: Any = None
        self.block, self.period = b"", 1
        if "file" in given:
            self.file = Path(given["file"]).open("rb")  # noqa: SIM115
            status = os.fstat(self.file.fileno())
            self.size = status.st_size
            is_unknown = self.size <= 65536 and status.st_blocks == 0
            if not stat.S_ISREG(status.st_mode) or self.size == 0 or is_unknown:
                import shutil  # these take long, and only files need them
                import tempfile

                with self.file as pipe:
                    self.file = tempfile.TemporaryFile()  # noqa: SIM115
                    shutil.copyfileobj(pipe, self.file)
                self.size = self.file.tell()
                self.file.seek(0)
        elif "size" in given:
            unit = bytes(range(251)) if given["fill"] == "counter251" else bytes.fromhex(given["fill"])
            self.size, self.block = given["size"], unit * (PIECE // len(unit) + 1)
            self.period = len(unit)
        else:
            self.block = bytes.fromhex(given.get("hex", ""))
            self.size = self.period = len(self.block)
        self.offset = 0

    def read(self, most: int) -> bytes:
        count = min(most, self.size - self.offset)
        if self.file:
            octets: bytes = self.file.read(count)
            if count and not octets:
                raise Failure("io", "the file became shorter while it was sent")
        else:
            start = self.offset % self.period if self.period else 0
            octets = self.block[start : start + count]
        self.offset += len(octets)
        return octets

    def close(self) -> None:
        if self.file:
            self.file.close()


class Sink:
    """The received content: in memory, or in a file that gets its name when it is complete."""

    def __init__(self, to: str | None) -> None:
        self.digest, self.size = hashlib.sha256(), 0
        self.file: Any = io.BytesIO()
        self.target = Path(to).resolve() if to else None
        self.temporary: Path | None = None
        self.mode = 0o600
        if self.target and self.target.exists() and not self.target.is_file():
            descriptor = os.open(self.target, os.O_WRONLY | os.O_NONBLOCK)
            os.set_blocking(descriptor, True)
            self.file = os.fdopen(descriptor, "wb", 0)
        elif self.target:
            if self.target.exists():
                self.mode = stat.S_IMODE(self.target.stat().st_mode)
            import tempfile

            descriptor, name = tempfile.mkstemp(dir=self.target.parent)
            self.temporary = Path(name)
            self.file = os.fdopen(descriptor, "wb")

    def write(self, octets: bytes) -> None:
        left = memoryview(octets)
        while left:  # a pipe may take a part
            left = left[self.file.write(left) :]
        self.digest.update(octets)
        self.size += len(octets)

    def store(self) -> dict[str, Any]:
        answer: dict[str, Any] = {"size": self.size, "sha256": self.digest.hexdigest()}
        if not self.target and self.size <= 4096:
            answer["hex"] = self.file.getvalue().hex()
        self.file.close()
        if self.temporary and self.target:
            self.temporary.chmod(self.mode)
            self.temporary.rename(self.target)
            self.temporary = None
        return answer

    def discard(self) -> None:
        self.file.close()
        if self.temporary:
            self.temporary.unlink()
            self.temporary = None


class ReferencePeer:
    """One adapter. Each exchange sets the attributes again."""

    supports: ClassVar[tuple[str, ...]] = (
        "pack",
        "send",
        "receive",
        "tcp4",
        "tcp6",
        "unix",
        "port-zero",
        "limits",
        "file",
        "message",
        "message-file",
    )
    hosts: ClassVar = {"tcp6": (socket.AF_INET6, "::1"), "tcp4": (socket.AF_INET, "127.0.0.1")}
    default_close = 150
    default_port = 13600
    default_limit = 1 << 24
    backlog = 1
    hello_buffer = 64
    msg = ""

    # The adapter.

    def main(self) -> None:
        for line in sys.stdin:
            self.say(self.answer(json.loads(line)))

    def say(self, answer: dict[str, Any]) -> None:
        print(json.dumps(answer), flush=True)

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        act = {"about": self.about, "pack": self.pack_request, "unpack": self.unpack_request,
               "send": self.send_request, "receive": self.receive_request}.get(request["op"])  # fmt: skip
        if act is None or request.get("via", "unix") not in (*self.hosts, "unix"):
            return {"unsupported": True}
        self.connection: socket.socket | None = None
        self.listener: socket.socket | None = None
        self.made: tuple[int, int] | None = None
        self.is_half_closed = self.has_stored = False
        try:
            return act(request)
        except Failure as failure:
            return self.failed(request, failure.name, str(failure))
        except OSError as error:
            return self.failed(request, "io", str(error))

    def failed(self, request: dict[str, Any], name: str, detail: str) -> dict[str, Any]:
        answer = {"error": name, "detail": detail}
        if request["op"] == "receive" and "message" in request:
            answer["message"] = self.msg
        return answer

    def about(self, request: dict[str, Any]) -> dict[str, Any]:
        return {"name": type(self).__name__, "version": "1.0.0", "language": "python", "supports": list(self.supports)}

    # The address.

    def pack_request(self, request: dict[str, Any]) -> dict[str, Any]:
        return {"address": self.pack(request["port"], bytes.fromhex(request["key"]))}

    def unpack_request(self, request: dict[str, Any]) -> dict[str, Any]:
        port, key = self.unpack(request["address"])
        return {"port": port, "key": key.hex()}

    def pack(self, port: int, key: bytes) -> str:
        self.check_pack(port, key)
        return ".".join([str(port), *(self.group(octet) for octet in key)])

    def check_pack(self, port: int, key: bytes) -> None:
        if not 1 <= port <= 65535:
            raise Failure("invalid-port")
        if len(key) not in GROUPS:
            raise Failure("invalid-key")

    def group(self, octet: int) -> str:
        return f"{octet:02x}"

    def unpack(self, address: str) -> tuple[int, bytes]:
        port, *groups = address.split(".")
        if not self.is_port(port) or len(groups) not in GROUPS or not all(map(self.is_group, groups)):
            raise Failure("invalid-address")
        return int(port), self.expand(bytes.fromhex("".join(groups)))

    def is_port(self, text: str) -> bool:
        digits = text.isascii() and text.isdigit() and text[0] != "0" and len(text) <= 5
        return bool(digits and int(text) <= 65535)

    def is_group(self, text: str) -> bool:
        return len(text) == 2 and all(digit in "0123456789abcdefABCDEF" for digit in text)

    def expand(self, key: bytes) -> bytes:
        return key * (48 // len(key))

    # Time: each wait has one deadline on the monotonic clock, or None.

    def limit_of(self, close: int) -> float | None:
        return close if close > 0 else None

    def start_wait(self, phase: str) -> None:
        """Phases: wait, connect, handshake, frame, confirm."""
        self.phase = phase
        self.deadline = None if self.limit is None else time.monotonic() + self.limit

    def each_octet(self) -> None:
        """Restarts the wait, because a byte of the frame has moved (`time.stall`, `time.confirm`)."""
        self.start_wait("confirm" if self.phase == "confirm" else "frame")

    def remaining(self) -> float | None:
        return None if self.deadline is None else self.deadline - time.monotonic()

    def wait(self, end: socket.socket, events: int, most: float = 60) -> None:
        """Waits for an event for at most `most` seconds. Raises `timeout` if the deadline had passed (`time.late`)."""
        remaining = self.remaining()
        poll = select.poll()
        poll.register(end, events)
        seconds = most if remaining is None else max(0, min(most, remaining))
        if not poll.poll(math.ceil(seconds * 1000)) and remaining is not None and remaining <= 0:
            self.late()

    def late(self) -> NoReturn:
        raise Failure("timeout")

    # Both ends.

    def configure(self, request: dict[str, Any], least_port: int) -> None:
        self.via, self.path = request["via"], Path(request.get("path", ""))
        self.port = request.get("port", self.default_port)
        self.limit = self.limit_of(request.get("close", self.default_close))
        if self.via != "unix" and not least_port <= self.port <= 65535:
            raise Failure("invalid-port")
        if self.via == "unix":
            self.check_path()

    def check_path(self) -> None:
        """`unix.path`"""
        name = os.fsencode(self.path)
        if len(name) > 107 or b"\0" in name or not name:
            raise Failure("io", "no socket can have this path")
        self.path.parent.stat()  # a folder that is missing, a loop

    def new_socket(self) -> socket.socket:
        new = socket.socket(socket.AF_UNIX if self.via == "unix" else self.hosts[self.via][0])
        new.setblocking(False)
        return new

    def place(self) -> Any:
        return str(self.path) if self.via == "unix" else (self.hosts[self.via][1], self.port)

    def prepare(self, end: socket.socket) -> None:
        end.setblocking(False)
        if self.via != "unix":
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if hasattr(socket, "TCP_CONGESTION"):
                with contextlib.suppress(OSError):
                    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"cubic")

    def check_owner(self, end: socket.socket) -> None:
        if self.via != "unix":
            return
        if self.peer_user(end) != os.geteuid():
            raise Failure("invalid-connection", "the peer belongs to another user")

    def peer_user(self, end: socket.socket) -> int:
        credentials = end.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        return int(struct.unpack("3i", credentials)[1])

    def recv(self, end: socket.socket, most: int, flags: int = 0) -> bytes:
        """Returns at least one byte, or none after an end or reset. Arrived bytes count after the deadline too."""
        while True:
            try:
                return end.recv(most, flags)
            except BlockingIOError:
                self.wait(end, select.POLLIN)
            except ConnectionResetError:
                return b""

    def abort(self, end: socket.socket) -> None:
        """`close.abort`"""
        if self.via != "unix":
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        end.close()

    def close(self, end: socket.socket) -> None:
        end.close()

    # The server.

    def send_request(self, request: dict[str, Any]) -> dict[str, Any]:
        source = None
        try:
            self.configure(request, self.least_server_port())
            message = self.message_to_send(request.get("message", ""))
            source = Source(request.get("data", {}))
            self.send(message, source)
            return {"ok": True, "confirmed": self.confirmed}
        finally:
            self.drop_listener()
            if source:
                source.close()
            if self.connection:
                self.give_up(self.connection)

    def give_up(self, end: socket.socket) -> None:
        """`close.abort`, and after the half-close `close.keep`."""
        if self.is_half_closed:
            with contextlib.suppress(OSError):  # unread bytes would turn the close into a reset
                while end.recv(1 << 16):
                    pass
            end.close()
        else:
            self.abort(end)

    def least_server_port(self) -> int:
        return 0

    def message_to_send(self, given: str | dict[str, Any]) -> bytes:
        if isinstance(given, str):
            message = given.encode("utf-8", "surrogatepass")
        else:
            self.check_message_size(given.get("size", 0))
            source = Source(given)
            message = b"".join(iter(lambda: source.read(PIECE), b""))
        self.check_message_to_send(message)
        return message

    def check_message_size(self, size: int) -> None:
        if size > MESSAGE_MOST:
            raise Failure("message-too-long")

    def check_message_to_send(self, message: bytes) -> None:
        try:
            message.decode()
        except UnicodeDecodeError as error:
            raise Failure("message-not-utf8", str(error)) from None

    def send(self, message: bytes, source: Source) -> None:
        with self.locked_folder():
            self.listener = self.listen()
        self.announce(self.listener)
        self.connection = self.accept_one(self.listener)
        self.after_accept()
        self.prepare(self.connection)
        self.check_owner(self.connection)
        self.start_wait("handshake")
        hello = self.read_hello(self.connection)
        self.client_ended = self.ended_early = self.confirmed = False
        self.transmit(self.connection, self.encode_echo(hello) + self.encode_head(message, source.size), source)
        self.half_close_and_drain(self.connection)
        self.close(self.connection)
        self.connection = None

    @contextlib.contextmanager
    def locked_folder(self) -> Iterator[None]:
        """Locks the folder from the test of the path to listen (`unix.stale`)."""
        if self.via != "unix":
            yield
            return
        import fcntl

        folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            yield
        finally:
            os.close(folder)

    def announce(self, listener: socket.socket) -> None:
        self.say({"listening": str(self.path) if self.via == "unix" else listener.getsockname()[1]})

    def listen(self) -> socket.socket:
        listener = self.new_socket()
        try:
            if self.via == "unix":
                self.bind_unix(listener)
            else:
                self.bind(listener)
            listener.listen(self.backlog)
        except OSError as error:
            listener.close()
            if error.errno == errno.EADDRINUSE:
                raise Failure("in-use", str(error)) from None
            raise
        except BaseException:
            listener.close()
            raise
        self.start_wait("wait")
        return listener

    def bind(self, listener: socket.socket) -> None:
        self.set_bind_options(listener)
        listener.bind(self.place())

    def set_bind_options(self, listener: socket.socket) -> None:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)

    def bind_unix(self, listener: socket.socket) -> None:
        try:
            listener.bind(self.place())
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            self.remove_stale()
            listener.bind(self.place())
        self.made = self.identity()
        self.set_mode()

    def remove_stale(self) -> None:
        status = self.path.lstat()
        if not stat.S_ISSOCK(status.st_mode) or status.st_uid != os.geteuid() or self.has_listener():
            raise Failure("in-use")
        self.path.unlink()

    def has_listener(self) -> bool:
        """A datagram socket tests the path without a connection to a listening server (`unix.stale`)."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as probe:
            return probe.connect_ex(self.place()) != errno.ECONNREFUSED

    def identity(self) -> tuple[int, int] | None:
        with contextlib.suppress(OSError):
            status = self.path.lstat()
            return status.st_dev, status.st_ino
        return None

    def set_mode(self) -> None:
        self.path.chmod(0o600)

    def accept_one(self, listener: socket.socket) -> socket.socket:
        while True:
            try:
                return listener.accept()[0]
            except BlockingIOError:
                self.wait(listener, select.POLLIN)
            except ConnectionAbortedError:
                pass

    def after_accept(self) -> None:
        """Refuses other clients from now on (`listen.refuse-others`)."""
        self.drop_listener()

    def drop_listener(self) -> None:
        if self.made and self.identity() == self.made:
            self.path.unlink()
        self.made = None
        if self.listener:
            self.listener.close()
            self.listener = None

    def read_hello(self, end: socket.socket) -> bytes:
        hello = b""
        while len(hello) < 8:
            piece = self.recv(end, self.hello_buffer)
            if not piece:
                raise Failure("invalid-connection", "closed in the hello")
            hello += piece
            self.check_hello(hello)
        return hello

    def check_hello(self, hello: bytes) -> None:
        if hello[:5] != MAGIC[: len(hello)] or len(hello) > 8:
            raise Failure("invalid-connection", "no hello")

    def encode_echo(self, hello: bytes) -> bytes:
        return hello

    def encode_head(self, message: bytes, size: int) -> bytes:
        return self.encode_message_length(message) + message + self.encode_data_length(size)

    def encode_message_length(self, message: bytes) -> bytes:
        return len(message).to_bytes(4, "little")

    def encode_data_length(self, size: int) -> bytes:
        return size.to_bytes(8, "little")

    def transmit(self, end: socket.socket, head: bytes, source: Source) -> None:
        self.taken = self.acknowledged = 0
        pending = memoryview(head + source.read(PIECE))
        while pending:
            count = self.send_some(end, pending)
            self.taken += count
            if count and self.taken >= 8:  # until then it is the handshake
                self.each_octet()
            pending = pending[count:] if count < len(pending) else memoryview(source.read(PIECE))

    def send_some(self, end: socket.socket, pending: memoryview) -> int:
        try:
            if not self.client_ended:
                self.discard(end)  # an end before the last byte is taken is early
            return end.send(pending)
        except BlockingIOError:
            self.blocked(end)
        except GONE:
            raise Failure("unconfirmed", "the client is gone") from None
        return 0

    def queue(self, end: socket.socket) -> int:
        """Returns how many bytes the client's system has not acknowledged."""
        if sys.platform != "linux":
            return 0
        import fcntl

        return int(struct.unpack("i", fcntl.ioctl(end, SIOCOUTQ, bytes(4)))[0])

    def has_moved(self, end: socket.socket) -> bool:
        """Whether the client's system has acknowledged bytes since the last call."""
        before, self.acknowledged = self.acknowledged, self.taken - self.queue(end)
        return self.acknowledged > before

    def blocked(self, end: socket.socket) -> None:
        """Waits a moment for room, discards extra bytes, and checks whether the queue moves."""
        self.wait(end, select.POLLOUT | (0 if self.client_ended else select.POLLIN), 0.1)
        if not self.client_ended:
            self.discard(end)
        if self.has_moved(end) and self.taken >= 8:
            self.each_octet()

    def discard(self, end: socket.socket) -> None:
        try:
            self.client_ended = not end.recv(1 << 16)
        except BlockingIOError:
            pass
        except GONE:
            raise Failure("unconfirmed", "the client is gone") from None

    def half_close_and_drain(self, end: socket.socket) -> None:
        """`close.confirm`"""
        is_early = self.client_ended
        self.half_close(end)
        self.is_half_closed = True
        self.start_wait("confirm")
        self.drain(end)
        self.check_gone(end)
        self.confirmed = self.client_ended and not is_early and not self.queue(end)
        self.wait_for_acknowledgement(end)
        self.check_gone(end)

    def check_gone(self, end: socket.socket) -> None:
        if end.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            raise Failure("unconfirmed", "the client is gone")

    def wait_for_acknowledgement(self, end: socket.socket) -> None:
        """After an early end a reset may still come until the client's system has everything."""
        while self.queue(end):
            self.check_gone(end)
            if self.has_moved(end):
                self.each_octet()
            if (self.remaining() or 1) <= 0:
                raise Failure("unconfirmed", "the client does not take it")
            time.sleep(0.002)

    def half_close(self, end: socket.socket) -> None:
        try:
            end.shutdown(socket.SHUT_WR)
        except OSError:
            raise Failure("unconfirmed", "the client is gone") from None

    def drain(self, end: socket.socket) -> None:
        while not self.client_ended:
            try:
                self.wait(end, select.POLLIN, 0.1)
            except Failure:
                raise Failure("unconfirmed", "the client does not close") from None
            self.discard(end)
            if self.has_moved(end):
                self.each_octet()

    # The client.

    def receive_request(self, request: dict[str, Any]) -> dict[str, Any]:
        self.msg = request.get("message", "")
        sink = note = None
        self.is_held = False
        try:
            self.configure(request, 1)
            limits = request.get("limits", {})
            self.message_limit = limits.get("message", self.default_limit)
            self.data_limit: int = limits.get("data", 2**64)
            sink = self.open_sink(request.get("to", {}).get("file"))
            note = self.open_sink(request.get("message_file"))
            self.connection = self.connect()
            self.handshake(self.connection)
            message = self.receive_message(self.connection)
            size = self.receive_data_length(self.connection)
            self.receive_body(self.connection, size, sink)
            data = self.deliver(sink, note, message)
            self.msg = message
            self.take_last(self.connection)
            self.close_confirming(self.connection)
            self.connection = None
            return {"ok": True, "message": self.msg, "data": data}
        finally:
            for one in (sink, note):
                if one:
                    one.discard()
            if self.connection:
                self.abort(self.connection)

    def open_sink(self, to: str | None) -> Sink:
        """`file.once`: opens the output before the client connects, and within T."""
        self.start_wait("connect")
        while True:
            try:
                return Sink(to)
            except OSError as error:
                if error.errno != errno.ENXIO:  # a pipe that nobody has open for reading
                    raise
            if (self.remaining() or 1) <= 0:
                self.late()
            time.sleep(0.01)

    def deliver(self, sink: Sink, note: Sink, message: str) -> dict[str, Any]:
        """`close.last`: stores everything before the connection is closed."""
        note.write(message.encode())
        note.store()
        return sink.store()

    def take_last(self, end: socket.socket) -> None:
        """Takes the frame's last byte, which stays unread on a Unix-domain socket until everything is stored."""
        if self.is_held:
            end.recv(1)

    def close_confirming(self, end: socket.socket) -> None:
        if self.via != "unix":
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 0, 0))
        self.close(end)

    def connect(self) -> socket.socket:
        self.start_wait("connect")
        while True:
            new = self.new_socket()
            try:
                code = self.dial(new)
                if code == errno.EAGAIN:  # the queue of a Unix-domain socket is full
                    new.close()
                    time.sleep(0.02)
                    if (self.remaining() or 1) <= 0:
                        self.late()
                    continue
                if code in (errno.ECONNREFUSED, errno.ENOENT):
                    self.refused(code)
                if code not in (0, errno.ECONNRESET):
                    raise OSError(code, os.strerror(code))
                self.reset_when_killed(new)
                self.check_ends(new)
                self.prepare(new)
                self.check_owner(new)
            except BaseException:
                self.abort(new)
                raise
            return new

    def reset_when_killed(self, new: socket.socket) -> None:
        """`close.abort`: until the orderly close the end of this process resets the connection."""
        if self.via != "unix":
            new.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def dial(self, new: socket.socket) -> int:
        code = new.connect_ex(self.place())
        while code == errno.EINPROGRESS:
            self.wait(new, select.POLLOUT)
            if self.is_writable(new):
                return new.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        return code

    def is_writable(self, end: socket.socket) -> bool:
        poll = select.poll()
        poll.register(end, select.POLLOUT)
        return bool(poll.poll(0))

    def refused(self, code: int) -> NoReturn:
        raise Failure("refused", os.strerror(code))

    def check_ends(self, end: socket.socket) -> None:
        """`connect.self`"""
        if self.via != "unix":
            with contextlib.suppress(OSError):  # already reset; the first read reports it
                if end.getsockname() == end.getpeername():
                    raise Failure("refused", "the connection is to itself")

    def handshake(self, end: socket.socket) -> None:
        self.start_wait("handshake")
        hello = self.make_hello()
        try:
            self.send_hello(end, hello)
        except GONE:
            raise Failure("invalid-connection", "closed before the hello") from None
        self.read_echo(end, hello)

    def make_hello(self) -> bytes:
        return MAGIC + self.nonce()

    def nonce(self) -> bytes:
        return os.urandom(3)

    def send_hello(self, end: socket.socket, hello: bytes) -> None:
        end.send(hello)

    def read_echo(self, end: socket.socket, hello: bytes) -> None:
        echo = b""
        while len(echo) < 8:
            piece = self.recv(end, 8 - len(echo))
            echo += piece
            if not piece or not self.is_echo(echo, hello):
                raise Failure("invalid-connection", "no echo")

    def is_echo(self, echo: bytes, hello: bytes) -> bool:
        return hello.startswith(echo)

    def read_exact(self, end: socket.socket, count: int) -> bytes:
        """Reads a field of the head and nothing after it, so that an abort leaves bytes unread (`close.abort`)."""
        octets = bytearray()
        while len(octets) < count:
            self.each_octet()
            piece = self.recv(end, min(count - len(octets), PIECE))
            if not piece:
                raise Failure("truncated")
            octets += piece
        return bytes(octets)

    def decode_length(self, octets: bytes) -> int:
        return int.from_bytes(octets, "little")

    def check_limit(self, size: int, limit: int) -> None:
        if size > limit:
            raise Failure("over-limit")

    def receive_message(self, end: socket.socket) -> str:
        size = self.decode_length(self.read_exact(end, 4))
        self.check_limit(size, self.message_limit)
        return self.decode_message(self.read_exact(end, size))

    def decode_message(self, octets: bytes) -> str:
        try:
            return octets.decode()
        except UnicodeDecodeError as error:
            raise Failure("malformed-message", str(error)) from None

    def receive_data_length(self, end: socket.socket) -> int:
        octets = self.read_exact(end, 8 - self.holds())
        if self.holds():
            octets += self.peek(end)
        size = self.decode_length(octets)
        self.check_limit(size, self.data_limit)
        if self.holds() and size:
            end.recv(1)
        self.is_held = self.holds()
        return size

    def holds(self) -> bool:
        """On a Unix-domain socket the frame's last byte stays unread until everything is stored, so a close resets."""
        return bool(self.via == "unix")

    def peek(self, end: socket.socket) -> bytes:
        """Returns the next byte without taking it."""
        self.each_octet()
        octet = self.recv(end, 1, socket.MSG_PEEK)
        if not octet:
            raise Failure("truncated")
        return octet

    def receive_body(self, end: socket.socket, size: int, sink: Sink) -> None:
        last = bool(size) and self.holds()
        left = size - last
        while left:
            self.each_octet()
            piece = self.recv(end, min(left, PIECE))
            if not piece:
                raise Failure("truncated", f"{left} octets are missing")
            sink.write(piece)
            left -= len(piece)
        if last:
            sink.write(self.peek(end))


if __name__ == "__main__":
    ReferencePeer().main()
