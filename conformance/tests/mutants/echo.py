"""Mutants that break a rule of the echo."""

from __future__ import annotations

import contextlib
import os
import socket

from reference_peer import MAGIC, Failure

from .registry import Mutant


class EchoesItsOwnNonce(Mutant):
    """The server sends three random bytes of its own."""

    rule, role = "echo.exact", "server"

    def encode_echo(self, hello: bytes) -> bytes:
        return MAGIC + os.urandom(3)


class EchoesTheMagicOnly(Mutant):
    """The server sends back five bytes."""

    rule, role = "echo.exact", "server"

    def encode_echo(self, hello: bytes) -> bytes:
        return hello[:5]


class EchoesUpToNul(Mutant):
    """The server treats the echo as a C string and sends zeros after the first NUL."""

    rule, role = "hello.any-nonce", "server"

    def encode_echo(self, hello: bytes) -> bytes:
        return hello.partition(b"\0")[0].ljust(8, b"\0")


class GreetsFirst(Mutant):
    """The server sends a greeting before the echo."""

    rule, role = "echo.exact", "server"

    def encode_echo(self, hello: bytes) -> bytes:
        return os.urandom(4) + hello


class GreetsAtOnce(Mutant):
    """The server sends a banner as soon as somebody connects."""

    rule, role = "echo.exact", "server"

    def read_hello(self, end: socket.socket) -> bytes:
        with contextlib.suppress(OSError):
            end.send(b"KCOM5 ready\r\n")
        return super().read_hello(end)


class OneRecvForTheEcho(Mutant):
    """The client reads the echo with one recv."""

    rule, role = "echo.segments", "client"

    def read_echo(self, end: socket.socket, hello: bytes) -> None:
        if self.recv(end, 8) != hello:
            raise Failure("invalid-connection")


class WantsTheEchoAlone(Mutant):
    """The client treats everything that arrives first as the echo, and discards what follows the echo in it."""

    rule, role = "frame.segments", "client"

    def read_echo(self, end: socket.socket, hello: bytes) -> None:
        echo = b""
        while len(echo) < 8:
            piece = self.recv(end, 64)
            echo += piece
            if not piece or not self.is_echo(echo[:8], hello):
                raise Failure("invalid-connection")


class ComparesFiveOfTheEcho(Mutant):
    """The client compares only the magic of the echo, not the three bytes."""

    rule, role = "echo.mismatch", "client"

    def is_echo(self, echo: bytes, hello: bytes) -> bool:
        return hello.startswith(echo[:5])


class TakesEveryEcho(Mutant):
    """The client counts eight bytes and does not compare them."""

    rule, role = "echo.mismatch", "client"

    def is_echo(self, echo: bytes, hello: bytes) -> bool:
        return True


class ComparesTheEchoAsText(Mutant):
    """The client compares the echo without regard to case."""

    rule, role = "echo.mismatch", "client"

    def is_echo(self, echo: bytes, hello: bytes) -> bool:
        return hello.lower().startswith(echo.lower())


class ComparesTheEchoAtTheEnd(Mutant):
    """The client checks the echo only when it has eight bytes."""

    rule, role = "echo.mismatch", "client"

    def is_echo(self, echo: bytes, hello: bytes) -> bool:
        return len(echo) < 8 or echo == hello


class CloseInTheEchoIsTruncated(Mutant):
    """A close within the echo is reported as truncated."""

    rule, role = "echo.mismatch", "client"

    def read_echo(self, end: socket.socket, hello: bytes) -> None:
        if not hello.startswith(self.read_exact(end, 8)):
            raise Failure("invalid-connection")
