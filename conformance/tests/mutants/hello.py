"""Mutants that break a rule of the hello."""

from __future__ import annotations

import contextlib
import os
import socket

from reference_peer import MAGIC, Failure

from .registry import Mutant


class SendsNineOctets(Mutant):
    """The client's hello ends with a line end."""

    rule, role = "hello.form", "client"

    def send_hello(self, end: socket.socket, hello: bytes) -> None:
        super().send_hello(end, hello + b"\n")


class SendsLowerCaseMagic(Mutant):
    """The client sends kcom5 as its magic."""

    rule, role = "hello.form", "client"

    def make_hello(self) -> bytes:
        return super().make_hello().lower()


class OmitsTheNonce(Mutant):
    """The client sends the magic alone."""

    rule, role = "hello.form", "client"

    def send_hello(self, end: socket.socket, hello: bytes) -> None:
        super().send_hello(end, hello[:5])


class SaysThanks(Mutant):
    """The client acknowledges the data with a byte."""

    rule, role = "hello.form", "client"

    def close(self, end: socket.socket) -> None:
        with contextlib.suppress(OSError):
            end.send(b"\x06")
        super().close(end)


class AcknowledgesTheEcho(Mutant):
    """The client sends a byte after the echo."""

    rule, role = "hello.form", "client"

    def read_echo(self, end: socket.socket, hello: bytes) -> None:
        super().read_echo(end, hello)
        with contextlib.suppress(OSError):
            end.send(b"\x06")


class ConstantNonce(Mutant):
    """The client's three bytes are always the same."""

    rule, role = "hello.nonce", "client"

    def nonce(self) -> bytes:
        return b"abc"


class OneNoncePerProcess(Mutant):
    """The client chooses its three bytes once per process."""

    rule, role = "hello.nonce", "client"
    drawn = os.urandom(3)

    def nonce(self) -> bytes:
        return self.drawn


class ForgivesALineEnd(Mutant):
    """The server accepts a line feed after the hello."""

    rule, role = "hello.alone", "server"

    def check_hello(self, hello: bytes) -> None:
        super().check_hello(hello[:8] if hello[8:] == b"\n" else hello)

    def encode_echo(self, hello: bytes) -> bytes:
        return super().encode_echo(hello[:8])


class SevenBitNonce(Mutant):
    """One of the client's three bytes is always an ASCII character."""

    rule, role = "hello.nonce", "client"

    def nonce(self) -> bytes:
        first, second, third = os.urandom(3)
        return bytes((first, second % 128, third))


class RefusesNulNonces(Mutant):
    """The server refuses a NUL among the three bytes."""

    rule, role = "hello.any-nonce", "server"

    def check_hello(self, hello: bytes) -> None:
        super().check_hello(hello.replace(b"\0", b"\0\0\0\0"))


class RefusesBinaryNonces(Mutant):
    """The server treats the hello as text and refuses bytes above 7f."""

    rule, role = "hello.any-nonce", "server"

    def check_hello(self, hello: bytes) -> None:
        super().check_hello(hello if hello.isascii() else b"?")


class OneRecvForTheHello(Mutant):
    """The server reads the hello with one recv."""

    rule, role = "hello.segments", "server"

    def read_hello(self, end: socket.socket) -> bytes:
        hello = self.recv(end, self.hello_buffer)
        if len(hello) != 8:
            raise Failure("invalid-connection")
        self.check_hello(hello)
        return hello


class TakesEveryHello(Mutant):
    """The server does not check the magic."""

    rule, role = "hello.reject", "server"

    def check_hello(self, hello: bytes) -> None:
        super().check_hello((MAGIC + hello[5:])[: len(hello)])


class TakesEveryCase(Mutant):
    """The server also accepts kcom5."""

    rule, role = "hello.reject", "server"

    def check_hello(self, hello: bytes) -> None:
        super().check_hello(hello[:5].upper() + hello[5:])


class ComparesFourOctets(Mutant):
    """The server compares four bytes of the magic, so it accepts KCOM4."""

    rule, role = "hello.reject", "server"

    def check_hello(self, hello: bytes) -> None:
        super().check_hello(hello[:4] + MAGIC[4 : len(hello)] + hello[5:])


class EchoesBeforeItLooks(Mutant):
    """The server echoes bytes before it checks them."""

    rule, role = "hello.reject", "server"

    def check_hello(self, hello: bytes) -> None:
        with contextlib.suppress(Failure):
            super().check_hello(hello)
            return
        assert self.connection
        with contextlib.suppress(OSError):
            self.connection.send(hello)
        super().check_hello(hello)


class SaysWhy(Mutant):
    """The server answers a wrong hello with a text."""

    rule, role = "hello.reject", "server"

    def check_hello(self, hello: bytes) -> None:
        try:
            super().check_hello(hello)
        except Failure:
            assert self.connection
            with contextlib.suppress(OSError):
                self.connection.send(b"error: not KCOM5\n")
            raise


class WaitsForEight(Mutant):
    """The server checks the hello only when it has eight bytes."""

    rule, role = "hello.reject-early", "server"

    def check_hello(self, hello: bytes) -> None:
        if len(hello) >= 8:
            super().check_hello(hello)


class TakesMoreThanEight(Mutant):
    """The server checks the first eight bytes, and ignores others that arrived with them."""

    rule, role = "hello.alone", "server"
    effect = "a web page can make a browser fetch the data"
    hello_buffer = 8

    def read_hello(self, end: socket.socket) -> bytes:
        return super().read_hello(end)[:8]


class CloseInTheHelloIsIo(Mutant):
    """A close within the hello is reported as io."""

    rule, role = "hello.eof", "server"

    def recv(self, end: socket.socket, most: int, flags: int = 0) -> bytes:
        octets = super().recv(end, most, flags)
        if not octets:
            raise Failure("io")
        return octets


class CloseInTheHelloIsWaitedOut(Mutant):
    """A server whose client closed within the hello waits for the other bytes until T."""

    rule, role = "hello.eof", "server"

    def recv(self, end: socket.socket, most: int, flags: int = 0) -> bytes:
        while not (octets := super().recv(end, most, flags)):
            self.limit = min(self.limit or 3, 3)
            self.start_wait("handshake")
            while True:
                self.wait(end, 0, 0.1)
        return octets


class TakesAShortHello(Mutant):
    """A client that closes after the magic is served."""

    rule, role = "hello.eof", "server"

    def recv(self, end: socket.socket, most: int, flags: int = 0) -> bytes:
        octets = super().recv(end, most, flags)
        return octets or b"abc"
