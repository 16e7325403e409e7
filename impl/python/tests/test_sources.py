"""Where sent data comes from: files that do not tell their size, change it, or keep one waiting."""

from __future__ import annotations

import errno
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from ends import DATA, exchange, files_in, reason

import kcom5
from kcom5 import Server


@pytest.mark.parametrize("path", ["/proc/self/status", "/proc/version", "/sys/kernel/mm/transparent_hugepage/enabled"])
def test_a_file_whose_size_says_nothing_is_read_to_its_end(pool: ThreadPoolExecutor, path: str) -> None:
    if not Path(path).exists():
        pytest.skip(f"NOT RUN: this system has no {path}")
    got = exchange(pool, lambda server: server.send_file(path))
    assert got.splitlines()[0] == Path(path).read_bytes().splitlines()[0]
    assert len(got) < 4096 or path.endswith("status")
    with Path(path).open("rb", buffering=0) as file:
        first = os.read(file.fileno(), 3)
        rest = exchange(pool, lambda server: server.send_file(file.fileno()))
        assert not got.startswith(rest[:8])
        assert got.startswith(first)


def test_a_sparse_file_is_sent_whole(pool: ThreadPoolExecutor, directory: Path) -> None:
    path = directory / "sparse"
    for size in (10, 100_000):
        path.write_bytes(b"")
        os.truncate(path, size)
        assert exchange(pool, lambda server: server.send_file(path)) == bytes(size)


def test_of_a_file_that_grows_the_first_length_is_sent(pool: ThreadPoolExecutor, directory: Path) -> None:
    path = directory / "source"
    path.write_bytes(DATA)

    def send(server: Server) -> None:
        tell = server.listening

        def listening(place: int | str) -> None:
            with path.open("ab") as file:
                file.write(b"more")
            assert tell is not None
            tell(place)

        server.listening = listening
        server.send_file(path)

    assert exchange(pool, send) == DATA


def test_a_directory_is_no_source(directory: Path) -> None:
    with pytest.raises(kcom5.Io) as caught:
        Server(port=0).send_file(directory)
    assert caught.value.detail == f"{directory}: is a directory"


def test_a_named_pipe_without_a_writer_ends_within_t(directory: Path) -> None:
    os.mkfifo(directory / "pipe")
    with pytest.raises(kcom5.Timeout) as caught:
        Server(port=0, timeout=1).send_file(directory / "pipe")
    assert caught.value.detail == f"{directory}/pipe: no process opened it for writing within 1 s"


@pytest.mark.parametrize("octets", [b"", DATA])
def test_a_named_pipe_is_sent_to_its_end(pool: ThreadPoolExecutor, directory: Path, octets: bytes) -> None:
    os.mkfifo(directory / "pipe")

    def fill() -> None:
        with (directory / "pipe").open("wb") as file:
            # It is open, and silent, for more than the wait for a writer.
            threading.Event().wait(0.2)
            file.write(octets)

    def send(server: Server) -> None:
        pool.submit(fill)
        server.send_file(directory / "pipe")

    assert exchange(pool, send) == octets


def test_what_ends_early_is_told_with_its_size(pool: ThreadPoolExecutor, directory: Path) -> None:
    path = directory / "source"
    path.write_bytes(DATA)

    def send(server: Server) -> None:
        def shorten(done: int, total: int) -> None:
            os.truncate(path, 1000)

        server.progress = shorten
        with pytest.raises(kcom5.Io) as caught:
            server.send_file(path)
        assert caught.value.detail.startswith(f"{path}: became shorter while it was sent: got ")
        assert caught.value.detail.endswith(f" of {len(DATA)} bytes")

    with pytest.raises(kcom5.Truncated):
        exchange(pool, send)


@pytest.mark.parametrize("where", ["field", "variable"])
def test_a_spool_that_cannot_be_made_names_its_folder(
    directory: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    missing = str(directory / "missing")
    monkeypatch.setenv("TMPDIR", missing if where == "variable" else "")
    server = Server(port=0, spool_dir=missing if where == "field" else "")
    with pytest.raises(kcom5.Io) as caught:
        server.send_file("/proc/version")
    assert caught.value.detail == f"{missing}: {reason(errno.ENOENT)}"
    assert caught.value.about == "spool"


def test_a_spool_leaves_nothing(pool: ThreadPoolExecutor, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(directory))
    assert exchange(pool, lambda server: server.send_file("/proc/version"))
    assert files_in(directory) == []
