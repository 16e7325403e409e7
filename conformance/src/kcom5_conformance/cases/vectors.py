"""The vectors, by `vectors/README.md`: rows, conversations, and the members of families.

It only reads. The octets are put together here, independently of every implementation.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ..harness.ports import TRANSPORTS
from ..results import Json, Level

Step = tuple[Any, ...]

HELLO = "4b 43 4f 4d 35 n0 n1 n2"


@dataclass(frozen=True)
class Vector:
    """One row or one conversation."""

    id: str
    rule: str
    level: Level
    role: Literal["server", "client", "pack", "unpack"]
    note: str
    outcome: Json
    steps: tuple[Step, ...] = ()
    give: Json = field(default_factory=dict)
    via: tuple[str, ...] = TRANSPORTS
    setup: str = ""
    times: int = 1


def octets(value: Any, nonce: bytes = b"") -> bytes:
    """The octets that a vector writes as pairs, text, or a size and a fill. `nonce` replaces `n0 n1 n2`."""
    if isinstance(value, dict):
        if "text" in value:
            return str(value["text"]).encode()
        if "hex" in value:
            return bytes.fromhex(value["hex"])
        unit = bytes(range(251)) if value["fill"] == "counter251" else bytes.fromhex(value["fill"])
        size: int = value["size"]
        return (unit * (size // len(unit) + 1))[:size]
    if "n" not in value and "^" not in value:
        return bytes.fromhex(value)
    return bytes(_octet(pair, nonce) for pair in value.split())


def _octet(pair: str, nonce: bytes) -> int:
    pair, _, mask = pair.partition("^")
    octet = nonce[int(pair[1])] if pair[0] == "n" else int(pair, 16)
    return octet ^ int(mask or "0", 16)


def joined(parts: tuple[Any, ...], nonce: bytes = b"") -> bytes:
    return b"".join(octets(part, nonce) for part in parts)


def load(folder: Path) -> list[Vector]:
    """Every vector of a folder, in the order of its files."""
    entries = []
    for path in sorted(folder.glob("*.json")):
        if path.name != "schema.json":
            entries += json.loads(path.read_text("utf-8"))["vectors"]
    by_id = {entry["id"]: entry for entry in entries}
    return [vector for entry in entries for vector in _expand(entry, by_id)]


def _expand(entry: Json, by_id: dict[str, Json]) -> Iterator[Vector]:
    if entry.get("op") == "message":
        return  # for a core without sockets; `memory` has a live one
    if "op" in entry:
        outcome = {"error": entry["error"]} if "error" in entry else {"out": entry["out"]}
        yield Vector(
            entry["id"],
            entry["rule"],
            entry.get("level", "MUST"),
            entry["op"],
            entry.get("note", ""),
            outcome,
            give={"in": entry["in"]},
        )
    elif "family" in entry:
        yield from _FAMILIES[entry["family"]](entry, by_id)
    else:
        yield _conversation(entry)


def _conversation(entry: Json) -> Vector:
    return Vector(
        entry["id"],
        entry["rule"],
        entry["level"],
        entry["role"],
        entry.get("note", ""),
        entry["outcome"],
        tuple(tuple(step) for step in entry["steps"]),
        entry.get("give", {}),
        tuple(entry.get("via", TRANSPORTS)),
        entry.get("setup", ""),
        entry.get("times", 1),
    )


def _member(entry: Json, name: object, outcome: Json, *steps: Step, **give: Any) -> Vector:
    """A member of a family: a client expects the hello first."""
    name = str(name)
    first: tuple[Step, ...] = (("expect", HELLO),) if entry["role"] == "client" else ()
    return Vector(
        entry["id"].replace("{k}", name).replace("{v}", name),
        entry["rule"],
        entry["level"],
        entry["role"],
        entry.get("note", ""),
        outcome,
        first + steps,
        give,
    )


def _sent(vector: Vector) -> list[str]:
    """All that a conversation sends, as pairs."""
    return [pair for step in vector.steps if step[0] == "send" for part in step[1:] for pair in part.split()]


def _cut(entry: Json, by_id: dict[str, Json]) -> Iterator[Vector]:
    of = _conversation(by_id[entry["of"]])
    sent = _sent(of)
    last = max(index for index, step in enumerate(of.steps) if step[0] == "send")
    for k in range(1, len(sent)):
        pieces = ("send", " ".join(sent[:k])), ("pause", "tick"), ("send", " ".join(sent[k:]))
        yield _member(entry, k, of.outcome, *pieces, *of.steps[last + 1 :], **of.give)


def _truncate(entry: Json, by_id: dict[str, Json]) -> Iterator[Vector]:
    of = _conversation(by_id[entry["of"]])
    sent = _sent(of)
    errors = {int(offset): name for offset, name in entry["errors"].items()}
    for k in range(min(errors), entry.get("octets", len(sent))):
        name = errors[max(offset for offset in errors if offset <= k)]
        steps = [("send", " ".join(sent[:k])), (entry["by"],)] if k else [(entry["by"],)]
        yield _member(entry, k, {"error": name, "at": k}, *steps, **of.give)


def _flip(entry: Json, by_id: dict[str, Json]) -> Iterator[Vector]:
    of = _conversation(by_id[entry["of"]])
    sent = _sent(of)
    for k in range(8 * entry["octets"]):
        at = k // 8
        rest = sent[at + 1 :] if entry["role"] == "server" else []
        wrong = " ".join([*sent[:at], f"{sent[at]}^{1 << k % 8:02x}", *rest])
        outcome = {"error": "invalid-connection", "at": at + 1}
        yield _member(entry, k, outcome, ("send", wrong), ("expect-end",), **of.give)


def _length(entry: Json, by_id: dict[str, Json]) -> Iterator[Vector]:
    for value in entry["values"]:
        if entry["field"] == "message":
            head, at = int(value).to_bytes(4, "little"), 12
        else:
            head, at = bytes(4) + int(value).to_bytes(8, "little"), 20
        is_timeout = entry["error"] == "timeout"
        steps = ("send", HELLO, head.hex(" ")), ("stall" if is_timeout else "expect-end",)
        give = {"close": 1} if is_timeout else {}
        yield _member(entry, value, {"error": entry["error"], "at": at}, *steps, **give)


def _message(entry: Json, by_id: dict[str, Json]) -> Iterator[Vector]:
    for slug, text in entry["values"]:
        message = bytes.fromhex(text)
        frame = (len(message).to_bytes(4, "little") + message + bytes(8)).hex(" ")
        error = entry.get("error")
        end: tuple[Step, ...] = (("expect-end",),) if error else (("expect-end",), ("close",))
        if entry["role"] == "client":
            outcome = {"error": error, "at": 12 + len(message)} if error else {"ok": True, "message": message.decode()}
            yield _member(entry, slug, outcome, ("send", HELLO, frame), *end)
        elif error:
            yield _member(entry, slug, {"error": error}, message={"hex": message.hex()})
        else:
            hello = "4b 43 4f 4d 35 aa bb cc"
            steps = ("send", hello), ("expect", hello, frame), *end
            yield _member(entry, slug, {"ok": True}, *steps, message=message.decode())


_FAMILIES = {"cut": _cut, "truncate": _truncate, "flip": _flip, "length": _length, "message": _message}
