"""The commonest answers, checked by hand: the schema's own check takes longer than the conversation.

What is not plain here may still be right: then the schema decides.
"""

from __future__ import annotations

import json
import re
from functools import cache
from typing import Any

from .. import data

_SHA256 = re.compile(r"[0-9a-f]{64}")
_HEX = re.compile(r"([0-9a-f]{2}){0,4096}")


@cache
def _errors() -> frozenset[str]:
    """The names of the schema. Read when it is asked for: a suite without its data has to say so itself."""
    schema = json.loads(data.adapter_schema_file().read_text("utf-8"))
    return frozenset(schema["$defs"]["error"]["properties"]["error"]["enum"])


def is_plain(line: object, definition: str) -> bool:
    """Whether a line is certainly what the definition of the schema says."""
    if not isinstance(line, dict):
        return False
    match definition:
        case "answer-listening":
            return line.keys() == {"listening"} and type(line["listening"]) is int and 0 < line["listening"] < 65536
        case "answer-send":
            return line.get("ok") is True and line.keys() <= {"ok", "confirmed"} and _is(line, "confirmed", bool)
        case "answer-receive":
            is_ok = line.get("ok") is True and line.keys() == {"ok", "message", "data"}
            return is_ok and isinstance(line["message"], str) and _is_data(line["data"])
        case "error":
            is_named = isinstance(line.get("error"), str) and line["error"] in _errors()
            known = line.keys() <= {"error", "detail", "message"}
            return is_named and known and _is(line, "detail", str) and _is(line, "message", str)
    return False


def _is(line: dict[str, Any], key: str, kind: type) -> bool:
    return key not in line or type(line[key]) is kind


def _is_data(data: object) -> bool:
    if not isinstance(data, dict) or not {"size", "sha256"} <= data.keys() <= {"size", "sha256", "hex"}:
        return False
    size, digest, octets = data["size"], data["sha256"], data.get("hex", "")
    return (
        type(size) is int
        and 0 <= size < 1 << 40
        and isinstance(digest, str)
        and _SHA256.fullmatch(digest) is not None
        and isinstance(octets, str)
        and _HEX.fullmatch(octets) is not None
    )
