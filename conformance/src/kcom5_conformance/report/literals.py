"""Bytes as Python expressions, short also for long runs of one byte and of i mod 251."""

from __future__ import annotations

import re

_COUNTER = bytes(range(251))
_TOKEN = re.compile(r"([0-9a-f]{2}|n[012])(?:\^([0-9a-f]{2}))?")
_RUN = re.compile(rb"(.)\1{63,}", re.DOTALL)


def sent(value: object) -> str:
    """Returns the sent bytes as Python."""
    if isinstance(value, bytes):
        return literal(value)
    if isinstance(value, tuple):
        written, rest = value
        return f"{_expression(written)} + {literal(rest)}" if rest else _expression(written)
    return _expression(str(value))


def _expression(text: str) -> str:
    """Returns a Python expression for these bytes, short also for long runs of one byte and of i mod 251."""
    parts: list[str] = []
    plain = bytearray()
    for token in _tokens(text):
        if isinstance(token, int):
            plain.append(token)
            continue
        if plain:
            parts.append(literal(bytes(plain)))
            plain.clear()
        parts.append(token)
    if plain or not parts:
        parts.append(literal(bytes(plain)))
    return " + ".join(parts).replace("hello[5:6] + hello[6:7] + hello[7:8]", "hello[5:8]")


def _tokens(text: str) -> list[int | str]:
    compact = "".join(text.split())
    found: list[int | str] = []
    at = 0
    while at < len(compact):
        match = _TOKEN.match(compact, at)
        if match is None:
            raise ValueError(f"no octets: {compact[at : at + 12]!r}")
        name, mask = match[1], int(match[2] or "00", 16)
        if name[0] == "n":
            index = 5 + int(name[1])
            found.append(f"hello[{index}:{index + 1}]" if not mask else f"bytes([hello[{index}] ^ {mask:#04x}])")
        else:
            found.append(int(name, 16) ^ mask)
        at = match.end()
    return found


def literal(octets: bytes) -> str:
    """Returns a Python expression for these bytes, short for long runs of one byte and of i mod 251."""
    for head in range(min(65, len(octets) - 63)):
        size = len(octets) - head
        if octets.startswith(_COUNTER[:32], head) and octets[head:] == (_COUNTER * (size // 251 + 1))[:size]:
            counted = f"(bytes(range(251)) * {size // 251 + 1})[:{size}]"
            return f"{literal(octets[:head])} + {counted}" if head else counted
    parts, at = [], 0
    for run in _RUN.finditer(octets):
        parts += [_plain(octets[at : run.start()]), f"bytes([{octets[run.start()]}]) * {run.end() - run.start()}"]
        at = run.end()
    return " + ".join(part for part in [*parts, _plain(octets[at:])] if part) or 'b""'


def _plain(octets: bytes) -> str:
    return f'bytes.fromhex("{octets.hex(" ") if len(octets) <= 64 else octets.hex()}")' if octets else ""
