#!/usr/bin/env python3
"""Check the vectors: their sources, schema, ids and rules, and that each rule is shown on both sides.

Prints one line per fault and a count; exits 1 on any fault. The replays in each implementation check what the octets
do. Format: README.md beside this file; rules: ../spec/kcom5.md.
"""

from __future__ import annotations

import argparse
import functools
import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path

import jsonschema
from expand import Entry, expanded, sources


def spec_levels(root: Path) -> dict[str, str]:
    """Each rule of the spec, and the one keyword of its paragraph."""
    levels = {}
    spec = (root / "spec" / "kcom5.md").read_text(encoding="utf-8")
    for name, text in re.findall(r"\*\*([a-z]+\.[a-z0-9-]+)\*\* — (.*?)(?=\n\n|\n- |\Z)", spec, re.S):
        found = re.findall(r"\b(MUST|SHOULD|MAY)\b", text)
        levels[name] = found[0] if found else ""
    return levels


def one_sided(root: Path) -> dict[str, str]:
    """The table of README.md: a rule, and what vectors it has (positive, negative or none)."""
    text = (root / "vectors" / "README.md").read_text(encoding="utf-8").split("## Rules shown on one side")[1]
    return dict(re.findall(r"^\| `([a-z.0-9-]+)` \| (positive|negative|none) \|", text, re.M))


def place_of(document: Entry, path: Sequence[str | int]) -> str:
    """The entry by its id, and the path in it; outside the entries the path alone."""
    entry = document["vectors"][path[1]] if len(path) > 1 and path[0] == "vectors" else None
    if not isinstance(entry, dict) or "id" not in entry:
        return "/".join(map(str, path))
    return ": ".join(filter(None, (str(entry["id"]), "/".join(map(str, path[2:])))))


@functools.cache
def schema_faults(schema: str, text: str) -> list[str]:
    """What is wrong in the text of a file, and where. Cached, because the tests check many similar copies."""
    found, document = [], json.loads(text)
    for error in jsonschema.Draft202012Validator(json.loads(schema)).iter_errors(document):
        best = jsonschema.exceptions.best_match([error]) or error
        where = place_of(document, list(best.absolute_path))
        found.append(f"{where}: {best.message[:200]}" if where else best.message[:200])
    return found


def load(folder: Path) -> tuple[list[tuple[str, Entry]], list[str]]:
    """Every vector with the name of its file, and what is wrong with the files."""
    faults = []
    schemas = [(folder / name).read_text(encoding="utf-8") for name in ("schema.json", "source/schema.json")]
    documents = sources(folder)
    for name, document in documents.items():
        faults += [f"source/{name}: {fault}" for fault in schema_faults(schemas[1], json.dumps(document))]
    if faults:
        return [], faults
    try:
        texts = expanded(documents)
    except ValueError as fault:
        return [], [f"source/{fault}"]
    vectors = []
    for name, text in texts.items():
        faults += [f"{name}: {fault}" for fault in schema_faults(schemas[0], text)]
        vectors += [(name, vector) for vector in json.loads(text)["vectors"]]
    files = {
        path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.json") if path.name != "schema.json"
    }
    stale = sorted(name for name in texts | files if files.get(name) != texts.get(name))
    faults += [f"{name}: not what the sources make: run vectors/expand.py" for name in stale]
    return vectors, faults


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Check the vectors against their schema, the spec and themselves.")
    parser.add_argument("root", nargs="?", type=Path, default=Path(__file__).resolve().parent.parent)
    root = parser.parse_args(arguments).root
    entries, faults = load(root / "vectors")
    if faults:
        print("\n".join(faults))
        return 1

    seen: set[str] = set()
    levels, exempt = spec_levels(root), one_sided(root)
    sides: dict[str, set[str]] = {rule: set() for rule in levels}
    for name, vector in entries:
        vid, rule = vector["id"], vector["rule"]
        if vid in seen:
            faults.append(f"{name}: {vid}: this id stands twice")
        seen.add(vid)
        if not vid.startswith(rule + "/"):
            faults.append(f"{name}: {vid}: an id begins with its rule, {rule}/")
        if rule not in levels:
            faults.append(f"{name}: {vid}: no rule {rule} in spec/kcom5.md")
            continue
        if vector.get("level", levels[rule]) != levels[rule]:
            faults.append(f"{name}: {vid}: level {vector['level']}, but the spec says {levels[rule]}")
        wrong = "error" in vector or "error" in vector.get("outcome", {})
        sides[rule].add("negative" if wrong else "positive")
    for rule, has in sides.items():
        is_now = {0: "none", 1: next(iter(has), ""), 2: "both"}[len(has)]
        if is_now != exempt.get(rule, "both"):
            said = f"the table of vectors/README.md says {exempt.get(rule, 'both')}: correct one of the two"
            faults.append(f"{rule}: its vectors are {is_now}, {said}")
    faults += [f"{rule}: in the table of README.md, not in the spec" for rule in exempt if rule not in levels]
    print("\n".join(faults) or f"vectors: {len(entries)} vectors of {sum(map(bool, sides.values()))} rules")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
