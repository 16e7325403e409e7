"""Judges a record, and writes the verdict as text."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

from rich.console import Console

from ..errors import UsageError
from ..escape import safe
from .capture import from_capture, is_capture
from .judge import judge_connection
from .record import Rung, Verdicts, Who, from_lines, from_pieces, read


def verify(path: Path, server: Path | None = None) -> Verdicts:
    """Judges a capture, or a text file of lines `> HEX` (client to server) and `< HEX` (server to client). With
    `server`, the two files have the bytes of the client and of the server. Raises `UsageError` if there are none."""
    if str(path) == str(server) == "-":
        raise UsageError("both files are standard input", "give one of them by its name")
    octets = read(path)
    if server is not None:
        pieces: list[tuple[Who, bytes]] = [("client", octets), ("server", read(server))]
        verdicts = Verdicts(f"{path} and {server}", [from_pieces(pieces)])
    elif is_capture(octets):
        verdicts = from_capture(path, octets)
    else:
        verdicts = Verdicts(str(path), [from_pieces(from_lines(path, octets))])
    for connection in verdicts.connections:
        if connection.is_whole:
            judge_connection(connection)
    return verdicts


CODES = {"conforms": 0, "does not conform": 1, "not judged": 5}
"""The exit code of each verdict."""


def show(path: Path, console: Console, server: Path | None = None, *, strict: bool = False) -> int:
    """Prints the verdict and returns its exit code."""
    verdicts = verify(path, server)
    text = to_text(verdicts, strict=strict)
    console.print(text, end="", markup=False, highlight=False, soft_wrap=True)
    return CODES[verdicts.word(strict=strict)]


def to_text(verdicts: Verdicts, *, strict: bool = False) -> str:
    """Returns the verdict and the ladder of each connection with the capture's times."""
    lines = [f"{verdicts.source}: {verdicts.word(strict=strict)}"]
    lines += [f"note: {note}" for note in verdicts.notes]
    for connection in verdicts.connections:
        lines += ["", connection.name, ""]
        for _, group in groupby(connection.rungs, lambda rung: (rung.what, rung.who)):
            lines += _ladder(list(group))
        lines += [""] + [f"  note: {note}" for note in connection.notes]
        for problem in connection.problems:
            where = "" if problem.at is None else f" (at offset {problem.at})"
            lines += [f"  {problem.rule} ({problem.level}){where}"]
            lines += [f"    got       {problem.got}", f"    expected  {problem.expected}"]
        if not connection.is_whole:
            lines += ["  not judged: the record is not complete"]
        elif not connection.problems:
            lines += ["  every rule that the record can show is kept"]
    return safe("\n".join(lines)) + "\n"


_SHOWN = 8
"""The most pieces of a run by one end that are shown."""


def _ladder(rungs: list[Rung]) -> list[str]:
    if len(rungs) <= _SHOWN:
        return [_rung_line(rung) for rung in rungs]
    hidden = rungs[_SHOWN - 1 : -1]
    size = sum(len(rung.octets) for rung in hidden)
    more = f"{' ' * 26}… {len(hidden):,} more pieces, {size:,} octets"
    return [*(_rung_line(rung) for rung in rungs[: _SHOWN - 1]), more, _rung_line(rungs[-1])]


_WORDS = {"connect": "connects", "end": "FIN", "reset": "RST"}


def _rung_line(rung: Rung) -> str:
    time = " " * 12 if rung.at is None else f"{rung.at:11.6f}s"
    arrow = "client ──►" if rung.who == "client" else "◄── server"
    if rung.what != "octets":
        return f"{time}  {arrow}  {_WORDS[rung.what]}"
    shown = rung.octets[:16].hex(" ") + (" …" if len(rung.octets) > 16 else "")
    return f"{time}  {arrow}  {len(rung.octets):,} octets at {rung.offset:,}: {shown}"
