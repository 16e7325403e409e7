"""Keys and addresses for the program: from a file, a variable or standard input, never from the command line.

Does: reads them, and keeps them out of messages, core dumps and memory as far as Python can. Does not: use them.
"""

from __future__ import annotations

import os
import re
import stat
import sys

from .address import unpack
from .errors import InvalidAddress, InvalidKey, Io
from .stream import PIECE
from .system import as_io
from .words import Words

_SECRET = "there is no such file; an address or a key is not given on the command line, but in a file, as env:NAME or "
_SECRET += "on standard input"
_LOOKS_SECRET = re.compile(r"[0-9A-Fa-f.: ]+")


def check_file(name: str) -> None:
    """Raise Io, without the name, if this is not a file but may be an address or a key."""
    if _LOOKS_SECRET.fullmatch(name) and not os.path.lexists(name):
        raise Io(_SECRET)


def hide() -> None:
    """Keep other processes of this user, and core dumps, from reading this process's memory; on Linux."""
    if sys.platform == "linux":
        try:
            import ctypes

            ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)  # PR_SET_DUMPABLE
        except (ImportError, OSError, AttributeError):
            # A Python without ctypes.
            pass


def read_address(words: Words, source: str) -> tuple[int, bytes]:
    """Return the port and key of an address. Raises InvalidAddress and Io."""
    octets = _read(words, source)
    try:
        text = octets.decode("utf-8", "surrogateescape")
        if any("\udc80" <= character <= "\udcff" for character in text):
            raise InvalidAddress(f"got a text of {len(octets)} bytes that is not PORT.HH.HH…")
        return unpack(text)
    finally:
        wipe(octets)


def read_key(words: Words, source: str) -> bytearray:
    """Return the key that is written in hexadecimal. Raises InvalidKey and Io. The caller wipes it."""
    octets = _read(words, source)
    try:
        digits = octets.translate(None, b" \t\r\n\v\f")
        try:
            if not re.fullmatch(rb"(?:[0-9A-Fa-f]{2})*", digits):
                raise InvalidKey(f"got {len(digits)} characters, expected pairs of hexadecimal digits")
            return bytearray.fromhex(digits.decode())
        finally:
            wipe(digits)
    finally:
        wipe(octets)


def wipe(octets: bytearray) -> None:
    """Overwrite a key with zeros."""
    octets[:] = bytes(len(octets))


def _read(words: Words, source: str) -> bytearray:
    """Return the content of a SOURCE, without one trailing line end."""
    hide()
    name = source.removeprefix("env:")
    octets = _read_file(words, source) if name == source else _read_variable(name)
    for end in (b"\r\n", b"\n"):
        if octets.endswith(end):
            del octets[-len(end) :]
            break
    return octets


def _read_variable(name: str) -> bytearray:
    value = os.environ.get(name)
    if value is None:
        if _LOOKS_SECRET.fullmatch(name):
            raise Io(_SECRET)
        raise Io(f"there is no environment variable {name}")
    return bytearray(os.fsencode(value))


def _read_file(words: Words, name: str) -> bytearray:
    octets = bytearray()
    if name == "-":
        if 0 in words.closed:
            raise Io("standard input is closed")
        descriptor, shown = os.dup(0), "standard input"
    else:
        check_file(name)
        shown = name
        with as_io(shown):
            descriptor = os.open(name, os.O_RDONLY)
    try:
        with as_io(shown):
            mode = os.fstat(descriptor).st_mode
            if stat.S_ISDIR(mode):
                raise Io(f"{shown}: is a directory")
            if name != "-" and stat.S_ISREG(mode) and mode & (stat.S_IRGRP | stat.S_IROTH):
                words.warn_of_file(name)
            while len(octets) < PIECE and (piece := os.read(descriptor, PIECE - len(octets))):
                octets += piece
    finally:
        os.close(descriptor)
    return octets
