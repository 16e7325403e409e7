"""The command-line program, the same in every implementation: help, pack, unpack, addresses, errors."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import wire
from peers import Argument, Program
from programs import (
    T,
    check_error,
    check_ok,
)


@pytest.fixture
def directory() -> Iterator[Path]:
    """An empty directory whose path is short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="kcom5-") as path:
        yield Path(path)


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


def test_options_may_stand_after_the_file_and_hold_their_value(program: Program, directory: Path) -> None:
    file = directory / "file"
    file.write_bytes(b"abc")
    sender = program.start("send", file, "--port=0", "--timeout=15", "--message=hi")
    result = program.run("receive", f"--output={directory / 'out'}", f"--port={sender.port()}", *T)
    check_ok(result, 'kcom5: received 3 bytes, message "hi"')
    check_ok(sender.end(), "kcom5: sent 3 bytes, confirmed")


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
    file.chmod(0o600)
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


def test_the_port_may_come_from_an_address(program: Program, directory: Path) -> None:
    port = wire.free_port()
    address = program.run("pack", "--port", str(port), stdin=b"5a" * 48).out
    file = directory / "address"
    file.write_bytes(address)
    file.chmod(0o600)
    for sender_source, receiver_source in [(str(file), "-"), ("env:ADDRESS", str(file)), (str(file), "env:ADDRESS")]:
        env = {"ADDRESS": address.decode().strip()}
        sender = program.start("send", file, "--address", sender_source, *T, env=env)
        assert sender.listening() == f"[::1]:{port}"
        stdin = address if receiver_source == "-" else b""
        result = program.run("receive", "--address", receiver_source, *T, stdin=stdin, env=env)
        assert result.out == address
        check_ok(sender.end(), f"kcom5: sent {len(address)} bytes, confirmed")


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
    check_ok(sender.end(), "kcom5: sent 3 bytes, confirmed")


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
