"""The server: it listens, and sends the message and the data to its one client.

Does: the listening socket, the socket file, and the transport of a ServerExchange. Does not: decide what an octet
means. Spec: "Listening and connecting", "Closing", "Time", "Unix profile".
"""

from __future__ import annotations

import errno
import os
import socket
import stat
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from .address import check_port
from .body import Data, File, MemorySource, Source, open_source, reason
from .deadline import Deadline
from .errors import InUse, Io, KcomError
from .exchange import ServerExchange
from .stream import MUCH, READ, RESETS, WRITE, Steps, Stream, Wait, is_of_another_user, open_socket, run
from .wire import HELLO_SIZE, encode_message

_DRAIN = 1 << 16
_LOOK = 0.25
"""Seconds after which a blocked sender looks whether octets move: a socket is ready only when much is free."""

_L = TypeVar("_L", bound="Listener")
Path = str | bytes | os.PathLike[str] | os.PathLike[bytes]


def check_path(path: Path) -> str:
    """Return the path of a socket file. Raises Io for what would name no file but an abstract address."""
    if not hasattr(socket, "AF_UNIX"):
        raise Io("this system's Python has no Unix-domain sockets")
    text = os.fsdecode(path)
    if not text or "\0" in text:
        raise Io("the path of a socket file is not empty and holds no NUL")
    return text


Place = str | tuple[str, int]
"""Where a server listens, as the system takes it: a path, or a host and a port."""


def place_of(path: Path | None, ipv6: bool, port: int) -> Place:
    """Return what these fields select. Raises Io as `check_path` does."""
    if path is not None:
        return check_path(path)
    return "::1" if ipv6 else "127.0.0.1", port


def name_of(place: Place) -> str:
    """Return a place as people write it."""
    if isinstance(place, str):
        return place
    host, port = place
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class ServerSettings:
    """What a server is told: the fields, and no connection.

    `ipv6` selects ::1, else 127.0.0.1. `port` is 1 to 65535, or 0: the system chooses (`listen.port-zero`).
    `path`, if not None, is the path of a Unix-domain socket and replaces both. `close` is T in seconds, zero or
    negative for no limit. `msg` is the message: text, or octets of UTF-8. `listening` is called with the port or
    path as soon as a client can come; `progress` with the octets of data that the system took, and all.
    """

    def __init__(
        self,
        *,
        msg: str | bytes = "",
        ipv6: bool = True,
        port: int = 13600,
        path: Path | None = None,
        close: float = 150,
        listening: Callable[[int | str], object] | None = None,
        progress: Callable[[int, int], object] | None = None,
    ) -> None:
        self.msg = msg
        self.ipv6 = ipv6
        self.port = port
        self.path = path
        self.close = close
        self.listening = listening
        self.progress = progress

    def check(self) -> bytes:
        """Return the message's octets. Raises InvalidPort, MessageTooLong, MessageNotUtf8, in this order."""
        if self.path is None:
            check_port(self.port, 0)
        return encode_message(self.msg)

    def listen(self, kind: type[_L]) -> _L:
        """Listen. Raises as `check` does, InUse and Io."""
        listener = kind(self, self.check())
        try:
            listener.start()
        except BaseException:
            listener.close()
            raise
        return listener

    def send_steps(self, data: Data) -> Steps[int]:
        """Listen and send data from memory."""
        listener = self.listen(Listener)
        try:
            return (yield from listener.send_steps(data))
        finally:
            listener.close()

    def send_file_steps(self, file: File) -> Steps[int]:
        """Listen and send a file."""
        self.check()
        source = yield from open_source(file)
        try:
            listener = self.listen(Listener)
            try:
                return (yield from listener.serve(source))
            finally:
                listener.close()
        finally:
            source.close()


class Listener:
    """A socket that listens for one client. It has to be closed, used or not.

    `place` is the port, or the path of a Unix-domain socket.
    """

    def __init__(self, settings: ServerSettings, message: bytes) -> None:
        self._settings = settings
        self._message = message
        self.place: int | str = settings.port
        self._path = ""
        self._file: tuple[int, int] | None = None
        self._socket: socket.socket | None = None
        self._deadline = Deadline(settings.close)

    @property
    def port(self) -> int:
        """The port that it listens on, 0 for a Unix-domain socket."""
        return self.place if isinstance(self.place, int) else 0

    def start(self) -> None:
        """Bind, listen and tell so. Raises InUse and Io."""
        settings = self._settings
        place = place_of(settings.path, settings.ipv6, settings.port)
        try:
            if isinstance(place, str):
                self._bind_path(place)
            else:
                self._bind_port(place)
        except KcomError:
            raise
        except (OSError, ValueError) as error:
            raise Io(f"cannot listen on {name_of(place)}: {reason(error)}") from error
        self._deadline = Deadline(settings.close)
        if settings.listening is not None:
            settings.listening(self.place)

    def serve(self, source: Source) -> Steps[int]:
        """Send to the first client; return the number of octets of data."""
        exchange = ServerExchange(self._message, source.size)
        stream = yield from self._accept(exchange)
        try:
            yield from _Sending(exchange, stream, source, self._settings).steps()
        except BaseException:
            stream.abort()
            raise
        stream.close()
        return source.size

    def send_steps(self, data: Data) -> Steps[int]:
        """Send data from memory."""
        source = MemorySource(data)
        try:
            return (yield from self.serve(source))
        finally:
            source.close()

    def send_file_steps(self, file: File) -> Steps[int]:
        """Send a file."""
        source = yield from open_source(file)
        try:
            return (yield from self.serve(source))
        finally:
            source.close()

    def close(self) -> None:
        """Stop listening, and remove the socket file if it is still ours (`unix.cleanup`)."""
        if self._file is not None:
            file, self._file = self._file, None
            with suppress(OSError):
                status = os.lstat(self._path)
                if (status.st_dev, status.st_ino) == file:
                    os.unlink(self._path)  # noqa: PTH108 (a str)
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _bind_port(self, address: tuple[str, int]) -> None:
        self._socket = open_socket(socket.AF_INET6 if self._settings.ipv6 else socket.AF_INET)
        if hasattr(socket, "SO_EXCLUSIVEADDRUSE"):
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:
            # POSIX: for TIME_WAIT (`listen.rebind`); two listeners do not share by it.
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._socket.bind(address)
            self._socket.listen(1)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            raise InUse(f"{name_of(address)} is taken") from error
        self.place = self._socket.getsockname()[1]

    def _bind_path(self, path: str) -> None:
        self.place = self._path = path
        self._socket = open_socket(socket.AF_UNIX)
        try:
            self._socket.bind(path)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            _remove_stale(path)
            try:
                self._socket.bind(path)
            except OSError as again:
                if again.errno != errno.EADDRINUSE:
                    raise
                raise InUse(f"{path} is taken") from again
        status = os.lstat(path)
        self._file = status.st_dev, status.st_ino
        os.chmod(path, 0o600)  # noqa: PTH101 (a str)
        self._socket.listen(1)

    def _accept(self, exchange: ServerExchange) -> Steps[Stream]:
        """Return the connection of the first client; nobody listens any more then (`listen.refuse-others`)."""
        if self._socket is None:
            raise ValueError("it listens no more: it serves one client")
        while True:
            try:
                connection, _ = self._socket.accept()
                break
            except (BlockingIOError, ConnectionAbortedError):
                if self._deadline.has_passed():
                    exchange.on("timeout", f"no client came within {self._deadline}")
                yield Wait(self._socket.fileno(), READ, self._deadline.left())
            except OSError as error:
                exchange.on("failure", reason(error))
                raise
        try:
            self.close()
            stream = Stream(connection)
            if stream.is_local and is_of_another_user(connection):
                exchange.on("wrong", "the client is another user's")
        except BaseException:
            connection.close()
            raise
        return stream


def _remove_stale(path: str) -> None:
    """Remove the socket file that nobody has open; raise InUse for any other (`unix.stale`)."""
    before = os.lstat(path)
    if not stat.S_ISSOCK(before.st_mode):
        raise InUse(f"{path}: there is a file that is no socket")
    # A datagram socket cannot reach a stream server, so it takes no client's place; the system says who is there.
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as probe:
        code = probe.connect_ex(path)
    after = os.lstat(path)
    if code != errno.ECONNREFUSED or (after.st_dev, after.st_ino) != (before.st_dev, before.st_ino):
        raise InUse(f"{path} is taken")
    os.unlink(path)  # noqa: PTH108 (a str)


class _Sending:
    """The exchange on a connection: hello, frame, close."""

    def __init__(self, exchange: ServerExchange, stream: Stream, source: Source, settings: ServerSettings) -> None:
        self._exchange = exchange
        self._stream = stream
        self._source = source
        self._settings = settings
        self._deadline = Deadline(settings.close)
        # Octets of echo and frame: all of them, and those that the system took.
        self._size = self._sent = 0

    def steps(self) -> Steps[None]:
        try:
            self._exchange.on("connected")
            yield from self._read_hello()
            yield from self._write()
            yield from self._confirm()
        except KcomError:
            raise
        except OSError as error:
            self._exchange.on("reset" if error.errno in RESETS else "failure", self._with_count(reason(error)))
            raise

    def _with_count(self, what: str) -> str:
        """Say how much the system had taken of what is to be sent, once that has begun."""
        return f"{what}, sent {self._sent} of {self._size} octets" if self._size else what

    def _read_hello(self) -> Steps[None]:
        exchange = self._exchange
        while exchange.state == "hello":
            octets = self._stream.receive(64)
            if octets:
                exchange.feed(octets)
            elif octets is not None:
                exchange.on("end", "the client closed")
            elif self._deadline.has_passed():
                exchange.on("timeout", f"no whole hello within {self._deadline}")
            else:
                yield self._stream.wait(READ, self._deadline.left())

    def _write(self) -> Steps[None]:
        """Send echo, head and data (`frame.order`)."""
        exchange, stream, source = self._exchange, self._stream, self._source
        if source.size > MUCH:
            stream.enlarge_send_buffer()
        first = source.first()
        start = memoryview(exchange.output)
        size = len(start)
        self._size = size + source.size
        while self._sent < self._size:
            sent = self._sent
            try:
                count = stream.send(start[sent:], first) if sent < size else source.send(stream.socket, sent - size)
            except BlockingIOError:
                yield from self._wait_to_write()
                continue
            self._sent = sent = sent + count
            if sent >= HELLO_SIZE:
                self._deadline.restart()
            if sent > size and self._settings.progress is not None:
                self._settings.progress(sent - size, source.size)
            yield None

    def _wait_to_write(self) -> Steps[None]:
        exchange, stream = self._exchange, self._stream
        self._look_at_client()
        if stream.has_drained():
            self._deadline.restart()
        if self._deadline.has_passed():
            exchange.on("timeout", self._with_count(f"the client took nothing for {self._deadline}"))
        # An end that was seen would be there at once, again and again.
        events = WRITE | (READ if exchange.state == "sending" else 0)
        yield stream.wait(events, self._deadline.left(_LOOK))

    def _look_at_client(self) -> bool:
        """Read octets of the client and throw them away (`close.extra`); tell whether there were any, or an end."""
        if self._exchange.state == "half-closed":
            self._stream.check()
            return False
        octets = self._stream.receive(_DRAIN)
        if octets is None:
            return False
        self._exchange.on("more" if octets else "end")
        return True

    def _confirm(self) -> Steps[None]:
        """Half-close and wait for the client's end (`close.confirm`)."""
        exchange, stream = self._exchange, self._stream
        # First, because the system may only now tell of a reset.
        stream.check()
        stream.half_close()
        exchange.on("sent")
        self._deadline.restart()
        while exchange.state == "confirming":
            came = self._look_at_client()
            if stream.has_drained():
                self._deadline.restart()
            if exchange.state == "confirming" and self._deadline.has_passed():
                exchange.on("timeout", self._with_count(f"the client did not close within {self._deadline}"))
            yield None if came else stream.wait(READ, self._deadline.left(_LOOK))


class Listening(Listener):
    """A server that listens. Use it in a `with` statement: leaving it ends the listening, used or not."""

    def send(self, data: Data) -> None:
        """Send as `Server.send` does, once."""
        run(self.send_steps(data))

    def send_file(self, file: File) -> int:
        """Send as `Server.send_file` does, once."""
        return run(self.send_file_steps(file))

    def __enter__(self) -> Listening:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


class Server(ServerSettings):
    """The server of one exchange at a time; it may be used again."""

    def send(self, data: Data) -> None:
        """Listen, and send the message `msg` and the data to the first client.

        Returns when the client has taken all of it and closed (`close.confirm`). Raises InvalidPort,
        MessageTooLong and MessageNotUtf8 before it listens; then InUse, Timeout, InvalidConnection, Unconfirmed, Io.
        """
        run(self.send_steps(data))

    def send_file(self, file: File) -> int:
        """Send the data of a file from its position, and return the number of octets. Memory does not depend on it.

        Raises as `send` does; Io if the file cannot be read, or becomes shorter.
        """
        return run(self.send_file_steps(file))

    def open(self) -> Listening:
        """Listen, and return what sends then: T of the wait for a client begins here. Raises as `send` does."""
        return self.listen(Listening)
