"""Mutants that are examples of common kinds of bugs, whatever rule they break."""

from __future__ import annotations

import contextlib
import errno
import itertools
import mmap
import os
import random
import re
import signal
import socket
import struct
import tempfile
import threading
from pathlib import Path
from typing import Any, ClassVar, NoReturn

from reference_peer import Failure, Sink, Source

from .registry import Mutant

# ---- digits outside ASCII


class PortOfAnyScript(Mutant):
    r"""unpack's pattern of the port has \\d after the first digit, which other scripts' digits match."""

    rule, role = "address.reject", "address"

    def is_port(self, text: str) -> bool:
        return bool(re.fullmatch(r"[1-9]\d{0,4}", text)) and int(text) <= 65535


class GroupOfAnyScript(Mutant):
    r"""unpack's pattern of a group has \\d, which other scripts' digits match."""

    rule, role = "address.reject", "address"

    def unpack(self, address: str) -> tuple[int, bytes]:
        port, *groups = address.split(".")
        if all(re.fullmatch(r"[\da-fA-F]{2}", group) for group in groups):
            groups = [f"{int(group, 16):02x}" for group in groups]
        return super().unpack(".".join([port, *groups]))


class SecondOfAnyScript(Mutant):
    """unpack checks the first digit of a group, and leaves the second one to int()."""

    rule, role = "address.reject", "address"

    def unpack(self, address: str) -> tuple[int, bytes]:
        port, *groups = address.split(".")
        with contextlib.suppress(ValueError):
            groups = [
                f"{int(group, 16):02x}" if len(group) == 2 and group[0] in "0123456789abcdef" else group
                for group in groups
            ]
        return super().unpack(".".join([port, *groups]))


class FoldsTheAddress(Mutant):
    """unpack first normalises the text, so it accepts full-width characters."""

    rule, role = "address.reject", "address"

    def unpack(self, address: str) -> tuple[int, bytes]:
        import unicodedata

        return super().unpack(unicodedata.normalize("NFKC", address))


# ---- sizes: pages, bits, two limits


class LosesTheLastPage(Mutant):
    """The server sends zeros for the last part of its buffer if that part is a whole page."""

    rule, role = "data.opaque", "server"

    def transmit(self, end: socket.socket, head: bytes, source: Source) -> None:
        read, rest = source.read, source.size % 65536

        def careless(most: int) -> bytes:
            octets = read(most)
            is_last = source.offset == source.size and rest and rest % 4096 == 0
            return octets[: -min(rest, len(octets))] + bytes(min(rest, len(octets))) if is_last and octets else octets

        source.read = careless  # type: ignore[method-assign]
        super().transmit(end, head, source)


class StoresNoLastPage(Mutant):
    """The client stores whole pages with another call, and loses those after the last buffer."""

    rule, role = "data.opaque", "client"

    def deliver(self, sink: Sink, note: Sink, message: str) -> dict[str, Any]:
        rest = sink.size % 65536
        if rest and rest % 4096 == 0:
            sink.file.seek(sink.size - rest)
            sink.file.write(bytes(rest))
            answer = super().deliver(sink, note, message)
            if not sink.target:
                answer["sha256"] = "0" * 64
            return answer
        return super().deliver(sink, note, message)


class KeepsThirtyTwoBitsOfAFile(Mutant):
    """The server keeps 32 bits of a file's size."""

    rule, role = "data.length", "server"

    def encode_data_length(self, size: int) -> bytes:
        return super().encode_data_length(size & 0xFFFFFFFF)


class SignsAFilesSize(Mutant):
    """The server keeps a file's size in a signed 32-bit number, so 2 GiB become a huge length."""

    rule, role = "data.length", "server"

    def encode_data_length(self, size: int) -> bytes:
        return struct.pack("<q", struct.unpack("<i", (size & 0xFFFFFFFF).to_bytes(4, "little"))[0])


class ComparesThirtyTwoBits(Mutant):
    """The client compares 32 bits of a length with its limit."""

    rule, role = "limit.over", "client"

    def check_limit(self, size: int, limit: int) -> None:
        super().check_limit(size & 0xFFFFFFFF, limit)


class KeepsThirtyTwoBitsOfTheLimit(Mutant):
    """The client keeps 32 bits of a limit."""

    rule, role = "limit.over", "client"

    def check_limit(self, size: int, limit: int) -> None:
        super().check_limit(size, limit & 0xFFFFFFFF if limit != 1 << 64 else limit)


class ComparesSixteenBits(Mutant):
    """The client compares 16 bits of the message's length with its limit."""

    rule, role = "limit.over", "client"

    def check_limit(self, size: int, limit: int) -> None:
        super().check_limit(size & 0xFFFF if limit == self.message_limit else size, limit)


class OneLimitForBoth(Mutant):
    """The client uses the smaller limit for both lengths."""

    rule, role = "limit.over", "client"

    def check_limit(self, size: int, limit: int) -> None:
        super().check_limit(size, min(self.message_limit, self.data_limit))


class LargerLimitForBoth(Mutant):
    """The client uses the larger limit for both lengths."""

    rule, role = "limit.over", "client"

    def check_limit(self, size: int, limit: int) -> None:
        super().check_limit(size, max(self.message_limit, self.data_limit) if self.data_limit < 1 << 63 else limit)


class ServerLimitsItsMessage(Mutant):
    """The server applies the receiver's default limit to what it sends."""

    rule, role = "message.length", "server"

    def check_message_size(self, size: int) -> None:
        super().check_message_size(1 << 32 if size > self.default_limit else size)


class AllocatesUpToItsLimit(Mutant):
    """The client makes a buffer of the declared size (here at most 256 MiB) if the caller's limit allows it."""

    rule, role = "limit.memory", "client"

    def receive_message(self, end: socket.socket) -> str:
        size = self.decode_length(self.read_exact(end, 4))
        self.check_limit(size, self.message_limit)
        self.buffer = bytearray(min(size, 1 << 28))
        octets = self.read_exact(end, size)
        self.buffer = bytearray()
        return self.decode_message(octets)


# ---- the message


class MalformedAfterTheFrame(Mutant):
    """The client checks the message only when the whole frame has arrived."""

    rule, role = "message.utf8", "client"

    def receive_message(self, end: socket.socket) -> str:
        size = self.decode_length(self.read_exact(end, 4))
        self.check_limit(size, self.message_limit)
        self.octets = self.read_exact(end, size)
        return ""

    def receive_body(self, end: socket.socket, size: int, sink: Sink) -> None:
        super().receive_body(end, size, sink)
        self.decode_message(self.octets)

    def deliver(self, sink: Sink, note: Sink, message: str) -> dict[str, Any]:
        return super().deliver(sink, note, self.octets.decode())

    def receive_request(self, request: dict[str, Any]) -> dict[str, Any]:
        answer = super().receive_request(request)
        self.msg = answer["message"] = self.octets.decode()
        return answer


class MalformedWithTheDataLength(Mutant):
    """The client checks the message only when it has the data's length."""

    rule, role = "message.utf8", "client"

    def receive_message(self, end: socket.socket) -> str:
        size = self.decode_length(self.read_exact(end, 4))
        self.check_limit(size, self.message_limit)
        octets = self.read_exact(end, size)
        end.setblocking(False)
        with contextlib.suppress(UnicodeDecodeError):
            return octets.decode()
        self.read_exact(end, 8)
        return self.decode_message(octets)


class KeepsAnOldMessage(Mutant):
    """The client does not set msg for an empty message."""

    rule, role = "message.length", "client"

    def receive_request(self, request: dict[str, Any]) -> dict[str, Any]:
        answer = super().receive_request(request)
        answer["message"] = answer["message"] or request.get("message", "")
        return answer


class KeepsAnOldMessageFile(Mutant):
    """The client does not store an empty message, so the file of the previous exchange stays."""

    rule, role = "close.last", "client"

    def deliver(self, sink: Sink, note: Sink, message: str) -> dict[str, Any]:
        if not message:
            return sink.store()
        return super().deliver(sink, note, message)


# ---- time: a bound below T, no bound, one bound for a field


class Capped(Mutant):
    """Base class. The phase `capped` has a bound of five seconds."""

    capped = ""

    def start_wait(self, phase: str) -> None:
        before, is_capped = self.limit, phase == self.capped
        if is_capped:
            self.limit = min(self.limit or 5, 5)
        super().start_wait(phase)
        self.limit = before


class CapsTheWaitForAClient(Capped):
    """The server waits for a client for at most five seconds."""

    rule, role, capped = "time.bounds", "server", "wait"


class CapsTheConnecting(Capped):
    """The client waits for the connection for at most five seconds."""

    rule, role, capped = "time.bounds", "client", "connect"


class CapsTheHello(Capped):
    """The server waits for the hello for at most five seconds."""

    rule, role, capped = "time.bounds", "server", "handshake"


class CapsTheEcho(Capped):
    """The client waits for the echo for at most five seconds."""

    rule, role, capped = "time.bounds", "client", "handshake"


class CapsTheReader(Capped):
    """The server waits for a client that does not read for at most five seconds."""

    rule, role, capped = "time.bounds", "server", "frame"


class CapsTheFrame(Capped):
    """The client waits for the frame for at most five seconds."""

    rule, role, capped = "time.bounds", "client", "frame"


class CapsTheClose(Capped):
    """The server waits for the client's end for at most five seconds."""

    rule, role, capped = "time.bounds", "server", "confirm"


class AbsoluteT(Mutant):
    """The server uses the absolute value of a negative T."""

    rule, role = "time.never", "server"

    def limit_of(self, close: int) -> float | None:
        return abs(close) or None


class AbsoluteTAsClient(AbsoluteT):
    """The client uses the absolute value of a negative T."""

    rule, role = "time.never", "client"


class ZeroIsTheLeast(Mutant):
    """The server treats T zero as one second."""

    rule, role = "time.never", "server"

    def limit_of(self, close: int) -> float | None:
        return max(close, 1) if close >= 0 else None


class ZeroIsTheLeastAsClient(ZeroIsTheLeast):
    """The client treats T zero as one second."""

    rule, role = "time.never", "client"


class OverflowsMilliseconds(Mutant):
    """The server keeps T as milliseconds in 32 bits, so a large T becomes negative and ends at once."""

    rule, role = "time.bounds", "server"

    def limit_of(self, close: int) -> float | None:
        wrapped: int = struct.unpack("<i", (close * 1000 & 0xFFFFFFFF).to_bytes(4, "little"))[0]
        return wrapped / 1000 if close > 0 else None


class OverflowsMillisecondsAsClient(OverflowsMilliseconds):
    """The client keeps T as milliseconds in 32 bits, so a large T becomes negative and ends at once."""

    rule, role = "time.bounds", "client"


class BoundPerField(Mutant):
    """Base class. The field of `octets` bytes has one bound for all of it."""

    octets = 0

    def read_exact(self, end: socket.socket, count: int) -> bytes:
        if count != self.octets:
            return super().read_exact(end, count)
        self.each_octet()
        self.is_in_field = True
        try:
            return super().read_exact(end, count)
        finally:
            self.is_in_field = False

    is_in_field = False

    def each_octet(self) -> None:
        if not self.is_in_field:
            super().each_octet()


class BoundOfALength(BoundPerField):
    """The client has one bound for a length or a message of four bytes."""

    rule, role, octets = "time.slow", "client", 4


class BoundOfTheDataLength(BoundPerField):
    """The client has one bound for the data's length."""

    rule, role, octets = "time.slow", "client", 8

    def holds(self) -> bool:
        return False


class BoundOfTheData(Mutant):
    """The client has one bound for the data."""

    rule, role = "time.slow", "client"
    is_in_data = False

    def receive_body(self, end: socket.socket, size: int, sink: Sink) -> None:
        self.each_octet()
        self.is_in_data = True
        try:
            super().receive_body(end, size, sink)
        finally:
            self.is_in_data = False

    def each_octet(self) -> None:
        if not self.is_in_data:
            super().each_octet()


class ConfirmsFromTheHalfClose(Mutant):
    """The server does not restart its wait for the client's end when bytes are acknowledged."""

    rule, role = "time.bounds", "server"

    def each_octet(self) -> None:
        if self.phase != "confirm":
            super().each_octet()


class SharesTheClockOfTheWait(Mutant):
    """The server's handshake gets only the time left of the wait for a client."""

    rule, role = "time.bounds", "server"

    def start_wait(self, phase: str) -> None:
        if phase == "handshake" and self.phase == "wait":
            self.phase = phase
        else:
            super().start_wait(phase)


# ---- listening and connecting


class FallsBackToIpv4(Mutant):
    """A client that ::1 refuses connects to 127.0.0.1."""

    rule, role = "connect.refused", "client"

    def connect(self) -> socket.socket:
        try:
            return super().connect()
        except Failure as failure:
            if failure.name != "refused" or self.via != "tcp6":
                raise
        self.via = "tcp4"
        return super().connect()


class BindsBeforeItLooks(Mutant):
    """The server opens its port before it checks its message."""

    rule, role = "listen.port", "server"

    def message_to_send(self, given: str | dict[str, Any]) -> bytes:
        if self.via != "unix":
            with socket.socket(self.hosts[self.via][0]) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind(self.place())
                except OSError as error:
                    raise Failure("in-use", str(error)) from None
        return super().message_to_send(given)


class FullQueueIsIo(Mutant):
    """The client reports a full queue as io."""

    rule, role = "time.bounds", "client"

    def dial(self, new: socket.socket) -> int:
        code = super().dial(new)
        return errno.ENOBUFS if code == errno.EAGAIN else code


class FullQueueIsRefused(Mutant):
    """The client reports a full queue as refused."""

    rule, role = "time.bounds", "client"

    def dial(self, new: socket.socket) -> int:
        code = super().dial(new)
        return errno.ECONNREFUSED if code == errno.EAGAIN else code


# ---- residue after one error


class LeavesASpool(Mutant):
    """A server that fails leaves the copy of its data in TMPDIR."""

    rule, role = "close.residue", "server"

    def failed(self, request: dict[str, Any], name: str, detail: str) -> dict[str, Any]:
        if name == "unconfirmed":
            os.close(tempfile.mkstemp()[0])
        return super().failed(request, name, detail)


class LeavesALockFile(Mutant):
    """A server at a path leaves a lock file beside it when it times out."""

    rule, role = "close.residue", "server"

    def late(self) -> NoReturn:
        if self.via == "unix":
            Path(f"{self.path}.lock").touch()
        super().late()


class LeaksTheSourceInUse(Mutant):
    """A server that finds its port taken does not close its file."""

    rule, role = "close.residue", "server"
    leaked: ClassVar[list[Any]] = []

    def send(self, message: bytes, source: Source) -> None:
        try:
            super().send(message, source)
        except Failure as failure:
            if failure.name == "in-use" and source.file:
                self.leaked.append(source.file)
                source.file = None
            raise


class LeaksTheSinkRefused(Mutant):
    """A client that is refused does not close its output."""

    rule, role = "close.residue", "client"
    leaked: ClassVar[list[Any]] = []

    def refused(self, code: int) -> NoReturn:
        self.leaked.append(os.open("/dev/null", os.O_RDONLY))
        super().refused(code)


class LeaksAThreadOverTheLimit(Mutant):
    """A client that refuses a length leaves a thread."""

    rule, role = "close.residue", "client"

    def check_limit(self, size: int, limit: int) -> None:
        if size > limit:
            threading.Thread(target=threading.Event().wait, daemon=True).start()
        super().check_limit(size, limit)


class LeavesASpoolOnAFullDisk(Mutant):
    """A client that cannot store leaves what it stored in TMPDIR."""

    rule, role = "close.residue", "client"

    def failed(self, request: dict[str, Any], name: str, detail: str) -> dict[str, Any]:
        if name == "io":
            os.close(tempfile.mkstemp()[0])
        return super().failed(request, name, detail)


# ---- Unix


class RemovesWhatOnlyIsBound(Mutant):
    """The server treats every socket file that refuses a connection as stale."""

    rule, role = "unix.stale", "server"

    def has_listener(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            probe.setblocking(False)
            return probe.connect_ex(self.place()) != errno.ECONNREFUSED


class LooksAtTheFilesOwner(Mutant):
    """The client checks the owner of the socket file instead of its peer's user."""

    rule, role = "unix.owner", "client"

    def peer_user(self, end: socket.socket) -> int:
        return self.path.stat().st_uid


class RootTrustsAll(Mutant):
    """A server of root serves every user."""

    rule, role = "unix.owner", "server"

    def check_owner(self, end: socket.socket) -> None:
        if os.geteuid():
            super().check_owner(end)


class LeavesItsFileToAHalfCloser(Mutant):
    """The server leaves its file behind when its client half-closed early."""

    rule, role = "unix.cleanup", "server"

    def after_accept(self) -> None:
        if self.via != "unix":
            super().after_accept()

    def drop_listener(self) -> None:
        if self.via == "unix" and getattr(self, "client_ended", False) and not getattr(self, "confirmed", False):
            self.made = None
        super().drop_listener()


# ---- the nonce


class OneOctetVaries(Mutant):
    """Two of the client's three bytes are always the same."""

    rule, role = "hello.nonce", "client"

    def nonce(self) -> bytes:
        return b"\0\0" + os.urandom(1)


class CountsItsHellos(Mutant):
    """The client's three bytes count its exchanges, from a random start."""

    rule, role = "hello.nonce", "client"
    counter = itertools.count(int.from_bytes(os.urandom(3), "big"))

    def nonce(self) -> bytes:
        return (next(self.counter) % (1 << 24)).to_bytes(3, "big")


class SharesItsSeed(Mutant):
    """The client's three bytes come from a generator with the same seed in each process."""

    rule, role = "hello.nonce", "client"
    generator = random.Random(1)

    def nonce(self) -> bytes:
        return self.generator.randbytes(3)


# ---- the end


class ResetsAfterSuccess(Mutant):
    """The client resets the connection after it has everything."""

    rule, role = "close.abort", "client"
    effect = "the sender is told that the delivery is not known"

    def close_confirming(self, end: socket.socket) -> None:
        self.abort(end)


class MapsItsSource(Mutant):
    """The server maps its file into memory, so a file that becomes shorter kills the process."""

    rule, role = "file.size", "server"

    def transmit(self, end: socket.socket, head: bytes, source: Source) -> None:
        if not source.file or not source.size:
            super().transmit(end, head, source)
            return
        signal.signal(signal.SIGBUS, signal.SIG_DFL)
        with mmap.mmap(source.file.fileno(), source.size, access=mmap.ACCESS_READ) as memory:

            def read(most: int) -> bytes:
                octets = memory[source.offset : source.offset + min(most, source.size - source.offset)]
                source.offset += len(octets)
                return octets

            source.read = read  # type: ignore[method-assign]
            super().transmit(end, head, source)


class EndsInOrderWhenItsFileShrinks(Mutant):
    """The server sends zeros for the missing part of a file that becomes shorter while it is sent."""

    rule, role = "file.size", "server"

    def transmit(self, end: socket.socket, head: bytes, source: Source) -> None:
        read = source.read

        def filled(most: int) -> bytes:
            count = min(most, source.size - source.offset)
            with contextlib.suppress(Failure):
                return read(most)
            source.offset += count
            return bytes(count)

        if source.file and os.fstat(source.file.fileno()).st_size == source.size:
            source.read = filled  # type: ignore[method-assign]
        super().transmit(end, head, source)


class InterruptedIsIo(Mutant):
    """The server fails when a system call is interrupted."""

    rule, role = "result.sync", "server"

    def main(self) -> None:
        def raise_it(*_: Any) -> NoReturn:
            raise OSError(errno.EINTR, "interrupted")

        signal.signal(signal.SIGCONT, raise_it)
        super().main()
