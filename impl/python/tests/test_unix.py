"""The path of a Unix-domain socket: what may be there, two servers at once, and what is never touched."""

from __future__ import annotations

import fcntl
import os
import socket
import stat
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import raw
from ends import OTHER, T, files_in, needs_other, reason

import kcom5
from kcom5 import Client, Server
from kcom5.socket_file import SocketFile


def stale(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))


def file(path: Path) -> None:
    path.write_bytes(b"mine")


PLACES: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "nothing": (lambda path: None, "", "refused"),
    "stale": (stale, "", "refused"),
    "file": (file, "in-use: {}: is not a socket", "refused"),
    "folder": (Path.mkdir, "in-use: {}: is not a socket", "refused"),
    "pipe": (os.mkfifo, "in-use: {}: is not a socket", "refused"),
    "link": (lambda path: path.symlink_to("nothing"), "in-use: {}: is a symbolic link", "refused"),
    "loop": (lambda path: path.symlink_to(path), "in-use: {}: is a symbolic link", "io"),
}
"""What makes it, and what server and client say."""


@pytest.mark.parametrize("name", PLACES)
def test_what_is_at_the_path_decides(directory: Path, name: str) -> None:
    make, server, client = PLACES[name]
    path = directory / "socket"
    make(path)
    before = path.lstat() if os.path.lexists(path) else None
    with pytest.raises(kcom5.KcomError) as caught:
        Client(path=path).receive()
    assert caught.value.name == client
    if not server:
        with Server(path=path).open():
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert files_in(directory) == []
        return
    with pytest.raises(kcom5.KcomError) as caught:
        Server(path=path).open()
    assert str(caught.value) == server.format(path)
    assert before == path.lstat()


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
@pytest.mark.parametrize("is_listening", [True, False])
def test_a_socket_that_a_process_has_open_is_in_use(directory: Path, kind: int, is_listening: bool) -> None:
    path = directory / "socket"
    with socket.socket(socket.AF_UNIX, kind) as other:
        other.bind(str(path))
        if is_listening and kind == socket.SOCK_STREAM:
            other.listen()
            other.setblocking(False)
        with pytest.raises(kcom5.InUse, match="another server listens there"):
            Server(path=path).open()
        if is_listening and kind == socket.SOCK_STREAM:
            with pytest.raises(BlockingIOError):
                other.accept()
    assert path.exists()


PATHS = {
    "empty": ("", "the path is empty"),
    "nul": ("{}/a\0b", "the path has a NUL byte"),
    "long": ("{}/" + "x" * 108, "bytes, expected at most 107"),
    "missing": ("{}/missing/socket", reason(2)),
    "no-folder": ("{}/file/socket", reason(20)),
    "loop": ("{}/loop/socket", reason(40)),
}


@pytest.mark.parametrize("name", PATHS)
def test_a_path_that_no_socket_can_have_is_io(directory: Path, name: str) -> None:
    file(directory / "file")
    (directory / "loop").symlink_to("loop")
    path, words = PATHS[name]
    for act in (Server(path=path.format(directory)).open, Client(path=path.format(directory)).receive):
        with pytest.raises(kcom5.Io) as caught:
            act()
        assert words in caught.value.detail
    assert files_in(directory) == ["file", "loop"]


def test_a_path_of_107_bytes_and_a_name_with_an_at_sign_are_names(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(directory)
    for path in ("@name", f"{directory}/".ljust(107, "x")):
        with Server(path=path).open():
            assert Path(path).is_socket()
        assert files_in(directory) == []


def test_of_two_servers_at_one_stale_path_one_listens(directory: Path) -> None:
    path = directory / "socket"
    for _ in range(150):
        stale(path)
        start = threading.Barrier(3)
        listening: list[kcom5.Listening] = []
        errors: list[kcom5.KcomError] = []

        def act() -> None:
            start.wait()  # noqa: B023
            try:
                listening.append(Server(path=path, timeout=T).open())  # noqa: B023
            except kcom5.KcomError as error:
                errors.append(error)  # noqa: B023

        threads = [threading.Thread(target=act) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(listening) == 1
        assert [error.name for error in errors] == ["in-use"] * 2
        raw.connect("unix", str(path)).close()
        listening[0].close()
        assert files_in(directory) == []


def test_a_locked_folder_is_waited_for_within_t(pool: ThreadPoolExecutor, directory: Path) -> None:
    lock = os.open(directory, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    with pytest.raises(kcom5.Timeout, match="the folder is locked by another process"):
        Server(path=directory / "socket", timeout=1).open()
    opened = pool.submit(Server(path=directory / "socket", timeout=T).open)
    assert not opened.done()
    fcntl.flock(lock, fcntl.LOCK_UN)
    opened.result(T).close()
    os.close(lock)
    assert files_in(directory) == []


def test_a_folder_that_is_swapped_leads_nowhere_else(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (directory / "one").mkdir()
    (directory / "other").mkdir()
    stale(directory / "one/socket")
    file(directory / "other/socket")
    (directory / "link").symlink_to("one")
    ask = SocketFile._ask

    def swap(made: SocketFile) -> int:
        (directory / "link").unlink()
        (directory / "link").symlink_to("other")
        return ask(made)

    monkeypatch.setattr(SocketFile, "_ask", swap)
    with pytest.raises(kcom5.InUse):
        Server(path=directory / "link/socket").open()
    assert (directory / "other/socket").read_bytes() == b"mine"


def test_the_mode_is_there_from_the_first_moment(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "chmod")
    seen: list[int] = []

    def identity(status: os.stat_result) -> tuple[int, int]:
        seen.append(stat.S_IMODE(status.st_mode))
        return status.st_dev, status.st_ino

    monkeypatch.setattr("kcom5.socket_file._identity", identity)
    Server(path=directory / "socket").open().close()
    assert seen[0] == 0o600


@needs_other
@pytest.mark.parametrize("is_open", [True, False])
def test_a_socket_of_another_user_is_in_use_and_stays(directory: Path, is_open: bool) -> None:
    path = directory / "socket"
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen()
        path.chmod(0o600)
        os.chown(path, OTHER, OTHER)
        if not is_open:
            other.close()
        with pytest.raises(kcom5.InUse):
            Server(path=path).open()
        os.chown(path, 0, 0)
        directory.chmod(0o777)
        os.seteuid(OTHER)
        try:
            with pytest.raises(kcom5.InUse, match="another user"):
                Server(path=path).open()
            with pytest.raises(kcom5.Io, match=reason(13)):
                Client(path=path).receive()
        finally:
            os.seteuid(0)
    assert path.exists()
