"""The command-line program, alike in every implementation: words, exit codes, files, pipes, signals, terminals.

Each test drives one program on both ends, or against a raw peer. What the octets on the wire must be is tested
elsewhere.
"""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
import tty
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

import wire
from peers import DEADLINE, Argument, Json, Lines, Program, Result, Running
from wire import HELLO, Via, frame

MIB = 1 << 20
T = ("--timeout", "3")

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
CODES = {
    **dict.fromkeys(["invalid-address", "invalid-key", "invalid-port", "message-not-utf8", "message-too-long"], 2),
    **dict.fromkeys(["in-use", "refused", "timeout", "io"], 3),
    **dict.fromkeys(["invalid-connection", "truncated", "malformed-message", "over-limit", "unconfirmed"], 4),
}


@pytest.fixture
def directory() -> Iterator[Path]:
    """An empty directory whose path is short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="kcom5-") as path:
        yield Path(path)


# ---- helpers


def check_ok(result: Result, *words: str) -> None:
    """It succeeded, and said just this on standard error."""
    assert (result.words, result.code) == (list(words), 0)


def check_error(result: Result, name: str) -> None:
    """It failed, and said so in the two lines of the contract, with nothing of a stack trace around them."""
    *before, error, hint = ["", "", *result.words]
    assert error.startswith(f"kcom5: error: {name}: "), result
    assert len(error) > len(f"kcom5: error: {name}: "), "the detail is missing"
    assert hint == f"kcom5: hint: {HINTS[name]}"
    assert all(line.startswith("kcom5: listening on ") for line in before if line), result
    assert result.code == CODES[name]


def wait_until(condition: Callable[[], object]) -> None:
    """For events that nothing announces."""
    end = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < end, "it did not come to pass"
        select.select([], [], [], 0.005)


def send(program: Program, *arguments: Argument, stdin: bytes | None = None, via: Via = "tcp6") -> tuple[Running, str]:
    """Starts a sender on a port that the system chooses, and gives it with the place where it listens."""
    if stdin is None:
        running = program.start("send", *place_arguments(via, 0), *T, *arguments)
    else:
        with tempfile.TemporaryFile() as source:
            source.write(stdin)
            source.seek(0)
            running = program.start("send", *place_arguments(via, 0), *T, *arguments, stdin=source)
    return running, running.listening().rpartition(":")[2]


def place_arguments(via: Via, place: object) -> list[str]:
    if via == "unix":
        return ["--unix", str(place)]
    return ["--port", str(place), *(["--ipv4"] if via == "tcp4" else [])]


@contextmanager
def raw_client(program: Program, *arguments: Argument) -> Iterator[tuple[socket.socket, Running]]:
    """A sender, and a raw client that is connected to it."""
    running, port = send(program, *arguments)
    with wire.connect("tcp6", port) as client:
        yield client, running


@contextmanager
def raw_server(
    program: Program, *arguments: Argument, timeout: str = "3"
) -> Iterator[tuple[socket.socket, bytes, Running]]:
    """A receiver that is connected to a raw server, with its hello."""
    with wire.listen("tcp6", Path()) as server:
        port = str(server.getsockname()[1])
        running = program.start("receive", "--port", port, "--timeout", timeout, *arguments)
        with wire.accept(server) as connection:
            yield connection, wire.read(connection, 8), running


def receive_from(program: Program, octets: bytes, *arguments: Argument) -> Result:
    """Receives from a raw server that sends these octets after the echo, and closes."""
    with raw_server(program, *arguments) as (connection, hello, running):
        with suppress(ConnectionError):
            connection.sendall(hello + octets)
        connection.close()
        return running.end()


def files_in(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


class Terminal:
    """A pseudo-terminal for a program's standard error."""

    def __init__(self) -> None:
        self.ours, self.theirs = pty.openpty()
        tty.setraw(self.theirs)
        self.lines = Lines(self.ours)

    def start(self, program: Program, *arguments: Argument, env: dict[str, str] | None = None) -> Running:
        running = program.start(*arguments, stderr=self.theirs, env=env)
        os.close(self.theirs)
        running.err = self.lines
        return running

    def has_shown(self, part: bytes, seconds: float) -> bool:
        """Whether it has been written by then."""
        with suppress(TimeoutError):
            while part not in self.lines.buffer and self.lines.fill(time.monotonic() + seconds):
                pass
        return part in self.lines.buffer


# ---- help, version, the command line itself

OPTIONS = {
    "send": "--port --ipv4 --unix --address --timeout --message --message-file --json",
    "receive": "-o --output --port --ipv4 --unix --address --timeout --message-file --wait --json",
    "pack": "--port --key --json",
    "unpack": "--json",
}


def test_help_names_the_commands(program: Program) -> None:
    result = program.run("--help")
    check_ok(result)
    for word in [*OPTIONS, "--version"]:
        assert word in result.out.decode()


@pytest.mark.parametrize("command", OPTIONS)
def test_help_of_a_command_names_its_options(program: Program, command: str) -> None:
    result = program.run(command, "--help")
    check_ok(result)
    words = re.findall(r"-[-a-z0-9]+", result.out.decode())
    for option in OPTIONS[command].split():
        assert option in words


def test_version_is_one_line(program: Program) -> None:
    result = program.run("--version")
    check_ok(result)
    assert re.fullmatch(rb"kcom5 \d+\.\d+\.\d+\n", result.out)


USAGE: dict[str, list[str]] = {
    "no-command": [],
    "unknown-command": ["dance"],
    "unknown-option": ["--dance"],
    "unknown-option-of-send": ["send", "--dance"],
    "unknown-option-of-receive": ["receive", "--dance"],
    "unknown-option-of-pack": ["pack", "--dance"],
    "unknown-option-of-unpack": ["unpack", "--dance"],
    "option-of-the-other-command": ["send", "--wait", "1"],
    "shortened-option": ["send", "--time", "3"],
    "long-option-with-one-dash": ["send", "-port", "0"],
    "option-without-its-value": ["send", "--port"],
    "flag-with-a-value": ["send", "--ipv4=perhaps"],
    "two-files-to-send": ["send", "a", "b"],
    "file-to-receive-without-option": ["receive", "a"],
    "key-as-an-argument": ["pack", "00010aff"],
    "two-addresses": ["unpack", "a", "b"],
    "port-is-a-word": ["send", "--port", "x"],
    "port-is-empty": ["send", "--port", ""],
    "port-is-a-fraction": ["send", "--port", "1.5"],
    "port-with-an-underscore": ["send", "--port", "13_600"],
    "port-with-a-space": ["send", "--port", " 13600"],
    "port-with-other-digits": ["send", "--port", "١٣٦٠٠"],
    "port-in-hexadecimal": ["send", "--port", "0x3520"],
    "port-of-receive-is-a-word": ["receive", "--port", "x"],
    "port-of-pack-is-a-word": ["pack", "--port", "x"],
    "timeout-is-a-word": ["send", "--timeout", "soon"],
    "timeout-is-a-fraction": ["receive", "--timeout", "1.5"],
    "wait-is-a-word": ["receive", "--wait", "long"],
    "unix-and-port": ["send", "--unix", "p", "--port", "0"],
    "unix-and-ipv4": ["send", "--unix", "p", "--ipv4"],
    "unix-and-address": ["send", "--unix", "p", "--address", "env:A"],
    "address-and-port": ["send", "--address", "env:A", "--port", "0"],
    "unix-and-port-in-receive": ["receive", "--unix", "p", "--port", "1"],
    "unix-and-ipv4-in-receive": ["receive", "--unix", "p", "--ipv4"],
    "unix-and-address-in-receive": ["receive", "--unix", "p", "--address", "env:A"],
    "address-and-port-in-receive": ["receive", "--address", "env:A", "--port", "1"],
    "two-messages": ["send", "--message", "a", "--message-file", "b"],
    "data-and-address-from-standard-input": ["send", "-", "--address", "-"],
    "data-by-default-and-address-from-standard-input": ["send", "--address", "-"],
}


@pytest.mark.parametrize("arguments", USAGE.values(), ids=USAGE)
def test_a_wrong_command_line_is_a_usage_error(program: Program, arguments: list[str], directory: Path) -> None:
    bound = ["--timeout=1"] if arguments[:1] in (["send"], ["receive"]) and "--timeout" not in arguments else []
    result = program.run(*arguments[:1], *bound, *arguments[1:], cwd=directory)
    assert (result.code, result.out) == (2, b"")
    assert result.words[0].startswith("kcom5: error: usage: "), result
    assert all(line.startswith("kcom5: ") for line in result.words), result
    assert files_in(directory) == []


def test_options_may_stand_after_the_file_and_hold_their_value(program: Program, directory: Path) -> None:
    file = directory / "file"
    file.write_bytes(b"abc")
    sender = program.start("send", file, "--port=0", "--timeout=3", "--message=hi")
    result = program.run("receive", f"--output={directory / 'out'}", f"--port={sender.port()}", *T)
    check_ok(result, 'kcom5: received 3 octets, message "hi"')
    check_ok(sender.end(), "kcom5: sent 3 octets")


# ---- pack and unpack

KEYS = {
    "as-written": b"00010aff",
    "upper-case": b"00010AFF",
    "with-white-space": b" 00 01\t0a\r\nff\n\n",
    "with-a-line-end": b"00010aff\n",
}


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
def test_pack_reads_the_key_from_standard_input(program: Program, key: bytes) -> None:
    result = program.run("pack", "--port", "13600", stdin=key)
    check_ok(result)
    assert result.out == b"13600.00.01.0a.ff\n"


def test_pack_has_the_default_port(program: Program) -> None:
    assert program.run("pack", stdin=b"ff").out == b"13600.ff\n"


def test_pack_reads_the_key_from_a_file_or_the_environment(program: Program, directory: Path) -> None:
    key = directory / "key"
    key.write_bytes(b"00010aff\n")
    assert program.run("pack", "--port", "7", "--key", key).out == b"7.00.01.0a.ff\n"
    assert program.run("pack", "--key", "env:KEY", env={"KEY": "00010aff"}).out == b"13600.00.01.0a.ff\n"
    result = program.run("pack", "--key", "-", "--json", stdin=b"00010aff")
    check_ok(result)
    assert json.loads(result.out) == {"address": "13600.00.01.0a.ff"}


BAD_PACKS: dict[str, tuple[list[str], bytes, str]] = {
    "no-key": ([], b"", "invalid-key"),
    "five-octets": ([], b"0001020304", "invalid-key"),
    "odd-digits": ([], b"000", "invalid-key"),
    "no-digits": ([], b"0x", "invalid-key"),
    "sign": ([], b"+1", "invalid-key"),
    "other-digits": ([], "٠٠".encode(), "invalid-key"),
    "no-text": ([], b"\xff\xfe", "invalid-key"),
    "nul": ([], b"00\x00", "invalid-key"),
    "port-0": (["--port", "0"], b"00", "invalid-port"),
    "port-65536": (["--port", "65536"], b"00", "invalid-port"),
    "port-minus-1": (["--port", "-1"], b"00", "invalid-port"),
    "port-and-key": (["--port", "0"], b"", "invalid-port"),
    "no-such-file": (["--key", "nonexistent"], b"", "io"),
    "directory": (["--key", "/"], b"", "io"),
    "no-such-variable": (["--key", "env:KCOM5_NO_SUCH_VARIABLE"], b"", "io"),
}


@pytest.mark.parametrize(("arguments", "key", "name"), BAD_PACKS.values(), ids=BAD_PACKS)
def test_pack_refuses(program: Program, arguments: list[str], key: bytes, name: str) -> None:
    result = program.run("pack", *arguments, stdin=key)
    check_error(result, name)
    assert result.out == b""


UNPACKED = b"port 13600\nkey " + b"00010aff" * 12 + b"\n"


def test_unpack_prints_port_and_key(program: Program, directory: Path) -> None:
    file = directory / "address"
    file.write_bytes(b"13600.00.01.0a.ff\n")
    for result in [
        program.run("unpack", stdin=b"13600.00.01.0A.FF"),
        program.run("unpack", "-", stdin=b"13600.00.01.0a.ff\n"),
        program.run("unpack", stdin=b"13600.00.01.0a.ff\r\n"),
        program.run("unpack", file),
        program.run("unpack", "env:ADDRESS", env={"ADDRESS": "13600.00.01.0a.ff"}),
    ]:
        check_ok(result)
        assert result.out == UNPACKED
    result = program.run("unpack", "--json", stdin=b"13600.00.01.0a.ff")
    check_ok(result)
    assert json.loads(result.out) == {"port": 13600, "key": "00010aff" * 12}


BAD_ADDRESSES = {
    "empty": b"",
    "line-end-only": b"\n",
    "two-line-ends": b"13600.00\n\n",
    "space": b"13600.00 ",
    "no-key": b"13600",
    "five-groups": b"13600.00.00.00.00.00",
    "port-65536": b"65536.00",
    "nul": b"13600.00\x00",
    "no-text": b"13600.\xff\xfe",
    "terminal-escape": b"\x1b[31m13600.00",
    "long": b"9" * 30000,
}


@pytest.mark.parametrize("address", BAD_ADDRESSES.values(), ids=BAD_ADDRESSES)
def test_unpack_refuses_what_is_no_address(program: Program, address: bytes) -> None:
    result = program.run("unpack", stdin=address)
    check_error(result, "invalid-address")
    assert result.out == b""
    assert b"\x1b" not in result.err


def test_unpack_of_no_file_or_variable_is_io(program: Program) -> None:
    check_error(program.run("unpack", "nonexistent"), "io")
    check_error(program.run("unpack", "/"), "io")
    check_error(program.run("unpack", "env:KCOM5_NO_SUCH_VARIABLE"), "io")


# ---- send and receive: words, files, pipes


@pytest.mark.parametrize("via", wire.VIAS)
def test_a_file_goes_to_a_file_and_both_ends_say_so(program: Program, via: Via, directory: Path) -> None:
    source, target, path = directory / "source", directory / "target", directory / "socket"
    source.write_bytes(wire.counter(MIB))
    place = place_arguments(via, path if via == "unix" else 0)
    sender = program.start("send", source, *place, *T)
    listening = sender.listening()
    if via == "unix":
        assert listening == str(path)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        place = ["--unix", listening]
    else:
        host, _, port = listening.rpartition(":")
        assert host == {"tcp6": "[::1]", "tcp4": "127.0.0.1"}[via]
        place = place_arguments(via, port)
    received = program.run("receive", "-o", target, *place, *T)
    sent = sender.end()
    check_ok(received, "kcom5: received 1,048,576 octets")
    check_ok(sent, "kcom5: sent 1,048,576 octets")
    assert (received.out, sent.out) == (b"", b"")
    assert target.read_bytes() == source.read_bytes()
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert files_in(directory) == ["source", "target"]


@pytest.mark.parametrize("via", ["tcp6", "unix"])
def test_json_lines_go_to_standard_output(program: Program, via: Via, directory: Path) -> None:
    path = directory / "socket"
    sender = program.start("send", "--json", "--message", "hi", *place_arguments(via, path if via == "unix" else 0), *T)
    assert sender.out is not None
    place = json.loads(sender.out.next())["listening"]
    assert place == str(path) if via == "unix" else type(place) is int
    received = program.run("receive", "--json", "-o", directory / "target", *place_arguments(via, place), *T)
    sent = sender.end()
    check_ok(received)
    check_ok(sent)
    assert [json.loads(line) for line in received.out.splitlines()] == [{"ok": True, "received": 0, "message": "hi"}]
    assert [json.loads(line) for line in sent.out.splitlines()] == [{"ok": True, "sent": 0}]


def test_json_lines_go_to_standard_error_if_the_data_goes_to_standard_output(program: Program) -> None:
    sender, port = send(program, "--message", 'a"\x1b\x9b\n한', stdin=b"\x00data\n")
    result = program.run("receive", "--json", "--port", port, *T)
    check_ok(sender.end(), "kcom5: sent 6 octets")
    assert (result.code, result.out) == (0, b"\x00data\n")
    lines = [json.loads(line) for line in result.err.splitlines()]
    assert lines == [{"ok": True, "received": 6, "message": 'a"\x1b\x9b\n한'}]


def test_json_failures_have_a_name_and_a_detail(program: Program, directory: Path) -> None:
    def check(octets: bytes, name: str) -> None:
        [line] = octets.splitlines()
        failure: Json = json.loads(line)
        assert failure.keys() == {"error", "detail"}
        assert (failure["error"], bool(failure["detail"])) == (name, True)

    sent = program.run("send", "--json", directory / "missing", "--port", "0", *T)
    check(sent.out, "io")
    assert (sent.code, sent.err) == (3, b"")
    to_file = program.run("receive", "--json", "-o", directory / "x", "--unix", directory / "none", "--wait", "0", *T)
    check(to_file.out, "refused")
    assert (to_file.code, to_file.err) == (3, b"")
    to_stdout = program.run("receive", "--json", "--unix", directory / "none", "--wait", "0", *T)
    check(to_stdout.err, "refused")
    assert (to_stdout.code, to_stdout.out) == (3, b"")
    packed = program.run("pack", "--json", stdin=b"")
    check(packed.out, "invalid-key")
    assert (packed.code, packed.err) == (2, b"")
    unpacked = program.run("unpack", "--json", stdin=b"")
    check(unpacked.out, "invalid-address")
    assert (unpacked.code, unpacked.err) == (2, b"")


@pytest.mark.parametrize("dash", [[], ["-"]], ids=["by-default", "dash"])
def test_a_pipe_goes_to_a_pipe(program: Program, dash: list[str], directory: Path) -> None:
    data = wire.counter(3 * MIB + 1)
    file, spool = directory / "file", directory / "spool"
    file.write_bytes(data)
    spool.mkdir()
    with subprocess.Popen(["cat", file], stdout=subprocess.PIPE) as cat:
        assert cat.stdout is not None
        sender = program.start("send", *dash, "--port", "0", *T, stdin=cat.stdout, env={"TMPDIR": str(spool)})
        port = str(sender.port())
    assert files_in(spool) == [], "the copy has a name"
    result = program.run("receive", *(["-o", *dash] if dash else []), "--port", port, *T)
    check_ok(result, "kcom5: received 3,145,729 octets")
    check_ok(sender.end(), "kcom5: sent 3,145,729 octets")
    assert result.out == data


def test_standard_input_may_be_a_file(program: Program) -> None:
    sender, port = send(program, stdin=b"abc")
    assert program.run("receive", "--port", port, *T).out == b"abc"
    check_ok(sender.end(), "kcom5: sent 3 octets")


def test_a_named_pipe_is_read_to_its_end(program: Program, directory: Path) -> None:
    fifo = directory / "fifo"
    os.mkfifo(fifo)
    sender = program.start("send", fifo, "--port", "0", *T)
    write_to_fifo(fifo, b"through a pipe")
    assert program.run("receive", "--port", str(sender.port()), *T).out == b"through a pipe"
    check_ok(sender.end(), "kcom5: sent 14 octets")


def write_to_fifo(fifo: Path, octets: bytes) -> None:
    """Writes, as soon as somebody reads."""
    descriptors: list[int] = []

    def is_open() -> bool:
        with suppress(OSError):
            descriptors.append(os.open(fifo, os.O_WRONLY | os.O_NONBLOCK))
        return bool(descriptors)

    wait_until(is_open)
    os.write(descriptors[0], octets)
    os.close(descriptors[0])


def test_an_empty_file_is_sent_and_made(program: Program, directory: Path) -> None:
    empty, target = directory / "empty", directory / "target"
    empty.touch()
    sender, port = send(program, empty)
    check_ok(program.run("receive", "-o", target, "--port", port, *T), "kcom5: received 0 octets")
    check_ok(sender.end(), "kcom5: sent 0 octets")
    assert target.read_bytes() == b""


@pytest.mark.skipif(not Path("/proc/version").exists(), reason="this system has no /proc")
def test_a_file_that_says_it_is_empty_and_is_not_is_sent_whole(program: Program) -> None:
    content = Path("/proc/version").read_bytes()
    assert os.stat("/proc/version").st_size == 0
    sender, port = send(program, "/proc/version")
    assert program.run("receive", "--port", port, *T).out == content
    check_ok(sender.end(), f"kcom5: sent {len(content)} octets")


def test_a_file_that_shrinks_while_it_is_sent_is_io_and_a_reset(program: Program, directory: Path) -> None:
    file = directory / "file"
    file.touch()
    os.truncate(file, 64 * MIB)
    with raw_client(program, file) as (client, sender):
        client.sendall(HELLO)
        head = wire.read(client, 8 + 12)
        assert head == HELLO + frame()[:4] + (64 * MIB).to_bytes(8, "little")
        os.truncate(file, 0)
        rest, how = wire.read_to_end(client)
        assert len(rest) < 64 * MIB
        assert how == "reset"
        check_error(sender.end(), "io")


def test_a_file_that_grows_while_it_is_sent_is_sent_as_it_was_declared(program: Program, directory: Path) -> None:
    file = directory / "file"
    file.write_bytes(b"abc")
    sender, port = send(program, file)
    with open(file, "ab") as more:
        more.write(b"def")
    check_ok(program.run("receive", "-o", directory / "out", "--port", port, *T), "kcom5: received 3 octets")
    check_ok(sender.end(), "kcom5: sent 3 octets")
    assert (directory / "out").read_bytes() == b"abc"


def test_two_exchanges_in_a_row_on_one_port(program: Program) -> None:
    port = str(wire.free_port())
    for data in (b"first", b"second"):
        with tempfile.TemporaryFile() as source:
            source.write(data)
            source.seek(0)
            sender = program.start("send", "--port", port, *T, stdin=source)
        assert sender.listening() == f"[::1]:{port}"
        assert program.run("receive", "--port", port, *T).out == data
        check_ok(sender.end(), f"kcom5: sent {len(data)} octets")


@pytest.mark.parametrize("bound", ["0", "-1"])
def test_a_timeout_of_zero_or_less_is_none(program: Program, bound: str) -> None:
    sender = program.start("send", "--port", "0", "--timeout", bound)
    check_ok(program.run("receive", "--port", str(sender.port()), "--timeout", bound), "kcom5: received 0 octets")
    check_ok(sender.end(), "kcom5: sent 0 octets")


# ---- addresses


def test_the_port_may_come_from_an_address(program: Program, directory: Path) -> None:
    port = wire.free_port()
    address = program.run("pack", "--port", str(port), stdin=b"5a" * 48).out
    file = directory / "address"
    file.write_bytes(address)
    for sender_source, receiver_source in [(str(file), "-"), ("env:ADDRESS", str(file)), (str(file), "env:ADDRESS")]:
        env = {"ADDRESS": address.decode().strip()}
        sender = program.start("send", file, "--address", sender_source, *T, env=env)
        assert sender.listening() == f"[::1]:{port}"
        stdin = address if receiver_source == "-" else b""
        result = program.run("receive", "--address", receiver_source, *T, stdin=stdin, env=env)
        assert result.out == address
        check_ok(sender.end(), f"kcom5: sent {len(address)} octets")


def test_the_sender_may_take_its_address_from_standard_input(program: Program, directory: Path) -> None:
    port = wire.free_port()
    file = directory / "file"
    file.write_bytes(b"abc")
    read, write = os.pipe()
    os.write(write, f"{port}.5a\n".encode())
    os.close(write)
    sender = program.start("send", file, "--ipv4", "--address", "-", *T, stdin=read)
    os.close(read)
    assert sender.listening() == f"127.0.0.1:{port}"
    assert program.run("receive", "--ipv4", "--port", str(port), *T).out == b"abc"
    check_ok(sender.end(), "kcom5: sent 3 octets")


@pytest.mark.parametrize("command", ["send", "receive"])
def test_a_bad_address_is_named_and_not_shown(program: Program, command: str, directory: Path) -> None:
    file = directory / "file"
    file.touch()
    arguments: list[Argument] = ["send", file] if command == "send" else ["receive", "--wait", "0"]
    result = program.run(*arguments, "--address", "env:ADDRESS", *T, env={"ADDRESS": "13600.5ecre7"})
    check_error(result, "invalid-address")
    assert b"5ecre7" not in result.err + result.out
    check_error(program.run(*arguments, "--address", directory / "missing", *T), "io")
    check_error(program.run(*arguments, "--address", "env:KCOM5_NO_SUCH_VARIABLE", *T), "io")


# ---- messages


def received_words(program: Program, message: str) -> str:
    """The one line that a receiver says about this message."""
    octets = message.encode()
    result = receive_from(program, frame(octets, b"abc"))
    assert (result.code, result.out) == (0, b"abc")
    assert result.err.endswith(b"\n")
    return result.err.decode()[:-1]


def test_a_message_is_shown_and_an_empty_one_is_not(program: Program) -> None:
    assert received_words(program, "hi") == 'kcom5: received 3 octets, message "hi"'
    assert received_words(program, "") == "kcom5: received 3 octets"


@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
def test_a_message_in_any_script_is_shown_in_any_locale(program: Program, locale: str) -> None:
    message = "한국어 ελληνικά עברית ☃ 😀"
    sender, port = send(program, "--message", message)
    result = program.run("receive", "--port", port, *T, env={"LC_ALL": locale})
    assert result.code == 0
    shown = result.err.decode().removeprefix("kcom5: received 0 octets, message ")
    assert json.loads(shown) == message
    check_ok(sender.end(), "kcom5: sent 0 octets")


def test_no_terminal_escape_of_a_message_gets_out(program: Program) -> None:
    message = '\x1b[31m\x1b]0;title\x07\x9b1m\x00\x08\x7f\x85\r\n\t"quoted\\'
    words = received_words(program, message)
    assert [unicodedata.name(c, hex(ord(c))) for c in words if unicodedata.category(c) == "Cc"] == []
    assert json.loads(words.removeprefix("kcom5: received 3 octets, message ")) == message


@pytest.mark.parametrize("letter", ["a", "é", "한", "😀"])
def test_200_characters_of_a_message_are_shown(program: Program, letter: str) -> None:
    whole = received_words(program, letter * 200).removeprefix("kcom5: received 3 octets, message ")
    assert json.loads(whole) == letter * 200
    cut = received_words(program, letter * 201).removeprefix("kcom5: received 3 octets, message ")
    assert cut.endswith('"…')
    assert json.loads(cut.removesuffix("…")) == letter * 200


def test_a_message_from_a_file_comes_into_a_file_as_it_is(program: Program, directory: Path) -> None:
    octets = "\ufeffa\x00b\r\n\n한\n".encode()
    source, target = directory / "source", directory / "target"
    source.write_bytes(octets)
    sender, port = send(program, "--message-file", source)
    result = program.run("receive", "-o", directory / "data", "--message-file", target, "--port", port, *T)
    assert result.code == 0
    check_ok(sender.end(), "kcom5: sent 0 octets")
    assert target.read_bytes() == octets
    assert files_in(directory) == ["data", "source", "target"]


def test_a_message_that_is_no_text_is_refused_before_it_listens(program: Program, directory: Path) -> None:
    file = directory / "message"
    file.write_bytes(b"caf\xe9")
    for result in [
        program.run("send", "--message-file", file, "--port", "0", *T),
        program.run("send", "--message", b"caf\xe9", "--port", "0", *T),
    ]:
        check_error(result, "message-not-utf8")
        assert b"listening" not in result.err


def test_a_message_file_that_is_not_there_is_io(program: Program, directory: Path) -> None:
    check_error(program.run("send", "--message-file", directory / "missing", "--port", "0", *T), "io")
    check_error(program.run("send", "--message-file", directory, "--port", "0", *T), "io")
    sender, port = send(program, "--message", "hi")
    target = directory / "missing" / "message"
    result = program.run("receive", "--port", port, *T, "--message-file", target)
    check_error(result, "io")
    sender.end()


@pytest.mark.skipif(sys.platform != "linux", reason="NOT RUN: looks into /proc")
def test_a_reset_right_behind_the_end_is_no_receipt(program: Program) -> None:
    """On Linux a read after an end and a reset says "end" and nothing else: the socket keeps the error to itself."""

    def has_half_closed() -> bool:
        entries = [line.split() for line in Path("/proc/net/tcp6").read_text().splitlines()]
        return any(entry[1].endswith(f":{int(port):04X}") and entry[3] == "04" for entry in entries)  # FIN-WAIT-1

    sender, port = send(program, stdin=bytes(1 << 20))  # the sender's system takes all of it, the client's does not
    with socket.socket(socket.AF_INET6) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(("::1", int(port)))
        client.sendall(HELLO)
        wait_until(has_half_closed)
        sender.process.send_signal(signal.SIGSTOP)
        os.waitpid(sender.process.pid, os.WUNTRACED)
        client.shutdown(socket.SHUT_WR)
        wire.reset(client)
    sender.process.send_signal(signal.SIGCONT)
    check_error(sender.end(), "unconfirmed")


def test_a_message_file_that_cannot_be_written_costs_the_sender_nothing(program: Program, directory: Path) -> None:
    with wire.listen("tcp6", directory) as server:
        result = program.run(
            "receive", "--port", str(server.getsockname()[1]), *T, "--message-file", directory / "no" / "m"
        )
        check_error(result, "io")
        server.setblocking(False)
        with pytest.raises(BlockingIOError):
            server.accept()


def test_a_message_file_is_left_alone_by_a_failure(program: Program, directory: Path) -> None:
    file = directory / "message"
    file.write_text("before")
    check_error(
        program.run("receive", "--unix", directory / "nobody", "--wait", "0", "--message-file", file), "refused"
    )
    assert file.read_text() == "before"
    assert [entry.name for entry in directory.iterdir()] == ["message"]


# ---- files that cannot be read or written


def test_what_cannot_be_read_is_io_before_it_listens(program: Program, directory: Path) -> None:
    for name in (directory / "missing", directory, os.fsencode(directory) + b"/no-text-\xff"):
        result = program.run("send", name, "--port", "0", *T)
        check_error_of_bytes(result, "io")
        assert b"listening" not in result.err
    result = program.run("send", "--json", os.fsencode(directory) + b"/no-text-\xff", "--port", "0", *T)
    assert json.loads(result.out)["error"] == "io"


def check_error_of_bytes(result: Result, name: str) -> None:
    """As check_error, for words that may hold a file name that is no text."""
    check_error(Result(result.code, result.out, result.err.decode(errors="replace").encode()), name)


def test_what_cannot_be_written_is_io(program: Program, directory: Path) -> None:
    file = directory / "file"
    file.touch()
    for target in (directory / "missing" / "x", directory, file / "x"):
        with wire.listen("unix", directory / "s") as server:
            running = program.start("receive", "-o", target, "--unix", directory / "s", *T)
            answer_if_it_comes(server, running, frame(b"", b"abc"))
            check_error(running.end(), "io")
        (directory / "s").unlink()
        assert files_in(directory) == ["file"]


def answer_if_it_comes(server: socket.socket, running: Running, octets: bytes) -> None:
    """Serves a client, if it connects before it gives up."""
    assert running.err is not None
    ready, _, _ = select.select([server.fileno(), running.err.descriptor], [], [], wire.TIMEOUT)
    if server.fileno() in ready:
        with wire.accept(server) as connection, suppress(OSError, EOFError):
            connection.sendall(wire.read(connection, 8) + octets)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_is_io_and_the_sender_knows(program: Program, directory: Path) -> None:
    with raw_server(program, "-o", "/dev/full") as (connection, hello, receiver):
        connection.sendall(hello + frame(b"", b"abc"))
        assert wire.read_to_end(connection) == (b"", "reset")
        check_error(receiver.end(), "io")
    assert Path("/dev/full").is_char_device()


def test_a_reader_that_leaves_is_io(program: Program) -> None:
    read, write = os.pipe()
    os.close(read)
    with wire.listen("tcp6", Path()) as server:
        receiver = program.start("receive", "--port", str(server.getsockname()[1]), *T, stdout=write)
        os.close(write)
        with wire.accept(server) as connection:
            connection.sendall(wire.read(connection, 8) + frame(b"", b"abc"))
            assert wire.read_to_end(connection) == (b"", "reset")
    check_error(receiver.end(), "io")


def test_an_existing_file_is_replaced_only_by_a_whole_one(program: Program, directory: Path) -> None:
    target = directory / "target"
    target.write_bytes(b"old")
    target.chmod(0o644)
    check_error(receive_from(program, frame(b"", b"abcdef")[:-3], "-o", target), "truncated")
    assert target.read_bytes() == b"old"
    check_ok(receive_from(program, frame(b"", b"abcdef"), "-o", target), "kcom5: received 6 octets")
    assert target.read_bytes() == b"abcdef"
    assert files_in(directory) == ["target"]


@pytest.mark.parametrize("is_there", [True, False], ids=["to-a-file", "to-nothing-yet"])
def test_a_link_is_followed(program: Program, directory: Path, is_there: bool) -> None:
    link, target = directory / "link", directory / "elsewhere" / "target"
    target.parent.mkdir()
    if is_there:
        target.write_bytes(b"old")
    link.symlink_to(target)
    check_ok(receive_from(program, frame(b"", b"abc"), "-o", link), "kcom5: received 3 octets")
    assert link.is_symlink()
    assert target.read_bytes() == b"abc"
    assert files_in(target.parent) == ["target"]


def test_a_named_pipe_is_written_to_and_stays(program: Program, directory: Path) -> None:
    fifo = directory / "fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    try:
        check_ok(receive_from(program, frame(b"", b"abc"), "-o", fifo), "kcom5: received 3 octets")
        assert os.read(reader, 10) == b"abc"
    finally:
        os.close(reader)
    assert fifo.is_fifo()
    assert files_in(directory) == ["fifo"]


@pytest.mark.parametrize("sent", [b"", frame(b"hi", b"123456")[:3], frame(b"hi", b"123456")[:-1]])
def test_nothing_is_left_of_a_transfer_that_was_cut(program: Program, directory: Path, sent: bytes) -> None:
    check_error(receive_from(program, sent, "-o", directory / "target"), "truncated")
    assert files_in(directory) == []


def test_what_came_before_a_failure_goes_to_a_pipe_but_is_no_success(program: Program) -> None:
    result = receive_from(program, frame(b"", b"abcdef")[:-3])
    check_error(result, "truncated")
    assert b"abcdef".startswith(result.out)


def test_a_sender_killed_half_way_leaves_no_file(program: Program, directory: Path) -> None:
    source, out = directory / "source", directory / "out"
    source.touch()
    os.truncate(source, 64 << 30)
    out.mkdir()
    sender, port = send(program, source)
    receiver = program.start("receive", "-o", out / "target", "--port", port, *T)
    wait_until(lambda: any(path.stat().st_size > 0 for path in out.iterdir()))
    sender.kill()
    check_error(receiver.end(), "truncated")
    assert files_in(out) == []


def test_a_receiver_killed_half_way_is_unconfirmed(program: Program, directory: Path) -> None:
    source, out = directory / "source", directory / "out"
    source.touch()
    os.truncate(source, 64 << 30)
    out.mkdir()
    sender, port = send(program, source)
    receiver = program.start("receive", "-o", out / "target", "--port", port, *T)
    wait_until(lambda: any(path.stat().st_size > 0 for path in out.iterdir()))
    receiver.kill()
    check_error(sender.end(), "unconfirmed")


# ---- signals

Signals = pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])


def check_interrupted(running: Running, number: signal.Signals) -> None:
    running.process.send_signal(number)
    result = running.end()
    assert result.code == 128 + number, result
    assert result.words, result
    assert result.words[-1].startswith("kcom5: error: interrupted"), result
    assert all(line.startswith("kcom5: ") for line in result.words), result


@Signals
def test_a_listening_sender_can_be_interrupted(program: Program, number: signal.Signals) -> None:
    sender, port = send(program)
    check_interrupted(sender, number)
    with pytest.raises(ConnectionRefusedError):
        wire.connect("tcp6", port)


@Signals
def test_an_interrupted_sender_removes_its_socket_file(
    program: Program, number: signal.Signals, directory: Path
) -> None:
    sender = program.start("send", "--unix", directory / "socket", *T)
    sender.listening()
    check_interrupted(sender, number)
    assert files_in(directory) == []


@Signals
def test_a_sender_that_reads_a_pipe_can_be_interrupted(
    program: Program, number: signal.Signals, directory: Path
) -> None:
    read, write = os.pipe()
    sender = program.start("send", "--port", "0", *T, stdin=read, env={"TMPDIR": str(directory)})
    os.close(read)
    os.write(write, bytes(256 * 1024))  # more than a pipe holds: it reads
    check_interrupted(sender, number)
    os.close(write)
    assert files_in(directory) == []


@Signals
def test_a_sender_interrupted_in_the_data_resets(program: Program, number: signal.Signals, directory: Path) -> None:
    file = directory / "file"
    file.touch()
    os.truncate(file, 64 * MIB)
    with raw_client(program, file) as (client, sender):
        client.sendall(HELLO)
        wire.read(client, 8)
        check_interrupted(sender, number)
        assert wire.read_to_end(client)[1] == "reset"


@Signals
def test_a_sender_that_waits_for_the_close_can_be_interrupted(program: Program, number: signal.Signals) -> None:
    with raw_client(program) as (client, sender):
        client.sendall(HELLO)
        assert wire.read_to_end(client) == (HELLO + frame(), "end")
        check_interrupted(sender, number)


@Signals
def test_a_receiver_that_waits_for_a_sender_can_be_interrupted(
    program: Program, number: signal.Signals, directory: Path
) -> None:
    address = directory / "address"
    os.mkfifo(address)
    out = directory / "out"
    out.mkdir()
    receiver = program.start("receive", "-o", out / "target", "--wait", "60", "--address", address, *T)
    write_to_fifo(address, f"{wire.free_port()}.00".encode())
    check_interrupted(receiver, number)
    assert files_in(out) == []


@Signals
def test_a_receiver_that_waits_for_a_socket_file_can_be_interrupted(
    program: Program, number: signal.Signals, directory: Path
) -> None:
    link = directory / "link"
    link.symlink_to(directory / "socket")

    def forget() -> None:
        os.utime(link, (0, 0), follow_symlinks=False)

    def was_followed() -> bool:
        return link.lstat().st_atime > 0

    forget()
    link.exists()
    if not was_followed():
        pytest.skip("this file system does not note when a link is followed")
    forget()
    receiver = program.start("receive", "--wait", "60", "--unix", link, *T)
    wait_until(was_followed)
    check_interrupted(receiver, number)


@Signals
def test_a_receiver_that_waits_for_the_echo_can_be_interrupted(program: Program, number: signal.Signals) -> None:
    with raw_server(program) as (connection, _, receiver):
        check_interrupted(receiver, number)
        assert wire.read_to_end(connection) == (b"", "reset")


@Signals
def test_an_interrupted_receiver_leaves_no_file_and_resets(
    program: Program, number: signal.Signals, directory: Path
) -> None:
    with raw_server(program, "-o", directory / "target") as (connection, hello, receiver):
        connection.sendall(hello + frame(b"hi", bytes(4 * MIB))[: 2 * MIB])
        wait_until(lambda: any(path.stat().st_size > 0 for path in directory.iterdir()))
        check_interrupted(receiver, number)
        assert wire.read_to_end(connection) == (b"", "reset")
    assert files_in(directory) == []


def test_an_interruption_is_a_json_line_too(program: Program) -> None:
    sender = program.start("send", "--json", "--port", "0", *T)
    assert sender.out is not None
    assert "listening" in json.loads(sender.out.next())
    sender.process.send_signal(signal.SIGTERM)
    result = sender.end()
    assert json.loads(result.out)["error"] == "interrupted"
    assert (result.code, result.err) == (143, b"")


# ---- every error has its name, its hint and its exit code


def refused(program: Program) -> Result:
    return program.run("receive", "--wait", "0", "--port", str(wire.free_port()), *T)


def in_use(program: Program) -> Result:
    with wire.listen("tcp6", Path()) as server:
        return program.run("send", "--port", str(server.getsockname()[1]), *T)


def timeout(program: Program) -> Result:
    return program.run("send", "--port", "0", "--timeout", "1")


def invalid_connection(program: Program) -> Result:
    with raw_client(program) as (client, sender):
        client.sendall(b"HELLO...")
        return sender.end()


def unconfirmed(program: Program) -> Result:
    with raw_client(program) as (client, sender):
        client.sendall(HELLO)
        wire.read(client, 8 + 12)
        wire.reset(client)
        return sender.end()


ERRORS: dict[str, Callable[[Program], Result]] = {
    "invalid-address": lambda program: program.run("unpack", stdin=b"x"),
    "invalid-key": lambda program: program.run("pack", stdin=b""),
    "invalid-port": lambda program: program.run("send", "--port", "65536", *T),
    "message-not-utf8": lambda program: program.run("send", "--message", b"\xff", *T),
    "in-use": in_use,
    "refused": refused,
    "timeout": timeout,
    "io": lambda program: program.run("send", "nonexistent", *T),
    "invalid-connection": invalid_connection,
    "truncated": lambda program: receive_from(program, frame()[:-1]),
    "malformed-message": lambda program: receive_from(program, frame(b"\xff")),
    "over-limit": lambda program: receive_from(program, (16 * MIB + 1).to_bytes(4, "little")),
    "unconfirmed": unconfirmed,
}


@pytest.mark.parametrize("name", ERRORS)
def test_an_error_has_its_name_its_hint_and_its_code(program: Program, name: str) -> None:
    result = ERRORS[name](program)
    check_error(result, name)
    assert result.out == b""


@pytest.mark.large
def test_a_message_over_4_gib_is_too_long(program: Program, directory: Path) -> None:
    message = directory / "message"
    message.touch()
    os.truncate(message, 1 << 32)
    check_error(program.start("send", "--message-file", message, "--port", "0", *T).end(120), "message-too-long")


def test_the_table_above_has_every_error() -> None:
    assert ERRORS.keys() | {"message-too-long"} == HINTS.keys() == CODES.keys()


@pytest.mark.parametrize("port", ["0", "-1", "65536", "99999"])
def test_a_port_out_of_range_is_refused_by_the_receiver(program: Program, port: str) -> None:
    check_error(program.run("receive", "--port", port, "--wait", "0", *T), "invalid-port")


def test_a_silent_sender_is_a_timeout_not_before_its_time(program: Program) -> None:
    with raw_server(program, timeout="1") as (_, _, receiver):
        start = time.monotonic()
        check_error(receiver.end(), "timeout")
        assert 0.9 < time.monotonic() - start < 2.5


def test_a_live_server_is_in_use_and_not_disturbed(program: Program, directory: Path) -> None:
    path = directory / "socket"
    first = program.start("send", "--unix", path, *T)
    first.listening()
    check_error(program.run("send", "--unix", path, *T), "in-use")
    check_ok(program.run("receive", "--unix", path, *T), "kcom5: received 0 octets")
    check_ok(first.end(), "kcom5: sent 0 octets")
    assert files_in(directory) == []


def test_a_stale_socket_file_is_replaced_and_another_file_is_not(program: Program, directory: Path) -> None:
    path = directory / "socket"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    sender = program.start("send", "--unix", path, *T)
    sender.listening()
    check_ok(program.run("receive", "--unix", path, *T), "kcom5: received 0 octets")
    check_ok(sender.end(), "kcom5: sent 0 octets")
    path.write_bytes(b"mine")
    check_error(program.run("send", "--unix", path, *T), "in-use")
    assert path.read_bytes() == b"mine"


def test_a_receiver_may_be_started_before_the_sender(program: Program, directory: Path) -> None:
    address = directory / "address"
    os.mkfifo(address)
    port = wire.free_port()
    receiver = program.start("receive", "--wait", "15", "--address", address, *T)
    write_to_fifo(address, f"{port}.00".encode())
    sender = program.start("send", "--port", str(port), "--message", "late", *T)
    assert sender.listening() == f"[::1]:{port}"
    check_ok(receiver.end(), 'kcom5: received 0 octets, message "late"')
    check_ok(sender.end(), "kcom5: sent 0 octets")


def test_a_receiver_does_not_give_up_before_its_time(program: Program, directory: Path) -> None:
    start = time.monotonic()
    check_error(program.run("receive", "--wait", "1", "--unix", directory / "socket", *T), "refused")
    assert time.monotonic() - start >= 1


def test_a_web_client_gets_not_one_octet(program: Program) -> None:
    with raw_client(program, "--message", "secret") as (client, sender):
        client.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert wire.read_to_end(client)[0] == b""
        check_error(sender.end(), "invalid-connection")


# ---- terminals


@pytest.mark.parametrize("env", [{}, {"NO_COLOR": "1"}], ids=["by-default", "NO_COLOR"])
def test_the_word_error_is_red_on_a_terminal_unless_forbidden(
    program: Program, env: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    result = Terminal().start(program, "unpack", env=env).end()
    escape = re.compile(rb"\x1b\[[0-9;]*m")
    if env:
        assert b"\x1b" not in result.err
    else:
        assert re.search(rb"kcom5: \x1b\[(0;|1;)?31merror:\x1b\[0?m invalid-address: ", result.err), result.err
    check_error(Result(result.code, result.out, escape.sub(b"", result.err)), "invalid-address")


def test_there_is_no_colour_where_there_is_no_terminal(program: Program) -> None:
    assert b"\x1b" not in program.run("unpack").err


def take_slowly(client: socket.socket, until: Callable[[], bool]) -> None:
    """Takes everything, slowly until this is so."""
    client.sendall(HELLO)
    end = time.monotonic() + DEADLINE
    while not until():
        assert time.monotonic() < end, "it did not come to pass"
        assert client.recv(1 << 16)
    while client.recv(1 << 20):
        pass


def test_a_long_sending_is_shown_on_a_terminal(program: Program, directory: Path) -> None:
    file = directory / "file"
    file.touch()
    os.truncate(file, 64 * MIB)
    terminal = Terminal()
    sender = terminal.start(program, "send", file, "--port", "0", *T)
    port = sender.port()
    with wire.connect("tcp6", port) as client:
        take_slowly(client, lambda: terminal.has_shown(b"%", 0.05))
    check_progress(sender.end(), "kcom5: sent 67,108,864 octets")


def test_a_long_receiving_is_shown_on_a_terminal(program: Program, directory: Path) -> None:
    terminal = Terminal()
    with wire.listen("tcp6", directory) as server:
        port = str(server.getsockname()[1])
        receiver = terminal.start(program, "receive", "-o", directory / "target", "--port", port, *T)
        with wire.accept(server) as connection:
            connection.sendall(wire.read(connection, 8) + frame(b"", bytes(4 * MIB))[:12])
            left = 4 * MIB
            while left > MIB and not terminal.has_shown(b"%", 0.05):
                connection.sendall(bytes(1 << 14))
                left -= 1 << 14
            connection.sendall(bytes(left))
            check_progress(receiver.end(), "kcom5: received 4,194,304 octets")


def check_progress(result: Result, words: str) -> None:
    """A line that is drawn again and again: percent, octets, rate; then what is said without a terminal too."""
    assert result.code == 0
    text = result.err.decode()
    assert re.search(r"\r[^\n]*\d ?%[^\n]*\d[^\n]*/s", text), result
    *progress, last, end = [seen(line) for line in text.split("\n")]
    assert (last, end) == (words, ""), result
    assert len(progress) <= 1, "the progress is one line"


def seen(line: str) -> str:
    """What a terminal shows of a line with carriage returns and ESC [ K, which clears the rest."""
    shown, at = "", 0
    for piece in re.findall(r"\r|\x1b\[K|[^\r\x1b]+|\x1b", line):
        if piece == "\r":
            at = 0
        elif piece == "\x1b[K":
            shown = shown[:at]
        else:
            shown = shown[:at] + piece + shown[at + len(piece) :]
            at += len(piece)
    return shown


def test_a_short_transfer_shows_no_progress(program: Program) -> None:
    terminal = Terminal()
    sender = terminal.start(program, "send", "--port", "0", *T)
    check_ok(program.run("receive", "--port", str(sender.port()), *T), "kcom5: received 0 octets")
    check_ok(sender.end(), "kcom5: sent 0 octets")


def test_a_long_transfer_shows_no_progress_without_a_terminal(program: Program, directory: Path) -> None:
    file = directory / "file"
    file.touch()
    os.truncate(file, 64 * MIB)
    with raw_client(program, file) as (client, sender):
        end = time.monotonic() + 1.5
        take_slowly(client, lambda: bool(select.select([], [], [], 0.05)[0]) or time.monotonic() > end)
        client.close()
        check_ok(sender.end(), "kcom5: sent 67,108,864 octets")


# ---- memory

MEASURE = """
import os, resource, sys
pid = os.spawnvp(os.P_NOWAIT, sys.argv[2], sys.argv[2:])
_, status = os.waitpid(pid, 0)
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
open(sys.argv[1], "w").write(str(peak))
sys.exit(os.waitstatus_to_exitcode(status))
"""


def measured(file: Path) -> list[Argument]:
    """A launcher that writes the peak of a program's memory, in octets, into this file. It is small itself: what a
    process has when it starts another counts for that one too."""
    return [sys.executable, "-I", "-S", "-c", MEASURE, file]


@pytest.fixture
def most_memory(program: Program, directory: Path) -> int:
    """What each end may use, in octets: 32 MiB, for the C++ program in all, for others besides an idle one."""
    if program.name == "cpp":
        return 32 * MIB
    program.run("--version", launcher=measured(directory / "idle"))
    return int((directory / "idle").read_text()) + 32 * MIB


SIZE = 256 * MIB


def check_memory(program: Program, directory: Path, most: int) -> None:
    peaks = {end: int((directory / end).read_text()) for end in ("sender", "receiver")}
    words = ", ".join(f"{end} {peak / MIB:.1f} MiB" for end, peak in peaks.items())
    print(f"{program.name}: {SIZE // MIB} MiB, peak memory: {words}; allowed: {most / MIB:.1f} MiB")
    assert max(peaks.values()) < most, words


def test_files_are_sent_and_received_in_little_memory(program: Program, directory: Path, most_memory: int) -> None:
    source, target = directory / "source", directory / "target"
    source.touch()
    os.truncate(source, SIZE)
    sender = program.start("send", source, "--port", "0", *T, launcher=measured(directory / "sender"))
    port = str(sender.port())
    result = program.run("receive", "-o", target, "--port", port, *T, launcher=measured(directory / "receiver"))
    check_ok(result, f"kcom5: received {SIZE:,} octets")
    check_ok(sender.end(), f"kcom5: sent {SIZE:,} octets")
    assert target.stat().st_size == SIZE
    check_memory(program, directory, most_memory)


def test_pipes_are_sent_and_received_in_little_memory(program: Program, directory: Path, most_memory: int) -> None:
    head = subprocess.Popen(["head", "-c", str(SIZE), "/dev/zero"], stdout=subprocess.PIPE)
    count = subprocess.Popen(["wc", "-c"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with head, count:
        assert head.stdout is not None
        assert count.stdin is not None
        assert count.stdout is not None
        launcher = measured(directory / "sender")
        sender = program.start("send", "--port", "0", *T, stdin=head.stdout, launcher=launcher)
        port = str(sender.port())
        launcher = measured(directory / "receiver")
        receiver = program.start("receive", "--port", port, *T, stdout=count.stdin, launcher=launcher)
        count.stdin.close()
        check_ok(receiver.end(), f"kcom5: received {SIZE:,} octets")
        check_ok(sender.end(), f"kcom5: sent {SIZE:,} octets")
        assert int(count.stdout.read()) == SIZE
    check_memory(program, directory, most_memory)
