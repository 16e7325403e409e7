"""The command-line program: files, pipes, and files left by a failure."""

from __future__ import annotations

import json
import os
import select
import socket
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

import wire
from peers import Json, Program, Result, Running
from programs import (
    CUT_IN_PLACE,
    MIB,
    T,
    check_error,
    check_ok,
    files_in,
    place_arguments,
    raw_client,
    raw_server,
    receive_from,
    send,
    write_to_fifo,
)
from situation import until_stored
from wire import HELLO, Via, frame


@pytest.fixture
def directory() -> Iterator[Path]:
    """An empty directory whose path is short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="kcom5-") as path:
        yield Path(path)


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
    check_ok(received, "kcom5: received 1,048,576 bytes")
    check_ok(sent, "kcom5: sent 1,048,576 bytes, confirmed")
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
    assert [json.loads(line) for line in sent.out.splitlines()] == [{"ok": True, "sent": 0, "confirmed": True}]


def test_json_lines_go_to_standard_error_if_the_data_goes_to_standard_output(program: Program) -> None:
    sender, port = send(program, "--message", 'a"\x1b\x9b\n한', stdin=b"\x00data\n")
    result = program.run("receive", "--json", "--port", port, *T)
    check_ok(sender.end(), "kcom5: sent 6 bytes, confirmed")
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
    check_ok(result, "kcom5: received 3,145,729 bytes")
    check_ok(sender.end(), "kcom5: sent 3,145,729 bytes, confirmed")
    assert result.out == data


def test_standard_input_may_be_a_file(program: Program) -> None:
    sender, port = send(program, stdin=b"abc")
    assert program.run("receive", "--port", port, *T).out == b"abc"
    check_ok(sender.end(), "kcom5: sent 3 bytes, confirmed")


def test_a_named_pipe_is_read_to_its_end(program: Program, directory: Path) -> None:
    fifo = directory / "fifo"
    os.mkfifo(fifo)
    sender = program.start("send", fifo, "--port", "0", *T)
    write_to_fifo(fifo, b"through a pipe")
    assert program.run("receive", "--port", str(sender.port()), *T).out == b"through a pipe"
    check_ok(sender.end(), "kcom5: sent 14 bytes, confirmed")


def test_an_empty_file_is_sent_and_made(program: Program, directory: Path) -> None:
    empty, target = directory / "empty", directory / "target"
    empty.touch()
    sender, port = send(program, empty)
    check_ok(program.run("receive", "-o", target, "--port", port, *T), "kcom5: received 0 bytes")
    check_ok(sender.end(), "kcom5: sent 0 bytes, confirmed")
    assert target.read_bytes() == b""


@pytest.mark.skipif(not Path("/proc/version").exists(), reason="this system has no /proc")
def test_a_file_that_says_it_is_empty_and_is_not_is_sent_whole(program: Program) -> None:
    content = Path("/proc/version").read_bytes()
    assert os.stat("/proc/version").st_size == 0
    sender, port = send(program, "/proc/version")
    assert program.run("receive", "--port", port, *T).out == content
    check_ok(sender.end(), f"kcom5: sent {len(content)} bytes, confirmed")


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
    check_ok(program.run("receive", "-o", directory / "out", "--port", port, *T), "kcom5: received 3 bytes")
    check_ok(sender.end(), "kcom5: sent 3 bytes, confirmed")
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
        check_ok(sender.end(), f"kcom5: sent {len(data)} bytes, confirmed")


@pytest.mark.parametrize("bound", ["0", "-1"])
def test_a_timeout_of_zero_or_less_is_none(program: Program, bound: str) -> None:
    sender = program.start("send", "--port", "0", "--timeout", bound)
    check_ok(program.run("receive", "--port", str(sender.port()), "--timeout", bound), "kcom5: received 0 bytes")
    check_ok(sender.end(), "kcom5: sent 0 bytes, confirmed")


def test_what_cannot_be_read_is_io_before_it_listens(program: Program, directory: Path) -> None:
    for name in (directory / "missing", directory, os.fsencode(directory) + b"/no-text-\xff"):
        result = program.run("send", name, "--port", "0", *T)
        check_error_of_bytes(result, "io")
        assert b"listening" not in result.err
    result = program.run("send", "--json", os.fsencode(directory) + b"/no-text-\xff", "--port", "0", *T)
    assert json.loads(result.out)["error"] == "io"


def check_error_of_bytes(result: Result, name: str) -> None:
    """Checks as `check_error` does, for output with a file name that is not valid text."""
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
    check_ok(receive_from(program, frame(b"", b"abcdef"), "-o", target), "kcom5: received 6 bytes")
    assert target.read_bytes() == b"abcdef"
    assert files_in(directory) == ["target"]


@pytest.mark.parametrize("is_there", [True, False], ids=["to-a-file", "to-nothing-yet"])
def test_a_link_is_followed(program: Program, directory: Path, is_there: bool) -> None:
    link, target = directory / "link", directory / "elsewhere" / "target"
    target.parent.mkdir()
    if is_there:
        target.write_bytes(b"old")
    link.symlink_to(target)
    check_ok(receive_from(program, frame(b"", b"abc"), "-o", link), "kcom5: received 3 bytes")
    assert link.is_symlink()
    assert target.read_bytes() == b"abc"
    assert files_in(target.parent) == ["target"]


def test_a_named_pipe_is_written_to_and_stays(program: Program, directory: Path) -> None:
    fifo = directory / "fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    try:
        check_ok(receive_from(program, frame(b"", b"abc"), "-o", fifo), "kcom5: received 3 bytes")
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
    check_error(result, "truncated", CUT_IN_PLACE)
    assert b"abcdef".startswith(result.out)


@pytest.mark.parametrize("killed", ["sender", "receiver"])
def test_half_of_the_data_is_no_success_of_the_end_that_lives(program: Program, directory: Path, killed: str) -> None:
    source, out = directory / "source", directory / "out"
    source.touch()
    os.truncate(source, 64 << 30)
    out.mkdir()
    sender, port = send(program, source)
    receiver = program.start("receive", "-o", out / "target", "--port", port, *T)
    until_stored(receiver)
    if killed == "sender":
        sender.kill()
        check_error(receiver.end(), "truncated")
    else:
        receiver.kill()
        check_error(sender.end(), "unconfirmed")
    assert files_in(out) == []
