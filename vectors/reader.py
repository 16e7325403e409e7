"""The reader of the vectors for the tools and tests in Python. Format: README.md beside this file."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
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
    setup: str = ""
    is_live: bool = False
    is_fixed: bool = False

    @property
    def message(self) -> bytes:
        return text_octets(self.give.get("message", ""))

    @property
    def data(self) -> bytes:
        return octets(self.give.get("data", ""))

    def octets_of(self, kind: str) -> bytes:
        """The octets of all steps of this kind, `send` or `expect`."""
        return b"".join(joined(step[1:]) for step in self.steps if step[0] == kind)


def octets(value: Any, nonce: bytes = NONCE) -> bytes:
    """The octets that a vector writes as pairs, text, or a size and a fill."""
    if isinstance(value, dict):
        if "text" in value:
            return str(value["text"]).encode()
        if "hex" in value:
            return bytes.fromhex(value["hex"])
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
    paths = sorted((ROOT / "vectors").glob("*.json"))
    documents = [json.loads(path.read_text("utf-8")) for path in paths if path.name != "schema.json"]
    return tuple(_vector(entry) for document in documents for entry in document["vectors"])


def _vector(entry: dict[str, Any]) -> Vector:
    if "op" in entry:
        outcome = {"error": entry["error"]} if "error" in entry else {"out": entry["out"]}
        return Vector(entry["id"], entry["rule"], entry["op"], outcome, give={"in": entry["in"]})
    return Vector(
        entry["id"],
        entry["rule"],
        entry["role"],
        entry["outcome"],
        steps=tuple(tuple(step) for step in entry["steps"]),
        give=entry.get("give", {}),
        setup=entry.get("setup", ""),
        is_live=entry.get("live", False),
        is_fixed="pieces" in entry,
    )


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
