"""The program `kcom5`: send, receive, pack and unpack from a shell.

Does: the commands, exit codes, closed standard streams. Does not: know the protocol. Keys and addresses are never
arguments, because every user can read those.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any

from . import Client, InvalidPort, Io, KcomError, Limits, Server, __version__, pack
from .address import MAX_PORT
from .compat import timeout_of
from .keys import check_file, read_address, read_key, wipe
from .options import Options, UsageError, help_of, parse
from .signals import Interrupted, Signals
from .sink import FileSink
from .source import open_source
from .system import reason
from .wire import MAX_MESSAGE, encode_message
from .words import HINTS, Words, escaped, hint_of, quoted

_CODES = {"usage": 2, "transport": 3, "protocol": 4}
_STAGES = {
    "listening": "no client had connected",
    "sending": "the transfer was not complete",
    "sent": "everything was sent, but the client did not confirm it",
}
"""The text of what an interrupted send has done, by the stage of the server."""
_NOTHING = {"send": _STAGES["listening"], "receive": "nothing was delivered"}


class _Program:
    """One run of a command."""

    def __init__(self, words: Words, signals: Signals, options: Options) -> None:
        self._words, self._signals, self._options = words, signals, options

    def run(self) -> None:
        options, words = self._options, self._words
        if options.has("--json"):
            words.json_to = 2 if options.writes_to_stdout() else 1
        words.is_quiet = options.has("--quiet")
        if options.command == "help":
            words.result(help_of(options.about))
        elif options.command == "version":
            words.result(f"kcom5 {__version__}\n")
        else:
            commands = {"send": self._send, "receive": self._receive, "pack": self._pack, "unpack": self._unpack}
            try:
                commands[options.command]()
            except Interrupted as error:
                raise Interrupted(error.number, error.detail or _NOTHING.get(options.command, "")) from None

    def _port(self, lowest: int) -> int:
        """Return the port of the options. Raises InvalidPort."""
        text = self._options.values.get("--port", "13600")
        port = int(text) if len(text.lstrip("-0")) < 10 else -1
        if not lowest <= port <= MAX_PORT:
            raise InvalidPort(f"got port {text}, expected {lowest} to {MAX_PORT}")
        return port

    def _settings(self, lowest: int) -> dict[str, Any]:
        """Return the fields that both ends have."""
        options, words = self._options, self._words
        port, source = self._port(lowest), options.get("--address")
        if source is not None:
            port, _ = read_address(words, source)
        return {
            "port": port,
            "ipv6": not options.has("--ipv4"),
            "path": options.get("--unix"),
            "timeout": timeout_of(options.number("--timeout", 150)),
            "progress": words.progress if os.isatty(2) and words.json_to is None and not words.is_quiet else None,
        }

    def _send(self) -> None:
        options, words = self._options, self._words
        settings = self._settings(0)
        server = Server(**settings, listening=self._listening, spool_dir=options.get("--spool-dir") or "")
        server.message = self._message(server)
        if options.operand == "-" and 0 in words.closed:
            raise Io("standard input is closed")
        check_file(options.operand)
        try:
            sent = self._signals.run(server.send_file_steps(0 if options.operand == "-" else options.operand))
        except Interrupted as error:
            raise Interrupted(error.number, _STAGES[server.stage]) from None
        how = "confirmed" if sent.confirmed else "not confirmed: the client had ended its sending side early"
        words.say(f"sent {sent.size:,} bytes, {how}")
        words.tell(ok=True, sent=sent.size, confirmed=sent.confirmed)

    def _message(self, server: Server) -> bytes:
        """Return the message to send. Raises MessageTooLong, MessageNotUtf8 and Io."""
        options = self._options
        name = options.get("--message-file")
        if name is None:
            return encode_message(os.fsencode(options.get("--message") or ""))
        check_file(name)
        if name == "-" and 0 in self._words.closed:
            raise Io("standard input is closed")
        steps = open_source(0 if name == "-" else name, server.timeout, server.spool_dir)
        source = self._signals.run(steps, is_last=False)
        octets = bytearray()
        try:
            size = min(source.size, MAX_MESSAGE + 1)
            while len(octets) < size and (piece := source.read(len(octets), size - len(octets))):
                octets += piece
        finally:
            source.close()
        return encode_message(octets)

    def _listening(self, place: int | str) -> None:
        host = "127.0.0.1" if self._options.has("--ipv4") else "[::1]"
        self._words.say(f"listening on {escaped(place) if isinstance(place, str) else f'{host}:{place}'}")
        self._words.tell(listening=place)
        self._words.start()

    def _receive(self) -> None:
        options, words = self._options, self._words
        # A length can declare at most 4294967295 bytes.
        limits = Limits(options.number("--max-message", Limits().message or 0))
        if options.has("--max-data"):
            limits.data = options.number("--max-data", 0)
        client = Client(**self._settings(1), limits=limits, wait=options.number("--wait", 2))
        if options.writes_to_stdout() and 1 in words.closed:
            raise Io("standard output is closed")
        sinks = [
            FileSink(1 if name == "-" else name, client.timeout, no_clobber=options.has("--no-clobber"))
            for name in (options.output, options.get("--message-file"))
            if name is not None
        ]
        try:
            received = self._signals.run(client.receive_into(*sinks))
        except Interrupted as error:
            raise Interrupted(error.number, _delivered(sinks)) from None
        finally:
            words.is_in_place = any(sink.written for sink in sinks)
        words.say(f"received {received:,} bytes" + (f", message {quoted(client.message)}" if client.message else ""))
        words.tell(ok=True, received=received, message=client.message)

    def _pack(self) -> None:
        port = self._port(1)
        key = read_key(self._words, self._options.values.get("--key", "-"))
        try:
            address = pack(port, key)
        finally:
            wipe(key)
        self._words.result(f"{address}\n", address=address)

    def _unpack(self) -> None:
        port, key = read_address(self._words, self._options.operand)
        self._words.result(f"port {port}\nkey {key.hex()}\n", port=port, key=key.hex())


def _delivered(sinks: list[FileSink]) -> str:
    """Return the text of what an interrupted receive has delivered."""
    for sink in sinks:
        if sink.written:
            return f"{sink.written} bytes were written to {sink.name}, which is not the whole"
    return _NOTHING["receive"]


def _open_closed() -> frozenset[int]:
    """Open the null device on each standard stream that is closed, so that no socket or file takes its number."""
    closed = set()
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            closed.add(descriptor)
            opened = os.open(os.devnull, os.O_RDWR)
            if opened != descriptor:
                os.dup2(opened, descriptor)
                os.close(opened)
    return frozenset(closed)


def _code_of(words: Words, error: BaseException) -> int:
    """Print the failure, and return the exit code."""
    if isinstance(error, UsageError):
        words.fail("usage", str(error), HINTS["usage"])
        return 2
    if isinstance(error, KcomError):
        words.fail(error.name, error.detail, hint_of(error, words.is_in_place))
        return _CODES[error.family]
    if isinstance(error, Interrupted):
        words.fail("interrupted", error.detail)
        return 128 + error.number
    if isinstance(error, (OSError, MemoryError)):
        words.fail("io", reason(error), HINTS["io"])
        return _CODES["transport"]
    words.fail("internal", f"{type(error).__name__}: {error}")
    return 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program, and return its exit code."""
    words, signals = Words(_open_closed()), Signals()
    try:
        try:
            signals.catch()
            options = parse(list(sys.argv[1:] if arguments is None else arguments))
            _Program(words, signals, options).run()
            code = _CODES["transport"] if words.fail_lost() else 0
        finally:
            signals.ignore()
    except BaseException as error:
        code = _code_of(words, error)
    return code
