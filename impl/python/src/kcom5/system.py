"""System errors as the texts and errors of KCOM5; names of places and files.

Does: paths and names for people, system errors as Io. Does not: open anything.
"""

from __future__ import annotations

import mmap
import os
import socket
import sys
from contextlib import suppress
from typing import BinaryIO

from .errors import Io, KcomError

Data = bytes | bytearray | memoryview | mmap.mmap
"""Bytes to send: one of these types, or another with the buffer protocol."""

Path = str | bytes | os.PathLike[str] | os.PathLike[bytes]
File = Path | int | BinaryIO
"""A file: its path, a descriptor, or an open file with one."""

Place = str | tuple[str, int]
"""The place of a server, as the socket API takes it: a path, or a host and a port."""

MAX_PATH = 107 if sys.platform == "linux" else 103
"""The most bytes in the path of a socket file: the kernel's address without the final NUL."""


def close_read(descriptor: int) -> None:
    """Close a descriptor that nothing was written to, so that an error loses nothing."""
    with suppress(OSError):
        os.close(descriptor)


def reason(error: Exception) -> str:
    """Return the kernel's text for an error, in lower case as within a sentence: "no such file or directory"."""
    text = getattr(error, "strerror", None)
    if text:
        return str(text) if text[1:2].isupper() else text[:1].lower() + text[1:]
    return str(error) or type(error).__name__


class as_io:
    """Turns a system error of a file into Io. A class, because a generator costs twice as much in each exchange."""

    def __init__(self, what: str, about: str = "") -> None:
        self._what, self._about = what, about

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, (OSError, ValueError, MemoryError)) and not isinstance(error, KcomError):
            raise Io(f"{self._what}: {reason(error)}", self._about) from error


def name_of_file(file: File) -> str:
    """Return a file's name as the caller gave it."""
    if isinstance(file, (str, bytes, os.PathLike)):
        return os.fsdecode(file)
    if isinstance(file, int):
        return {0: "standard input", 1: "standard output", 2: "standard error"}.get(file, f"descriptor {file}")
    return "the open file"


def place_of(path: Path | None, ipv6: bool, port: int) -> Place:
    """Return the place that these fields select. Raises Io for a path that no socket file can have."""
    if path is None:
        return "::1" if ipv6 else "127.0.0.1", port
    if not hasattr(socket, "AF_UNIX"):
        raise Io("this system's Python has no Unix-domain sockets")
    text = os.fsdecode(path)
    size = len(os.fsencode(text))
    if not text:
        raise Io("the path is empty")
    if "\0" in text:
        raise Io(f"{text}: the path has a NUL byte")
    if size > MAX_PATH:
        raise Io(f"{text}: the path has {size} bytes, expected at most {MAX_PATH}")
    return text


def name_of(place: Place) -> str:
    """Return a place as people write it."""
    if isinstance(place, str):
        return place
    host, port = place
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def write_all(descriptor: int, octets: Data) -> None:
    """Write all of it to a descriptor that blocks."""
    view = memoryview(octets)
    while view:
        view = view[os.write(descriptor, view) :]
