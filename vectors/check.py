#!/usr/bin/env python3
"""Check the vectors: their sources, schema, ids and rules, and that each rule is shown on both sides.

Prints one line per fault and a count; exits 1 on any fault. The replays in each implementation check what the octets
do. Format: README.md beside this file; rules: ../spec/kcom5.md.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
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


def schema_faults(schema: Entry, document: Entry) -> list[str]:
    """What is wrong and where. An entry is held against the one form that its keys show, not against all."""
    found = []
    for error in jsonschema.Draft202012Validator(schema).iter_errors(document):
        where, causes, entry = "/".join(map(str, error.absolute_path)), [error], error.instance
        if error.validator == "oneOf" and isinstance(entry, dict):
            op = entry.get("op", "conversation")
            if op in schema["$defs"]:
                form = {"$ref": f"#/$defs/{op}", "$defs": schema["$defs"]}
                causes = list(jsonschema.Draft202012Validator(form).iter_errors(entry)) or causes
            where = str(entry.get("id", where))
        for cause in causes:
            best = jsonschema.exceptions.best_match([cause]) or cause
            inside = "/".join(map(str, best.absolute_path)) if best is not error else ""
            found.append(": ".join(filter(None, (where, inside, best.message[:200]))))
    return found


def load(folder: Path) -> tuple[list[tuple[str, Entry]], list[str]]:
    """Every vector with the name of its file, and what is wrong with the files."""
    faults = []
    schemas = [
        json.loads((folder / name).read_text(encoding="utf-8")) for name in ("schema.json", "source/schema.json")
    ]
    documents = sources(folder)
    for name, document in documents.items():
        faults += [f"source/{name}: {fault}" for fault in schema_faults(schemas[1], document)]
    if faults:
        return [], faults
    try:
        texts = expanded(documents)
    except ValueError as fault:
        return [], [f"source/{fault}"]
    vectors = []
    for name, text in texts.items():
        document = json.loads(text)
        faults += [f"{name}: {fault}" for fault in schema_faults(schemas[0], document)]
        vectors += [(name, vector) for vector in document["vectors"]]
    files = {
        path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.json") if path.name != "schema.json"
    }
    stale = sorted(name for name in texts | files if files.get(name) != texts.get(name))
    faults += [f"{name}: not what the sources make: run vectors/expand.py" for name in stale]
    return vectors, faults


def main() -> int:
    parser = argparse.ArgumentParser(description="Check the vectors against their schema, the spec and themselves.")
    parser.add_argument("root", nargs="?", type=Path, default=Path(__file__).resolve().parent.parent)
    root = parser.parse_args().root
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
            faults.append(f"{rule}: its vectors are {is_now}, README.md says {exempt.get(rule, 'both')}")
    faults += [f"{rule}: in the table of README.md, not in the spec" for rule in exempt if rule not in levels]
    print("\n".join(faults) or f"vectors: {len(entries)} vectors of {sum(map(bool, sides.values()))} rules")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
