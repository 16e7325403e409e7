"""The vectors as inputs, and their expected answers, which come from the vectors and not from an implementation."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "vectors"))

import inputs  # noqa: E402
import reader  # noqa: E402
from engine import OUTCOMES  # noqa: E402

EVENTS = {"half-close": "end", "close": "end", "reset": "reset", "stall": "timeout"}
MOST = 256  # bytes of a stream whose bytes are all changed; longer streams have the same fields with more data
MOST_TO_SEND = 4096  # bytes of a server's message, because each input repeats it
BIG = 1 << 20
HELLO_SENT = 1
HALF_CLOSED = 2
CONFIRMED = 4

Run = list[bytes]


def opened(vector: reader.Vector) -> bytes:
    """Returns the beginning of an exchange's input."""
    if vector.role == "client":
        limits = vector.give.get("limits", {})
        return inputs.client(limits.get("message", inputs.OWN), limits.get("data", inputs.OWN))
    return inputs.server(vector.message, len(vector.data))


def input_of(vector: reader.Vector) -> bytes:
    """Returns the input of a vector without an exchange."""
    given = vector.give["in"]
    if vector.role == "message":
        return inputs.absent(given["size"])
    if vector.role == "unpack":
        return b"u" + str(given).encode()
    return inputs.pack(given["port"], bytes.fromhex(given["key"]))


def changed() -> list[tuple[bytes, bytes]]:
    """Returns each different input of a vector, as the part before the peer's bytes, and these bytes in one piece."""
    found = set()
    for vector in reader.load():
        if vector.role == "unpack":
            found.add((b"u", input_of(vector)[1:]))
        elif vector.role in ("client", "server"):
            sent = vector.octets_of("send")
            if sent and len(sent) <= MOST and len(vector.message) <= MOST_TO_SEND:
                found.add((opened(vector) + inputs.NUMBER_OF["connected"], sent))
    return sorted(found)


def pieces(runs: list[Run], way: str, at: int = 0) -> list[Run]:
    """Cuts the runs in one of the ways of vectors/README.md."""
    if way == "as given":
        return runs
    joined = [b"".join(run) for run in runs]
    if way == "byte by byte":
        return [[*(run[i : i + 1] for i in range(min(len(run), 4096))), *filter(None, [run[4096:]])] for run in joined]
    if way == "cut":
        return [[run[:at], run[at:]] if at < len(run) else [run] for run in joined]
    return [[run] for run in joined]


def acts_of(vector: reader.Vector) -> list[bytes | str | list[bytes]]:
    """Returns runs of bytes, as lists, and events."""
    acts: list[Any] = []
    for kind, *words in vector.steps:
        if kind == "send":
            if not acts or not isinstance(acts[-1], list):
                acts.append([])
            acts[-1].append(reader.joined(words))
        elif kind.startswith("expect"):
            acts.append("")  # ends a run
        elif kind in EVENTS:
            acts.append(EVENTS[kind])
    return [act for act in acts if act != ""]


def expected(vector: reader.Vector) -> tuple[int, bytes]:
    """Returns the expected outcome and details."""
    outcome = vector.outcome
    place = OUTCOMES.index(outcome.get("error", "ok"))
    if vector.role in ("pack", "message", "unpack") and place:
        return place, b""
    if vector.role in ("pack", "message"):
        return 0, str(outcome.get("out", "")).encode()
    if vector.role == "unpack":
        key = bytes.fromhex(outcome["out"]["key"])
        port: int = outcome["out"]["port"]
        text = f"{port}." + key[: vector.give["in"].count(".")].hex(".")
        return 0, port.to_bytes(2, "little") + key + text.encode()
    offset = int(outcome.get("at", 0)).to_bytes(4, "little")
    if vector.role == "client":
        head = bytes((0 if vector.setup == "nobody" else HELLO_SENT,)) + offset
        if place:
            return place, head
        message = reader.text_octets(outcome.get("message", ""))
        data = reader.octets(outcome.get("data", ""))
        return 0, head + inputs.sized(message) + len(data).to_bytes(8, "little") + data
    if outcome.get("error") == "message-not-utf8":
        return place, b""
    sent = vector.octets_of("expect")
    sent = sent[: len(sent) - len(vector.data)] if sent else sent
    is_confirmed = place == 0 and outcome.get("confirmed", True)
    flags = (HALF_CLOSED if sent else 0) | (CONFIRMED if is_confirmed else 0)
    return place, bytes((flags,)) + offset + sent


@dataclass
class Replay:
    """A vector in one of its ways, and the expected answer."""

    id: str
    given: bytes
    outcome: int
    details: bytes
    has_offset: bool = True

    def is_right(self, outcome: int, details: bytes) -> bool:
        """Returns whether an answer has the outcome and the details of the vector."""
        compared = details if self.has_offset else details[:1] + bytes(4) + details[5:]
        return (outcome, compared) == (self.outcome, self.details)


def replayed() -> Iterator[Replay]:
    """Returns each vector in each way."""
    for vector in reader.load():
        yield from replays_of(vector)


def replays_of(vector: reader.Vector) -> Iterator[Replay]:
    """Returns a vector in each way."""
    if vector.setup == "other-user":
        given = opened(vector) + inputs.NUMBER_OF["wrong"]
        yield Replay(vector.id, given, OUTCOMES.index(vector.outcome["error"]), bytes(5))
    if vector.outcome.get("confirmed") is False:  # a live replay cannot fix the order of these events
        events = b"".join(inputs.NUMBER_OF[event] for event in ("early-end", "sent", "acknowledged"))
        hello = vector.octets_of("send")
        given = opened(vector) + inputs.NUMBER_OF["connected"] + inputs.given(hello) + events
        yield Replay(vector.id, given, *expected(vector), has_offset=False)
    if vector.is_live:
        return
    outcome, details = expected(vector)
    if vector.role in ("pack", "unpack", "message"):
        yield Replay(vector.id, input_of(vector), outcome, details)
        return
    acts = acts_of(vector)
    longest = max((sum(map(len, act)) for act in acts if isinstance(act, list)), default=0)
    ways = [("as given", 0)]
    if not vector.is_fixed:
        ways.append(("whole", 0))
        if longest <= BIG:
            ways += [("byte by byte", 0), *(("cut", at) for at in range(1, min(longest, 65)))]
    every = [given_of(vector, acts, way, at) for way, at in ways]
    trailing = None if vector.is_fixed or longest > BIG else reader.with_trailing(vector)
    if trailing:
        every.append(given_of(trailing, acts_of(trailing), "whole", 0))
        if vector.role == "client" and outcome == 0:
            yield from stopped(vector, b"".join(b"".join(act) for act in acts if isinstance(act, list)))
    for given in every:
        yield Replay(vector.id, given, outcome, details, "at" in vector.outcome or not details)


def stopped(vector: reader.Vector, octets: bytes) -> Iterator[Replay]:
    """Stops after each number of bytes of a frame: the core must say how many it still needs."""
    message = int.from_bytes(octets[8:12], "little")
    data = int.from_bytes(octets[12 + message : 20 + message], "little")
    ends = (8, 12, 12 + message, 20 + message, 20 + message + data)
    for at in range(min(ends[-1], 65)):
        needed = next(end for end in ends if end > at) - at
        given = opened(vector) + inputs.NUMBER_OF["connected"] + inputs.given(octets[:at])
        details = bytes((HELLO_SENT,)) + at.to_bytes(4, "little") + needed.to_bytes(8, "little")
        yield Replay(vector.id, given, OUTCOMES.index("not ended"), details)


def given_of(vector: reader.Vector, acts: list[Any], way: str, at: int) -> bytes:
    parts = [opened(vector)]
    if vector.setup != "nobody" or any(step[0] == "connect" for step in vector.steps):
        parts.append(inputs.NUMBER_OF["connected"])
    elif vector.role == "client":
        parts.append(inputs.NUMBER_OF["refused"])
    is_told = vector.role == "client" or not any(step[0] == "expect" for step in vector.steps)
    for act in acts:
        if isinstance(act, str):
            parts.append(inputs.NUMBER_OF[act])
            continue
        parts += [inputs.given(piece) for piece in pieces([act], way, at)[0]]
        if not is_told:
            parts.append(inputs.NUMBER_OF["sent"])
            is_told = True
    return b"".join(parts)
