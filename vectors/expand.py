#!/usr/bin/env python3
"""Write the vectors, `vectors/*.json`, from their sources, `vectors/source/*.json`.

A source has vectors and families; each family becomes its members, everything else is taken as it stands. Families:
source/README.md. Exit code: 0 written, 1 a family that cannot be expanded.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

Entry = dict[str, Any]
Steps = list[list[Any]]

MAGIC = "4b 43 4f 4d 35"
CLIENT_HELLO = f"{MAGIC} n0 n1 n2"
SERVER_HELLO = f"{MAGIC} aa bb cc"


def member(family: Entry, name: object, steps: Steps, outcome: Entry, give: Entry | None = None) -> Entry:
    """One vector of a family. A client that has a peer expects the hello first."""
    vid = family["id"].replace("{k}", str(name)).replace("{v}", str(name))
    found = {"id": vid, **{key: family[key] for key in ("rule", "level", "role")}, **({"give": give} if give else {})}
    first = [["expect", CLIENT_HELLO]] if family["role"] == "client" else []
    return {**found, "note": family["note"], "steps": first + steps, "outcome": outcome}


def sent(of: Entry) -> list[str]:
    """Everything that a conversation sends, as pairs."""
    return [pair for step in of["steps"] if step[0] == "send" for part in step[1:] for pair in part.split()]


def cut(family: Entry, of: Entry) -> Iterator[Entry]:
    octets = sent(of)
    last = max(index for index, step in enumerate(of["steps"]) if step[0] == "send")
    for k in range(1, len(octets)):
        pieces = [["send", " ".join(octets[:k])], ["pause", "tick"], ["send", " ".join(octets[k:])]]
        yield member(family, k, pieces + of["steps"][last + 1 :], of["outcome"], of.get("give"))


def truncate(family: Entry, of: Entry) -> Iterator[Entry]:
    octets = sent(of)
    errors = {int(offset): name for offset, name in family["errors"].items()}
    for k in range(min(errors), family.get("octets", len(octets))):
        error = errors[max(offset for offset in errors if offset <= k)]
        steps = [["send", " ".join(octets[:k])]] if k else []
        yield member(family, k, [*steps, [family["by"]]], {"error": error, "at": k}, of.get("give"))


def flipped(octet: str, bit: int) -> str:
    """The octet with one bit inverted; an octet of the nonce keeps its name."""
    return f"{octet}^{1 << bit:02x}" if octet[0] == "n" else f"{int(octet, 16) ^ 1 << bit:02x}"


def flip(family: Entry, of: Entry) -> Iterator[Entry]:
    octets = sent(of)
    for k in range(8 * family["octets"]):
        at, bit = divmod(k, 8)
        rest = octets[at + 1 :] if family["role"] == "server" else []
        steps = [["send", " ".join([*octets[:at], flipped(octets[at], bit), *rest])], ["expect-end"]]
        yield member(family, k, steps, {"error": "invalid-connection", "at": at + 1}, of.get("give"))


def length(family: Entry, of: Entry) -> Iterator[Entry]:
    is_timeout = family["error"] == "timeout"
    for value in family["values"]:
        if family["field"] == "message":
            octets, at = int(value).to_bytes(4, "little"), 12
        else:
            octets, at = bytes(4) + int(value).to_bytes(8, "little"), 20
        steps = [["send", CLIENT_HELLO, octets.hex(" ")], ["stall" if is_timeout else "expect-end"]]
        yield member(family, value, steps, {"error": family["error"], "at": at}, {"close": 1} if is_timeout else None)


def message(family: Entry, of: Entry) -> Iterator[Entry]:
    error = family.get("error")
    for slug, digits in family["values"]:
        octets = bytes.fromhex(digits)
        frame = (len(octets).to_bytes(4, "little") + octets + bytes(8)).hex(" ")
        text = {"hex": octets.hex(" ")} if error else octets.decode()
        if family["role"] == "client":
            steps = [["send", CLIENT_HELLO, frame], ["expect-end"]]
            if error:
                yield member(family, slug, steps, {"error": error, "at": 12 + len(octets)})
            else:
                yield member(family, slug, [*steps, ["close"]], {"ok": True, "message": text})
        elif error:
            yield member(family, slug, [], {"error": error}, {"message": text})
        else:
            steps = [["send", SERVER_HELLO], ["expect", SERVER_HELLO, frame], ["expect-end"], ["close"]]
            yield member(family, slug, steps, {"ok": True}, {"message": text})


FAMILIES = {"cut": cut, "truncate": truncate, "flip": flip, "length": length, "message": message}


def by_id(documents: dict[str, Entry]) -> dict[str, Entry]:
    return {entry["id"]: entry for document in documents.values() for entry in document["vectors"]}


def members(name: str, entry: Entry, known: dict[str, Entry]) -> list[Entry]:
    """The vectors that an entry stands for. Raises ValueError if its family cannot be expanded."""
    if "family" not in entry:
        return [entry]
    try:
        return list(FAMILIES[entry["family"]](entry, known[entry["of"]] if "of" in entry else {}))
    except (KeyError, TypeError, ValueError, AttributeError) as reason:
        raise ValueError(f"{name}: {entry['id']}: cannot be expanded: {reason!r}") from reason


def expanded(documents: dict[str, Entry]) -> dict[str, str]:
    """The text of each file of vectors, by its name. Raises ValueError as `members` does."""
    known = by_id(documents)
    texts = {}
    for name, document in documents.items():
        vectors = [vector for entry in document["vectors"] for vector in members(name, entry, known)]
        lines = ",\n".join("    " + json.dumps(vector, ensure_ascii=False) for vector in vectors)
        about = json.dumps(document["about"], ensure_ascii=False)
        texts[name] = f'{{ "about": {about},\n  "vectors": [\n{lines}\n  ] }}\n'
    return texts


def sources(folder: Path) -> dict[str, Entry]:
    """The documents of the sources beside these vectors."""
    paths = sorted((folder / "source").glob("*.json"))
    return {path.name: json.loads(path.read_text(encoding="utf-8")) for path in paths if path.name != "schema.json"}


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Write vectors/*.json from vectors/source/*.json.")
    parser.add_argument("folder", nargs="?", type=Path, default=Path(__file__).resolve().parent)
    folder = parser.parse_args(arguments).folder
    try:
        texts = expanded(sources(folder))
    except ValueError as fault:
        print(fault)
        return 1
    for path in folder.glob("*.json"):
        if path.name != "schema.json" and path.name not in texts:
            path.unlink()
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8", newline="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
