"""A recorded exchange, and how to read one from text or from two files of bytes."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from .. import files
from ..errors import UsageError
from ..escape import one_line
from ..results import Problem

MAGIC = b"KCOM5"
Who = Literal["client", "server"]
What = Literal["connect", "octets", "end", "reset"]


@dataclass(frozen=True)
class Rung:
    """One act of an end."""

    at: float | None
    """Seconds from the connection's first packet; None if the record has no times."""
    who: Who
    what: What
    octets: bytes = b""
    offset: int = 0
    """The offset of the bytes in the stream of this end."""


@dataclass
class Connection:
    """One connection of a record, reassembled, and its verdict."""

    name: str
    client: bytes
    """Everything that the client sent."""
    server: bytes
    rungs: list[Rung]
    notes: list[str] = field(default_factory=list)
    """Remarks that are not faults: retransmissions, bytes that the capture lacks."""
    is_whole: bool = True
    """Whether the record is complete; otherwise nothing was judged."""
    has_ends: bool = True
    """Whether the record shows how the connection ended."""
    is_open: bool = False
    """Whether the record stops before either end did: more may have come."""
    problems: list[Problem] = field(default_factory=list)


@dataclass
class Verdicts:
    """The result of `verify`."""

    source: str
    connections: list[Connection]
    notes: list[str] = field(default_factory=list)

    def word(self, *, strict: bool = False) -> str:
        """Returns `conforms`, `does not conform`, or `not judged`. The last means that no connection breaks a rule, and
        the record of at least one is incomplete. `strict` includes every SHOULD."""
        problems = [problem for connection in self.connections for problem in connection.problems]
        if any(strict or problem.level == "MUST" for problem in problems):
            return "does not conform"
        is_whole = self.connections and all(connection.is_whole for connection in self.connections)
        return "conforms" if is_whole else "not judged"

    def is_ok(self, *, strict: bool = False) -> bool:
        """Returns whether every connection is complete and keeps every MUST; with `strict` also every SHOULD."""
        return self.word(strict=strict) == "conforms"


MOST_READ = 256 << 20
"""The largest record, in bytes."""


def read(path: Path) -> bytes:
    most = f"at most {MOST_READ >> 20} MiB"
    hint = f"a record is a capture of one port of the loopback interface, or lines `> HEX` and `< HEX`, {most}"
    return files.read(path, MOST_READ, hint)


def from_lines(path: Path, octets: bytes) -> list[tuple[Who, bytes]]:
    pieces: list[tuple[Who, bytes]] = []
    hint = "give a pcap, a pcapng, a text of lines `> HEX` and `< HEX`, or two files of octets: CLIENT --server SERVER"
    try:
        text = octets.decode()
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is neither a capture nor a text of octets", hint) from error
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        try:
            if line[0] not in "<>":
                raise ValueError
            pieces.append(("client" if line[0] == ">" else "server", bytes.fromhex(line[1:])))
        except ValueError as error:
            shown = one_line(repr(line[:60]))
            raise UsageError(f"{path}, line {number}: got {shown}, expected `> HEX` or `< HEX`", hint) from error
    if not pieces:
        raise UsageError(f"{path} has no octets", hint)
    return pieces


def from_pieces(pieces: list[tuple[Who, bytes]]) -> Connection:
    streams: dict[Who, bytearray] = {"client": bytearray(), "server": bytearray()}
    rungs = []
    for who, octets in pieces:
        rungs.append(Rung(None, who, "octets", octets, len(streams[who])))
        streams[who] += octets
    notes = ["the record does not tell how the connection ended"]
    client, server = bytes(streams["client"]), bytes(streams["server"])
    return Connection("the exchange", client, server, rungs, notes, has_ends=False)
