"""The vectors, by `vectors/README.md`: rows and conversations.

This module only reads them. It builds the bytes independently of every implementation.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ..harness.ports import TRANSPORTS
from ..results import Json, Level

Step = tuple[Any, ...]


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
    """Returns the bytes of a vector's pairs, text, or size and fill. `nonce` replaces `n0 n1 n2`."""
    if isinstance(value, dict):
        if "text" in value:
            return str(value["text"]).encode()
        if "hex" in value:
            return bytes.fromhex(value["hex"])
        unit = bytes(range(251)) if value["fill"] == "counter251" else bytes.fromhex(value["fill"])
        size: int = value["size"]
        return (unit * -(-size // len(unit)))[:size]
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
    """Returns every vector of a folder that a peer can play, in the order of its files."""
    documents = [
        json.loads(path.read_text("utf-8")) for path in sorted(folder.glob("*.json")) if path.name != "schema.json"
    ]
    entries = [entry for document in documents for entry in document["vectors"]]
    # The operation `message` is for a core without sockets; `memory` has a case with sockets.
    return [_vector(entry) for entry in entries if entry.get("op") != "message"]


def _vector(entry: Json) -> Vector:
    if "op" in entry:
        outcome = {"error": entry["error"]} if "error" in entry else {"out": entry["out"]}
        return Vector(entry["id"], entry["rule"], "MUST", entry["op"], "", outcome, give={"in": entry["in"]})
    return Vector(
        entry["id"],
        entry["rule"],
        entry["level"],
        entry["role"],
        entry["note"],
        entry["outcome"],
        tuple(tuple(step) for step in entry["steps"]),
        entry.get("give", {}),
        tuple(entry.get("via", TRANSPORTS)),
        entry.get("setup", ""),
        entry.get("times", 1),
    )
