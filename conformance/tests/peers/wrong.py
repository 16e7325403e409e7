"""Wrong peers: each is the right one of right.py with one thing changed, and names the rule that it breaks.

    python3 wrong.py NAME      runs it as an adapter (ADAPTER.md)
    python3 wrong.py --list    prints [{"name", "rule", "role", "what", "effect"}, …]

Each is wrong in one role and right in the others. Every rule of the spec has at least one. Two faults have none,
because no peer can see them: a port that is probed, closed and bound again (`listen.port-zero`), and a clock that
is not monotonic (`time.bounds`), which shows only while somebody sets it.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
import select
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, NoReturn

from right import GROUPS, MAGIC, PIECE, Failure, Right, Sink, Source

ROLES = {"send": "server", "receive": "client"}


class Wrong(Right):
    """What all wrong peers have: the rule, the role in which they break it, and what a user meets."""

    registry: ClassVar[dict[str, type[Wrong]]] = {}
    rule = ""
    role = ""
    effect = ""

    def __init_subclass__(cls) -> None:
        cls.registry[re.sub("(?<!^)(?=[A-Z])", "-", cls.__name__).lower()] = cls

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """In every other role it is right."""
        is_wrong = request["op"] == "about" or ROLES.get(request["op"], "address") == self.role
        return super().answer(request) if is_wrong else Right().answer(request)


# ---- The address.


class PackTakesAnyPort(Wrong):
    """pack does not look at the port."""

    rule, role = "address.pack-reject", "address"

    def check_pack(self, port: int, key: bytes) -> None:
        super().check_pack(1, key)


class PackTakesAnyKey(Wrong):
    """pack takes keys of 1 to 48 octets, whatever divides 48."""

    rule, role = "address.pack-reject", "address"

    def check_pack(self, port: int, key: bytes) -> None:
        super().check_pack(port, key if not 1 <= len(key) <= 48 else b"k")


class PackTakesEmptyKey(Wrong):
    """pack makes an address without a key."""

    rule, role = "address.pack-reject", "address"

    def check_pack(self, port: int, key: bytes) -> None:
        super().check_pack(port, key or b"k")


class PackLooksAtTheKeyFirst(Wrong):
    """pack reports a wrong key before a wrong port."""

    rule, role = "address.pack-reject", "address"

    def check_pack(self, port: int, key: bytes) -> None:
        if len(key) not in GROUPS:
            raise Failure("invalid-key")
        super().check_pack(port, key)


class PackWrapsThePort(Wrong):
    """pack stores the port in 16 bits before it looks at it."""

    rule, role = "address.pack-reject", "address"

    def pack(self, port: int, key: bytes) -> str:
        return super().pack(port & 0xFFFF, key)


class PackRefusesReservedPorts(Wrong):
    """pack takes a recommendation for a rule and refuses ports up to 1023."""

    rule, role = "address.form", "address"

    def check_pack(self, port: int, key: bytes) -> None:
        super().check_pack(port if port > 1023 else 0, key)


class PackTakesNoLongKey(Wrong):
    """pack refuses the best key of 48 octets."""

    rule, role = "address.form", "address"

    def check_pack(self, port: int, key: bytes) -> None:
        super().check_pack(port, key if len(key) < 48 else b"")


class PackWritesCapitals(Wrong):
    """pack writes upper-case digits."""

    rule, role = "address.canonical", "address"

    def group(self, octet: int) -> str:
        return f"{octet:02X}"


class PackDropsZeros(Wrong):
    """pack writes an octet below 16 with one digit."""

    rule, role = "address.canonical", "address"

    def group(self, octet: int) -> str:
        return f"{octet:x}"


class PackPadsThePort(Wrong):
    """pack writes every port with five digits."""

    rule, role = "address.canonical", "address"

    def pack(self, port: int, key: bytes) -> str:
        return super().pack(port, key).rjust(len(key) * 3 + 5, "0")


class UnpackWantsLowerCase(Wrong):
    """unpack refuses upper-case digits."""

    rule, role = "address.case", "address"

    def is_group(self, text: str) -> bool:
        return super().is_group(text) and text == text.lower()


class UnpackWantsOneCase(Wrong):
    """unpack refuses a group of mixed case."""

    rule, role = "address.case", "address"

    def is_group(self, text: str) -> bool:
        return super().is_group(text) and text in (text.lower(), text.upper())


class UnpackDoesNotExpand(Wrong):
    """unpack returns the key as short as it is written."""

    rule, role = "address.expand", "address"

    def expand(self, key: bytes) -> bytes:
        return key


class UnpackFillsWithZeros(Wrong):
    """unpack fills a short key with zeros."""

    rule, role = "address.expand", "address"

    def expand(self, key: bytes) -> bytes:
        return key.ljust(48, b"\0")


class UnpackRepeatsEachOctet(Wrong):
    """unpack repeats each octet and not the key."""

    rule, role = "address.expand", "address"

    def expand(self, key: bytes) -> bytes:
        return bytes(octet for octet in key for _ in range(48 // len(key)))


class UnpackIsLenient(Wrong):
    """unpack leaves the checks to int(): spaces, signs, underscores and every port pass."""

    rule, role = "address.reject", "address"

    def is_port(self, text: str) -> bool:
        with contextlib.suppress(ValueError):
            int(text)
            return True
        return False


class UnpackJoinsGroups(Wrong):
    """unpack takes all digits together: 13600.abcd is two octets."""

    rule, role = "address.reject", "address"

    def unpack(self, address: str) -> tuple[int, bytes]:
        port, _, rest = address.partition(".")
        digits = rest.replace(".", "")
        return super().unpack(".".join([port, *(digits[i : i + 2] for i in range(0, len(digits), 2))]))


class UnpackCrashes(Wrong):
    """unpack of an address without a key ends the process."""

    rule, role = "address.reject", "address"

    def unpack(self, address: str) -> tuple[int, bytes]:
        address.split(".")[1]
        return super().unpack(address)


class UnpackTakesEveryDigit(Wrong):
    """unpack takes digits outside ASCII in the port."""

    rule, role = "address.reject", "address"

    def is_port(self, text: str) -> bool:
        return text.isdecimal() and super().is_port(str(int(text)) if text[0] not in "0٠" else text)


class UnpackTakesLeadingZeros(Wrong):
    """unpack takes 013600 for 13600."""

    rule, role = "address.reject", "address"

    def is_port(self, text: str) -> bool:
        return super().is_port(text.lstrip("0"))


class UnpackTakesEveryPort(Wrong):
    """unpack takes ports up to 99999."""

    rule, role = "address.reject", "address"

    def is_port(self, text: str) -> bool:
        return text.isascii() and text.isdigit() and text[0] != "0" and len(text) <= 5


class UnpackTakesEveryCount(Wrong):
    """unpack takes 1 to 48 groups, whether the key can be repeated to 48 octets or not."""

    rule, role = "address.reject", "address"

    def unpack(self, address: str) -> tuple[int, bytes]:
        port, *groups = address.split(".")
        if not 1 <= len(groups) <= 48 or not all(map(self.is_group, groups)):
            raise Failure("invalid-address")
        super().unpack(f"{port}.aa")
        return int(port), (bytes.fromhex("".join(groups)) * 48)[:48]


class UnpackStrips(Wrong):
    """unpack strips white space and line ends first."""

    rule, role = "address.reject", "address"

    def unpack(self, address: str) -> tuple[int, bytes]:
        return super().unpack(address.strip())


class UnpackTakesTrailingDot(Wrong):
    """unpack takes a dot after the last group."""

    rule, role = "address.reject", "address"

    def unpack(self, address: str) -> tuple[int, bytes]:
        return super().unpack(address.removesuffix("."))


class UnpackStopsAtNul(Wrong):
    """unpack looks at the text up to a NUL."""

    rule, role = "address.reject", "address"

    def unpack(self, address: str) -> tuple[int, bytes]:
        return super().unpack(address.partition("\0")[0])


class UnpackTakesPortZero(Wrong):
    """unpack takes port 0."""

    rule, role = "address.reject", "address"

    def is_port(self, text: str) -> bool:
        return text == "0" or super().is_port(text)


# ---- Listening and connecting.


class BindsTheWildcard(Wrong):
    """The server listens on every address of the computer."""

    rule, role = "listen.loopback", "server"
    effect = "any computer on the network can fetch the data"

    def bind(self, listener: socket.socket) -> None:
        self.set_bind_options(listener)
        listener.bind(("", self.port))


class DefaultsToAnotherPort(Wrong):
    """The server's default port is 13601."""

    rule, role = "listen.default", "server"
    default_port = 13601


class DialsAnotherPort(Wrong):
    """The client's default port is 13601."""

    rule, role = "listen.default", "client"
    default_port = 13601


class SharesThePort(Wrong):
    """The server sets SO_REUSEPORT."""

    rule, role = "listen.exclusive", "server"
    effect = "another process of the same user can take the port, and the client with it"

    def set_bind_options(self, listener: socket.socket) -> None:
        super().set_bind_options(listener)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)


class TakesAnotherPort(Wrong):
    """A server whose port is taken listens on another one."""

    rule, role = "listen.exclusive", "server"

    def bind(self, listener: socket.socket) -> None:
        try:
            super().bind(listener)
        except OSError:
            self.port = 0
            super().bind(listener)


class InUseIsIo(Wrong):
    """A taken port is reported as io."""

    rule, role = "listen.exclusive", "server"

    def listen(self) -> socket.socket:
        try:
            return super().listen()
        except Failure as failure:
            raise Failure("io", str(failure)) from None


class CannotRebind(Wrong):
    """The server does not set SO_REUSEADDR."""

    rule, role = "listen.rebind", "server"
    effect = "after an exchange the port cannot be opened for a minute"

    def set_bind_options(self, listener: socket.socket) -> None:
        pass


class ServesTheNextClient(Wrong):
    """A server whose client says something wrong serves the next one."""

    rule, role = "listen.one-client", "server"

    def after_accept(self) -> None:
        pass

    def read_hello(self, end: socket.socket) -> bytes:
        while True:
            try:
                return super().read_hello(end)
            except Failure as failure:
                if failure.name != "invalid-connection" or not self.listener:
                    raise
                end.close()
                self.connection = end = self.accept_one(self.listener)
                self.prepare(end)


class ServesTwo(Wrong):
    """The server answers every other client too, for as long as the exchange lasts."""

    rule, role = "listen.one-client", "server"

    def after_accept(self) -> None:
        assert self.listener
        again = self.listener.dup()
        super().after_accept()
        threading.Thread(target=self.others, args=(again,), daemon=True).start()

    def others(self, listener: socket.socket) -> None:
        with listener:
            listener.settimeout(2)
            with contextlib.suppress(OSError):
                listener.accept()[0].sendall(MAGIC)


class KeepsListening(Wrong):
    """The server's listening socket stays open until the exchange ends: other clients hang in its queue."""

    rule, role = "listen.refuse-others", "server"

    def after_accept(self) -> None:
        pass


class WrapsTheServerPort(Wrong):
    """The server keeps 16 bits of its port: 79136 is 13600."""

    rule, role = "listen.port", "server"

    def configure(self, request: dict[str, Any], least_port: int) -> None:
        super().configure({**request, "port": request.get("port", self.default_port) & 0xFFFF}, least_port)


class WrapsTheClientPort(WrapsTheServerPort):
    """The client keeps 16 bits of its port: 79136 is 13600."""

    rule, role = "listen.port", "client"


class DialsPortZero(Wrong):
    """The client dials port 0 when it is told so."""

    rule, role = "listen.port", "client"

    def configure(self, request: dict[str, Any], least_port: int) -> None:
        super().configure(request, 0)


class PortOutOfRangeIsIo(Wrong):
    """A port out of range is left to the system, and reported as io."""

    rule, role = "listen.port", "server"

    def configure(self, request: dict[str, Any], least_port: int) -> None:
        try:
            super().configure(request, least_port)
        except Failure as failure:
            raise Failure("io", str(failure)) from None


class PortZeroIsTheDefault(Wrong):
    """Port 0 is taken for "not given": the server listens on 13600."""

    rule, role = "listen.port-zero", "server"

    def configure(self, request: dict[str, Any], least_port: int) -> None:
        super().configure(request, least_port)
        self.port = self.port or self.default_port


class ListensBeforeItLooks(Wrong):
    """The server listens before it looks at its message."""

    rule, role = "listen.port", "server"

    def message_to_send(self, given: str | dict[str, Any]) -> bytes:
        self.listener = self.listen()
        super().announce(self.listener)
        return super().message_to_send(given)

    def listen(self) -> socket.socket:
        return self.listener or super().listen()

    def announce(self, listener: socket.socket) -> None:
        pass


class LooksAtTheMessageFirst(Wrong):
    """The server looks at its message before its port."""

    rule, role = "listen.port", "server"

    def configure(self, request: dict[str, Any], least_port: int) -> None:
        self.message_to_send(request.get("message", ""))
        super().configure(request, least_port)


class WaitsForAServer(Wrong):
    """A client that is refused tries again until T."""

    rule, role = "connect.refused", "client"

    def connect(self) -> socket.socket:
        self.limit = min(self.limit or 3, 3)
        end = time.monotonic() + self.limit
        while True:
            try:
                return super().connect()
            except Failure as failure:
                if failure.name != "refused":
                    raise
            if time.monotonic() > end:
                self.late()
            time.sleep(0.02)


class RefusedIsIo(Wrong):
    """A refused connection is reported as io."""

    rule, role = "connect.refused", "client"

    def refused(self, code: int) -> NoReturn:
        raise OSError(code, os.strerror(code))


class TalksToItself(Wrong):
    """A client that is connected to itself takes its own hello for the echo."""

    rule, role = "connect.self", "client"

    def check_ends(self, end: socket.socket) -> None:
        pass


# ---- The hello.


class SendsNineOctets(Wrong):
    """The client's hello ends with a line end."""

    rule, role = "hello.form", "client"

    def send_hello(self, end: socket.socket, hello: bytes) -> None:
        super().send_hello(end, hello + b"\n")


class SendsLowerCaseMagic(Wrong):
    """The client says kcom5."""

    rule, role = "hello.form", "client"

    def make_hello(self) -> bytes:
        return super().make_hello().lower()


class OmitsTheNonce(Wrong):
    """The client sends the magic alone."""

    rule, role = "hello.form", "client"

    def send_hello(self, end: socket.socket, hello: bytes) -> None:
        super().send_hello(end, hello[:5])


class SaysThanks(Wrong):
    """The client acknowledges the data with an octet."""

    rule, role = "hello.form", "client"

    def close(self, end: socket.socket) -> None:
        with contextlib.suppress(OSError):
            end.send(b"\x06")
        super().close(end)


class AcknowledgesTheEcho(Wrong):
    """The client sends an octet when it has the echo."""

    rule, role = "hello.form", "client"

    def read_echo(self, end: socket.socket, hello: bytes) -> None:
        super().read_echo(end, hello)
        with contextlib.suppress(OSError):
            end.send(b"\x06")


class ConstantNonce(Wrong):
    """The client's three octets are always the same."""

    rule, role = "hello.nonce", "client"

    def nonce(self) -> bytes:
        return b"abc"


class OneNoncePerProcess(Wrong):
    """The client draws its three octets once."""

    rule, role = "hello.nonce", "client"
    drawn = os.urandom(3)

    def nonce(self) -> bytes:
        return self.drawn


class RefusesNulNonces(Wrong):
    """The server refuses a NUL among the three octets."""

    rule, role = "hello.any-nonce", "server"

    def check_hello(self, hello: bytes) -> None:
        super().check_hello(hello.replace(b"\0", b"\0\0\0\0"))


class RefusesBinaryNonces(Wrong):
    """The server takes the hello for text and refuses octets above 7f."""

    rule, role = "hello.any-nonce", "server"

    def check_hello(self, hello: bytes) -> None:
        super().check_hello(hello if hello.isascii() else b"?")


class OneRecvForTheHello(Wrong):
    """The server reads the hello with one recv."""

    rule, role = "hello.segments", "server"

    def read_hello(self, end: socket.socket) -> bytes:
        hello = self.recv(end, self.hello_buffer)
        if len(hello) != 8:
            raise Failure("invalid-connection")
        self.check_hello(hello)
        return hello


class TakesEveryHello(Wrong):
    """The server does not look at the magic."""

    rule, role = "hello.reject", "server"

    def check_hello(self, hello: bytes) -> None:
        super().check_hello((MAGIC + hello[5:])[: len(hello)])


class TakesEveryCase(Wrong):
    """The server takes kcom5 too."""

    rule, role = "hello.reject", "server"

    def check_hello(self, hello: bytes) -> None:
        super().check_hello(hello[:5].upper() + hello[5:])


class ComparesFourOctets(Wrong):
    """The server compares four octets of the magic: KCOM4 passes."""

    rule, role = "hello.reject", "server"

    def check_hello(self, hello: bytes) -> None:
        super().check_hello(hello[:4] + MAGIC[4 : len(hello)] + hello[5:])


class EchoesBeforeItLooks(Wrong):
    """The server sends octets back before it looks at them."""

    rule, role = "hello.reject", "server"

    def check_hello(self, hello: bytes) -> None:
        with contextlib.suppress(Failure):
            super().check_hello(hello)
            return
        assert self.connection
        with contextlib.suppress(OSError):
            self.connection.send(hello)
        super().check_hello(hello)


class SaysWhy(Wrong):
    """The server answers a wrong hello with words."""

    rule, role = "hello.reject", "server"

    def check_hello(self, hello: bytes) -> None:
        try:
            super().check_hello(hello)
        except Failure:
            assert self.connection
            with contextlib.suppress(OSError):
                self.connection.send(b"error: not KCOM5\n")
            raise


class WaitsForEight(Wrong):
    """The server looks at the hello when it has eight octets."""

    rule, role = "hello.reject-early", "server"

    def check_hello(self, hello: bytes) -> None:
        if len(hello) >= 8:
            super().check_hello(hello)


class TakesMoreThanEight(Wrong):
    """The server looks at the first eight octets, whatever arrived with them."""

    rule, role = "hello.alone", "server"
    effect = "a web page can make a browser fetch the data"
    hello_buffer = 8

    def read_hello(self, end: socket.socket) -> bytes:
        return super().read_hello(end)[:8]


class CloseInTheHelloIsIo(Wrong):
    """A close within the hello is reported as io."""

    rule, role = "hello.eof", "server"

    def recv(self, end: socket.socket, most: int, flags: int = 0) -> bytes:
        octets = super().recv(end, most, flags)
        if not octets:
            raise Failure("io")
        return octets


class CloseInTheHelloIsWaitedOut(Wrong):
    """A server whose client closed within the hello waits for the other octets until T."""

    rule, role = "hello.eof", "server"

    def recv(self, end: socket.socket, most: int, flags: int = 0) -> bytes:
        while not (octets := super().recv(end, most, flags)):
            self.limit = min(self.limit or 3, 3)
            self.start_wait("handshake")
            while True:
                self.wait(end, 0, 0.1)
        return octets


class TakesAShortHello(Wrong):
    """A client that closes after the magic is served."""

    rule, role = "hello.eof", "server"

    def recv(self, end: socket.socket, most: int, flags: int = 0) -> bytes:
        octets = super().recv(end, most, flags)
        return octets or b"abc"


# ---- The echo.


class EchoesItsOwnNonce(Wrong):
    """The server sends three random octets of its own."""

    rule, role = "echo.exact", "server"

    def encode_echo(self, hello: bytes) -> bytes:
        return MAGIC + os.urandom(3)


class EchoesTheMagicOnly(Wrong):
    """The server sends back five octets."""

    rule, role = "echo.exact", "server"

    def encode_echo(self, hello: bytes) -> bytes:
        return hello[:5]


class EchoesUpToNul(Wrong):
    """The server's echo is a C string: it ends at the first NUL, and zeros follow."""

    rule, role = "hello.any-nonce", "server"

    def encode_echo(self, hello: bytes) -> bytes:
        return hello.partition(b"\0")[0].ljust(8, b"\0")


class GreetsFirst(Wrong):
    """The server sends a greeting before the echo."""

    rule, role = "echo.exact", "server"

    def encode_echo(self, hello: bytes) -> bytes:
        return os.urandom(4) + hello


class GreetsAtOnce(Wrong):
    """The server sends a banner as soon as somebody connects."""

    rule, role = "echo.exact", "server"

    def read_hello(self, end: socket.socket) -> bytes:
        with contextlib.suppress(OSError):
            end.send(b"KCOM5 ready\r\n")
        return super().read_hello(end)


class OneRecvForTheEcho(Wrong):
    """The client reads the echo with one recv."""

    rule, role = "echo.segments", "client"

    def read_echo(self, end: socket.socket, hello: bytes) -> None:
        if self.recv(end, 8) != hello:
            raise Failure("invalid-connection")


class WantsTheEchoAlone(Wrong):
    """The client takes what arrives first for the echo, and throws away what came with it."""

    rule, role = "frame.segments", "client"

    def read_echo(self, end: socket.socket, hello: bytes) -> None:
        echo = b""
        while len(echo) < 8:
            piece = self.recv(end, 64)
            echo += piece
            if not piece or not self.is_echo(echo[:8], hello):
                raise Failure("invalid-connection")


class ComparesFiveOfTheEcho(Wrong):
    """The client compares the magic of the echo, and not the three octets."""

    rule, role = "echo.mismatch", "client"

    def is_echo(self, echo: bytes, hello: bytes) -> bool:
        return hello.startswith(echo[:5])


class TakesEveryEcho(Wrong):
    """The client counts eight octets and does not compare them."""

    rule, role = "echo.mismatch", "client"

    def is_echo(self, echo: bytes, hello: bytes) -> bool:
        return True


class ComparesTheEchoAsText(Wrong):
    """The client compares the echo without regard to case."""

    rule, role = "echo.mismatch", "client"

    def is_echo(self, echo: bytes, hello: bytes) -> bool:
        return hello.lower().startswith(echo.lower())


class ComparesTheEchoAtTheEnd(Wrong):
    """The client looks at the echo when it has eight octets."""

    rule, role = "echo.mismatch", "client"

    def is_echo(self, echo: bytes, hello: bytes) -> bool:
        return len(echo) < 8 or echo == hello


class CloseInTheEchoIsTruncated(Wrong):
    """A close within the echo is reported as truncated."""

    rule, role = "echo.mismatch", "client"

    def read_echo(self, end: socket.socket, hello: bytes) -> None:
        if not hello.startswith(self.read_exact(end, 8)):
            raise Failure("invalid-connection")


# ---- The frame.


class DataBeforeMessage(Wrong):
    """The server sends the data's length before the message's."""

    rule, role = "frame.order", "server"

    def encode_head(self, message: bytes, size: int) -> bytes:
        return self.encode_data_length(size) + self.encode_message_length(message) + message


class LengthsFirst(Wrong):
    """The server sends both lengths and then both bodies."""

    rule, role = "frame.order", "server"

    def encode_head(self, message: bytes, size: int) -> bytes:
        return self.encode_message_length(message) + self.encode_data_length(size) + message


class EndsTheMessageWithNul(Wrong):
    """The server sends a NUL after the message, which its length does not count."""

    rule, role = "frame.order", "server"

    def encode_head(self, message: bytes, size: int) -> bytes:
        return self.encode_message_length(message) + message + b"\0" + self.encode_data_length(size)


class SendsATrailer(Wrong):
    """The server sends a line end after the data."""

    rule, role = "frame.order", "server"

    def half_close(self, end: socket.socket) -> None:
        with contextlib.suppress(OSError):
            end.send(b"\n")
        super().half_close(end)


class OneRecvForLengths(Wrong):
    """The client reads each length with one recv, and fills what is missing with zeros."""

    rule, role = "frame.segments", "client"

    def read_exact(self, end: socket.socket, count: int) -> bytes:
        if count not in (4, 8):
            return super().read_exact(end, count)
        self.each_octet()
        octets = self.recv(end, count)
        if not octets:
            raise Failure("truncated")
        return octets.ljust(count, b"\0")


class OneRecvForTheMessage(Wrong):
    """The client reads the message with one recv."""

    rule, role = "frame.segments", "client"

    def read_exact(self, end: socket.socket, count: int) -> bytes:
        if count in (0, 4, 8):
            return super().read_exact(end, count)
        self.each_octet()
        octets = self.recv(end, count)
        if not octets:
            raise Failure("truncated")
        return octets


class OneRecvForTheData(Wrong):
    """The client reads the data with one recv, and delivers what it got."""

    rule, role = "data.opaque", "client"
    effect = "127,992 of 1,048,576 octets were delivered as the whole"

    def receive_body(self, end: socket.socket, size: int, sink: Sink) -> None:
        if size:
            sink.write(self.recv(end, min(size, 1 << 24)))


class ZeroedTail(Wrong):
    """The client makes a buffer of the declared size, reads once, and delivers the buffer."""

    rule, role = "data.opaque", "client"
    effect = "the data has the right length, and zeros from the place on where the first piece ended"

    def receive_body(self, end: socket.socket, size: int, sink: Sink) -> None:
        if size:
            sink.write(self.recv(end, min(size, 1 << 24)).ljust(min(size, 1 << 26), b"\0"))


class BigEndianMessageLengthSent(Wrong):
    """The server sends the message's length big-endian."""

    rule, role = "message.length", "server"

    def encode_message_length(self, message: bytes) -> bytes:
        return super().encode_message_length(message)[::-1]


class BigEndianMessageLengthRead(Wrong):
    """The client reads the message's length big-endian."""

    rule, role = "message.length", "client"

    def decode_length(self, octets: bytes) -> int:
        return int.from_bytes(octets, "big" if len(octets) == 4 else "little")


class CountsCharacters(Wrong):
    """The server's message length counts characters."""

    rule, role = "message.length", "server"
    effect = "every message with a letter outside ASCII spoils the exchange"

    def encode_message_length(self, message: bytes) -> bytes:
        return len(message.decode()).to_bytes(4, "little")


class ReadsCharacters(Wrong):
    """The client reads the message until it has as many characters as the length says."""

    rule, role = "message.length", "client"

    def receive_message(self, end: socket.socket) -> str:
        size = self.decode_length(self.read_exact(end, 4))
        self.check_limit(size, self.message_limit)
        octets = self.read_exact(end, size)
        while len(octets.decode("utf-8", "replace")) < size:
            octets += self.read_exact(end, 1)
        return self.decode_message(octets)


class OmitsAnEmptyMessage(Wrong):
    """The server sends no message length when there is no message."""

    rule, role = "message.length", "server"

    def encode_message_length(self, message: bytes) -> bytes:
        return super().encode_message_length(message) if message else b""


class WantsAMessage(Wrong):
    """The client takes an empty message for an error."""

    rule, role = "message.length", "client"

    def decode_message(self, octets: bytes) -> str:
        if not octets:
            raise Failure("malformed-message")
        return super().decode_message(octets)


class ShortMessageLengthSent(Wrong):
    """The server keeps 16 bits of the message's length."""

    rule, role = "message.length", "server"

    def encode_message_length(self, message: bytes) -> bytes:
        return (len(message) & 0xFFFF).to_bytes(4, "little")


class ShortMessageLengthRead(Wrong):
    """The client keeps 16 bits of the message's length."""

    rule, role = "message.length", "client"

    def decode_length(self, octets: bytes) -> int:
        return super().decode_length(octets[:2] if len(octets) == 4 else octets)


class BigEndianDataLengthSent(Wrong):
    """The server sends the data's length big-endian."""

    rule, role = "data.length", "server"

    def encode_data_length(self, size: int) -> bytes:
        return super().encode_data_length(size)[::-1]


class BigEndianDataLengthRead(Wrong):
    """The client reads the data's length big-endian."""

    rule, role = "data.length", "client"

    def decode_length(self, octets: bytes) -> int:
        return int.from_bytes(octets, "big" if len(octets) == 8 else "little")


class DataLengthInFourOctetsSent(Wrong):
    """The server sends the data's length in four octets."""

    rule, role = "data.length", "server"

    def encode_data_length(self, size: int) -> bytes:
        return super().encode_data_length(size)[:4]


class DataLengthInFourOctetsRead(Wrong):
    """The client reads the data's length in four octets."""

    rule, role = "data.length", "client"

    def read_exact(self, end: socket.socket, count: int) -> bytes:
        return super().read_exact(end, 4 if count == 8 else count)


class KeepsThirtyTwoBits(Wrong):
    """The client keeps 32 bits of the data's length: 4 GiB are none."""

    rule, role = "data.length", "client"
    effect = "the rest of 4 GiB and a bit is delivered as the whole"

    def decode_length(self, octets: bytes) -> int:
        return super().decode_length(octets) & 0xFFFFFFFF


class WantsData(Wrong):
    """The client waits for an octet of data where none is declared."""

    rule, role = "data.length", "client"

    def receive_body(self, end: socket.socket, size: int, sink: Sink) -> None:
        super().receive_body(end, max(size, 1), sink)


class RefusesToSendNothing(Wrong):
    """The server takes empty data for an error."""

    rule, role = "data.length", "server"

    def encode_data_length(self, size: int) -> bytes:
        if not size:
            raise Failure("io", "nothing to send")
        return super().encode_data_length(size)


# ---- The message.


class SendsIllFormed(Wrong):
    """The server sends a message without looking at it."""

    rule, role = "message.utf8", "server"

    def check_message_to_send(self, message: bytes) -> None:
        pass


class MendsTheMessage(Wrong):
    """The server replaces what is ill-formed by U+FFFD."""

    rule, role = "message.utf8", "server"

    def message_to_send(self, given: str | dict[str, Any]) -> bytes:
        octets = bytes.fromhex(given.get("hex", "")) if isinstance(given, dict) else given.encode("utf-8", "replace")
        return octets.decode("utf-8", "replace").encode()


class SendsAMark(Wrong):
    """The server puts a byte order mark before the message."""

    rule, role = "message.utf8", "server"

    def message_to_send(self, given: str | dict[str, Any]) -> bytes:
        return b"\xef\xbb\xbf" + super().message_to_send(given)


class SendsALineEnd(Wrong):
    """The server ends the message with a line end."""

    rule, role = "message.utf8", "server"

    def message_to_send(self, given: str | dict[str, Any]) -> bytes:
        return super().message_to_send(given) + b"\n"


class SendsAString(Wrong):
    """The server's message ends at the first NUL."""

    rule, role = "message.utf8", "server"

    def message_to_send(self, given: str | dict[str, Any]) -> bytes:
        return super().message_to_send(given).partition(b"\0")[0]


class TakesIllFormed(Wrong):
    """The client replaces what is ill-formed by U+FFFD and goes on."""

    rule, role = "message.utf8", "client"

    def decode_message(self, octets: bytes) -> str:
        return octets.decode("utf-8", "replace")


class TakesSurrogates(Wrong):
    """The client takes surrogates."""

    rule, role = "message.utf8", "client"

    def decode_message(self, octets: bytes) -> str:
        return super().decode_message(re.sub(b"\xed[\xa0-\xbf][\x80-\xbf]", b"?", octets))


class TakesTheLongNul(Wrong):
    """The client takes the overlong NUL c0 80, as Java writes it."""

    rule, role = "message.utf8", "client"

    def decode_message(self, octets: bytes) -> str:
        return super().decode_message(octets.replace(b"\xc0\x80", b"\0"))


class ReadsLatin1(Wrong):
    """The client reads the message as ISO 8859-1."""

    rule, role = "message.utf8", "client"

    def decode_message(self, octets: bytes) -> str:
        return octets.decode("latin-1")


class DropsTheMark(Wrong):
    """The client drops a byte order mark."""

    rule, role = "message.utf8", "client"

    def decode_message(self, octets: bytes) -> str:
        return super().decode_message(octets).removeprefix("\ufeff")


class ReadsAString(Wrong):
    """The client's message ends at the first NUL."""

    rule, role = "message.utf8", "client"

    def decode_message(self, octets: bytes) -> str:
        return super().decode_message(octets).partition("\0")[0]


class StripsTheMessage(Wrong):
    """The client strips white space at the message's ends."""

    rule, role = "message.utf8", "client"

    def decode_message(self, octets: bytes) -> str:
        return super().decode_message(octets).strip()


class ReadsLineEnds(Wrong):
    """The client turns CR LF in the message into LF."""

    rule, role = "message.utf8", "client"

    def decode_message(self, octets: bytes) -> str:
        return super().decode_message(octets).replace("\r\n", "\n")


class MalformedIsInvalidConnection(Wrong):
    """An ill-formed message is reported as invalid-connection."""

    rule, role = "message.utf8", "client"

    def decode_message(self, octets: bytes) -> str:
        try:
            return super().decode_message(octets)
        except Failure as failure:
            raise Failure("invalid-connection", str(failure)) from None


class WrapsTheMessageSize(Wrong):
    """The server keeps 32 bits of its message's size: 4 GiB are none."""

    rule, role = "message.too-long", "server"

    def message_to_send(self, given: str | dict[str, Any]) -> bytes:
        if isinstance(given, dict) and "size" in given:
            given = {**given, "size": given["size"] & 0xFFFFFFFF}
        return super().message_to_send(given)


class TooLongIsIo(Wrong):
    """A message over 4 GiB is reported as io."""

    rule, role = "message.too-long", "server"

    def check_message_size(self, size: int) -> None:
        try:
            super().check_message_size(size)
        except Failure as failure:
            raise Failure("io", str(failure)) from None


# ---- The data.


class SendsText(Wrong):
    """The server opens the data in text mode: LF goes out as CR LF, within the declared length."""

    rule, role = "data.opaque", "server"

    def send(self, message: bytes, source: Source) -> None:
        read = source.read
        source.read = lambda most: (octets := read(most)).replace(b"\n", b"\r\n")[: len(octets)]  # type: ignore
        super().send(message, source)


class SendsAStringOfData(Wrong):
    """The server takes the data for a C string: it ends at the first NUL, and zeros follow."""

    rule, role = "data.opaque", "server"

    def send(self, message: bytes, source: Source) -> None:
        read = source.read
        source.read = lambda most: (octets := read(most)).partition(b"\0")[0].ljust(len(octets), b"\0")  # type: ignore
        super().send(message, source)


class ReceivesText(Wrong):
    """The client stores the data in text mode: CR LF becomes LF."""

    rule, role = "data.opaque", "client"

    def receive_body(self, end: socket.socket, size: int, sink: Sink) -> None:
        write = sink.write
        sink.write = lambda octets: write(octets.replace(b"\r\n", b"\n"))  # type: ignore[method-assign]
        super().receive_body(end, size, sink)


class ReceivesAString(Wrong):
    """The client's data ends at the first NUL."""

    rule, role = "data.opaque", "client"

    def receive_body(self, end: socket.socket, size: int, sink: Sink) -> None:
        write = sink.write
        sink.write = lambda octets: write(octets.partition(b"\0")[0])  # type: ignore[method-assign]
        super().receive_body(end, size, sink)


class IgnoresShortWrites(Wrong):
    """The server takes a short write for a whole one: what the system did not take is lost."""

    rule, role = "data.opaque", "server"

    def send_some(self, end: socket.socket, pending: memoryview) -> int:
        return len(pending) if super().send_some(end, pending) else 0


class LosesTheLastPiece(Wrong):
    """The server ends when the last piece is begun: what is left of it after a short write is lost."""

    rule, role = "result.sync", "server"

    def send_some(self, end: socket.socket, pending: memoryview) -> int:
        count = super().send_some(end, pending)
        return len(pending) if len(pending) < PIECE else count


class DeliversWhatFollows(Wrong):
    """The client delivers what arrives after the declared octets."""

    rule, role = "data.end", "client"

    def receive_body(self, end: socket.socket, size: int, sink: Sink) -> None:
        super().receive_body(end, size, sink)
        with contextlib.suppress(OSError):
            sink.write(end.recv(64))


class WaitsForTheEnd(Wrong):
    """The client has all octets, and waits for the server's end."""

    rule, role = "data.end", "client"

    def receive_body(self, end: socket.socket, size: int, sink: Sink) -> None:
        super().receive_body(end, size, sink)
        while self.recv(end, 64):
            pass


class RefusesWhatFollows(Wrong):
    """The client takes octets after the data for an error."""

    rule, role = "data.end", "client"

    def receive_body(self, end: socket.socket, size: int, sink: Sink) -> None:
        super().receive_body(end, size, sink)
        with contextlib.suppress(OSError):
            if end.recv(64):
                raise Failure("truncated", "octets after the end")


class DeliversAPart(Wrong):
    """The client delivers what it has when the server closes."""

    rule, role = "data.truncated", "client"

    def receive_body(self, end: socket.socket, size: int, sink: Sink) -> None:
        with contextlib.suppress(Failure):
            super().receive_body(end, size, sink)


class DeliversNothingAsAll(Wrong):
    """A close within the head is an exchange without data."""

    rule, role = "data.truncated", "client"

    def receive_data_length(self, end: socket.socket) -> int:
        try:
            return super().receive_data_length(end)
        except Failure as failure:
            if failure.name == "truncated":
                return 0
            raise


class TruncatedMessageIsAll(Wrong):
    """A close within the message is an exchange without a message and without data."""

    rule, role = "data.truncated", "client"

    def receive_message(self, end: socket.socket) -> str:
        self.is_over = False
        try:
            return super().receive_message(end)
        except Failure as failure:
            self.is_over = failure.name == "truncated"
            if self.is_over:
                return ""
            raise

    def receive_data_length(self, end: socket.socket) -> int:
        return 0 if self.is_over else super().receive_data_length(end)


class TruncatedIsIo(Wrong):
    """A close within the frame is reported as io."""

    rule, role = "data.truncated", "client"

    def failed(self, request: dict[str, Any], name: str, detail: str) -> dict[str, Any]:
        return super().failed(request, "io" if name == "truncated" else name, detail)


class StoresInPlace(Wrong):
    """The client writes into the file under its own name, and leaves a part of the data there."""

    rule, role = "data.truncated", "client"

    def receive_body(self, end: socket.socket, size: int, sink: Sink) -> None:
        if sink.temporary:
            assert sink.target
            sink.temporary.rename(sink.target)
            sink.temporary = None
        super().receive_body(end, size, sink)


# ---- Limits.


class AllocatesWhatIsDeclared(Wrong):
    """The client makes a buffer of the declared size (here at most 256 MiB) before an octet has arrived."""

    rule, role = "limit.memory", "client"

    def receive_body(self, end: socket.socket, size: int, sink: Sink) -> None:
        self.buffer = bytearray(min(size, 1 << 28))
        super().receive_body(end, size, sink)
        del self.buffer

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        self.buffer = bytearray()
        return super().answer(request)


class CrashesAtWhatIsDeclared(Wrong):
    """The client asks the system for the declared size, and dies when it does not get it."""

    rule, role = "limit.memory", "client"

    def receive_body(self, end: socket.socket, size: int, sink: Sink) -> None:
        if size > 1 << 30:
            raise MemoryError
        super().receive_body(end, size, sink)


class LimitIsOneLess(Wrong):
    """The client refuses a length that is equal to its limit."""

    rule, role = "limit.over", "client"

    def check_limit(self, size: int, limit: int) -> None:
        super().check_limit(size, max(limit - 1, 0))


class LimitIsOneMore(Wrong):
    """The client takes a length of one more than its limit."""

    rule, role = "limit.over", "client"

    def check_limit(self, size: int, limit: int) -> None:
        super().check_limit(size, limit + 1)


class HasNoLimits(Wrong):
    """The client does not compare lengths with limits."""

    rule, role = "limit.over", "client"

    def check_limit(self, size: int, limit: int) -> None:
        pass


class HasNoDefaultLimit(Wrong):
    """The client has no limit of the message unless it is told one."""

    rule, role = "limit.over", "client"
    default_limit = 1 << 32


class LimitsSigned(Wrong):
    """The client compares lengths as signed numbers: a length with the top bit set is below every limit."""

    rule, role = "limit.over", "client"

    def check_limit(self, size: int, limit: int) -> None:
        signed = size - (1 << 32) if 1 << 31 <= size < 1 << 32 else size - (1 << 64) if size >> 63 else size
        super().check_limit(signed, limit)


class LimitsAfterReading(Wrong):
    """The client reads the message, and then compares it with the limit."""

    rule, role = "limit.over", "client"

    def receive_message(self, end: socket.socket) -> str:
        octets = self.read_exact(end, self.decode_length(self.read_exact(end, 4)))
        self.check_limit(len(octets), self.message_limit)
        return self.decode_message(octets)


class LimitCutsTheData(Wrong):
    """The client delivers as much as its limit allows."""

    rule, role = "limit.over", "client"

    def receive_data_length(self, end: socket.socket) -> int:
        return min(self.decode_length(self.read_exact(end, 8)), self.data_limit)


class OverLimitIsTruncated(Wrong):
    """A length over the limit is reported as truncated."""

    rule, role = "limit.over", "client"

    def check_limit(self, size: int, limit: int) -> None:
        if size > limit:
            raise Failure("truncated")


# ---- Closing.


class HalfCloseIsTheEnd(Wrong):
    """A server whose client has half-closed gives up."""

    rule, role = "close.half", "server"

    def encode_echo(self, hello: bytes) -> bytes:
        assert self.connection
        with contextlib.suppress(BlockingIOError):
            if not self.connection.recv(1, socket.MSG_PEEK):
                raise Failure("unconfirmed", "the client is gone")
        return hello


class ClosesWithOctetsUnread(Wrong):
    """The server reads nothing after the hello, and closes: what the client said makes it a reset."""

    rule, role = "close.extra", "server"
    effect = "0.9 MB of 1 MiB are lost, and the server reports success"

    def discard(self, end: socket.socket) -> None:
        pass

    def drain(self, end: socket.socket) -> None:
        time.sleep(0.05)


class ReadsNothingWhileItSends(Wrong):
    """The server reads nothing before it has sent all: with a client that talks both wait for ever."""

    rule, role = "close.extra", "server"

    def blocked(self, end: socket.socket) -> None:
        kept, self.client_ended = self.client_ended, True
        super().blocked(end)
        self.client_ended = kept


class ExtraIsWrong(Wrong):
    """The server takes octets after the hello for an error."""

    rule, role = "close.extra", "server"

    def discard(self, end: socket.socket) -> None:
        with contextlib.suppress(OSError):
            if end.recv(1, socket.MSG_PEEK):
                raise Failure("invalid-connection", "octets after the hello")
        super().discard(end)


class ClosesAtOnce(Wrong):
    """The server closes when the system has the octets, and does not wait for the client's end."""

    rule, role = "close.confirm", "server"

    def half_close_and_drain(self, end: socket.socket) -> None:
        pass


class TakesAResetForSuccess(Wrong):
    """The server waits for the client's end, and takes a reset for one."""

    rule, role = "close.confirm", "server"

    def half_close_and_drain(self, end: socket.socket) -> None:
        try:
            super().half_close_and_drain(end)
        except Failure as failure:
            if "gone" not in str(failure):
                raise


class DoesNotHalfClose(Wrong):
    """The server waits for the client's end, and does not say its own."""

    rule, role = "close.confirm", "server"

    def half_close(self, end: socket.socket) -> None:
        pass


class ResetIsIo(Wrong):
    """A reset by the client is reported as io."""

    rule, role = "close.confirm", "server"

    def failed(self, request: dict[str, Any], name: str, detail: str) -> dict[str, Any]:
        return super().failed(request, "io" if name == "unconfirmed" and "gone" in detail else name, detail)


class ServerClosesInOrder(Wrong):
    """A server that fails closes as after a success."""

    rule, role = "close.abort", "server"

    def abort(self, end: socket.socket) -> None:
        end.close()


class ClientClosesInOrder(Wrong):
    """A client that fails reads what is there and closes as after a success."""

    rule, role = "close.abort", "client"
    effect = "the server reports that all was taken"

    def abort(self, end: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while end.recv(1 << 16):
                pass
        self.close_confirming(end)


class StoresAfterTheClose(Wrong):
    """The client closes, so that the server reports success, and then stores what it received."""

    rule, role = "close.last", "client"

    def deliver(self, sink: Sink, note: Sink, message: str) -> dict[str, Any]:
        assert self.connection
        self.take_last(self.connection)
        self.close_confirming(self.connection)
        time.sleep(0.2)
        self.is_held, self.connection = False, socket.socket()
        return super().deliver(sink, note, message)


class StoresTheMessageAfterTheClose(Wrong):
    """The client stores the data, closes, and stores the message then."""

    rule, role = "close.last", "client"
    effect = "a full disk loses the message, and send has succeeded"

    def deliver(self, sink: Sink, note: Sink, message: str) -> dict[str, Any]:
        self.later = (note, message)
        return sink.store()

    def close_confirming(self, end: socket.socket) -> None:
        super().close_confirming(end)
        time.sleep(0.2)
        note, message = self.later
        note.write(message.encode())
        note.store()


class FullDiskIsAnOrderlyEnd(Wrong):
    """A client that cannot store what it received says so, after an orderly end."""

    rule, role = "close.last", "client"
    effect = "the sender reports success"

    def deliver(self, sink: Sink, note: Sink, message: str) -> dict[str, Any]:
        try:
            return super().deliver(sink, note, message)
        except OSError:
            assert self.connection
            self.take_last(self.connection)
            self.close_confirming(self.connection)
            self.connection = None
            raise


class FullDiskIsSuccess(Wrong):
    """The client looks at no write: what does not fit is lost."""

    rule, role = "close.last", "client"

    def deliver(self, sink: Sink, note: Sink, message: str) -> dict[str, Any]:
        with contextlib.suppress(OSError):
            return super().deliver(sink, note, message)
        return {"size": sink.size, "sha256": sink.digest.hexdigest()}

    def receive_body(self, end: socket.socket, size: int, sink: Sink) -> None:
        write = sink.write

        def careless(octets: bytes) -> None:
            with contextlib.suppress(OSError):
                write(octets)
                return
            sink.digest.update(octets)
            sink.size += len(octets)

        sink.write = careless  # type: ignore[method-assign]
        super().receive_body(end, size, sink)


class KilledIsAnOrderlyEnd(Wrong):
    """The client has not seen to it that its end is a reset when it is killed."""

    rule, role = "close.abort", "client"
    effect = "the sender reports success, and the receiver was killed before it stored anything"

    def reset_when_killed(self, new: socket.socket) -> None:
        pass

    def holds(self) -> bool:
        return False


class ResetsWhenItIsLate(Wrong):
    """A server whose client has not closed T after the half-close resets the connection."""

    rule, role = "close.keep", "server"
    effect = "a client that read 20,000 of 150,020 octets every T/2 lost 30,000"

    def each_octet(self) -> None:
        if self.phase != "confirm":
            super().each_octet()

    def give_up(self, end: socket.socket) -> None:
        self.abort(end)


class SaysConfirmedAlways(Wrong):
    """Each success of the server is said to be confirmed."""

    rule, role = "close.confirm", "server"

    def half_close_and_drain(self, end: socket.socket) -> None:
        super().half_close_and_drain(end)
        self.confirmed = True


class NeverSaysConfirmed(Wrong):
    """No success of the server is said to be confirmed."""

    rule, role = "close.confirm", "server"

    def half_close_and_drain(self, end: socket.socket) -> None:
        super().half_close_and_drain(end)
        self.confirmed = False


class ResetWhileConnectingIsSuccess(Wrong):
    """A connection that is gone at the client's first look leaves it without data, and without an error."""

    rule, role = "result.success", "client"
    effect = "43 of 300 receives succeeded without one octet"

    def check_ends(self, end: socket.socket) -> None:
        time.sleep(0.002)
        try:
            end.getpeername()
        except OSError:
            self.is_gone = True

    def receive_request(self, request: dict[str, Any]) -> dict[str, Any]:
        self.is_gone = False
        try:
            return super().receive_request(request)
        except (Failure, OSError):
            if not self.is_gone:
                raise
            nothing = {"size": 0, "sha256": hashlib.sha256().hexdigest(), "hex": ""}
            return {"ok": True, "message": "", "data": nothing}


# ---- Files.


class TakesTheSizeLate(Wrong):
    """The server sends the file as it is when the client comes, under the length that it had before."""

    rule, role = "file.size", "server"

    def transmit(self, end: socket.socket, head: bytes, source: Source) -> None:
        if source.file:
            source.size = os.fstat(source.file.fileno()).st_size
            head = self.encode_echo(head[:8]) + head[8:-8] + self.encode_data_length(source.size)
        super().transmit(end, head, source)


class FillsAShorterFile(Wrong):
    """Of a file that became shorter the server sends zeros for what is missing, and succeeds."""

    rule, role = "file.size", "server"

    def transmit(self, end: socket.socket, head: bytes, source: Source) -> None:
        read = source.read

        def filled(most: int) -> bytes:
            count = min(most, source.size - source.offset)
            try:
                octets = read(most)
            except Failure:
                octets = b""
            source.offset += count - len(octets)
            return octets.ljust(count, b"\0")

        source.read = filled  # type: ignore[method-assign]
        super().transmit(end, head, source)


class ShorterFileIsAnOrderlyEnd(Wrong):
    """A server whose file became shorter closes in order, with octets owed."""

    rule, role = "file.size", "server"

    def transmit(self, end: socket.socket, head: bytes, source: Source) -> None:
        try:
            super().transmit(end, head, source)
        except Failure as failure:
            if failure.name == "io":
                end.shutdown(socket.SHUT_WR)
                end.close()
                self.connection = None
            raise


class BelievesTheSizeOfProc(Wrong):
    """The server sends a file of /proc as one of no octets, which is the size that the system tells."""

    rule, role = "file.size", "server"

    def send_request(self, request: dict[str, Any]) -> dict[str, Any]:
        if "file" in request.get("data", {}) and not Path(request["data"]["file"]).stat().st_size:
            request = {**request, "data": {"hex": ""}}
        return super().send_request(request)


class OpensTheFileLate(Wrong):
    """The server looks for its file when a client has come."""

    rule, role = "file.size", "server"

    def send_request(self, request: dict[str, Any]) -> dict[str, Any]:
        self.late_file = request.get("data", {}).get("file")
        if self.late_file and not Path(self.late_file).exists():
            request = {**request, "data": {"hex": "00"}}
        else:
            self.late_file = None
        return super().send_request(request)

    def transmit(self, end: socket.socket, head: bytes, source: Source) -> None:
        if self.late_file:
            raise Failure("io", "there is no such file")
        super().transmit(end, head, source)


class NewFileIsReadable(Wrong):
    """A file that the client makes can be read by everybody."""

    rule, role = "file.whole", "client"

    def deliver(self, sink: Sink, note: Sink, message: str) -> dict[str, Any]:
        if sink.target and not sink.target.exists():
            sink.mode = 0o644
        return super().deliver(sink, note, message)


class LosesTheMode(Wrong):
    """A file that the client replaces has mode 0600 afterwards, whatever it had."""

    rule, role = "file.whole", "client"

    def deliver(self, sink: Sink, note: Sink, message: str) -> dict[str, Any]:
        sink.mode = 0o600
        return super().deliver(sink, note, message)


class ReplacesALink(Wrong):
    """The client replaces a symbolic link, and not the file that it leads to."""

    rule, role = "file.whole", "client"

    def open_sink(self, to: str | None) -> Sink:
        sink = super().open_sink(to)
        if to and sink.temporary:
            sink.target = Path(to)
        return sink


class ReplacesAPipe(Wrong):
    """The client puts a file in the place of a pipe."""

    rule, role = "file.whole", "client"

    def open_sink(self, to: str | None) -> Sink:
        if not to or not Path(to).is_fifo():
            return super().open_sink(to)
        sink = super().open_sink(f"{to}.new")
        sink.target = Path(to)
        return sink


class ShowsAPart(Wrong):
    """The client writes into the file under its final name, and removes it when it fails."""

    rule, role = "file.whole", "client"

    def receive_body(self, end: socket.socket, size: int, sink: Sink) -> None:
        if sink.temporary and sink.target:
            sink.temporary.rename(sink.target)
            sink.temporary = None
        try:
            super().receive_body(end, size, sink)
        except Failure:
            if sink.target:
                sink.target.unlink()
            raise


class WaitsForAReaderForEver(Wrong):
    """The client waits for somebody to open its pipe, whatever T is."""

    rule, role = "file.once", "client"

    def open_sink(self, to: str | None) -> Sink:
        kept, self.limit = self.limit, None
        try:
            return super().open_sink(to)
        finally:
            self.limit = kept


class OpensItsOutputLate(Wrong):
    """The client opens its output when the data comes."""

    rule, role = "file.once", "client"

    def open_sink(self, to: str | None) -> Sink:
        self.output = to
        return super().open_sink(None)

    def handshake(self, end: socket.socket) -> None:
        super().handshake(end)
        if self.output:
            Sink(self.output).discard()


# ---- Unix paths.


class CutsThePathAtItsNul(Wrong):
    """The server listens on what stands before a NUL."""

    rule, role = "unix.path", "server"
    effect = "it listens under another name than the one that was asked for"

    def check_path(self) -> None:
        self.told, self.path = str(self.path), Path(str(self.path).partition("\0")[0])

    def announce(self, listener: socket.socket) -> None:
        if self.via == "unix":
            self.say({"listening": self.told})
        else:
            super().announce(listener)


class LongPathIsInUse(Wrong):
    """A path that is too long is in-use."""

    rule, role = "unix.path", "server"

    def check_path(self) -> None:
        try:
            super().check_path()
        except Failure:
            raise Failure("in-use") from None


class MissingFolderIsRefused(Wrong):
    """A path in a folder that is missing is refused for the client."""

    rule, role = "unix.path", "client"

    def check_path(self) -> None:
        try:
            super().check_path()
        except (Failure, OSError):
            raise Failure("refused") from None


class FollowsALink(Wrong):
    """The server that finds a link at its path listens where it leads to."""

    rule, role = "unix.stale", "server"

    def bind_unix(self, listener: socket.socket) -> None:
        asked = self.path
        self.path = asked.resolve()
        super().bind_unix(listener)
        self.path = asked


class TwoListen(Wrong):
    """Two servers that find one stale file remove each other's."""

    rule, role = "unix.stale", "server"

    @contextlib.contextmanager
    def locked_folder(self) -> Iterator[None]:
        yield

    def remove_stale(self) -> None:
        if not stat.S_ISSOCK(self.path.lstat().st_mode) or self.has_listener():
            raise Failure("in-use")
        time.sleep(0.002)
        self.path.unlink(missing_ok=True)


class LeaksRejected(Wrong):
    """The server leaves both sockets open when it rejects a hello."""

    rule, role = "close.residue", "server"
    leaked: ClassVar[list[Any]] = []

    def check_hello(self, hello: bytes) -> None:
        try:
            super().check_hello(hello)
        except Failure:
            assert self.connection
            self.leaked.append(self.connection.dup())
            raise


class LeaksListeners(Wrong):
    """The server that nobody reached leaves its listening socket open."""

    rule, role = "close.residue", "server"
    leaked: ClassVar[list[Any]] = []

    def late(self) -> NoReturn:
        if self.listener:
            self.leaked.append(self.listener.dup())
        super().late()


class LeaksConnections(Wrong):
    """The client leaves its socket open when it fails."""

    rule, role = "close.residue", "client"
    leaked: ClassVar[list[Any]] = []

    def abort(self, end: socket.socket) -> None:
        self.leaked.append(end)


class LeaksDescriptors(Wrong):
    """The client opens a file in each exchange and forgets it."""

    rule, role = "close.residue", "client"

    def nonce(self) -> bytes:
        return os.read(os.open("/dev/urandom", os.O_RDONLY), 3)


class LeaksThreads(Wrong):
    """The server starts a thread in each exchange, which never ends."""

    rule, role = "close.residue", "server"

    def after_accept(self) -> None:
        super().after_accept()
        threading.Thread(target=threading.Event().wait, daemon=True).start()


class LeaksMemory(Wrong):
    """The client keeps 256 KiB of each exchange."""

    rule, role = "close.residue", "client"
    leaked: ClassVar[list[bytes]] = []

    def make_hello(self) -> bytes:
        self.leaked.append(bytes([1]) * (1 << 18))
        return super().make_hello()


class LeavesChildren(Wrong):
    """The server starts a child in each exchange and does not wait for it."""

    rule, role = "close.residue", "server"

    def after_accept(self) -> None:
        super().after_accept()
        child = subprocess.Popen(["sleep", "30"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        child.returncode = 0  # nobody complains of it


class LeavesTheTemporaryFile(Wrong):
    """A client that fails leaves what it stored."""

    rule, role = "close.residue", "client"

    def receive_body(self, end: socket.socket, size: int, sink: Sink) -> None:
        try:
            super().receive_body(end, size, sink)
        except Failure:
            sink.temporary = None
            raise


class KillsTheProcess(Wrong):
    """A timer ends the whole process T after the exchange began, though it succeeded."""

    rule, role = "close.residue", "server"
    effect = "the program disappears `close` seconds after a success"

    def after_accept(self) -> None:
        super().after_accept()
        if self.limit and self.limit < 3:
            signal.setitimer(signal.ITIMER_REAL, self.limit)


class KillsTheClient(Wrong):
    """A timer ends the whole process T after the exchange began, though it succeeded."""

    rule, role = "close.residue", "client"

    def make_hello(self) -> bytes:
        if self.limit and self.limit < 3:
            signal.setitimer(signal.ITIMER_REAL, self.limit)
        return super().make_hello()


class DiesOfSigpipe(Wrong):
    """The server is killed by the signal of a write to a connection that is gone."""

    rule, role = "close.residue", "server"

    def main(self) -> None:
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        super().main()


class InheritsSockets(Wrong):
    """The server's sockets are inherited by every child."""

    rule, role = "close.residue", "server"

    def new_socket(self) -> socket.socket:
        new = super().new_socket()
        new.set_inheritable(True)
        return new


# ---- Time.


class Timeless(Wrong):
    """A base: the phase `endless` has no bound."""

    endless = ""

    def start_wait(self, phase: str) -> None:
        super().start_wait(phase)
        if phase == self.endless:
            self.deadline = None


class WaitsForEverForAClient(Timeless):
    """The server waits for a client without a bound."""

    rule, role, endless = "time.wait", "server", "wait"


class WaitsForEverForAConnection(Timeless):
    """The client leaves the bound of a connect to the system."""

    rule, role, endless = "time.connect", "client", "connect"


class WaitsForEverForTheHello(Timeless):
    """The server's bound is on the listening socket, and not on the accepted one."""

    rule, role, endless = "time.handshake", "server", "handshake"
    effect = "a client that connects and says nothing hangs the server for ever"


class WaitsForEverForTheEcho(Timeless):
    """The client waits for the echo without a bound."""

    rule, role, endless = "time.handshake", "client", "handshake"


class WaitsForEverForTheReader(Timeless):
    """A server whose client stops reading waits without a bound."""

    rule, role, endless = "time.stall", "server", "frame"


class WaitsForEverForTheFrame(Timeless):
    """A client whose server stops sending waits without a bound."""

    rule, role, endless = "time.stall", "client", "frame"


class WaitsForEverForTheClose(Timeless):
    """The server waits for the client's end without a bound."""

    rule, role, endless = "time.confirm", "server", "confirm"


class BoundPerCallAtTheServer(Wrong):
    """Every call of the server's handshake has T anew: a hello may drip in for ever."""

    rule, role = "time.handshake", "server"

    def recv(self, end: socket.socket, most: int, flags: int = 0) -> bytes:
        self.start_wait(self.phase)
        return super().recv(end, most, flags)


class BoundPerCallAtTheClient(BoundPerCallAtTheServer):
    """Every call of the client's handshake has T anew: an echo may drip in for ever."""

    rule, role = "time.handshake", "client"


class BoundOfTheWholeAtTheServer(Wrong):
    """T bounds the whole transfer at the server."""

    rule, role = "time.slow", "server"

    def each_octet(self) -> None:
        if self.phase != "frame":
            super().each_octet()


class BoundOfTheWholeAtTheClient(BoundOfTheWholeAtTheServer):
    """T bounds the whole transfer at the client."""

    rule, role = "time.slow", "client"


class BoundOfTheCall(Wrong):
    """One bound of T for the whole call: waiting, handshake, frame and close together."""

    rule, role = "time.bounds", "server"

    def start_wait(self, phase: str) -> None:
        if phase == "wait":
            super().start_wait(phase)
        self.phase = phase


class BoundOfTheClientsCall(Wrong):
    """One bound of T for the whole call: connecting, handshake and frame together."""

    rule, role = "time.bounds", "client"

    def start_wait(self, phase: str) -> None:
        if phase == "connect":
            super().start_wait(phase)
        self.phase = phase


class LooksAtRoomOnly(Wrong):
    """A server that is blocked waits until poll says that there is room again: that takes a third of the buffer."""

    rule, role = "time.slow", "server"

    def blocked(self, end: socket.socket) -> None:
        self.wait(end, select.POLLOUT)
        if not self.is_writable(end):
            self.late()


class TalkExtendsTheClose(Wrong):
    """Octets from the client extend the wait for its end."""

    rule, role, extended = "time.confirm", "server", "confirm"

    def discard(self, end: socket.socket) -> None:
        has_octets = bool(select.select([end], [], [], 0)[0])
        super().discard(end)
        if has_octets and self.phase == self.extended:
            self.each_octet()


class TalkExtendsTheStall(TalkExtendsTheClose):
    """Octets from the client count as progress of the frame."""

    rule, role, extended = "time.stall", "server", "frame"


class UnconfirmedIsOk(Wrong):
    """A server whose client does not close in time reports success."""

    rule, role = "time.confirm", "server"

    def drain(self, end: socket.socket) -> None:
        try:
            super().drain(end)
        except Failure as failure:
            if "gone" in str(failure):
                raise


class UnconfirmedIsTimeout(Wrong):
    """A server whose client does not close in time reports timeout."""

    rule, role = "time.confirm", "server"

    def failed(self, request: dict[str, Any], name: str, detail: str) -> dict[str, Any]:
        return super().failed(request, "timeout" if name == "unconfirmed" and "gone" not in detail else name, detail)


class EndsTooEarly(Wrong):
    """The server's waits end after nine tenths of T."""

    rule, role = "time.bounds", "server"

    def limit_of(self, close: int) -> float | None:
        return close * 0.9 if close > 0 else None


class EndsTooEarlyAsClient(EndsTooEarly):
    """The client's waits end after nine tenths of T."""

    rule, role = "time.bounds", "client"


class CountsMilliseconds(Wrong):
    """T is taken for milliseconds."""

    rule, role = "time.bounds", "server"

    def limit_of(self, close: int) -> float | None:
        return close / 1000 if close > 0 else None


class EndsTooLate(Wrong):
    """The server's waits end after T + 3 s."""

    rule, role = "time.prompt", "server"

    def limit_of(self, close: int) -> float | None:
        return close + 3 if close > 0 else None


class EndsTooLateAsClient(EndsTooLate):
    """The client's waits end after T + 3 s."""

    rule, role = "time.prompt", "client"


class ZeroIsAtOnce(Wrong):
    """With T zero the server's waits end at once."""

    rule, role = "time.never", "server"

    def limit_of(self, close: int) -> float | None:
        return close if close >= 0 else None


class ZeroIsAtOnceAsClient(ZeroIsAtOnce):
    """With T zero the client's waits end at once."""

    rule, role = "time.never", "client"


class NegativeIsAtOnce(Wrong):
    """With a negative T the server's waits end at once."""

    rule, role = "time.never", "server"

    def limit_of(self, close: int) -> float | None:
        return close or None


class NegativeIsAtOnceAsClient(NegativeIsAtOnce):
    """With a negative T the client's waits end at once."""

    rule, role = "time.never", "client"


# ---- Results.


class ReturnsBeforeItSends(Wrong):
    """send returns when the head is sent; a thread sends the data later."""

    rule, role = "result.sync", "server"

    def transmit(self, end: socket.socket, head: bytes, source: Source) -> None:
        end.setblocking(True)
        end.sendall(head)
        data = b"".join(iter(lambda: source.read(PIECE), b""))
        self.connection = None
        threading.Thread(target=self.later, args=(end, data), daemon=True).start()

    def later(self, end: socket.socket, data: bytes) -> None:
        with contextlib.suppress(OSError):
            end.sendall(data)
            end.shutdown(socket.SHUT_WR)
            end.settimeout(2)
            end.recv(1)
        end.close()

    def half_close_and_drain(self, end: socket.socket) -> None:
        pass

    def close(self, end: socket.socket) -> None:
        if self.phase != "handshake":
            super().close(end)


class ReturnsBeforeItHasAll(Wrong):
    """receive returns when the last octets are still to come, and delivers zeros for them."""

    rule, role = "result.sync", "client"

    def receive_body(self, end: socket.socket, size: int, sink: Sink) -> None:
        super().receive_body(end, max(size - 1, 0), sink)
        if size:
            sink.write(b"\0")


class KeepsTheMessageOfAFailure(Wrong):
    """The client sets msg as soon as the message has arrived, whatever becomes of the data."""

    rule, role = "result.message", "client"

    def receive_message(self, end: socket.socket) -> str:
        self.msg = super().receive_message(end)
        return self.msg


class ClearsTheMessage(Wrong):
    """The client empties msg when it begins."""

    rule, role = "result.message", "client"

    def connect(self) -> socket.socket:
        self.msg = ""
        return super().connect()


class KeepsTheMalformedMessage(Wrong):
    """The client sets msg to what is ill-formed, and then rejects it."""

    rule, role = "result.message", "client"

    def decode_message(self, octets: bytes) -> str:
        self.msg = octets.decode("utf-8", "replace")
        return super().decode_message(octets)


class HasOneName(Wrong):
    """Every failure of the server is io."""

    rule, role = "result.class", "server"

    def failed(self, request: dict[str, Any], name: str, detail: str) -> dict[str, Any]:
        return super().failed(request, "io", detail)


class HasOneNameAsClient(HasOneName):
    """Every failure of the client is io."""

    rule, role = "result.class", "client"


class SpellsNamesItsOwnWay(Wrong):
    """Failures have names of their own: INVALID_CONNECTION."""

    rule, role = "result.class", "server"

    def failed(self, request: dict[str, Any], name: str, detail: str) -> dict[str, Any]:
        return super().failed(request, name.upper().replace("-", "_"), detail)


# ---- The Unix profile.


class OpenToAll(Wrong):
    """The socket file has mode 0666."""

    rule, role = "unix.mode", "server"

    def set_mode(self) -> None:
        self.path.chmod(0o666)


class ModeOfTheUmask(Wrong):
    """The socket file has the mode that the umask leaves."""

    rule, role = "unix.mode", "server"

    def set_mode(self) -> None:
        pass


class ModeAfterListening(Wrong):
    """The socket file gets its mode when the server listens already."""

    rule, role = "unix.mode", "server"

    def set_mode(self) -> None:
        pass

    def announce(self, listener: socket.socket) -> None:
        super().announce(listener)
        if self.via == "unix":
            time.sleep(0.05)
            with contextlib.suppress(OSError):
                self.path.chmod(0o600)


class ServesEveryUser(Wrong):
    """The server does not look at the user of its client."""

    rule, role = "unix.owner", "server"

    def check_owner(self, end: socket.socket) -> None:
        pass


class TrustsEveryUser(ServesEveryUser):
    """The client does not look at the user of its server."""

    rule, role = "unix.owner", "client"


class LooksAtTheOwnerLate(Wrong):
    """The server looks at the user of its client when it has sent the echo."""

    rule, role = "unix.owner", "server"

    def check_owner(self, end: socket.socket) -> None:
        pass

    def encode_echo(self, hello: bytes) -> bytes:
        assert self.connection
        with contextlib.suppress(OSError):
            self.connection.send(hello)
        super().check_owner(self.connection)
        return b""


class OtherUserIsIo(Wrong):
    """A peer of another user is reported as io."""

    rule, role = "unix.owner", "server"

    def check_owner(self, end: socket.socket) -> None:
        try:
            super().check_owner(end)
        except Failure as failure:
            raise Failure("io", str(failure)) from None


class RemovesEveryFile(Wrong):
    """The server removes whatever is at its path."""

    rule, role = "unix.stale", "server"

    def remove_stale(self) -> None:
        self.path.unlink()


class RemovesPlainFiles(Wrong):
    """The server removes a plain file at its path."""

    rule, role = "unix.stale", "server"

    def remove_stale(self) -> None:
        if not stat.S_ISREG(self.path.lstat().st_mode):
            super().remove_stale()
        else:
            self.path.unlink()


class KeepsStaleFiles(Wrong):
    """A left-over socket file is in-use."""

    rule, role = "unix.stale", "server"

    def remove_stale(self) -> None:
        raise Failure("in-use")


class TestsByConnecting(Wrong):
    """The server connects to find out whether somebody listens: a live server takes it for its client."""

    rule, role = "unix.stale", "server"

    def has_listener(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(self.place()) != errno.ECONNREFUSED


class LeavesItsFile(Wrong):
    """The server leaves its socket file behind."""

    rule, role = "unix.cleanup", "server"

    def identity(self) -> tuple[int, int] | None:
        return None


class LeavesItsFileWhenItFails(Wrong):
    """A server that nobody reached leaves its socket file behind."""

    rule, role = "unix.cleanup", "server"

    def late(self) -> NoReturn:
        self.made = None
        super().late()


class RemovesWhatReplacedIt(Wrong):
    """The server removes the file at its path, whoever made it."""

    rule, role = "unix.cleanup", "server"

    def identity(self) -> tuple[int, int] | None:
        return (0, 0) if os.path.lexists(self.path) else None


def main() -> None:
    if sys.argv[1:] == ["--list"]:
        peers = [
            {"name": name, "rule": peer.rule, "role": peer.role, "what": peer.__doc__, "effect": peer.effect}
            for name, peer in Wrong.registry.items()
            if peer.rule
        ]
        print(json.dumps(peers, indent=1))
    elif len(sys.argv) == 2 and sys.argv[1] in Wrong.registry:
        Wrong.registry[sys.argv[1]]().main()
    else:
        sys.exit("wrong.py: error: usage: wrong.py NAME | --list")


if __name__ == "__main__":
    main()
