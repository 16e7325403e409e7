"""The command-line program: colour and progress on a terminal, and memory."""

from __future__ import annotations

import os
import pty
import re
import select
import socket
import subprocess
import sys
import tempfile
import time
import tty
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

import wire
from peers import DEADLINE, Argument, Lines, Program, Result, Running
from programs import (
    MIB,
    T,
    check_error,
    check_ok,
    raw_client,
)
from wire import HELLO, frame


@pytest.fixture
def directory() -> Iterator[Path]:
    """An empty directory whose path is short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="kcom5-") as path:
        yield Path(path)


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
        """Returns whether the program wrote `part` within this time."""
        with suppress(TimeoutError):
            while part not in self.lines.buffer and self.lines.fill(time.monotonic() + seconds):
                pass
        return part in self.lines.buffer


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
    """Reads everything, slowly until the condition is true."""
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
    check_progress(sender.end(), "kcom5: sent 67,108,864 bytes, confirmed")


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
            check_progress(receiver.end(), "kcom5: received 4,194,304 bytes")


def check_progress(result: Result, words: str) -> None:
    """Checks for a redrawn line with percent, bytes and rate, and then the output of a run without a terminal."""
    assert result.code == 0
    text = result.err.decode()
    assert re.search(r"\r[^\n]*\d ?%[^\n]*\d[^\n]*/s", text), result
    *progress, last, end = [seen(line) for line in text.split("\n")]
    assert (last, end) == (words, ""), result
    assert len(progress) <= 1, "the progress is one line"


def seen(line: str) -> str:
    """Returns the visible text of a line with carriage returns and ESC [ K, which clears the rest."""
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
    check_ok(program.run("receive", "--port", str(sender.port()), *T), "kcom5: received 0 bytes")
    check_ok(sender.end(), "kcom5: sent 0 bytes, confirmed")


def test_a_long_transfer_shows_no_progress_without_a_terminal(program: Program, directory: Path) -> None:
    file = directory / "file"
    file.touch()
    os.truncate(file, 64 * MIB)
    with raw_client(program, file) as (client, sender):
        end = time.monotonic() + 1.5
        take_slowly(client, lambda: bool(select.select([], [], [], 0.05)[0]) or time.monotonic() > end)
        client.close()
        check_ok(sender.end(), "kcom5: sent 67,108,864 bytes, confirmed")


MEASURE = """
import os, resource, sys
pid = os.spawnvp(os.P_NOWAIT, sys.argv[2], sys.argv[2:])
_, status = os.waitpid(pid, 0)
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
open(sys.argv[1], "w").write(str(peak))
sys.exit(os.waitstatus_to_exitcode(status))
"""


def measured(file: Path) -> list[Argument]:
    """Returns a launcher that writes a program's peak memory in bytes into this file. The launcher is small itself,
    because its memory at the fork counts for the program too."""
    return [sys.executable, "-I", "-S", "-c", MEASURE, file]


@pytest.fixture
def most_memory(program: Program, directory: Path) -> int:
    """Returns the memory limit of each end in bytes: 32 MiB, in addition to an idle program except for C++."""
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
    check_ok(result, f"kcom5: received {SIZE:,} bytes")
    check_ok(sender.end(), f"kcom5: sent {SIZE:,} bytes, confirmed")
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
        check_ok(receiver.end(), f"kcom5: received {SIZE:,} bytes")
        check_ok(sender.end(), f"kcom5: sent {SIZE:,} bytes, confirmed")
        assert int(count.stdout.read()) == SIZE
    check_memory(program, directory, most_memory)
