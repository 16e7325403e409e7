"""A hexdump of an implementation's bytes with the names of their fields, as in `spec/kcom5.md`, Wire format."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

ROW = 16
"""Bytes in a row of a hexdump."""


# Fields


@dataclass(frozen=True)
class Field:
    """Bytes `start` to `end` (exclusive) of a stream, with the name of the field."""

    name: str
    start: int
    end: int


def fields(stream: bytes, role: str) -> list[Field]:
    """Returns the fields of an implementation's stream, as far as it goes. A client sends only a hello."""
    sizes: list[tuple[str, int]] = [("hello magic" if role == "client" else "echo magic", 5), ("nonce", 3)]
    if role != "client":
        message = int.from_bytes(stream[8:12], "little")
        at = 12 + message
        sizes += [("message length", 4), ("message", message), ("data length", 8)]
        sizes.append(("data", int.from_bytes(stream[at : at + 8], "little")))
    found, start = [], 0
    for name, size in [*sizes, ("surplus", len(stream))]:
        end = min(start + size, len(stream))
        if end > start:
            found.append(Field(name, start, end))
        start = end
    return found


def field_at(stream: bytes, role: str, at: int) -> str:
    """Returns the name of the field at this offset, also beyond the end of the stream."""
    return _named(fields(stream.ljust(at + 1, b"\0"), role), at)


def first_wrong(got: bytes, expected: bytes) -> int | None:
    """Returns the offset of the first byte that differs, is missing or is surplus."""
    for at, (one, other) in enumerate(zip(got, expected, strict=False)):
        if one != other:
            return at
    return None if len(got) == len(expected) else min(len(got), len(expected))


def _named(parts: Iterable[Field], at: int) -> str:
    return next((part.name for part in parts if part.start <= at < part.end), "surplus")


# Hexdump


@dataclass(frozen=True)
class Row:
    """A row of a hexdump with up to 16 bytes. If `skipped` is not 0, it stands for that many omitted rows."""

    offset: int
    octets: tuple[str, ...] = ()
    text: str = ""
    names: tuple[str, ...] = ()
    """The field of each byte."""
    wrong: int | None = None
    """The index of the first wrong byte, or one past the end if a byte is missing."""
    expected: tuple[str, ...] = ()
    """The expected bytes of the row with the first wrong byte, as far as they are known."""
    skipped: int = 0

    @property
    def label(self) -> str:
        """The fields of the row, in order."""
        return ", ".join(dict.fromkeys(self.names))


def annotate(stream: str, role: str, at: int | None = None, expected: str = "") -> list[Row]:
    """Returns a hexdump of an implementation's stream (hexadecimal), with the field name of each byte.

    The first wrong byte is `at`, or is found by comparison if `expected` is given. Long streams are reduced to the rows
    of the head, the wrong byte and the end.
    """
    octets, wanted = bytes.fromhex(stream), bytes.fromhex(expected)
    if at is None and wanted:
        at = first_wrong(octets, wanted)
    # The expected fields give better names, because wrong lengths would shift the fields.
    parts = fields(wanted + b"\0" * max(0, len(octets) - len(wanted)), role) if wanted else fields(octets, role)
    count = max((len(octets) + ROW - 1) // ROW, 1 if at is not None else 0)
    if at is not None and at == len(octets) and at % ROW == 0 and at:
        count += 1
    wrong_row = at // ROW if at is not None and at // ROW < count else None
    kept = {row for row in range(count) if row < 4 or row == count - 1}
    if wrong_row is not None:
        kept |= {row for row in range(wrong_row - 1, wrong_row + 3) if 0 <= row < count}
    rows: list[Row] = []
    for number in range(count):
        if number not in kept and not (number - 1 in kept and number + 1 in kept):
            if rows[-1].skipped:
                rows[-1] = Row(rows[-1].offset, skipped=rows[-1].skipped + 1)
            else:
                rows.append(Row(number * ROW, skipped=1))
            continue
        start = number * ROW
        piece = octets[start : start + ROW]
        rows.append(
            Row(
                start,
                tuple(f"{octet:02x}" for octet in piece),
                "".join(chr(octet) if 0x20 <= octet < 0x7F else "." for octet in piece),
                tuple(_named(parts, start + index) for index in range(len(piece))),
                at - start if at is not None and number == wrong_row else None,
                tuple(f"{octet:02x}" for octet in wanted[start : start + ROW]) if number == wrong_row else (),
            )
        )
    return rows


def hexdump(rows: Iterable[Row]) -> str:
    """Returns the rows as plain text, with `^^` under the first wrong byte."""
    lines = []
    for row in rows:
        if row.skipped:
            lines.append(f"          … {row.skipped} more row{'s' if row.skipped > 1 else ''}")
            continue
        lines.append(f"{row.offset:08x}  {' '.join(row.octets):<47}  |{row.text:<16}|")
        if row.wrong is not None:
            lines.append(" " * (10 + 3 * row.wrong) + "^^ first wrong octet")
            if row.expected:
                lines.append(f"expected  {' '.join(row.expected)}")
        lines.append(f"          {row.label}")
    return "\n".join(line.rstrip() for line in lines)
