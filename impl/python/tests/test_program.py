"""The program of this language: what others cannot test."""

from __future__ import annotations

import errno
import os
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import live
import pytest
import vectors
from ends import DATA, UNWRITABLE, T, end_of, files_in, frame, no_client_came, raw_server


def program(*arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "kcom5", *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(vectors.ROOT / "impl/python/src")},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def end_of_program(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Its exit code, and the first line that it said."""
    _, said = process.communicate(timeout=T)
    return process.returncode, said.partition("\n")[0]


# Not "not-permitted": another user may not be permitted to run this Python either.
@pytest.mark.parametrize("unwritable", list(UNWRITABLE)[:3], indirect=True)
@pytest.mark.parametrize("option", ["--output", "--message-file"])
def test_what_the_program_cannot_open_costs_the_sender_nothing(unwritable: Path, option: str) -> None:
    with live.listen("tcp6") as server:
        code, said = end_of_program(program("receive", option, unwritable, "--port", server.getsockname()[1]))
        assert code == 3
        assert said.startswith(f"kcom5: error: io: {unwritable}: ")
        assert no_client_came(server)


def test_the_program_stores_data_and_message_before_it_closes(pool: ThreadPoolExecutor, directory: Path) -> None:
    def seen(connection: socket.socket) -> tuple[bytes, bytes]:
        assert connection.recv(1) == b""
        return (directory / "data").read_bytes(), (directory / "message").read_bytes()

    port, content = raw_server(pool, frame("é".encode(), DATA), then=seen)
    receiver = program("receive", "-o", directory / "data", "--message-file", directory / "message", "--port", port)
    assert content.result(T) == (DATA, "é".encode())
    assert end_of_program(receiver)[0] == 0
    assert files_in(directory) == ["data", "message"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_message_that_cannot_be_stored_delivers_nothing(pool: ThreadPoolExecutor, directory: Path) -> None:
    port, end = raw_server(pool, frame(b"hi", b"abc"), then=end_of)
    code, said = end_of_program(
        program("receive", "-o", directory / "data", "--message-file", "/dev/full", "--port", port)
    )
    assert (code, said) == (3, f"kcom5: error: io: /dev/full: {os.strerror(errno.ENOSPC)}")
    assert end.result(T) == "reset"
    assert files_in(directory) == []


@pytest.mark.parametrize("name", ["refused", "timeout", "interrupted"])
def test_the_program_leaves_no_file_behind(directory: Path, name: str) -> None:
    with live.listen("tcp6") as server:
        port = server.getsockname()[1]
        if name == "refused":
            server.close()
        timeout = 1 if name == "timeout" else int(T)
        arguments = ["--message-file", directory / "message", "--wait", 0, "--timeout", timeout]
        receiver = program("receive", "-o", directory / "data", "--port", port, *arguments)
        if name == "interrupted":
            with server.accept()[0] as connection:
                live.read(connection, 8)
                receiver.send_signal(signal.SIGINT)
                assert end_of(connection) == "reset"
        code, said = end_of_program(receiver)
    assert (code, said.split(": ")[:3]) == (130 if name == "interrupted" else 3, ["kcom5", "error", name])
    assert files_in(directory) == []
