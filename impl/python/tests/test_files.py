"""Sources and targets that the programs' tests do not reach: open files, and a system without unnamed files."""

from __future__ import annotations

import errno
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from ends import DATA, T, exchange, files_in, frame, raw_server

import kcom5
from kcom5 import Client
from kcom5.output import Folder
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


@pytest.fixture
def no_unnamed_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "O_TMPFILE", raising=False)


@pytest.mark.usefixtures("no_unnamed_files")
class TestNamedTemporaryFile:
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
