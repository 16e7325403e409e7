"""The command-line program: interruptions that `rows_signals.py` does not cover."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import wire
from peers import Program, Running
from programs import (
    T,
    raw_server,
    wait_until,
)


@pytest.fixture
def directory() -> Iterator[Path]:
    """An empty directory whose path is short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="kcom5-") as path:
        yield Path(path)


Signals = pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])


def check_interrupted(running: Running, number: signal.Signals) -> None:
    running.process.send_signal(number)
    result = running.end()
    assert result.code == 128 + number, result
    assert result.words, result
    assert result.words[-1].startswith("kcom5: error: interrupted"), result
    assert all(line.startswith("kcom5: ") for line in result.words), result


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
