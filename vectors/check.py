#!/usr/bin/env python3
"""Check the vectors: schema, ids, rules, families, and that each rule is shown on both sides.

Prints one line per fault and a count; exits 1 on any fault. What the octets do is checked by the replays in each
implementation, not here. Format: README.md beside this file; rules: ../spec/kcom5.md.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import jsonschema


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


def schema_faults(schema: dict[str, Any], document: dict[str, Any]) -> list[str]:
    """What is wrong and where. An entry is held against the one form that its keys show, not against all four."""
    found = []
    for error in jsonschema.Draft202012Validator(schema).iter_errors(document):
        where, causes, entry = "/".join(map(str, error.absolute_path)), [error], error.instance
        if error.validator == "oneOf" and isinstance(entry, dict):
            op = entry.get("op", "family" if "family" in entry else "conversation")
            if op in schema["$defs"]:
                form = {"$ref": f"#/$defs/{op}", "$defs": schema["$defs"]}
                causes = list(jsonschema.Draft202012Validator(form).iter_errors(entry)) or causes
            where = str(entry.get("id", where))
        for cause in causes:
            best = jsonschema.exceptions.best_match([cause]) or cause
            inside = "/".join(map(str, best.absolute_path)) if best is not error else ""
            found.append(": ".join(filter(None, (where, inside, best.message[:200]))))
    return found


def joined_length(vector: dict[str, Any]) -> int:
    """How many octets a conversation sends."""
    total = 0
    for step in vector["steps"]:
        if step[0] == "send":
            for part in step[1:]:
                if isinstance(part, str):
                    total += len(part.split())
                else:
                    total += part["size"] if "size" in part else len(part["text"].encode())
    return total


def members(vector: dict[str, Any], by_id: dict[str, dict[str, Any]]) -> int:
    """How many vectors one entry stands for."""
    match vector.get("family"):
        case None:
            return 1
        case "cut":
            return joined_length(by_id[vector["of"]]) - 1
        case "truncate":
            end = vector.get("octets", joined_length(by_id[vector["of"]]))
            return int(end) - min(int(k) for k in vector["errors"])
        case "flip":
            return 8 * int(vector["octets"])
        case _:
            return len(vector["values"])


def main() -> int:
    parser = argparse.ArgumentParser(description="Check the vectors against their schema, the spec and themselves.")
    parser.add_argument("root", nargs="?", type=Path, default=Path(__file__).resolve().parent.parent)
    root = parser.parse_args().root
    faults: list[str] = []
    schema = json.loads((root / "vectors" / "schema.json").read_text(encoding="utf-8"))
    entries: list[tuple[str, dict[str, Any]]] = []
    for path in sorted((root / "vectors").glob("*.json")):
        if path.name == "schema.json":
            continue
        document = json.loads(path.read_text(encoding="utf-8"))
        faults += [f"{path.name}: {fault}" for fault in schema_faults(schema, document)]
        if faults:
            continue
        entries += [(path.name, vector) for vector in document["vectors"]]
    if faults:
        print("\n".join(faults))
        return 1

    by_id = {vector["id"]: vector for _, vector in entries}
    levels, exempt = spec_levels(root), one_sided(root)
    sides: dict[str, set[str]] = {rule: set() for rule in levels}
    count: Counter[str] = Counter()
    for name, vector in entries:
        vid, rule = vector["id"], vector["rule"]
        if by_id[vid] is not vector:
            faults.append(f"{name}: {vid}: this id stands twice")
        if not vid.startswith(rule + "/"):
            faults.append(f"{name}: {vid}: an id begins with its rule, {rule}/")
        if rule not in levels:
            faults.append(f"{name}: {vid}: no rule {rule} in spec/kcom5.md")
            continue
        if vector.get("level", levels[rule]) != levels[rule]:
            faults.append(f"{name}: {vid}: level {vector['level']}, but the spec says {levels[rule]}")
        if "of" in vector and vector["of"] not in by_id:
            faults.append(f"{name}: {vid}: no vector {vector['of']}")
            continue
        if ("{" in vid) != ("family" in vector):
            faults.append(f"{name}: {vid}: exactly the ids of families have a {{k}} or {{v}}")
        wrong = "error" in vector or "errors" in vector or "error" in vector.get("outcome", {})
        wrong = wrong or vector.get("family") == "flip"
        sides[rule].add("negative" if wrong else "positive")
        count[rule] += members(vector, by_id)
    for rule, has in sides.items():
        is_now = {0: "none", 1: next(iter(has), ""), 2: "both"}[len(has)]
        if is_now != exempt.get(rule, "both"):
            faults.append(f"{rule}: its vectors are {is_now}, README.md says {exempt.get(rule, 'both')}")
    faults += [f"{rule}: in the table of README.md, not in the spec" for rule in exempt if rule not in levels]
    print("\n".join(faults) or f"vectors: {len(entries)} entries, {sum(count.values())} vectors, {len(count)} rules")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
