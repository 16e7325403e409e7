"""The server: it listens, and sends the message and the data to its one client.

Does: the listening socket, and the transport of a ServerExchange. Does not: decide what a byte means.
Spec: "Listening and connecting", "Closing", "Time", "Unix profile".
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple, TypeVar

from .address import check_port
from .deadline import Deadline, check_timeout
from .errors import InUse, Io
from .exchange import ServerExchange
from .sending import Sending
from .socket_file import SocketFile
from .source import FileSource, MemorySource, Source, open_source
from .stream import READ, Steps, Stream, Wait, is_of_another_user, open_socket, run, told_to
from .system import Data, File, Path, as_io, name_of, place_of, reason
from .wire import encode_message

# Errors of accept() about a connection that is gone, or about the network, and not about the listening socket.
_ABORTED = frozenset({errno.ECONNABORTED, errno.EINTR, errno.ENETDOWN, errno.EHOSTUNREACH, errno.ENETUNREACH}) | {
    getattr(errno, name) for name in ("EPROTO", "ENOPROTOOPT", "EHOSTDOWN", "ENONET", "EPERM") if hasattr(errno, name)
}

_L = TypeVar("_L", bound="Listener")


class Sent(NamedTuple):
    """The result of a send."""

    size: int
    """The bytes of data that were sent."""
    confirmed: bool
    """Whether the client's end came after everything was sent. If False, it had half-closed before, and only its kernel
    is known to have everything (`close.confirm`)."""


class ServerSettings:
    """The settings of a server, without a connection."""

    def __init__(
        self,
        *,
        port: int = 13600,
        ipv6: bool = True,
        path: Path | None = None,
        timeout: float | None = 150,
        message: str | bytes = "",
        spool_dir: Path = "",
        listening: Callable[[int | str], object] | None = None,
        progress: Callable[[int, int], object] | None = None,
    ) -> None:
        """Set the fields. They may be changed between two calls.

        The two callbacks run in the thread of the call, in asyncio in the event loop. An exception from one ends the
        exchange, and the call raises it; a client sees a reset.

        Args:
            port: 1 to 65535, or 0: the kernel chooses (`listen.port-zero`).
            ipv6: Whether to listen on ::1, else on 127.0.0.1.
            path: The path of a Unix-domain socket. If not None, it replaces `port` and `ipv6`.
            timeout: The limit of each wait in seconds, more than 0; None waits forever.
            message: The message: text, or bytes of UTF-8.
            spool_dir: The folder for a temporary file that holds input without a size. If empty, TMPDIR, else /tmp.
            listening: Called once per exchange with the port or path, as soon as a client can connect.
            progress: Called each time that the kernel took data, with the bytes so far and the total.
        """
        self.port = port
        self.ipv6 = ipv6
        self.path = path
        self.timeout = timeout
        self.message = message
        self.spool_dir = spool_dir
        self.listening = listening
        self.progress = progress
        self.stage = "listening"
        """How far the last send came: "listening", "sending" or "sent"."""

    def check(self) -> bytes:
        """Return the message's bytes.

        Raises ValueError for the timeout, then InvalidPort, MessageTooLong, MessageNotUtf8, in this order.
        """
        check_timeout(self.timeout)
        if self.path is None:
            check_port(self.port, 0)
        return encode_message(self.message)

    def open_source(self, file: File) -> Steps[FileSource]:
        """Open a file to send. Raises Io, and Timeout for a named pipe that nobody writes to."""
        return open_source(file, self.timeout, self.spool_dir)

    def listen(self, kind: type[_L]) -> Steps[_L]:
        """Listen. Raises as `check` does, InUse, Timeout and Io."""
        listener = kind(self, self.check())
        try:
            yield from listener.start()
        except BaseException:
            listener.close()
            raise
        return listener

    def send_steps(self, data: Data) -> Steps[Sent]:
        """Listen and send data from memory."""
        listener = yield from self.listen(Listener)
        return (yield from listener.send_steps(data))

    def send_file_steps(self, file: File) -> Steps[Sent]:
        """Listen and send a file."""
        self.check()
        source = yield from self.open_source(file)
        try:
            listener = yield from self.listen(Listener)
            return (yield from listener.serve(source))
        finally:
            source.close()


class Listener:
    """A socket that listens for one client. It must be closed, used or not.

    `place` is the port, or the path of a Unix-domain socket.
    """

    def __init__(self, settings: ServerSettings, message: bytes) -> None:
        self._settings = settings
        self._message = message
        self.place: int | str = settings.port
        self._name = ""
        self._file: SocketFile | None = None
        self._socket: socket.socket | None = None
        self._deadline = Deadline(settings.timeout)

    @property
    def port(self) -> int:
        """The port that it listens on, 0 for a Unix-domain socket."""
        return self.place if isinstance(self.place, int) else 0

    def start(self) -> Steps[None]:
        """Bind, listen and call `listening`. Raises InUse, Timeout and Io."""
        settings = self._settings
        place = place_of(settings.path, settings.ipv6, settings.port)
        settings.stage = "listening"
        with as_io(name_of(place)):
            if isinstance(place, str):
                self.place = place
                self._file = SocketFile(place)
                self._socket = yield from self._file.bind(self._deadline, 1)
            else:
                self._bind_port(place)
                place = place[0], self.port
        self._name = name_of(place)
        self._deadline = Deadline(settings.timeout)
        if settings.listening is not None:
            settings.listening(self.place)

    def serve(self, source: Source) -> Steps[Sent]:
        """Send to the first client, and stop listening."""
        settings, exchange = self._settings, ServerExchange(self._message, source.size)
        try:
            with told_to(exchange, self._name):
                stream = yield from self._accept(exchange)
        finally:
            self.close()
        sending = Sending(exchange, stream, source, settings)
        try:
            with told_to(exchange, self._name):
                yield from sending.steps()
                exchange.check_done()
        except BaseException:
            if settings.stage == "sent":
                # The bytes that the client's kernel holds stay readable there.
                stream.read_away()
                stream.close()
            else:
                stream.abort()
            raise
        stream.close()
        return Sent(source.size, exchange.confirmed)

    def send_steps(self, data: Data) -> Steps[Sent]:
        """Send data from memory."""
        source = MemorySource(data)
        try:
            return (yield from self.serve(source))
        finally:
            self.close()
            source.close()

    def send_file_steps(self, file: File) -> Steps[Sent]:
        """Send a file."""
        try:
            source = yield from self._settings.open_source(file)
            try:
                return (yield from self.serve(source))
            finally:
                source.close()
        finally:
            self.close()

    def close(self) -> None:
        """Stop listening, and remove the socket file if it is still ours (`unix.cleanup`)."""
        # The file first, so that no server that starts now takes it for a stale one.
        if self._file is not None:
            self._file.remove()
            self._file = None
        if self._socket is not None:
            with suppress(OSError):
                self._socket.close()
            self._socket = None

    def _bind_port(self, address: tuple[str, int]) -> None:
        self._socket = open_socket(socket.AF_INET6 if self._settings.ipv6 else socket.AF_INET)
        if hasattr(socket, "SO_EXCLUSIVEADDRUSE"):
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:
            # POSIX: ignores TIME_WAIT (`listen.rebind`), and does not let two listeners share a port.
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._socket.bind(address)
            self._socket.listen(1)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            raise InUse(f"{name_of(address)} is in use by another program") from error
        self.place = self._socket.getsockname()[1]

    def _accept(self, exchange: ServerExchange) -> Steps[Stream]:
        """Return the connection of the first client; nobody listens any more then (`listen.refuse-others`)."""
        if self._socket is None:
            raise ValueError("it listens no more: it serves one client")
        while True:
            is_over = self._deadline.has_passed()
            try:
                connection, _ = self._socket.accept()
                break
            except OSError as error:
                if not isinstance(error, BlockingIOError) and error.errno not in _ABORTED:
                    raise Io(f"{self._name}: {reason(error)}") from error
            if is_over:
                exchange.on("timeout", f"no client connected to {self._name} within {self._deadline}")
            yield Wait(self._socket.fileno(), READ, self._deadline.left())
        try:
            self.close()
            stream = Stream(connection, is_local=isinstance(self.place, str))
            if stream.is_local and is_of_another_user(connection):
                exchange.refuse_peer()
        except BaseException:
            connection.close()
            raise
        self._settings.stage = "sending"
        return stream


class Listening(Listener):
    """A server that listens. Use it in a `with` statement: leaving it ends the listening, used or not."""

    def send(self, data: Data) -> Sent:
        """Send as `Server.send` does, once."""
        return run(self.send_steps(data))

    def send_file(self, file: File) -> Sent:
        """Send as `Server.send_file` does, once."""
        return run(self.send_file_steps(file))

    def __enter__(self) -> Listening:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


class Server(ServerSettings):
    """The server of one exchange at a time; it may be used again. Not to be shared by threads."""

    def send(self, data: Data) -> Sent:
        """Listen, and send `message` and the data to the first client.

        Args:
            data: The bytes, which are not copied.

        Returns:
            The size, and whether the client confirmed it. It returns when the client has closed in order, or, if the
            client had half-closed before, when its kernel has everything.

        Raises:
            InvalidPort, MessageTooLong, MessageNotUtf8: Before it listens. A timeout that is not more than 0 is
                ValueError.
            InUse: The port or path is taken.
            Timeout: A wait lasted as long as `timeout`.
            InvalidConnection: The other side does not speak KCOM5, or belongs to another user.
            Unconfirmed: The client left, or did not close in time; it may have everything or not.
            Io: Any other failure of the system.
        """
        return run(self.send_steps(data))

    def send_file(self, file: File) -> Sent:
        """Send the data of a file in constant memory.

        Args:
            file: A path, a descriptor or an open file, which is sent from its position. It is opened before the server
                listens. Input without a size, such as a pipe, is first read to its end into a file in `spool_dir`.

        Returns:
            As `send`.

        Raises:
            Io: The file cannot be read, or becomes shorter.
            KcomError: As `send`.
        """
        return run(self.send_file_steps(file))

    def open(self) -> Listening:
        """Listen, and return the object that sends. The wait for a client begins here. Raises as `send` does."""
        return run(self.listen(Listening))
