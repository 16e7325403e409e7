"""Interpret the state tables against the vectors that need no sockets.

Does: what ../../vectors/README.md says of a replay through a core, with the cells of the tables for the core.
Does not: sockets or clocks; and of the five ways of cutting only the first two.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from tables import FINAL, Table

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "vectors"))

import reader
from reader import Vector

MAGIC = b"KCOM5"
MAX_OCTETS = 1 << 16
PEER = {"half-close": "end", "close": "end", "reset": "reset", "stall": "timeout"}
USAGE = ("message-not-utf8", "message-too-long", "invalid-port")  # told before there is a state
EXPECTING = ("expect", "expect-end", "expect-nothing", "expect-reset")


class End:
    """One end: a state of its table, the octets of the field that it is in, and what came out of it."""

    def __init__(self, table: Table, vector: Vector) -> None:
        self.table, self.vector = table, vector
        self.state, self.error = table.states[0], ""
        self.field = bytearray()
        self.output = b""
        self.is_half_closed = self.is_confirmed = self.is_delivered = False

    def on(self, event: str) -> None:
        cell = self.table.cells.get((self.state, event))
        if cell is None:
            return
        self.state, self.error = cell.state, cell.error or self.error
        self.is_half_closed |= cell.action == "half-close"
        self.is_confirmed |= cell.action == "confirm"
        self.is_delivered |= cell.action == "deliver"
        if cell.action == "send hello":
            self.output += MAGIC + reader.NONCE
        if cell.action == "send echo and frame":
            message, data = self.vector.message, self.vector.data
            lengths = len(message).to_bytes(4, "little"), len(data).to_bytes(8, "little")
            self.output += bytes(self.field[:8]) + lengths[0] + message + lengths[1] + data

    def feed(self, octets: bytes) -> None:
        raise NotImplementedError


class Server(End):
    def feed(self, octets: bytes) -> None:
        if self.state != "hello":
            self.on("more")
            return
        self.field += octets
        hello = bytes(self.field[:5])
        if hello != MAGIC[: len(hello)] or len(self.field) > 8:
            self.on("wrong")
        else:
            self.on("whole" if len(self.field) == 8 else "more")


class Client(End):
    def __init__(self, table: Table, vector: Vector) -> None:
        super().__init__(table, vector)
        self.sizes = {"echo": 8, "message-length": 4, "message": 0, "data-length": 8, "data": 0}
        self.got: dict[str, bytes] = {}

    def feed(self, octets: bytes) -> None:
        while octets and self.state in self.sizes:
            state, need = self.state, self.sizes[self.state] - len(self.field)
            piece, octets = octets[:need], octets[need:]
            self.field += piece
            echo = (MAGIC + reader.NONCE)[: len(self.field)]
            if state == "echo" and bytes(self.field) != echo:
                self.on("wrong")
            elif len(self.field) < self.sizes[state]:
                self.on("more")
            else:
                self.whole()
            if not piece and self.state == state:
                return  # a table that stays in a field of no octets

    def whole(self) -> None:
        """The field is complete; the next one may be so at once."""
        state, octets = self.state, bytes(self.field)
        self.field.clear()
        self.got[state] = octets
        limits = self.vector.give.get("limits", {})
        if state == "message":
            try:
                octets.decode()
            except UnicodeDecodeError:
                self.on("wrong")
                return
        for field, default in (("message", 1 << 24), ("data", 1 << 64)):
            if state == f"{field}-length":
                self.sizes[field] = int.from_bytes(octets, "little")
                if self.sizes[field] > limits.get(field, default):
                    self.on("over")
                    return
        self.on("whole")
        if self.state != state and self.sizes.get(self.state) == 0:
            self.whole()


def play(table: Table, vector: Vector, is_whole: bool) -> str:
    """Play the vector; return what differs from what it says, or ""."""
    end = (Server if table.role == "server" else Client)(table, vector)
    return follow(end, vector, is_whole) or judge(end, vector)


def finish(table: Table, vector: Vector) -> End:
    """The end after the vector's steps, whatever its outcome."""
    end = (Server if table.role == "server" else Client)(table, vector)
    follow(end, vector, False)
    return end


def outcome_of(end: End) -> dict[str, object]:
    """How the end ended, as a vector has it; nothing if it did not end."""
    if end.error:
        return {"error": end.error}
    if end.state != "done":
        return {}
    if isinstance(end, Client):
        return {"ok": True, "message": end.got["message"].decode(), "data": end.got["data"].hex(" ")}
    return {"ok": True, "confirmed": end.is_confirmed}


def follow(end: End, vector: Vector, is_whole: bool) -> str:
    """Take the steps; return the first expectation that is not met, or ""."""
    sends: list[bytes] = []
    is_sent = False
    if vector.setup != "nobody":
        end.on("connected")
    elif vector.role == "client":
        end.on("refused")
    for step in (*vector.steps, ("at the end",)):
        if step[0] == "send":
            sends.append(reader.joined(step[1:]))
            continue
        if step[0] in ("pause", "connect"):
            continue
        for piece in [b"".join(sends)] if is_whole and sends else sends:
            end.feed(piece)
        sends = []
        if vector.role == "server" and end.output and not is_sent and step[0] in (*EXPECTING, "at the end"):
            is_sent = True
            end.on("sent")
        if step[0] == "expect":
            expected = reader.joined(step[1:])
            if not end.output.startswith(expected):
                return f"it does not send {expected[:16].hex(' ')}"
            end.output = end.output[len(expected) :]
        elif step[0] == "expect-nothing" and end.output:
            return "it sends something"
        elif step[0] == "expect-end" and not (end.is_half_closed or end.state in FINAL):
            return "it does not end"
        end.on(PEER.get(step[0], ""))
        if end.state == "draining":
            end.on("acknowledged")
    return ""


def judge(end: End, vector: Vector) -> str:
    outcome = vector.outcome
    if "error" in outcome:
        return (
            "" if end.error == outcome["error"] else f"it ends in {end.error or end.state}, not in {outcome['error']}"
        )
    if end.state != "done":
        return f"it ends in {end.error or end.state}, not in done"
    if end.output:
        return "it sends more than the vector expects"
    if isinstance(end, Client):
        if not end.is_delivered:
            return "it delivers nothing"
        wanted = reader.text_octets(outcome.get("message", "")), reader.octets(outcome.get("data", ""))
        if (end.got.get("message"), end.got.get("data")) != wanted:
            return "it delivers other octets"
    if "confirmed" in outcome and outcome["confirmed"] != end.is_confirmed:
        return "it is confirmed" if end.is_confirmed else "it is not confirmed"
    return ""


def playable() -> Iterator[Vector]:
    """The conversations that a core replays, but for those that move much."""
    for vector in reader.load():
        is_talk = vector.role in ("server", "client") and not vector.is_live
        is_talk &= vector.outcome.get("error") not in USAGE
        sizes = [
            part["size"] for step in vector.steps for part in step[1:] if isinstance(part, dict) and "size" in part
        ]
        if is_talk and sum(sizes) <= MAX_OCTETS and len(vector.data) <= MAX_OCTETS:
            yield vector


def first_fault(table: Table, chosen: list[Vector]) -> str:
    """The first vector that the table does not do as it says, and why; or ""."""
    for vector in chosen:
        for is_whole in (False, True):
            if (
                vector.role == table.role
                and not (is_whole and vector.is_fixed)
                and (why := play(table, vector, is_whole))
            ):
                return f"{vector.id}: {why}"
    return ""
