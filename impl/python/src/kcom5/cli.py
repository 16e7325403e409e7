"""The program `kcom5`: send, receive, pack and unpack from a shell.

Does: arguments, words, JSON lines, exit codes, signals, progress. Does not: know the protocol. Keys and addresses are
never arguments: every user can read those.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import time
from collections.abc import Sequence
from types import FrameType
from typing import Any, NoReturn

from . import Client, InvalidAddress, InvalidKey, Io, KcomError, Server, __version__, pack, unpack
from .system import reason
from .wire import MAX_MESSAGE

HINTS = {
    "invalid-address": "an address is PORT.HH.HH…: a port from 1 to 65535, then 1, 2, 3, 4, 6, 8, 12, 16, 24 or 48 "
    "two-digit hexadecimal groups",
    "invalid-key": "a key has 1, 2, 3, 4, 6, 8, 12, 16, 24 or 48 octets; 48 is best",
    "invalid-port": "a port is a number from 1 to 65535; for send, 0 lets the system choose",
    "message-not-utf8": "a message is UTF-8 text; send other octets as data",
    "message-too-long": "a message has at most 4294967295 octets; send more as data",
    "in-use": "another program listens there: choose another --port, or 0 to let the system choose",
    "refused": "nobody listens there: start `kcom5 send` first, with the same --port, --ipv4 or --unix on both sides",
    "timeout": "the other side was silent for too long: is it running? --timeout SECONDS waits longer, 0 for ever",
    "io": "the system gave the reason above: look at the path, the permissions and the disk",
    "invalid-connection": "the program on the other side does not speak KCOM5, or belongs to another user",
    "truncated": "the sender stopped before the end, and nothing was delivered: try again",
    "malformed-message": "the sender's message is not UTF-8: mend the sender",
    "over-limit": "the sender declared more than this receiver takes: raise the limit or ask for less",
    "unconfirmed": "the receiver did not take everything, or did not close in time: do not count on the delivery",
}
CODES = {"usage": 2, "transport": 3, "protocol": 4}

_SHOWN = 200
"""Characters of a message that are shown."""


class Interrupted(BaseException):
    """A signal asks the program to end. Not an Exception: nothing may take it for a failure of its own."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


class UsageError(Exception):
    """The command line is wrong."""


# ---- words


def _write(descriptor: int, octets: bytes) -> None:
    view = memoryview(octets)
    while view:
        view = view[os.write(descriptor, view) :]


def _plain(text: str) -> str:
    """The text on one line, with nothing that a terminal obeys."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _quoted(text: str) -> str:
    """The text as a JSON string that can be shown, cut after 200 characters."""
    shown = "".join(json.dumps(c)[1:-1] if c in '"\\' or not c.isprintable() else c for c in text[:_SHOWN])
    return f'"{shown}"' + ("…" if len(text) > _SHOWN else "")


class Words:
    """What the program says: words on standard error, or JSON lines where `--json` wants them."""

    def __init__(self) -> None:
        self.json_to: int | None = None
        self._progress_since = time.monotonic()
        self._progress_at = self._progress_since
        self._has_progress = False

    def say(self, line: str) -> None:
        if self.json_to is None:
            self._say(line)

    def tell(self, **line: object) -> None:
        if self.json_to is not None:
            _write(self.json_to, json.dumps(line).encode() + b"\n")

    def result(self, text: str, **line: object) -> None:
        """Say the result of pack or unpack: on standard output in either form."""
        if self.json_to is None:
            _write(1, text.encode())
        self.tell(**line)

    def fail(self, name: str, detail: str, hint: str = "") -> None:
        """Say what went wrong. That nobody listens to it is no further failure."""
        detail = _plain(detail)
        try:
            if self.json_to is not None:
                self.tell(error=name, detail=detail)
                return
            is_red = os.isatty(2) and not os.environ.get("NO_COLOR")
            error = "\x1b[31merror:\x1b[0m" if is_red else "error:"
            self._say(f"{error} {name}: {detail}" if detail else f"{error} {name}")
            if hint:
                self._say(f"hint: {hint}")
        except OSError:
            pass

    def start(self) -> None:
        """The transfer begins."""
        self._progress_since = self._progress_at = time.monotonic()

    def progress(self, done: int, total: int) -> None:
        """Draw one line anew, ten times a second, after the first second."""
        now = time.monotonic()
        since = now - self._progress_since
        if since < 1 or now - self._progress_at < 0.1 or done == total:
            return
        self._progress_at = now
        self._has_progress = True
        rate = done / since / (1 << 20)
        _write(2, f"\r{100 * done // total} %  {done:,} of {total:,} octets  {rate:.1f} MiB/s\x1b[K".encode())

    def _say(self, line: str) -> None:
        clear = "\r\x1b[K" if self._has_progress else ""
        self._has_progress = False
        _write(2, f"{clear}kcom5: {line}\n".encode())


# ---- sources


def _read(source: str) -> bytes:
    """Return what a SOURCE holds, without one trailing line end."""
    name = source.removeprefix("env:")
    if name != source:
        octets = os.environb.get(os.fsencode(name)) if os.supports_bytes_environ else _encoded(os.environ.get(name))
        if octets is None:
            raise Io(f"there is no environment variable {name}")
    else:
        octets = _read_file(source, 1 << 20)
    for end in (b"\r\n", b"\n"):
        if octets.endswith(end):
            return octets.removesuffix(end)
    return octets


def _encoded(text: str | None) -> bytes | None:
    return None if text is None else text.encode()


def _read_file(name: str, most: int) -> bytes:
    """Return the first octets of a file, or of standard input."""
    try:
        with open(0 if name == "-" else name, "rb", closefd=name != "-") as file:
            return file.read(most)
    except (OSError, ValueError) as error:
        raise Io(f"{name}: {reason(error)}") from error


def _address(source: str) -> tuple[int, bytes]:
    try:
        text = _read(source).decode()
    except UnicodeDecodeError as error:
        raise InvalidAddress(f"offset {error.start}: {error.reason}, expected text") from None
    return unpack(text)


def _key(octets: bytes) -> bytes:
    digits = b"".join(octets.split())
    if not re.fullmatch(rb"(?:[0-9A-Fa-f]{2})*", digits):
        raise InvalidKey(f"got {len(digits)} characters, expected pairs of hexadecimal digits")
    return bytes.fromhex(digits.decode())


# ---- commands


def _settings(words: Words, options: argparse.Namespace) -> dict[str, Any]:
    """The fields that both ends have."""
    port = options.port
    if options.address is not None:
        port, _ = _address(options.address)
    return {
        "port": 13600 if port is None else port,
        "ipv6": not options.ipv4,
        "path": options.unix,
        "close": options.timeout,
        "progress": words.progress if os.isatty(2) and words.json_to is None else None,
    }


def _send(words: Words, options: argparse.Namespace) -> None:
    message: bytes = os.fsencode(options.message or "")
    if options.message_file is not None:
        message = _read_file(options.message_file, MAX_MESSAGE + 1)
    settings = _settings(words, options)

    def listening(place: int | str) -> None:
        host = "127.0.0.1" if options.ipv4 else "[::1]"
        words.say(f"listening on {_plain(place) if isinstance(place, str) else f'{host}:{place}'}")
        words.tell(listening=place)
        words.start()

    server = Server(**settings, msg=message, listening=listening)
    sent = server.send_file(0 if options.file == "-" else options.file)
    words.say(f"sent {sent:,} octets")
    words.tell(ok=True, sent=sent)


def _receive(words: Words, options: argparse.Namespace) -> None:
    client = Client(**_settings(words, options))
    client.check()
    # Opened before anybody is asked to send, and once: what cannot be written is found out in time.
    client.wait, client.message_file = options.wait, options.message_file
    received = client.receive_file(1 if options.output == "-" else options.output)
    words.say(f"received {received:,} octets" + (f", message {_quoted(client.msg)}" if client.msg else ""))
    words.tell(ok=True, received=received, message=client.msg)


def _pack(words: Words, options: argparse.Namespace) -> None:
    key, wrong = b"", None
    try:
        key = _key(_read(options.key))
    except InvalidKey as error:
        wrong = error
    address = pack(options.port, b"\0" if wrong else key)  # the port is judged first
    if wrong is not None:
        raise wrong
    words.result(f"{address}\n", address=address)


def _unpack(words: Words, options: argparse.Namespace) -> None:
    port, key = _address(options.source)
    words.result(f"port {port}\nkey {key.hex()}\n", port=port, key=key.hex())


# ---- the command line


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(message)


def _integer(text: str) -> int:
    if not re.fullmatch("-?[0-9]{1,18}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no integer")
    return int(text)


def _parser() -> _Parser:
    parser = _Parser(
        prog="kcom5",
        description="Hand one message and one block of data to another process on this computer, once.",
        epilog="Exit codes: 0 done, 2 wrong use, 3 the system or the time, 4 the other side, 1 anything else.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"kcom5 {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=_Parser)
    source = "`-` is standard input, env:NAME an environment variable, anything else a file"

    def command(name: str, text: str) -> argparse.ArgumentParser:
        new: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text, allow_abbrev=False)
        return new

    def place(new: argparse.ArgumentParser) -> None:
        new.add_argument(
            "--port", type=_integer, metavar="N", help="1 to 65535 (13600); to send, 0 lets the system choose"
        )
        new.add_argument("--ipv4", action="store_true", help="use 127.0.0.1, not ::1")
        new.add_argument("--unix", metavar="PATH", help="use a Unix-domain socket at this path")
        new.add_argument("--address", metavar="SOURCE", help=f"take the port from an address: {source}")
        new.add_argument(
            "--timeout", type=_integer, default=150, metavar="SECONDS", help="bound of each wait (150); 0: never"
        )

    new = command("send", "Listen, and send a file to the first receiver.")
    new.add_argument(
        "file", nargs="?", default="-", metavar="FILE", help="what to send; `-`, the default, is standard input"
    )
    place(new)
    new.add_argument("--message", metavar="TEXT", help="the message")
    new.add_argument("--message-file", metavar="FILE", help="take the message from a file")
    new = command("receive", "Connect to a sender, and receive a file.")
    new.add_argument(
        "-o", "--output", default="-", metavar="FILE", help="where to put it; `-`, the default, is standard output"
    )
    place(new)
    new.add_argument("--message-file", metavar="FILE", help="write the message to a file")
    new.add_argument(
        "--wait",
        type=_integer,
        default=2,
        metavar="SECONDS",
        help="keep trying while nobody listens (2); 0: fail at once",
    )
    new = command("pack", "Print the address of a port and a key.")
    new.add_argument("--port", type=_integer, default=13600, metavar="N", help="1 to 65535 (13600)")
    new.add_argument("--key", default="-", metavar="SOURCE", help=f"the key in hexadecimal: {source}")
    new = command("unpack", "Print the port and the key of an address.")
    new.add_argument("source", nargs="?", default="-", metavar="SOURCE", help=source)
    for new in commands.choices.values():
        new.add_argument("--json", action="store_true", help="one JSON object a line, failures too")
    return parser


def _check(options: argparse.Namespace) -> None:
    """What argparse cannot say."""
    if options.command in ("send", "receive"):
        if options.unix is not None and (options.port is not None or options.ipv4):
            raise UsageError("--unix takes the place of --port and --ipv4")
        if options.address is not None and (options.port is not None or options.unix is not None):
            raise UsageError("--address takes the place of --port and --unix")
    if options.command == "send":
        if options.message is not None and options.message_file is not None:
            raise UsageError("--message and --message-file exclude each other")
        if [options.file, options.address, options.message_file].count("-") > 1:
            raise UsageError("standard input can be read for one thing only")


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise Interrupted(number)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program, and return its exit code."""
    words = Words()
    commands = {"send": _send, "receive": _receive, "pack": _pack, "unpack": _unpack}
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            if signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, _interrupt)
        options = _parser().parse_args(arguments)
        _check(options)
        if options.json:
            words.json_to = 2 if options.command == "receive" and options.output == "-" else 1
        commands[options.command](words, options)
        return 0
    except UsageError as error:
        words.fail("usage", str(error), "`kcom5 --help` and `kcom5 COMMAND --help` tell how it is used")
        return 2
    except KcomError as error:
        words.fail(error.name, error.detail, HINTS[error.name])
        return CODES[error.family]
    except Interrupted as error:
        words.fail("interrupted", "")
        return 128 + error.number
    except (OSError, UnicodeError) as error:
        # Standard output is gone.
        words.fail("io", reason(error), HINTS["io"])
        return CODES["transport"]
