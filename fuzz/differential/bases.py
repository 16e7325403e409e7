"""The vectors as lines for the sets `changes` and `replay`, and what each line of `replay` must come to.

What must come is computed from the vector's outcome, not by an implementation. The lines' format: README.md.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "impl/python/tests"))

from engine import OUTCOMES  # noqa: E402

import vectors  # noqa: E402 - found by the line above

EVENTS = {"half-close": "end", "close": "end", "reset": "reset", "stall": "timeout"}
MOST = 256  # octets of a base whose every octet is changed; longer ones are the same fields with more of the same data
BIG = 1 << 20
HELLO_SENT = 1
HALF_CLOSED = 2

Run = list[bytes]


def word_of(octets: bytes) -> str:
    """Octets as a word of a line; of long ones the part that repeats is told by what it repeats."""
    if len(octets) > 4096:
        for head in range(64):
            for period in (1, 251):
                fill = octets[head : head + period]
                if octets[head : head + 1024] != (fill * 1024)[:1024]:
                    continue
                same = fill * (len(octets) // period + 1)
                for end in range(len(octets), len(octets) - 32, -1):
                    if octets[head:end] == same[: end - head]:
                        return f"x{octets[:head].hex()}+r{end - head}*{fill.hex()}+x{octets[end:].hex()}"
    return "x" + octets.hex()


def setting_of(vector: vectors.Vector, role: str = "") -> str:
    role = role or vector.role[0]
    if role[0] == "c":
        limits = vector.give.get("limits", {})
        return f"{role} {limits.get('message', '-')} {limits.get('data', '-')}"
    return f"{role} {word_of(vector.message)} {len(vector.data)}"


def row_line(vector: vectors.Vector) -> str:
    given = vector.give["in"]
    if vector.role == "message":
        return f"l {given['size']}"
    if vector.role == "unpack":
        return f"u {word_of(given.encode())}"
    return f"p {given['port']} {word_of(bytes.fromhex(given['key']))}"


def changed() -> list[str]:
    """A line for each different input that is a vector's, its octets in one piece."""
    found: dict[str, None] = {}
    for vector in vectors.load():
        if vector.role == "unpack":
            found.setdefault(row_line(vector))
        elif vector.role in ("client", "server"):
            sent = b"".join(vectors.joined(step[1:]) for step in vector.steps if step[0] == "send")
            if sent and len(sent) <= MOST:
                found.setdefault(f"{setting_of(vector)} connected {word_of(sent)}")
    return sorted(found)


def pieces(runs: list[Run], way: str, at: int = 0) -> list[Run]:
    """The runs as one of the ways of vectors/README.md has them."""
    if way == "as given":
        return runs
    joined = [b"".join(run) for run in runs]
    if way == "octet by octet":
        return [[*(run[i : i + 1] for i in range(min(len(run), 4096))), *filter(None, [run[4096:]])] for run in joined]
    if way == "cut":
        return [[run[:at], run[at:]] if at < len(run) else [run] for run in joined]
    return [[run] for run in joined]


def acts_of(vector: vectors.Vector) -> list[bytes | str | list[bytes]]:
    """Runs, as lists, and events; a server is told `sent` when the first run that it answers is over."""
    acts: list[Any] = []
    for kind, *words in vector.steps:
        if kind == "send":
            if not acts or not isinstance(acts[-1], list):
                acts.append([])
            acts[-1].append(vectors.joined(words))
        elif kind.startswith("expect"):
            acts.append("")  # ends a run
        elif kind in EVENTS:
            acts.append(EVENTS[kind])
    return [act for act in acts if act != ""]


def expected(vector: vectors.Vector) -> bytes:
    """The record that a peer must make."""
    outcome = vector.outcome
    place = OUTCOMES.index(outcome.get("error", "ok"))
    if vector.role in ("pack", "message"):
        out: str = outcome.get("out", "")
        return bytes((place,)) + out.encode()
    if vector.role == "unpack":
        if "error" in outcome:
            return bytes((place,))
        key = bytes.fromhex(outcome["out"]["key"])
        port: int = outcome["out"]["port"]
        groups = vector.give["in"].count(".")
        text = f"{port}." + key[:groups].hex(".")
        return bytes((0,)) + port.to_bytes(2, "little") + key + text.encode()
    if vector.role == "client":
        head = bytes((place, 0 if vector.setup == "nobody" else HELLO_SENT)) + offset_of(vector)
        if place:
            return head
        message = vectors.text_octets(outcome.get("message", ""))
        data = vectors.octets(outcome.get("data", ""))
        return head + len(message).to_bytes(4, "little") + message + len(data).to_bytes(8, "little") + data
    if outcome.get("error") == "message-not-utf8":
        return bytes((place,))
    sent = b"".join(vectors.joined(step[1:]) for step in vector.steps if step[0] == "expect")
    sent = sent[: len(sent) - len(vector.data)] if sent else sent
    flags = HALF_CLOSED if sent else 0
    return bytes((place, flags)) + offset_of(vector) + len(sent).to_bytes(4, "little") + sent


def offset_of(vector: vectors.Vector) -> bytes:
    return int(vector.outcome.get("at", 0)).to_bytes(4, "little")


def replayed() -> Iterator[tuple[str, str, bytes]]:
    """For each vector and way: their name, the line, and the record to come."""
    for vector in vectors.load():
        if vector.is_live:
            continue
        if vector.role in ("pack", "unpack", "message"):
            yield vector.id, row_line(vector), expected(vector)
            continue
        acts = acts_of(vector)
        longest = max((sum(map(len, act)) for act in acts if isinstance(act, list)), default=0)
        ways = [("as given", 0)]
        if not vector.is_fixed:
            ways.append(("whole", 0))
            if longest <= BIG:
                # As asked: not one of the README's ways, but `needed` is one of the names that it has the three share.
                ways += [("octet by octet", 0), ("as asked", 0), *(("cut", at) for at in range(1, min(longest, 65)))]
        record = expected(vector)
        for way, at in ways:
            yield f"{vector.id}, {way} {at}", line_of(vector, acts, way, at), record
        trailing = None if vector.is_fixed or longest > BIG else vectors.with_trailing(vector)
        if trailing:
            yield f"{vector.id}, trailing", line_of(trailing, acts_of(trailing), "whole", 0), record


def line_of(vector: vectors.Vector, acts: list[Any], way: str, at: int) -> str:
    has_connect = any(step[0] == "connect" for step in vector.steps)
    start = ("refused" if vector.role == "client" else "-") if vector.setup == "nobody" else "connected"
    if has_connect:
        start = "connected"
    has_offset = "at" in vector.outcome
    words = [setting_of(vector, vector.role[0] + ("" if has_offset else "?")), start]
    is_told = vector.role == "client" or not any(step[0] == "expect" for step in vector.steps)
    for act in acts:
        if isinstance(act, str):
            words.append(act)
            continue
        prefix = "a:" if way == "as asked" and vector.role == "client" else ""
        words += [prefix + word_of(piece) for piece in pieces([act], way, at)[0]]
        if not is_told:
            words.append("sent")
            is_told = True
    return " ".join(words)
