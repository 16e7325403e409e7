"""The vectors of the project, read by `vectors/README.md`: rows, conversations, and the members of families."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
HELLO = "4b 43 4f 4d 35 n0 n1 n2"
NONCE = b"\xaa\xbb\xcc"

Step = tuple[Any, ...]


@dataclass(frozen=True)
class Vector:
    """One row, or one conversation with its octets as the file writes them."""

    id: str
    rule: str
    role: str
    """server, client, pack, unpack or message."""
    outcome: dict[str, Any]
    steps: tuple[Step, ...] = ()
    give: dict[str, Any] = field(default_factory=dict)
    via: tuple[str, ...] = ("tcp6", "tcp4", "unix")
    setup: str = ""
    is_live: bool = False
    is_fixed: bool = False
    times: int = 1

    @property
    def message(self) -> bytes:
        return text_octets(self.give.get("message", ""))

    @property
    def data(self) -> bytes:
        return octets(self.give.get("data", ""))


def octets(value: Any, nonce: bytes = NONCE) -> bytes:
    """The octets that a vector writes as pairs, text, or a size and a fill."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, dict):
        if "text" in value:
            return str(value["text"]).encode()
        fill = bytes(range(251)) if value["fill"] == "counter251" else bytes.fromhex(value["fill"])
        size = int(value["size"])
        return (fill * (size // len(fill) + 1))[:size]
    return bytes(_octet(pair, nonce) for pair in value.split())


def _octet(pair: str, nonce: bytes) -> int:
    pair, _, mask = pair.partition("^")
    octet = nonce[int(pair[1])] if pair[0] == "n" else int(pair, 16)
    return octet ^ int(mask or "0", 16)


def text_octets(value: Any) -> bytes:
    """The octets of a message: a string is text here."""
    return value.encode() if isinstance(value, str) else octets(value)


def joined(parts: Any, nonce: bytes = NONCE) -> bytes:
    return b"".join(octets(part, nonce) for part in parts)


@cache
def load() -> tuple[Vector, ...]:
    """Every vector, in the order of the files."""
    entries = []
    for path in sorted((ROOT / "vectors").glob("*.json")):
        if path.name != "schema.json":
            entries += json.loads(path.read_text("utf-8"))["vectors"]
    by_id = {entry["id"]: entry for entry in entries}
    found = [vector for entry in entries for vector in _expand(entry, by_id)]
    assert len({vector.id for vector in found}) == len(found)
    return tuple(found)


def _expand(entry: dict[str, Any], by_id: dict[str, Any]) -> Iterator[Vector]:
    if "op" in entry:
        outcome = {"error": entry["error"]} if "error" in entry else {"out": entry["out"]}
        yield Vector(entry["id"], entry["rule"], entry["op"], outcome, give={"in": entry["in"]})
    elif "family" in entry:
        yield from _FAMILIES[entry["family"]](entry, by_id)
    else:
        yield _conversation(entry)


def _conversation(entry: dict[str, Any]) -> Vector:
    return Vector(
        entry["id"],
        entry["rule"],
        entry["role"],
        entry["outcome"],
        tuple(tuple(step) for step in entry["steps"]),
        entry.get("give", {}),
        tuple(entry.get("via", Vector.via)),
        entry.get("setup", ""),
        entry.get("live", False),
        "pieces" in entry,
        entry.get("times", 1),
    )


def _member(entry: dict[str, Any], name: object, outcome: dict[str, Any], *steps: Step, **give: Any) -> Vector:
    """A member of a family: a client expects the hello first."""
    vid = entry["id"].replace("{k}", str(name)).replace("{v}", str(name))
    first: tuple[Step, ...] = (("expect", HELLO),) if entry["role"] == "client" else ()
    return Vector(vid, entry["rule"], entry["role"], outcome, first + steps, give)


def _sent(vector: Vector) -> list[str]:
    """All that a conversation sends, as pairs."""
    return [pair for step in vector.steps if step[0] == "send" for part in step[1:] for pair in part.split()]


def _cut(entry: dict[str, Any], by_id: dict[str, Any]) -> Iterator[Vector]:
    of = _conversation(by_id[entry["of"]])
    sent = _sent(of)
    last = max(index for index, step in enumerate(of.steps) if step[0] == "send")
    for k in range(1, len(sent)):
        pieces = ("send", " ".join(sent[:k])), ("pause", "tick"), ("send", " ".join(sent[k:]))
        yield _member(entry, k, of.outcome, *pieces, *of.steps[last + 1 :], **of.give)


def _truncate(entry: dict[str, Any], by_id: dict[str, Any]) -> Iterator[Vector]:
    of = _conversation(by_id[entry["of"]])
    sent = _sent(of)
    errors = {int(offset): name for offset, name in entry["errors"].items()}
    for k in range(min(errors), entry.get("octets", len(sent))):
        name = errors[max(offset for offset in errors if offset <= k)]
        steps = [("send", " ".join(sent[:k])), (entry["by"],)] if k else [(entry["by"],)]
        yield _member(entry, k, {"error": name, "at": k}, *steps, **of.give)


def _flip(entry: dict[str, Any], by_id: dict[str, Any]) -> Iterator[Vector]:
    of = _conversation(by_id[entry["of"]])
    sent = _sent(of)
    for k in range(8 * entry["octets"]):
        at = k // 8
        rest = sent[at + 1 :] if entry["role"] == "server" else []
        wrong = " ".join([*sent[:at], f"{sent[at]}^{1 << k % 8:02x}", *rest])
        outcome = {"error": "invalid-connection", "at": at + 1}
        yield _member(entry, k, outcome, ("send", wrong), ("expect-end",), **of.give)


def _length(entry: dict[str, Any], by_id: dict[str, Any]) -> Iterator[Vector]:
    for value in entry["values"]:
        if entry["field"] == "message":
            head, at = int(value).to_bytes(4, "little"), 12
        else:
            head, at = bytes(4) + int(value).to_bytes(8, "little"), 20
        is_timeout = entry["error"] == "timeout"
        steps = ("send", HELLO, head), ("stall" if is_timeout else "expect-end",)
        give = {"close": 1} if is_timeout else {}
        yield _member(entry, value, {"error": entry["error"], "at": at}, *steps, **give)


def _message(entry: dict[str, Any], by_id: dict[str, Any]) -> Iterator[Vector]:
    for slug, text in entry["values"]:
        message = bytes.fromhex(text)
        frame = len(message).to_bytes(4, "little") + message + bytes(8)
        error = entry.get("error")
        end: tuple[Step, ...] = (("expect-end",),) if error else (("expect-end",), ("close",))
        if entry["role"] == "client":
            outcome = {"error": error, "at": 12 + len(message)} if error else {"ok": True, "message": message}
            yield _member(entry, slug, outcome, ("send", HELLO, frame), *end)
        elif error:
            yield _member(entry, slug, {"error": error}, message=message)
        else:
            hello = joined([HELLO])
            steps = ("send", hello), ("expect", hello, frame), *end
            yield _member(entry, slug, {"ok": True}, *steps, message=message)


_FAMILIES = {"cut": _cut, "truncate": _truncate, "flip": _flip, "length": _length, "message": _message}


def cut_runs(vector: Vector) -> list[int]:
    """The sizes of the runs: consecutive sends with nothing but pauses between them."""
    sizes = [0]
    for step in vector.steps:
        if step[0] == "send":
            sizes[-1] += len(joined(step[1:]))
        elif step[0] not in ("pause", "connect") and sizes[-1]:
            sizes.append(0)
    return [size for size in sizes if size]


def with_trailing(vector: Vector) -> Vector | None:
    """The same with octets after the last run; None if an end of the peer follows it, or it is left waiting."""
    sends = [index for index, step in enumerate(vector.steps) if step[0] == "send"]
    if vector.role != "client" or not sends:
        return None
    later = {step[0] for step in vector.steps[sends[-1] + 1 :]}
    is_ended = later & {"half-close", "reset", "stall"} or ("close" in later and "expect-end" not in later)
    if is_ended:
        return None
    steps = list(vector.steps)
    steps[sends[-1]] = (*steps[sends[-1]], "00 ff 4b")
    return replace(vector, steps=tuple(steps))
