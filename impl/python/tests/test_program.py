"""The program of this language: what others cannot test."""

from __future__ import annotations

import errno
import os
import select
import signal
import socket
import subprocess
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import raw
import vectors
from ends import DATA, MIB, UNWRITABLE, T, end_of, files_in, frame, no_client_came, raw_server, reason


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
    with raw.listen("tcp6") as server:
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
    assert (code, said) == (3, f"kcom5: error: io: /dev/full: {reason(errno.ENOSPC)}")
    assert end.result(T) == "reset"
    assert files_in(directory) == []


@pytest.mark.parametrize("name", ["refused", "timeout", "interrupted"])
def test_the_program_leaves_no_file_behind(directory: Path, name: str) -> None:
    with raw.listen("tcp6") as server:
        port = server.getsockname()[1]
        if name == "refused":
            server.close()
        timeout = 1 if name == "timeout" else int(T)
        arguments = ["--message-file", directory / "message", "--wait", 0, "--timeout", timeout]
        receiver = program("receive", "-o", directory / "data", "--port", port, *arguments)
        if name == "interrupted":
            with server.accept()[0] as connection:
                raw.read(connection, 8)
                receiver.send_signal(signal.SIGINT)
                assert end_of(connection) == "reset"
        code, said = end_of_program(receiver)
    assert (code, said.split(": ")[:3]) == (130 if name == "interrupted" else 3, ["kcom5", "error", name])
    assert files_in(directory) == []


def run(*arguments: object, closed: tuple[int, ...] = (), **streams: Any) -> subprocess.CompletedProcess[bytes]:
    """Run the program, with standard streams that are closed."""
    command = [sys.executable, "-c", CLOSE, ",".join(map(str, closed)), *map(str, arguments)]
    return subprocess.run(command, env=ENVIRONMENT, capture_output=not streams, timeout=T, **streams)


CLOSE = """
import os, sys
for number in filter(None, sys.argv[1].split(",")):
    os.close(int(number))
os.execv(sys.executable, [sys.executable, "-m", "kcom5", *sys.argv[2:]])
"""
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(vectors.ROOT / "impl/python/src")}


def test_a_closed_standard_output_gets_no_data_and_costs_the_sender_nothing() -> None:
    with raw.listen("tcp6") as server:
        for output in ("-", "/dev/stdout"):
            result = run("receive", "-o", output, "--port", server.getsockname()[1], closed=(1,))
            assert (result.returncode, result.stderr.splitlines()[0]) == (
                3,
                b"kcom5: error: io: standard output is closed",
            )
        assert no_client_came(server)
    for words in (["--version"], ["--help"], ["pack", "--key", "env:KEY"]):
        assert run(*words, closed=(1,)).returncode == 3


def test_a_closed_standard_input_is_not_an_empty_one() -> None:
    for words in (["send", "--port", "0"], ["send", os.devnull, "--message-file", "-"], ["unpack"], ["pack"]):
        result = run(*words, closed=(0,))
        assert (result.returncode, result.stderr.splitlines()[0]) == (3, b"kcom5: error: io: standard input is closed")


@pytest.mark.parametrize("closed", [(2,), (0, 2), (0, 1, 2)])
def test_no_file_takes_the_number_of_a_closed_stream(
    pool: ThreadPoolExecutor, directory: Path, closed: tuple[int, ...]
) -> None:
    port, _ = raw_server(pool, frame(b"hi", DATA))
    arguments = ["-o", directory / "data", "--message-file", directory / "message", "--port", port]
    result = run("receive", *arguments, closed=closed)
    assert (result.returncode, result.stdout, result.stderr) == (0, b"", b"")
    assert ((directory / "data").read_bytes(), (directory / "message").read_bytes()) == (DATA, b"hi")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="NOT RUN: this system has no /dev/full")
def test_a_json_line_that_cannot_be_written_changes_nothing_but_the_exit_code(
    pool: ThreadPoolExecutor, directory: Path
) -> None:
    for closed in ((), (1,)):
        port, end = raw_server(pool, frame(b"hi", b"abc"), then=end_of)
        arguments = ["receive", "--json", "-o", directory / "data", "--port", port]
        with Path("/dev/full").open("wb") as full:
            result = run(*arguments, closed=closed, stdout=full, stderr=subprocess.PIPE)
        assert result.returncode == 3
        assert result.stderr.startswith(b"kcom5: error: io: standard output")
        assert end.result(T) == "end"
        assert (directory / "data").read_bytes() == b"abc"
    with Path("/dev/full").open("wb") as full:
        assert run("--version", stdout=full).returncode == 3
        port, _ = raw_server(pool, frame(b"hi", b"abc"))
        words = ["receive", "-o", directory / "data", "--port", port]
        assert run(*words, stderr=full, stdout=subprocess.PIPE).returncode == 0


def test_quiet_says_nothing_but_errors(pool: ThreadPoolExecutor, directory: Path) -> None:
    port, _ = raw_server(pool, frame(b"hi", b"abc"))
    result = run("receive", "--quiet", "-o", directory / "data", "--port", port)
    assert (result.returncode, result.stderr) == (0, b"")
    result = run("receive", "--quiet", "--wait", 0, "--unix", directory / "socket")
    assert (result.returncode, result.stderr.splitlines()[0]) == (
        3,
        f"kcom5: error: refused: nobody listens on {directory}/socket".encode(),
    )


INTERRUPTED = {
    "listening": (b"", 0, "no client had connected"),
    "sending": (b"KCOM5abc", 8, "the transfer was not complete"),
    "sent": (b"KCOM5abc", 8 + 12 + 64 * MIB, "everything was sent, but the client did not confirm it"),
}


@pytest.mark.parametrize("stage", INTERRUPTED)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_an_interrupted_send_says_how_far_it_came(directory: Path, stage: str, number: signal.Signals) -> None:
    hello, size, said = INTERRUPTED[stage]
    source, path = directory / "source", directory / "socket"
    source.touch()
    os.truncate(source, 64 * MIB)
    sender = program("send", source, "--unix", path, "--timeout", int(T))
    assert sender.stderr is not None
    assert sender.stderr.readline() == f"kcom5: listening on {path}\n"
    with socket.socket(socket.AF_UNIX) as client:
        if hello:
            client.connect(str(path))
            client.sendall(hello)
            raw.read(client, size)
            if stage == "sent":
                assert client.recv(1) == b""
        sender.send_signal(number)
        assert end_of_program(sender) == (128 + number, f"kcom5: error: interrupted: {said}")
    assert files_in(directory) == ["source"]


@pytest.mark.parametrize(
    ("output", "said"),
    [("-", "1000 bytes were written to standard output, which is not the whole"), ("f", "nothing was delivered")],
)
def test_an_interrupted_receive_says_what_was_written(
    pool: ThreadPoolExecutor, directory: Path, output: str, said: str
) -> None:
    receiver: Future[subprocess.Popen[str]] = Future()

    def interrupt(connection: socket.socket) -> str:
        process = receiver.result(T)
        if output == "-":
            assert process.stdout is not None
            assert len(process.stdout.read(1000)) == 1000
        process.send_signal(signal.SIGTERM)
        return end_of(connection)

    port, end = raw_server(pool, frame(b"hi", bytes(2000))[:-1000], then=interrupt)
    where = output if output == "-" else directory / output
    process = program("receive", "-o", where, "--port", port, "--timeout", int(T))
    receiver.set_result(process)
    assert end.result(T) == "reset"
    assert end_of_program(process) == (143, f"kcom5: error: interrupted: {said}")
    assert files_in(directory) == []


def test_a_signal_that_was_ignored_stays_ignored(pool: ThreadPoolExecutor, directory: Path) -> None:
    code = "import os, signal, sys; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
    code += "os.execv(sys.executable, [sys.executable, '-m', 'kcom5', *sys.argv[1:]])"

    with raw.listen("tcp6") as server:
        arguments = ["receive", "-o", str(directory / "data"), "--port", str(server.getsockname()[1])]
        with subprocess.Popen([sys.executable, "-c", code, *arguments], env=ENVIRONMENT) as receiver:
            with server.accept()[0] as connection:
                hello = raw.read(connection, 8)
                receiver.send_signal(signal.SIGHUP)
                connection.sendall(hello + frame(b"", b"abc"))
                connection.recv(1)
            assert receiver.wait(T) == 0


def test_a_killed_receiver_leaves_no_file(pool: ThreadPoolExecutor, directory: Path) -> None:
    if not hasattr(os, "O_TMPFILE"):
        pytest.skip("NOT RUN: this system has no files without a name")
    receiver: Future[subprocess.Popen[str]] = Future()

    def kill(connection: socket.socket) -> str:
        receiver.result(T).kill()
        return end_of(connection)

    port, end = raw_server(pool, frame(b"", DATA)[:MIB], then=kill)
    receiver.set_result(program("receive", "-o", directory / "data", "--port", port))
    assert end.result(T) == "reset"
    receiver.result().communicate()
    assert files_in(directory) == []


def test_an_interruption_while_it_starts_ends_it_without_a_traceback_of_ours() -> None:
    for tenths in range(12):
        process = subprocess.Popen(
            [sys.executable, "-X", "importtime", "-m", "kcom5", "receive", "--ipv4", "--wait", "30"],
            env=ENVIRONMENT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stderr is not None
        # From the moment on that this module is loaded, which is the first one.
        while "kcom5._start" not in process.stderr.readline():
            pass
        select.select([], [], [], tenths / 100)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=T)
        assert "Traceback" not in said
        assert process.returncode in (-signal.SIGINT, 130)
