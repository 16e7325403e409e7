"""The folder of a case. The files that a case makes in it are recorded for a reproduction."""

from __future__ import annotations

import os
import socket
import stat
import tempfile
from functools import cached_property
from pathlib import Path

from ..report.acts import Act
from ..results import Json

MOST_FILE = 1 << 20
"""Bytes of a file that is read for a reproduction. `write` makes larger ones."""


class Files:
    """The folder of one case, made when it is first used."""

    def __init__(self, acts: list[Act]) -> None:
        self._acts = acts
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        self.made: set[Path] = set()
        """The files whose acts are recorded."""

    @cached_property
    def folder(self) -> Path:
        """The folder, empty at the start. It may be replaced before it is first used."""
        self._temporary = tempfile.TemporaryDirectory(prefix="kcom5-")
        return Path(self._temporary.name)

    @property
    def name(self) -> str:
        """Returns the path of the folder; empty if it was not used."""
        return str(self.folder) if "folder" in self.__dict__ else ""

    def write(self, name: str, octets: bytes) -> Path:
        """Makes a file."""
        path = self.folder / name
        path.write_bytes(octets)
        return self._record("file", path, octets)

    def sparse(self, name: str, size: int) -> Path:
        """Makes a file of zeros that takes no space. Raises OSError."""
        path = self.folder / name
        with path.open("wb") as file:
            os.truncate(file.fileno(), size)
        return self._record("file", path, size)

    def link(self, name: str, target: str) -> Path:
        """Makes a symbolic link."""
        path = self.folder / name
        path.symlink_to(target)
        return self._record("link", path, target)

    def pipe(self, name: str) -> Path:
        """Makes a pipe."""
        path = self.folder / name
        os.mkfifo(path)
        return self._record("pipe", path)

    def dead_socket(self, name: str) -> Path:
        """Makes the file of a socket that nobody has open.

        Where the system allows it there never was a socket: a new process may briefly hold a copy of one, between
        fork() and exec().
        """
        path = self.folder / name
        try:
            os.mknod(path, stat.S_IFSOCK | 0o777)
        except (AttributeError, OSError):
            with socket.socket(socket.AF_UNIX) as dead:
                dead.bind(str(path))
        return self._record("socket", path, False)

    def bound_socket(self, path: Path) -> None:
        """Records the socket that the case has bound at this path."""
        self._record("socket", path, True)

    def make_folder(self, name: str) -> Path:
        """Makes a folder, and those above it."""
        path = self.folder / name
        path.mkdir(parents=True)
        return self._record("folder", path)

    def truncate(self, path: Path, size: int) -> None:
        os.truncate(path, size)
        self._record("truncate", path, size)

    def append(self, path: Path, octets: bytes) -> None:
        with path.open("ab") as file:
            file.write(octets)
        self._record("append", path, octets)

    def move(self, path: Path, name: str) -> Path:
        """Gives a file another name."""
        to = path.rename(self.folder / name)
        self._record("move", path, str(to))
        return to

    def give(self, path: Path, user: int) -> None:
        """Gives a file to another user."""
        os.chown(path, user, -1)
        self._record("owner", path, user)

    def _record(self, what: str, path: Path, *values: object) -> Path:
        self.made.add(path)
        if path.parent != self.folder:
            self._acts.append(Act("folder", str(path.parent)))
        self._acts.append(Act(what, (str(path), *values) if values else str(path)))
        return path

    def keep(self, request: Json) -> str:
        """Records the files and folders that a reproduction must make before this request. Returns why it cannot."""
        given = [request.get(key) for key in ("data", "message", "to")]
        paths = [one["file"] for one in given if isinstance(one, dict) and "file" in one]
        paths += [request[key] for key in ("message_file",) if key in request]
        if "path" in request and not any(act.what == "listen" for act in self._acts):
            paths.append(request["path"])
        for file in map(Path, paths):
            if not self.name or not file.is_relative_to(self.folder):
                continue  # a device, or a file of the system
            if file.parent != self.folder and file.parent.is_dir():
                self._acts.append(Act("folder", str(file.parent)))
            if file in self.made or not os.path.lexists(file):
                continue
            if not file.is_file() or file.is_symlink() or file.stat().st_size > MOST_FILE:
                return f"something must be made at the path {file.name} first, and is not a small file"
            self._acts.append(Act("file", (str(file), file.read_bytes())))
        return ""

    def clean(self) -> None:
        if self._temporary is not None:
            self._temporary.cleanup()
