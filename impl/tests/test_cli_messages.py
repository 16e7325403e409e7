"""The command-line program: messages, shown and stored."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import tempfile
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest

import wire
from peers import Program
from programs import (
    T,
    check_error,
    check_ok,
    files_in,
    receive_from,
    send,
    wait_until,
)
from wire import HELLO, frame


@pytest.fixture
def directory() -> Iterator[Path]:
    """An empty directory whose path is short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="kcom5-") as path:
        yield Path(path)


def received_words(program: Program, message: str) -> str:
    """Returns the one line that a receiver prints for this message."""
    octets = message.encode()
    result = receive_from(program, frame(octets, b"abc"))
    assert (result.code, result.out) == (0, b"abc")
    assert result.err.endswith(b"\n")
    return result.err.decode()[:-1]


def test_a_message_is_shown_and_an_empty_one_is_not(program: Program) -> None:
    assert received_words(program, "hi") == 'kcom5: received 3 bytes, message "hi"'
    assert received_words(program, "") == "kcom5: received 3 bytes"


@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
def test_a_message_in_any_script_is_shown_in_any_locale(program: Program, locale: str) -> None:
    message = "한국어 ελληνικά עברית ☃ 😀"
    sender, port = send(program, "--message", message)
    result = program.run("receive", "--port", port, *T, env={"LC_ALL": locale})
    assert result.code == 0
    shown = result.err.decode().removeprefix("kcom5: received 0 bytes, message ")
    assert json.loads(shown) == message
    check_ok(sender.end(), "kcom5: sent 0 bytes, confirmed")


def test_no_terminal_escape_of_a_message_gets_out(program: Program) -> None:
    message = '\x1b[31m\x1b]0;title\x07\x9b1m\x00\x08\x7f\x85\r\n\t"quoted\\'
    words = received_words(program, message)
    assert [unicodedata.name(c, hex(ord(c))) for c in words if unicodedata.category(c) == "Cc"] == []
    shown = r'"\x1b[31m\x1b]0;title\x07\x9b1m\x00\x08\x7f\x85\x0d\x0a\x09\"quoted\\"'
    assert words.removeprefix("kcom5: received 3 bytes, message ") == shown


@pytest.mark.parametrize("letter", ["a", "é", "한", "😀"])
def test_200_characters_of_a_message_are_shown(program: Program, letter: str) -> None:
    whole = received_words(program, letter * 200).removeprefix("kcom5: received 3 bytes, message ")
    assert json.loads(whole) == letter * 200
    cut = received_words(program, letter * 201).removeprefix("kcom5: received 3 bytes, message ")
    assert cut.endswith('"…')
    assert json.loads(cut.removesuffix("…")) == letter * 200


def test_a_message_from_a_file_comes_into_a_file_as_it_is(program: Program, directory: Path) -> None:
    octets = "\ufeffa\x00b\r\n\n한\n".encode()
    source, target = directory / "source", directory / "target"
    source.write_bytes(octets)
    sender, port = send(program, "--message-file", source)
    result = program.run("receive", "-o", directory / "data", "--message-file", target, "--port", port, *T)
    assert result.code == 0
    check_ok(sender.end(), "kcom5: sent 0 bytes, confirmed")
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
    """On Linux a read after an end and a reset reports only the end; the error stays in the socket."""

    def has_half_closed() -> bool:
        entries = [line.split() for line in Path("/proc/net/tcp6").read_text().splitlines()]
        return any(entry[1].endswith(f":{int(port):04X}") and entry[3] == "04" for entry in entries)  # FIN-WAIT-1

    sender, port = send(program, stdin=bytes(1 << 20))  # fits the sender's kernel buffer, but not the client's
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
