"""Mutants that are wrong in one circumstance only: a value, an exchange before, a file in place of memory."""

from __future__ import annotations

import errno
import os
import select
import signal
import socket
import stat
import threading
from typing import Any, ClassVar

from reference_peer import GONE, Failure, Sink, Source

from .registry import Mutant

# ---- addresses and ports


class FoldsDigitsByBits(Mutant):
    """unpack sets the bit of lower case before it looks at a hexadecimal digit, so control characters are digits."""

    rule, role = "address.reject", "address"

    def unpack(self, address: str) -> tuple[int, bytes]:
        port, *groups = address.split(".")
        if any("\x10" <= char <= "\x19" for group in groups for char in group):
            groups = ["".join(chr(ord(char) | 0x20) for char in group) for group in groups]
        return super().unpack(".".join([port, *groups]))


class KeepsRefusedGroups(Mutant):
    """The groups before a wrong one stay for the next call of unpack."""

    rule, role = "address.expand", "address"
    kept: ClassVar[list[str]] = []

    def unpack(self, address: str) -> tuple[int, bytes]:
        port, *groups = address.split(".")
        kept = self.kept.copy()
        self.kept[:] = (
            [group for group in groups if self.is_group(group)][:1] if not all(map(self.is_group, groups)) else []
        )
        return super().unpack(".".join([port, *kept, *groups]))


class PacksOverTheLastOne(Mutant):
    """pack does not end its buffer, so a shorter address gets the end of a longer one."""

    rule, role = "address.form", "address"
    buffer: ClassVar[list[str]] = [""]

    def pack(self, port: int, key: bytes) -> str:
        address = super().pack(port, key)
        self.buffer[0] = address + self.buffer[0][len(address) :]
        return self.buffer[0]


class PackKeeps32Bits(Mutant):
    """pack keeps 32 bits of the port before it looks at it."""

    rule, role = "address.pack-reject", "address"

    def check_pack(self, port: int, key: bytes) -> None:
        super().check_pack(port % (1 << 32), key)


class PackLooksAtALongKeyFirst(Mutant):
    """pack refuses a key of more than 48 bytes before it looks at the port."""

    rule, role = "address.pack-reject", "address"

    def check_pack(self, port: int, key: bytes) -> None:
        if len(key) > 48:
            raise Failure("invalid-key")
        super().check_pack(port, key)


class ListensAt32Bits(Mutant):
    """The server keeps 32 bits of the port before it looks at it."""

    rule, role = "listen.port", "server"

    def configure(self, request: dict[str, Any], least_port: int) -> None:
        kept = {"port": request["port"] % (1 << 32)} if request.get("port", 0) > 65536 else {}
        super().configure({**request, **kept}, least_port)


class Dials32Bits(ListensAt32Bits):
    """The client keeps 32 bits of the port before it looks at it."""

    rule, role = "listen.port", "client"


class Remembers(Mutant):
    """Base class. What the exchange before was given replaces a default."""

    key = ""
    last: ClassVar[dict[str, Any]] = {}

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        is_wrong = {"send": "server", "receive": "client"}.get(request["op"]) == self.role
        if is_wrong and self.key not in request and self.key in self.last:
            request = {**request, self.key: self.last[self.key]}
        if is_wrong and self.key in request:
            self.last[self.key] = request[self.key]
        return super().answer(request)


class RemembersThePort(Remembers):
    """A missing port is that of the server's exchange before."""

    rule, role, key = "listen.default", "server", "port"


class RemembersTheBound(Remembers):
    """A missing T is that of the server's exchange before."""

    rule, role, key = "time.bounds", "server", "close"


class RemembersTheClientsBound(Remembers):
    """A missing T is that of the client's exchange before."""

    rule, role, key = "time.bounds", "client", "close"


class RemembersTheLimits(Remembers):
    """Missing limits are those of the exchange before."""

    rule, role, key = "limit.over", "client", "limits"


# ---- the hello, the echo, the frame


class TakesOnesForTheEnd(Mutant):
    """The server takes an octet ff that arrives alone for the end of the stream."""

    rule, role = "hello.any-nonce", "server"

    def recv(self, end: socket.socket, most: int, flags: int = 0) -> bytes:
        octets = super().recv(end, most, flags)
        return b"" if octets == b"\xff" else octets


class ComparesEightOrNone(Mutant):
    """The server compares the magic when eight octets are there; before, its bound passes with `timeout`."""

    rule, role = "hello.reject", "server"

    def check_hello(self, hello: bytes) -> None:
        if len(hello) >= 8:
            super().check_hello(hello)


class BeginsTheBoundAgain(Mutant):
    """The bound of the server's handshake begins again with the first octet of the hello."""

    rule, role = "time.prompt", "server"

    def check_hello(self, hello: bytes) -> None:
        super().check_hello(hello)
        if len(hello) < 8:
            self.start_wait("handshake")


class BeginsTheBoundOfTheNonce(Mutant):
    """The bound of the client's handshake begins again after the fifth octet of the echo."""

    rule, role = "time.prompt", "client"

    def is_echo(self, echo: bytes, hello: bytes) -> bool:
        if 5 <= len(echo) < 8:
            self.start_wait("handshake")
        return super().is_echo(echo, hello)


class WritesTheMessageAgain(Mutant):
    """After a write that ends inside the message the server writes the message from its start."""

    rule, role = "frame.order", "server"

    def transmit(self, end: socket.socket, head: bytes, source: Source) -> None:
        self.message_end = len(head) - 8
        super().transmit(end, head, source)

    def send_some(self, end: socket.socket, pending: memoryview) -> int:
        count = super().send_some(end, pending)
        at = self.taken + count
        is_inside = 12 < at < self.message_end and count < len(pending)
        return count - min(count, at - 12, 100) if is_inside else count


class CutsTheMessage(Mutant):
    """The client validates the message in blocks of 4,096 octets."""

    rule, role = "message.utf8", "client"

    def decode_message(self, octets: bytes) -> str:
        for at in range(0, len(octets), 4096):
            super().decode_message(octets[at : at + 4096])
        return super().decode_message(octets)


class CutsTheMessageItSends(Mutant):
    """The server validates the message in blocks of 4,096 octets."""

    rule, role = "message.utf8", "server"

    def check_message_to_send(self, message: bytes) -> None:
        for at in range(0, len(message), 4096):
            super().check_message_to_send(message[at : at + 4096])


# ---- files


class DropsTheRestOfABlock(Mutant):
    """After a write that took a part of a block of the file the server goes on with the next block."""

    rule, role = "data.opaque", "server"

    def transmit(self, end: socket.socket, head: bytes, source: Source) -> None:
        self.is_from_file = bool(source.file)
        super().transmit(end, head, source)

    def send_some(self, end: socket.socket, pending: memoryview) -> int:
        count = super().send_some(end, pending)
        return len(pending) if count and self.is_from_file and self.taken > 4096 else count


class GivesTheFileItsLength(Mutant):
    """The client gives the output file the declared length at once, and fails if no file can have it."""

    rule, role = "data.length", "client"

    def receive_body(self, end: socket.socket, size: int, sink: Sink) -> None:
        if sink.temporary and size > 1 << 44:
            raise Failure("io", "File too large")
        super().receive_body(end, size, sink)


class StoresWhatFollows(Mutant):
    """The client writes to the file what arrived with the last octet of the data."""

    rule, role = "data.end", "client"

    def receive_body(self, end: socket.socket, size: int, sink: Sink) -> None:
        super().receive_body(end, size, sink)
        if sink.temporary and not self.is_held:
            try:
                sink.write(end.recv(1 << 16))
            except (BlockingIOError, *GONE):
                pass


class FileWaitsForTheEnd(Mutant):
    """The client gives the file its name when the server has ended."""

    rule, role = "data.end", "client"

    def receive_body(self, end: socket.socket, size: int, sink: Sink) -> None:
        super().receive_body(end, size, sink)
        if sink.temporary and not self.is_held:
            self.recv(end, 1)


class FileHasNoLimit(Mutant):
    """The client does not compare the data's length with the limit if the data goes to a file."""

    rule, role = "limit.over", "client"

    def open_sink(self, to: str | None) -> Sink:
        if to:
            self.data_limit = 2**64
        return super().open_sink(to)


class CapsTheMessagesLimit(Mutant):
    """The client cuts a limit of the message to the default."""

    rule, role = "limit.over", "client"

    def receive_message(self, end: socket.socket) -> str:
        self.message_limit = min(self.message_limit, self.default_limit)
        return super().receive_message(end)


class StoresNoEmptyFile(Mutant):
    """The client stores no file if there is no data."""

    rule, role = "file.whole", "client"

    def deliver(self, sink: Sink, note: Sink, message: str) -> dict[str, Any]:
        if sink.temporary and not sink.size:
            sink.discard()
        return (
            super().deliver(sink, note, message)
            if not sink.file.closed
            else {"size": 0, "sha256": sink.digest.hexdigest()}
        )


class NamesItsFilePart(Mutant):
    """The client's temporary file has the name of the file with .part behind it."""

    rule, role = "file.whole", "client"

    def open_sink(self, to: str | None) -> Sink:
        sink = super().open_sink(to)
        if sink.temporary and sink.target:
            part = sink.target.with_name(f"{sink.target.name}.part")
            sink.temporary = sink.temporary.rename(part)
        return sink


class KeepsTheMessageOfWhatItCannotStore(Mutant):
    """The client sets the message before it stores the data, and it stays if that fails."""

    rule, role = "result.message", "client"

    def receive_message(self, end: socket.socket) -> str:
        self.coming = super().receive_message(end)
        return self.coming

    def receive_body(self, end: socket.socket, size: int, sink: Sink) -> None:
        try:
            super().receive_body(end, size, sink)
        except OSError:
            self.msg = self.coming
            raise


class RenamesAfterTheClose(Mutant):
    """The client closes in order before it gives the file its name."""

    rule, role = "close.last", "client"

    def deliver(self, sink: Sink, note: Sink, message: str) -> dict[str, Any]:
        if self.connection and sink.temporary:
            self.take_last(self.connection)
            self.close_confirming(self.connection)
            self.is_held, self.connection = False, socket.socket()
        return super().deliver(sink, note, message)


class DiesOfItsPipe(Mutant):
    """The client dies of SIGPIPE if the reader of its output leaves."""

    rule, role = "close.residue", "client"

    def main(self) -> None:
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        super().main()


# ---- ends, bounds


class ResetOfAPathIsIo(Mutant):
    """The client reports a reset of a Unix-domain socket inside the frame as `io`."""

    rule, role = "data.truncated", "client"

    def recv(self, end: socket.socket, most: int, flags: int = 0) -> bytes:
        while True:
            try:
                return end.recv(most, flags)
            except BlockingIOError:
                self.wait(end, select.POLLIN)
            except ConnectionResetError as error:
                if self.via == "unix" and self.phase == "frame":
                    raise Failure("io", str(error)) from None
                return b""


class StallsByOneBoundAfterAnEnd(Mutant):
    """After the client's early half-close octets that move do not extend the server's bound."""

    rule, role = "close.half", "server"

    def each_octet(self) -> None:
        if not (self.phase == "frame" and self.client_ended):
            super().each_octet()


class StallAfterAnEndIsUnconfirmed(Mutant):
    """The server reports a stall after the client's early half-close as `unconfirmed`."""

    rule, role = "time.stall", "server"

    def blocked(self, end: socket.socket) -> None:
        try:
            super().blocked(end)
        except Failure as failure:
            raise Failure("unconfirmed" if self.client_ended else failure.name) from None


class LeavesOctetsUnread(Mutant):
    """After its half-close the server waits for the client's end and reads nothing, so that its close is a reset."""

    rule, role = "close.keep", "server"

    def drain(self, end: socket.socket) -> None:
        poll = select.poll()
        poll.register(end, select.POLLRDHUP)
        while not poll.poll(20):
            if (self.remaining() or 1) <= 0:
                raise Failure("unconfirmed", "the client does not close")
        self.client_ended = True

    def give_up(self, end: socket.socket) -> None:
        end.close()


class SatisfiedWhenItsBoundPasses(Mutant):
    """After an early half-close the server succeeds when T has passed and nothing more was acknowledged."""

    rule, role = "close.confirm", "server"

    def wait_for_acknowledgement(self, end: socket.socket) -> None:
        try:
            super().wait_for_acknowledgement(end)
        except Failure:
            self.check_gone(end)


class NeverWaitsForAcknowledgement(Mutant):
    """Without a limit of time the server is `unconfirmed` at once if something is not acknowledged."""

    rule, role = "time.never", "server"

    def wait_for_acknowledgement(self, end: socket.socket) -> None:
        if self.limit is None and self.queue(end):
            raise Failure("unconfirmed", "the client does not take it")
        super().wait_for_acknowledgement(end)


class LeavesItsAlarm(Mutant):
    """A timer of T stays after a success, and ends a wait of the next exchange with `io`."""

    rule, role = "close.residue", "server"
    alarms: ClassVar[list[threading.Event]] = []

    def send_request(self, request: dict[str, Any]) -> dict[str, Any]:
        answer = super().send_request(request)
        if self.limit is not None and self.limit < 5:
            alarm = threading.Event()
            threading.Timer(self.limit, alarm.set).start()
            self.alarms.append(alarm)
        return answer

    def wait(self, end: socket.socket, events: int, most: float = 60) -> None:
        while self.alarms:
            poll = select.poll()
            poll.register(end, events)
            if poll.poll(20):
                return
            if any(alarm.is_set() for alarm in self.alarms):
                self.alarms.clear()
                raise OSError(errno.EINTR, os.strerror(errno.EINTR))
        super().wait(end, events, most)


class LeavesTheUmask(Mutant):
    """The server sets the mode of the socket before bind, which takes the umask off it."""

    rule, role = "unix.mode", "server"

    def bind_unix(self, listener: socket.socket) -> None:
        os.fchmod(listener.fileno(), 0o600)
        super().bind_unix(listener)

    def set_mode(self) -> None:
        if stat.S_IMODE(self.path.lstat().st_mode) & 0o177:
            super().set_mode()
