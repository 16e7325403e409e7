"""Where received data goes: links, pipes, names, modes, files of other users, and waits that end."""

from __future__ import annotations

import errno
import os
import select
import socket
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import raw
from ends import DATA, MIB, OTHER, T, end_of, files_in, frame, needs_other, no_client_came, raw_server, reason

import kcom5
from kcom5 import Client, Server
from kcom5.output import Folder, WholeFile


def receive(pool: ThreadPoolExecutor, target: object, octets: bytes = frame(b"hi", b"abc"), **fields: object) -> Client:
    """Receive from a raw server into a target."""
    port, served = raw_server(pool, octets)
    client = Client(port=port, timeout=T, **fields)  # type: ignore[arg-type]
    client.receive_file(target)  # type: ignore[arg-type]
    served.result(T)
    return client


def refuse(target: object, detail: str, **fields: object) -> kcom5.KcomError:
    """Ask for a target that is refused before anybody is asked to send."""
    with raw.listen("tcp6") as server:
        client = Client(port=server.getsockname()[1], **{"timeout": T, **fields})  # type: ignore[arg-type]
        with pytest.raises(kcom5.KcomError) as caught:
            client.receive_file(target)  # type: ignore[arg-type]
        assert no_client_came(server)
    assert caught.value.detail == detail
    return caught.value


@pytest.fixture(params=["unnamed", "named"])
def temporary(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """With a temporary file of no name, and on a system without such."""
    if request.param == "named":
        monkeypatch.delattr(os, "O_TMPFILE", raising=False)
    return str(request.param)


@pytest.mark.usefixtures("temporary")
class TestWholeFile:
    def test_it_takes_the_mode_of_the_file_it_replaces(self, pool: ThreadPoolExecutor, directory: Path) -> None:
        target = directory / "target"
        target.write_bytes(b"old")
        target.chmod(0o640)
        receive(pool, target)
        assert target.read_bytes() == b"abc"
        assert stat.S_IMODE(target.stat().st_mode) == 0o640
        assert files_in(directory) == ["target"]

    def test_a_name_of_255_bytes_can_be_written(self, pool: ThreadPoolExecutor, directory: Path) -> None:
        target = directory / ("x" * 255)
        receive(pool, target)
        receive(pool, target, frame(b"", b"again"))
        assert target.read_bytes() == b"again"
        assert files_in(directory) == [target.name]

    def test_a_link_is_followed_and_stays(self, pool: ThreadPoolExecutor, directory: Path) -> None:
        (directory / "folder").mkdir()
        (directory / "link").symlink_to("folder/next")
        (directory / "folder/next").symlink_to("target")
        receive(pool, directory / "link", message_file=directory / "message")
        assert (directory / "link").is_symlink()
        assert (directory / "folder/target").read_bytes() == b"abc"
        assert (directory / "message").read_bytes() == b"hi"

    def test_no_clobber_makes_a_new_file(self, pool: ThreadPoolExecutor, directory: Path) -> None:
        receive(pool, directory / "target", no_clobber=True)
        assert files_in(directory) == ["target"]

    def test_no_clobber_keeps_a_file_that_came_meanwhile(self, pool: ThreadPoolExecutor, directory: Path) -> None:
        target = directory / "target"
        port, end = raw_server(pool, frame(b"hi", b"abc"), then=end_of)

        def came(done: int, total: int) -> None:
            target.write_bytes(b"theirs")

        client = Client(port=port, timeout=T, no_clobber=True, message_file=directory / "message", progress=came)
        with pytest.raises(kcom5.Io, match="target: exists already") as caught:
            client.receive_file(target)
        assert caught.value.about == "exists"
        assert end.result(T) == "reset"
        assert target.read_bytes() == b"theirs"
        assert files_in(directory) == ["target"]

    def test_a_file_that_is_a_mount_is_written_in_place(
        self, pool: ThreadPoolExecutor, directory: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def busy(*_: object) -> None:
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))

        monkeypatch.setattr(Folder, "replace", busy)
        target = directory / "target"
        target.write_bytes(b"longer than it will be")
        before = target.stat().st_ino
        receive(pool, target)
        assert (target.read_bytes(), target.stat().st_ino) == (b"abc", before)
        assert files_in(directory) == ["target"]

    def test_a_failing_write_of_the_message_delivers_nothing(self, directory: Path, pool: ThreadPoolExecutor) -> None:
        port, end = raw_server(pool, frame(b"hi", b"abc"), then=end_of)
        with pytest.raises(kcom5.Io, match=r"^io: /dev/full: "):
            Client(port=port, timeout=T, message_file="/dev/full").receive_file(directory / "target")
        assert end.result(T) == "reset"
        assert files_in(directory) == []

    def test_a_message_file_that_was_new_goes_again_with_the_data(
        self, pool: ThreadPoolExecutor, directory: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        publish = WholeFile.publish

        def fail(output: WholeFile) -> None:
            if output.name.endswith("target"):
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            publish(output)

        monkeypatch.setattr(WholeFile, "publish", fail)
        (directory / "old").write_bytes(b"old")
        for name, left in (("message", []), ("old", [b"hi"])):
            port, end = raw_server(pool, frame(b"hi", b"abc"), then=end_of)
            with pytest.raises(kcom5.Io, match="target: "):
                Client(port=port, timeout=T, message_file=directory / name).receive_file(directory / "target")
            assert end.result(T) == "reset"
            assert [path.read_bytes() for path in directory.iterdir() if path.name != "old"] == []
            assert left in ([], [(directory / "old").read_bytes()])


def test_what_is_refused_is_named_as_it_was_given(directory: Path) -> None:
    (directory / "loop").symlink_to("loop")
    (directory / "folder-link").symlink_to(".")
    (directory / "file").write_bytes(b"old")
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(directory / "socket"))
    for name, what in {
        "loop": reason(errno.ELOOP),
        "folder-link": "is a directory",
        ".": "is a directory",
        "new/": reason(errno.ENOENT),
        "file/": reason(errno.ENOTDIR),
        "socket": reason(errno.ENXIO),
        "no/file": reason(errno.ENOENT),
    }.items():
        refuse(f"{directory}/{name}", f"{directory}/{name}: {what}")
    refuse(f"{directory}/file", f"{directory}/file: exists already", no_clobber=True)
    error = refuse(
        directory / "x", f"{directory}/file: exists already", no_clobber=True, message_file=directory / "file"
    )
    assert error.about == "exists"
    assert files_in(directory) == ["file", "folder-link", "loop", "socket"]


@needs_other
def test_a_file_without_write_permission_is_not_replaced(directory: Path) -> None:
    target = directory / "target"
    target.write_bytes(b"theirs")
    target.chmod(0o644)
    directory.chmod(0o777)
    os.seteuid(OTHER)
    try:
        refuse(target, f"{target}: {reason(errno.EACCES)}")
    finally:
        os.seteuid(0)
    assert target.read_bytes() == b"theirs"


@needs_other
@pytest.mark.parametrize("kind", ["link", "pipe"])
def test_what_another_user_planted_in_a_shared_folder_does_not_count(
    pool: ThreadPoolExecutor, directory: Path, kind: str
) -> None:
    directory.chmod(0o1777)
    (directory / "victim").write_bytes(b"mine")
    planted = directory / "planted"
    if kind == "link":
        planted.symlink_to("victim")
    else:
        os.mkfifo(planted, 0o666)
    os.chown(planted, OTHER, OTHER, follow_symlinks=False)
    detail = f"{planted}: belongs to another user in a shared folder"
    refuse(planted, detail)
    refuse(directory / "data", detail, message_file=planted)
    assert (directory / "victim").read_bytes() == b"mine"
    # The folder's owner may plant what he likes, and a folder that is not shared is the caller's own affair.
    for owner, mode in ((OTHER, 0o1777), (0, 0o755)):
        os.chown(directory, owner, owner)
        directory.chmod(mode)
        if kind == "link":
            receive(pool, planted)
            assert (directory / "victim").read_bytes() == b"abc"
        else:
            reader = os.open(planted, os.O_RDONLY | os.O_NONBLOCK)
            receive(pool, planted)
            assert os.read(reader, 10) == b"abc"
            os.close(reader)


@pytest.mark.parametrize("name", ["/dev/fd/{}", "/proc/self/fd/{}", "/proc/{pid}/fd/{}", "link"])
def test_a_descriptor_by_its_path_is_written_in_place(pool: ThreadPoolExecutor, directory: Path, name: str) -> None:
    path = directory / "target"
    with path.open("wb") as file:
        file.write(b"first ")
        file.flush()
        target = Path(name.format(file.fileno(), pid=os.getpid()))
        if name == "link":
            target = directory / "link"
            target.symlink_to(f"/proc/self/fd/{file.fileno()}")
        receive(pool, target)
        assert os.lseek(file.fileno(), 0, os.SEEK_CUR) == 9
    assert path.read_bytes() == b"first abc"


def test_a_pipe_without_a_reader_ends_within_t(directory: Path) -> None:
    os.mkfifo(directory / "pipe")
    detail = f"{directory}/pipe: no process opened it for reading within 1 s"
    assert refuse(directory / "pipe", detail, timeout=1).name == "timeout"


def test_a_pipe_is_opened_once_over_all_tries(pool: ThreadPoolExecutor, directory: Path) -> None:
    os.mkfifo(directory / "pipe")
    client = Client(path=directory / "socket", timeout=T, wait=T)
    received = pool.submit(client.receive_file, directory / "pipe")
    with (directory / "pipe").open("rb") as reader:
        select.select([], [], [], 0.1)
        with Server(path=directory / "socket", timeout=T).open() as listening:
            sent = pool.submit(listening.send, DATA)
            assert reader.read() == DATA
            sent.result(T)
    assert received.result(T) == len(DATA)


@pytest.mark.parametrize("is_inherited", [False, True])
def test_a_pipe_that_takes_nothing_ends_within_t(pool: ThreadPoolExecutor, directory: Path, is_inherited: bool) -> None:
    os.mkfifo(directory / "pipe")
    reader = os.open(directory / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    writer = os.open(directory / "pipe", os.O_WRONLY)
    port, end = raw_server(pool, frame(b"", DATA[:MIB]), then=end_of)
    with pytest.raises(kcom5.Timeout, match="took no byte for 1 s"):
        Client(port=port, timeout=1).receive_file(writer if is_inherited else directory / "pipe")
    assert os.get_blocking(writer)
    os.close(reader)
    os.close(writer)
    assert end.result(T) == "reset"


@pytest.mark.parametrize("octets", [b"", b"a", b"abc" * 1000], ids=["none", "one", "many"])
@pytest.mark.parametrize("to", ["data", "message"])
def test_a_full_disk_is_never_a_success_of_the_sender(
    pool: ThreadPoolExecutor, directory: Path, octets: bytes, to: str
) -> None:
    if to == "data" and not octets:
        return
    places: list[dict[str, Any]] = [{"port": 0}, {"path": directory / "socket"}]
    for place in places:
        with Server(message="hi", timeout=T, **place).open() as listening:
            sent = pool.submit(listening.send, octets)
            client = Client(timeout=T, **({"port": listening.port} if "port" in place else place))
            client.message_file = "/dev/full" if to == "message" else None
            with pytest.raises(kcom5.Io, match=reason(errno.ENOSPC)):
                client.receive_file("/dev/full" if to == "data" else directory / "target")
            with pytest.raises(kcom5.Unconfirmed):
                sent.result(T)
    assert files_in(directory) == []
