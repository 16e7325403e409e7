"""The command line of the program: its words, and what they mean.

Does: parsing, checks that need no file's content, help. Does not: open anything.
"""

from __future__ import annotations

import os
import re
import stat
from typing import NamedTuple

_MAX_T = 2**31 - 1
_STDOUT = ("-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1")


class UsageError(Exception):
    """The command line is wrong."""


class _Option(NamedTuple):
    value: str
    """The name of its value in the help; "" for a flag."""
    help: str
    lowest: int | None = None
    highest: int | None = None


class _Command(NamedTuple):
    operand: str
    text: str
    options: list[str]


_SOURCE = "`-` is standard input, env:NAME an environment variable, anything else a file"
_PLACE = ["--port", "--ipv4", "--unix", "--address", "--timeout"]
_OPTIONS = {
    "--output": _Option("FILE", "where to put the data; `-`, the default, is standard output"),
    "--port": _Option("N", "1 to 65535 (13600); to send, 0 lets the system choose"),
    "--ipv4": _Option("", "use 127.0.0.1, not ::1"),
    "--unix": _Option("PATH", "use a Unix-domain socket at this path"),
    "--address": _Option("SOURCE", f"take the port from an address: {_SOURCE}"),
    "--timeout": _Option("SECONDS", "bound of each wait (150); 0 or less: never", -(2**31), _MAX_T),
    "--message": _Option("TEXT", "the message"),
    "--message-file": _Option("FILE", "the file of the message; `-` is standard input or output"),
    "--spool-dir": _Option("DIR", "where input without a size is kept meanwhile (TMPDIR, else /tmp)"),
    "--wait": _Option("SECONDS", "keep trying while nobody listens (2); 0: fail at once", 0, _MAX_T),
    "--max-message": _Option("BYTES", "the longest message that is taken (16777216)", 0, 2**64 - 1),
    "--max-data": _Option("BYTES", "the most data that is taken (no limit)", 0, 2**64 - 1),
    "--no-clobber": _Option("", "do not replace a file that exists"),
    "--quiet": _Option("", "say nothing but errors"),
    "--key": _Option("SOURCE", f"the key in hexadecimal: {_SOURCE}"),
    "--json": _Option("", "one JSON object a line, failures too"),
}
_INTEGERS = ("--port", "--timeout", "--wait", "--max-message", "--max-data")
_RECEIVED = ["--message-file", "--wait", "--max-message", "--max-data", "--no-clobber"]
_SENT = ["--message", "--message-file", "--spool-dir"]
COMMANDS = {
    "send": _Command("FILE", "Listen, and send a file to the first receiver.", [*_PLACE, *_SENT, "--quiet", "--json"]),
    "receive": _Command(
        "", "Connect to a sender, and receive a file.", ["--output", *_PLACE, *_RECEIVED, "--quiet", "--json"]
    ),
    "pack": _Command("", "Print the address of a port and a key.", ["--port", "--key", "--json"]),
    "unpack": _Command("SOURCE", "Print the port and the key of an address.", ["--json"]),
}
_EXPECTED = "expected send, receive, pack or unpack"


class Options:
    """A parsed command line. `command` is help or version, or one of COMMANDS."""

    def __init__(self, command: str, about: str = "") -> None:
        self.command = command
        self.about = about
        """The command that help is for."""
        self.values: dict[str, str] = {}
        """Each given option by its long name; a flag has an empty value."""
        self.operand = "-"

    def get(self, name: str) -> str | None:
        return self.values.get(name)

    def has(self, name: str) -> bool:
        return name in self.values

    def number(self, name: str, default: int) -> int:
        """Return a number that is known to be in its range."""
        return int(self.values.get(name, default))

    @property
    def output(self) -> str:
        return self.values.get("--output", "-")

    def writes_to_stdout(self) -> bool:
        """Whether data or message are written to standard output."""
        return self.command == "receive" and any(
            name in _STDOUT for name in (self.output, self.values.get("--message-file"))
        )


def parse(arguments: list[str]) -> Options:
    """Return the parsed arguments. Raises UsageError."""
    command, *rest = arguments or [""]
    if command in ("-h", "--help"):
        return Options("help")
    if command == "--version":
        return Options("version")
    if command not in COMMANDS:
        raise UsageError(_EXPECTED)
    options = Options(command)
    operands: list[str] = []
    while rest:
        word = rest.pop(0)
        if word in ("-h", "--help"):
            return Options("help", command)
        if word == "--":
            operands += rest
            break
        if word.startswith("-") and word != "-":
            _take_option(options, word, rest)
        else:
            operands.append(word)
    most = 1 if COMMANDS[command].operand else 0
    if len(operands) > most:
        raise UsageError(f"got {len(operands)} operands, expected at most {most}")
    if "" in operands:
        raise UsageError(f"{COMMANDS[command].operand} is empty")
    options.operand = (operands or ["-"])[0]
    _check_exclusions(options)
    return options


def _take_option(options: Options, word: str, rest: list[str]) -> None:
    """Take an option, and its value from the rest."""
    known = COMMANDS[options.command].options
    name, is_joined, value = word.partition("=")
    if word.startswith("-o") and "--output" in known:
        name, joined = "--output", word[2:]
        is_joined, value = ("=", joined.removeprefix("=")) if joined else ("", "")
    if name not in known:
        # Not repeated if it may be a secret in the wrong place.
        shown = f" {name}" if re.fullmatch("--[a-z][a-z-]{1,20}", name) and not re.fullmatch("--[a-f-]+", name) else ""
        raise UsageError(f"unknown option{shown}")
    if name in options.values:
        raise UsageError(f"{name} is given twice")
    option = _OPTIONS[name]
    if not option.value:
        if is_joined:
            raise UsageError(f"{name} takes no value")
    elif not is_joined:
        if not rest:
            raise UsageError(f"{name} takes a value")
        value = rest.pop(0)
        if value.startswith("-") and value != "-" and not re.fullmatch("-[0-9]+", value):
            raise UsageError(f"{name} takes a value: one that begins with - is joined by =")
    if option.value and not value and name != "--message":
        raise UsageError(f"{name} takes a value that is not empty")
    if name in _INTEGERS:
        _check_integer(name, option, value)
    options.values[name] = value


def _check_integer(name: str, option: _Option, value: str) -> None:
    if not re.fullmatch("-?[0-9]+", value):
        raise UsageError(f"{name} takes an integer")
    if option.lowest is None or option.highest is None:
        return
    digits = value.lstrip("-").lstrip("0")
    if len(digits) > 20 or not option.lowest <= int(value) <= option.highest:
        raise UsageError(f"{name} takes an integer from {option.lowest} to {option.highest}")


def _check_exclusions(options: Options) -> None:
    for one, others in (
        ("--unix", ("--port", "--ipv4", "--address")),
        ("--address", ("--port",)),
        ("--message", ("--message-file",)),
    ):
        for other in others:
            if options.has(one) and options.has(other):
                raise UsageError(f"{one} and {other} exclude each other")
    message = options.get("--message-file")
    if options.command == "send":
        if [options.operand, options.get("--address"), message].count("-") > 1:
            raise UsageError("standard input can be read for one thing only")
    elif options.command == "receive":
        if message is not None and is_same_file(options.output, message):
            raise UsageError("--output and --message-file are the same file")
        if options.has("--no-clobber") and options.output == "-" and message in (None, "-"):
            raise UsageError("--no-clobber needs --output or --message-file with a file")


def is_same_file(one: str, other: str) -> bool:
    """Return whether two outputs are the same file, or would be."""
    if one == other or (one in _STDOUT and other in _STDOUT):
        return True
    statuses = [_status_of(name) for name in (one, other)]
    if None not in statuses:
        first, second = (status for status in statuses if status is not None)
        return os.path.samestat(first, second)
    if statuses != [None, None] or "-" in (one, other):
        return False
    return os.path.realpath(one) == os.path.realpath(other)


def _status_of(name: str) -> os.stat_result | None:
    try:
        if name != "-":
            return os.stat(name)  # noqa: PTH116 (a str)
        status = os.fstat(1)
    except (OSError, ValueError):
        return None
    # A terminal or the null device may be named as well.
    return None if stat.S_ISCHR(status.st_mode) else status


def help_of(command: str) -> str:
    """Return the help of a command, or of the program."""
    if not command:
        lines = ["usage: kcom5 COMMAND [OPTIONS]", ""]
        lines += ["Hand one message and one block of data to another process on this computer, once.", ""]
        lines += [f"  {name:9} {each.text}" for name, each in COMMANDS.items()]
        lines += ["", "  --help    show this, or the options of a command", "  --version show the version", ""]
        lines += ["Exit codes: 0 done, 2 wrong use, 3 the system or the time, 4 the other side, 128+n signal n,"]
        return "\n".join([*lines, "1 anything else."]) + "\n"
    each = COMMANDS[command]
    operand = f" [{each.operand}]" if each.operand else ""
    lines = [f"usage: kcom5 {command} [OPTIONS]{operand}", "", each.text, ""]
    if command == "send":
        lines += ["FILE is what to send; `-`, the default, is standard input.", ""]
    if command == "unpack":
        lines += [f"SOURCE is the address: {_SOURCE}.", "The default is `-`.", ""]
    for name in each.options:
        option = _OPTIONS[name]
        left = ("-o, " if name == "--output" else "") + name + (f" {option.value}" if option.value else "")
        lines.append(f"  {left:22} {option.help}")
    lines.append(f"  {'-h, --help':22} show this")
    return "\n".join(lines) + "\n"
