"""Sources and targets that the programs' tests do not reach: open files, odd sizes, a system without unnamed files."""

from __future__ import annotations

import errno
import os
import stat
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from ends import DATA, T, exchange, files_in, frame, raw_server

import kcom5
from kcom5 import Client, Listening, Server
from kcom5.output import Folder, WholeFile
from kcom5.system import File


def receive(pool: ThreadPoolExecutor, target: File, octets: bytes = frame(b"hi", b"abc"), **fields: object) -> None:
    """Receive these octets from a raw server into a target."""
    port, end = raw_server(pool, octets)
    Client(port=port, timeout=T, **fields).receive_file(target)  # type: ignore[arg-type]
    assert end.result(T) == "end"


def test_open_files_are_used_from_their_position_and_stay_open(pool: ThreadPoolExecutor, directory: Path) -> None:
    path = directory / "file"
    path.write_bytes(b"0123456789")
    with path.open("rb") as file:
        file.read(4)
        assert exchange(pool, lambda listening: listening.send_file(file)) == b"456789"
        assert not file.closed
    with path.open("ab") as file:
        file.write(b"abc")
        receive(pool, file, frame(b"", DATA))
        receive(pool, file.fileno(), frame(b"", b"end"))
        assert not file.closed
    assert path.read_bytes() == b"0123456789abc" + DATA + b"end"


@pytest.mark.parametrize("size", [10, 100_000])
def test_a_sparse_file_is_sent_whole(pool: ThreadPoolExecutor, directory: Path, size: int) -> None:
    (directory / "sparse").touch()
    os.truncate(directory / "sparse", size)
    assert exchange(pool, lambda listening: listening.send_file(directory / "sparse")) == bytes(size)


@pytest.mark.skipif(not Path("/proc/version").exists(), reason="NOT RUN: this system has no /proc/version")
def test_an_open_file_of_proc_is_sent_from_its_position(pool: ThreadPoolExecutor) -> None:
    with Path("/proc/version").open("rb", buffering=0) as file:
        first = file.read(3)
        rest = exchange(pool, lambda listening: listening.send_file(file.fileno()))
    assert first + rest == Path("/proc/version").read_bytes()


def test_a_named_pipe_that_is_opened_and_closed_is_empty(pool: ThreadPoolExecutor, directory: Path) -> None:
    pipe = directory / "pipe"
    os.mkfifo(pipe)

    def send(listening: Listening) -> None:
        pool.submit(lambda: pipe.open("wb").close())
        listening.send_file(pipe)

    assert exchange(pool, send) == b""


def test_a_pipe_is_opened_once_over_all_tries(pool: ThreadPoolExecutor, directory: Path) -> None:
    pipe, path = directory / "pipe", directory / "socket"
    os.mkfifo(pipe)
    received = pool.submit(Client(path=path, timeout=T, wait=T).receive_file, pipe)
    with pipe.open("rb") as reader:
        time.sleep(0.1)
        with Server(path=path, timeout=T).open() as listening:
            sent = pool.submit(listening.send, DATA)
            assert reader.read() == DATA
            sent.result(T)
    received.result(T)


def test_a_pipe_of_the_caller_that_takes_nothing_ends_within_t_and_still_blocks(pool: ThreadPoolExecutor) -> None:
    reader, writer = os.pipe()
    port, end = raw_server(pool, frame(b"", bytes(1 << 17)))
    with pytest.raises(kcom5.Timeout, match="took no byte for 1 s"):
        Client(port=port, timeout=1).receive_file(writer)
    assert end.result(T) == "reset"
    assert os.get_blocking(writer)
    os.close(reader)
    os.close(writer)


@pytest.mark.parametrize("mode", [0o755, 0o777, 0o1755])
def test_a_link_of_another_user_counts_in_a_folder_that_is_not_shared(
    pool: ThreadPoolExecutor, directory: Path, mode: int
) -> None:
    link = directory / "link"
    link.symlink_to("target")
    try:
        os.chown(link, 1, 1, follow_symlinks=False)
    except OSError as error:
        pytest.skip(f"NOT RUN: only root can give a file away: {error.strerror}")
    directory.chmod(mode)
    receive(pool, link)
    assert (directory / "target").read_bytes() == b"abc"


@pytest.fixture(params=["unnamed", "named"])
def temporary(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a temporary file of no name, and on a system without such."""
    if request.param == "named":
        monkeypatch.delattr(os, "O_TMPFILE", raising=False)


@pytest.mark.usefixtures("temporary")
class TestWholeFile:
    def test_old_and_new_files_are_whole_and_have_their_modes(self, pool: ThreadPoolExecutor, directory: Path) -> None:
        old, new, third = directory / "old", directory / ("x" * 255), directory / "third"
        old.write_bytes(b"old")
        old.chmod(0o640)
        receive(pool, old, message_file=new)
        receive(pool, third, no_clobber=True)
        assert [path.read_bytes() for path in (old, new, third)] == [b"abc", b"hi", b"abc"]
        assert [stat.S_IMODE(path.stat().st_mode) for path in (old, new, third)] == [0o640, 0o600, 0o600]
        assert files_in(directory) == ["old", "third", new.name]

    def test_no_clobber_keeps_a_file_that_came_meanwhile(self, pool: ThreadPoolExecutor, directory: Path) -> None:
        target = directory / "target"

        def came(*_: object) -> None:
            target.write_bytes(b"theirs")

        with pytest.raises(kcom5.Io, match="target: exists already"):
            receive(pool, target, no_clobber=True, message_file=directory / "message", progress=came)
        assert files_in(directory) == ["target"]
        assert target.read_bytes() == b"theirs"

    def test_a_file_that_is_a_mount_is_written_in_place(
        self, pool: ThreadPoolExecutor, directory: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def busy(*_: object) -> None:
            raise OSError(errno.EBUSY, "")

        monkeypatch.setattr(Folder, "replace", busy)
        target = directory / "target"
        target.write_bytes(b"longer than it will be")
        before = target.stat().st_ino
        receive(pool, target)
        assert (target.read_bytes(), target.stat().st_ino) == (b"abc", before)
        assert files_in(directory) == ["target"]

    def test_a_message_file_that_was_new_goes_again_with_the_data(
        self, pool: ThreadPoolExecutor, directory: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        publish = WholeFile.publish

        def publish_the_message(output: WholeFile) -> None:
            if output.name.endswith("target"):
                raise OSError(errno.EIO, "")
            publish(output)

        monkeypatch.setattr(WholeFile, "publish", publish_the_message)
        (directory / "old").write_bytes(b"old")
        for name in ("new", "old"):
            with pytest.raises(kcom5.Io, match="target: "):
                receive(pool, directory / "target", message_file=directory / name)
        assert files_in(directory) == ["old"]
        assert (directory / "old").read_bytes() == b"hi"
