"""The command-line program: colour and progress on a terminal, and memory."""

from __future__ import annotations

import os
import pty
import re
import select
import socket
import sys
import time
import tty
from collections.abc import Callable

import pytest

import wire
from peers import DEADLINE
from wire import HELLO, frame
from world import MIB, Argument, Result, World, at, shell, told, wait_until


class Terminal:
    """A pseudo-terminal for a program's standard error."""

    def __init__(self, world: World, *arguments: Argument, env: dict[str, str] | None = None) -> None:
        self.ours, theirs = pty.openpty()
        world.undo.callback(os.close, self.ours)
        tty.setraw(theirs)
        self.running = world.start(*arguments, stderr=theirs, env=env)
        os.close(theirs)
        self.shown = b""

    def read(self, seconds: float) -> bool:
        """Reads what is shown within this time. Returns False at the end."""
        if not select.select([self.ours], [], [], seconds)[0]:
            return True
        try:
            octets = os.read(self.ours, 1 << 16)
        except OSError:  # the other side is closed
            return False
        self.shown += octets
        return bool(octets)

    def has_shown(self, part: bytes) -> bool:
        return part in self.shown or (self.read(0.05) and part in self.shown)

    def place(self) -> str:
        wait_until(lambda: self.has_shown(b"\n"))
        return self.shown.decode().partition("\n")[0].removeprefix("kcom5: listening on ")

    def end(self) -> Result:
        wait_until(lambda: not self.read(1))
        return Result(self.running.process.wait(DEADLINE), b"", self.shown)


@pytest.mark.parametrize("env", [{}, {"NO_COLOR": "1"}], ids=["by-default", "NO_COLOR"])
def test_the_word_error_is_red_on_a_terminal_unless_forbidden(world: World, env: dict[str, str]) -> None:
    result = Terminal(world, "unpack", env=env).end()
    plain = re.sub(rb"kcom5: \x1b\[(0;|1;)?31merror:\x1b\[0?m ", b"kcom5: error: ", result.err)
    assert (plain == result.err) == bool(env), result
    assert told(result._replace(err=plain))["error"] == "invalid-address"


def take_slowly(client: socket.socket, until: Callable[[], bool]) -> None:
    """Reads everything, slowly until the condition is true."""
    client.sendall(HELLO)
    end = time.monotonic() + DEADLINE
    while not until():
        assert time.monotonic() < end, "it did not come to pass"
        assert client.recv(1 << 16)
        time.sleep(0.02)
    while client.recv(1 << 20):
        pass


def test_a_long_sending_is_shown_on_a_terminal(world: World) -> None:
    world.sparse("in", 64 * MIB)
    terminal = Terminal(world, "send", "in", "--port", "0")
    with wire.connect(terminal.place()) as client:
        take_slowly(client, lambda: terminal.has_shown(b"%"))
    check_progress(terminal.end(), "kcom5: sent 67,108,864 bytes, confirmed")


def test_a_long_receiving_is_shown_on_a_terminal(world: World) -> None:
    with wire.listen("tcp6", world / "raw") as server:
        terminal = Terminal(world, "receive", "-o", "out", *at(wire.place_of(server)))
        with wire.accept(server) as connection:
            connection.sendall(wire.read(connection, 8) + frame(b"", bytes(4 * MIB))[:12])
            left = 4 * MIB
            while left > MIB and not terminal.has_shown(b"%"):
                connection.sendall(bytes(1 << 14))
                left -= 1 << 14
            connection.sendall(bytes(left))
            check_progress(terminal.end(), "kcom5: received 4,194,304 bytes")


def check_progress(result: Result, words: str) -> None:
    """Checks for a redrawn line with percent, bytes and rate, and then the output of a run without a terminal."""
    assert result.code == 0
    text = result.err.decode()
    assert re.search(r"\r[^\n]*\d ?%[^\n]*\d[^\n]*/s", text), result
    *progress, last, end = [seen(line) for line in text.split("\n") if not line.startswith("kcom5: listening")]
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


def test_a_short_transfer_shows_no_progress(world: World) -> None:
    terminal = Terminal(world, "send", "--port", "0")
    place = terminal.place()
    wire.take(place)
    assert terminal.end().err.decode() == f"kcom5: listening on {place}\nkcom5: sent 0 bytes, confirmed\n"


def test_a_long_transfer_shows_no_progress_without_a_terminal(world: World) -> None:
    world.sparse("in", 64 * MIB)
    sender = world.send("in")
    with wire.connect(sender.place()) as client:
        end = time.monotonic() + 1.5
        take_slowly(client, lambda: time.monotonic() > end)
    assert told(sender.end()) == {"code": 0, "words": "sent 67,108,864 bytes, confirmed"}


MEASURE = """
import os, resource, sys
pid = os.spawnvp(os.P_NOWAIT, sys.argv[2], sys.argv[2:])
_, status = os.waitpid(pid, 0)
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
open(sys.argv[1], "w").write(str(peak))
sys.exit(os.waitstatus_to_exitcode(status))
"""


def measured(name: str, more: list[str]) -> list[str]:
    """Returns a launcher that writes a program's peak memory in bytes into this file. The launcher is small itself,
    because its memory at the fork counts for the program too."""
    return [*more, sys.executable, "-I", "-S", "-c", MEASURE, name]


SIZE = 128 * MIB


@pytest.mark.parametrize("is_pipe", [False, True], ids=["file", "pipe"])
def test_much_is_sent_and_received_in_little_memory(world: World, is_pipe: bool) -> None:
    world.sparse("in", SIZE)
    from_pipe, to_pipe = shell("< <(cat in)"), shell("> >(wc -c >count)")
    sender = world.send(*([] if is_pipe else ["in"]), launcher=measured("sender", from_pipe if is_pipe else []))
    target = [] if is_pipe else ["-o", "out"]
    launcher = measured("receiver", to_pipe if is_pipe else [])
    received = world.ends("receive", *at(sender.place()), *target, launcher=launcher)
    assert received == {"code": 0, "words": f"received {SIZE:,} bytes"}
    assert told(sender.end()) == {"code": 0, "words": f"sent {SIZE:,} bytes, confirmed"}
    if is_pipe:
        wait_until((world / "count").exists)
        wait_until(lambda: (world / "count").read_text().strip() == str(SIZE))
    else:
        assert (world / "out").stat().st_size == SIZE
    world.run("--version", launcher=measured("idle", []))
    # in addition to an idle program, except for C++
    most = 32 * MIB + (0 if world.name == "cpp" else int((world / "idle").read_text()))
    peaks = [int((world / end).read_text()) for end in ("sender", "receiver")]
    print(f"{world.name}: peak memory of sender and receiver: {peaks}; allowed: {most}")
    assert max(peaks) < most
