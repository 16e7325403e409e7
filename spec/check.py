#!/usr/bin/env python3
"""Check the spec: its rules, who cites them, links, tables and examples, against the vectors and every project file.

Prints one line per fault (file:line: got, expected) and a summary; exits 1 on any fault, 2 if it cannot check.
Whether an implementation obeys a rule is shown by vectors and tests, not here; ../vectors/check.py checks the vectors.
"""

from __future__ import annotations

import argparse
import functools
import json
import posixpath
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

sys.path.insert(0, str(Path(__file__).resolve().parent / "model"))

from tables import dash_faults, read_reasons, read_tables

SPEC = "spec/kcom5.md"
MAX_WORDS = 4300  # with a letter or a digit: the bars and dashes of tables are none
AREAS = "address|listen|connect|hello|echo|frame|message|data|limit|close|time|result|file|unix"
KEYWORDS = ("MUST", "MUST NOT", "SHOULD", "SHOULD NOT", "MAY")
KEYWORD = re.compile(r"\b(?:(?:MUST|SHALL|SHOULD)(?:\s+NOT)?|(?:NOT\s+)?RECOMMENDED|REQUIRED|MAY|OPTIONAL)\b")
RULE = re.compile(r'^- (?:<a id="([^"]*)"></a>)?\*\*([a-z0-9-]+\.[a-z0-9-]+)\*\* — ')
CITATION = re.compile(rf"`((?:{AREAS})\.[a-z0-9-]+)`")
CASE = re.compile(rf'"((?:{AREAS})\.[a-z0-9-]+)/')  # the id of a case of the suite: it shows the rule
NOTHING = "\N{EN DASH}"  # the cell of a state table where nothing is done
KINDS = ("vector", "case", "test", "source", "document")

# Errors that no vector can show, and why.
NO_VECTOR = {
    "io": "any other system error: no peer can cause it on every system",
}

Table = list[tuple[int, list[str]]]  # line number and cells of each row, the header first


@dataclass
class Project:
    """The files under a root, and the faults found so far."""

    root: Path
    files: dict[str, str] = field(default_factory=dict)  # path from the root, and text; "" if it is no text
    vectors: list[tuple[str, int, dict[str, Any]]] = field(default_factory=list)  # file, line and entry
    faults: list[tuple[str, int, str]] = field(default_factory=list)

    def fault(self, path: str, line: int, got: str, expected: str) -> None:
        self.faults.append((path, line, f"got {got}, expected {expected}"))


def load(root: Path) -> Project:
    """Read every file that git tracks or would track, and the vectors among them."""
    command = ["git", "-C", str(root), "ls-files", "-z", "-co", "--exclude-standard"]
    names = subprocess.run(command, check=True, capture_output=True).stdout.decode().split("\0")
    project = Project(root)
    for name in sorted(set(names)):
        path = root / name
        if name and path.is_file():
            octets = path.read_bytes()
            try:
                project.files[name] = "" if b"\0" in octets else octets.decode()
            except UnicodeDecodeError:
                project.files[name] = ""
    if SPEC not in project.files:
        raise FileNotFoundError(f"there is no {SPEC} in {root}")
    for name, text in project.files.items():
        if re.fullmatch(r"vectors/[^/]+\.json", name) and name != "vectors/schema.json":
            for vector in json.loads(text)["vectors"]:
                line = text[: max(0, text.find(f'"id": "{vector["id"]}"'))].count("\n") + 1
                project.vectors.append((name, line, vector))
    return project


def prose(text: str) -> str:
    """Blank out fenced code and code spans; every line and column stays where it is."""
    text = re.sub(r"^```.*?^```", lambda m: re.sub(r"[^\n]", " ", m[0]), text, flags=re.M | re.S)
    return re.sub(r"`[^`\n]+`", lambda m: " " * len(m[0]), text)


def line_at(text: str, offset: int) -> int:
    return text.count("\n", 0, offset) + 1


def check_rules(project: Project) -> dict[str, tuple[int, str]]:
    """Each rule's line and keyword. One name, one anchor, one keyword a rule; no keyword elsewhere in spec/."""
    lines = project.files[SPEC].split("\n")
    rules: dict[str, tuple[int, str]] = {}
    plain = prose(project.files[SPEC]).split("\n")
    number = 0
    while number < len(lines):
        start, found = number, RULE.match(lines[number])
        number += 1
        if not found:
            for anchor in re.findall(r'<a id="([^"]*)">', lines[start]):
                project.fault(SPEC, start + 1, f"the anchor {anchor} without a rule", f"- …**{anchor}** — …")
            continue
        anchor, name = found.groups()
        while number < len(lines) and lines[number].startswith("  "):
            number += 1
        words = [re.sub(r"\s+", " ", word) for word in KEYWORD.findall("\n".join(plain[start:number]))]
        plain[start:number] = [""] * (number - start)
        if name in rules:
            project.fault(SPEC, start + 1, f"the rule {name} again", f"it once (line {rules[name][0]})")
        if not re.fullmatch(rf"({AREAS})\.[a-z0-9-]+", name):
            project.fault(SPEC, start + 1, f"the rule {name}", f"an area of {AREAS}")
        if anchor != name:
            project.fault(SPEC, start + 1, f"the anchor {anchor or '(none)'}", name)
        if len(words) != 1 or words[0] not in KEYWORDS:
            got = ", ".join(words) or "no keyword"
            project.fault(SPEC, start + 1, f"{got} in {name}", f"exactly one of {', '.join(KEYWORDS)}")
        rules.setdefault(name, (start + 1, words[0] if words else ""))
    for path, text in project.files.items():
        if not re.fullmatch(r"spec/[^/]+\.md", path):
            continue
        rest = prose(text)
        if path == SPEC:
            rest = "\n".join(plain)
            quoted = re.search(r"^## Conventions\n.*?(?=^## )", rest, re.M | re.S)
            if quoted:
                rest = rest.replace(quoted[0], "\n" * quoted[0].count("\n"))
        for match in KEYWORD.finditer(rest):
            project.fault(path, line_at(rest, match.start()), f"{match[0]} outside a rule", "it in a named rule")
    return rules


def kind_of(path: str) -> str:
    if re.fullmatch(r"vectors/[^/]+\.json", path):
        return "vector"
    if path.endswith(".md"):
        return "document"
    return "test" if re.search(r"(^|/)tests?/|(^|/)test_[^/]*$|_test\.[a-z]+$", path) else "source"


def check_citations(project: Project, rules: dict[str, tuple[int, str]]) -> dict[str, Counter[str]]:
    """Count who cites each rule; spec/ may cite too, but does not count. A file's name is no citation."""
    cited: dict[str, Counter[str]] = {name: Counter() for name in rules}
    names = {posixpath.basename(path) for path in project.files}

    def cite(path: str, line: int, name: str, kind: str = "") -> None:
        if name not in rules:
            project.fault(path, line, f"a citation of {name}", f"a rule of {SPEC} (a call is written with its ())")
        elif not path.startswith("spec/"):
            cited[name][kind or kind_of(path)] += 1

    for path, line, vector in project.vectors:
        cite(path, line, vector["rule"])
    for path, text in project.files.items():
        for match in CITATION.finditer(text):
            if match[1] not in names:
                cite(path, line_at(text, match.start()), match[1])
        if path.startswith("conformance/src/"):
            for match in CASE.finditer(text):
                cite(path, line_at(text, match.start()), match[1], "case")
    for name, kinds in cited.items():
        if not kinds["vector"] + kinds["case"] + kinds["test"]:
            project.fault(SPEC, rules[name][0], f"no citation of {name}", "a vector, case or test that shows it")
    return cited


def check_reasons(project: Project, rules: dict[str, tuple[int, str]]) -> None:
    """The rationale links every rule that it gives a reason for: all of them."""
    reasons = project.files.get("spec/rationale.md", "")
    for name, (line, _) in rules.items():
        if f"(kcom5.md#{name})" not in reasons:
            project.fault(SPEC, line, f"no reason for {name}", f"a link to kcom5.md#{name} in spec/rationale.md")


@functools.cache
def anchors(text: str) -> set[str]:
    """What a #fragment may name: explicit anchors, and headings as the usual renderers slug them."""
    slugs: Counter[str] = Counter()
    found = set(re.findall(r'<a (?:id|name)="([^"]+)"', text))
    fences_off = re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)
    for heading in re.findall(r"^#{1,6} +(.*?)\s*$", fences_off, re.M):
        words = re.sub(r"\]\([^)]*\)", "", heading).lower()
        slug = re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
        found.add(f"{slug}-{slugs[slug]}" if slugs[slug] else slug)
        slugs[slug] += 1
    return found


def check_links(project: Project) -> int:
    """Follow each relative link of each Markdown file; return how many there are."""
    places = set(project.files) | {posixpath.dirname(path) for path in project.files} | {"."}
    for path in list(places):
        while path := posixpath.dirname(path):
            places.add(path)
    count = 0
    for path, text in project.files.items():
        if not path.endswith(".md"):
            continue
        plain = prose(text)
        for match in re.finditer(r'\]\(([^)\s]+)(?: "[^"]*")?\)|^\[[^\]]+\]: *(\S+)', plain, re.M):
            target = match[1] or match[2]
            if re.match(r"[a-z][a-z0-9+.-]*:", target):
                continue
            count += 1
            name, _, fragment = unquote(target).partition("#")
            where = posixpath.normpath(posixpath.join(posixpath.dirname(path), name)) if name else path
            line = line_at(plain, match.start())
            if where not in places:
                project.fault(path, line, f"a dead link, {target}", "a file of the project")
            elif fragment and where.endswith(".md") and fragment not in anchors(project.files[where]):
                project.fault(path, line, f"a dead link, {target}", f"an anchor or heading of {where}")
    return count


def table(project: Project, mark: str) -> Table:
    """The table at or under the line that begins with `mark`; every row has a filled cell for each column."""
    lines = project.files[SPEC].split("\n")
    number = next((i for i, line in enumerate(lines) if line.startswith(mark)), None)
    if number is None:
        project.fault(SPEC, 1, f"no {mark}", "this mark and its table")
        return [(1, [""])]
    if not mark.startswith("|"):
        number += 1
    rows: Table = []
    while number < len(lines) and lines[number].startswith("|"):
        cells = [cell.strip() for cell in lines[number].rstrip().removesuffix("|")[1:].split("|")]
        number += 1
        if re.fullmatch(r"[-:|]+", "".join(cells)):
            continue
        rows.append((number, cells))
        if len(cells) != len(rows[0][1]):
            project.fault(SPEC, number, f"{len(cells)} cells in the row {cells[0]}", str(len(rows[0][1])))
        if "" in cells:
            project.fault(SPEC, number, f"an empty cell in the row {cells[0]}", f"every cell filled, or {NOTHING}")
    if len(rows) < 2:
        project.fault(SPEC, number, f"no table after {mark}", "a header and rows")
    return rows or [(number, [""])]


def check_states(project: Project) -> list[tuple[str, int, str, str]]:
    """Every state meets every event, and leads to a state that is there. Return the errors: file, line, name, role."""
    used: list[tuple[str, int, str, str]] = []
    text = project.files[SPEC]
    paragraph = re.search(r"^Events: (?:.+\n)+", text, re.M)
    events = set(re.findall(r"`([a-z-]+)`", paragraph[0])) if paragraph else set()
    unmet = set(events)
    for role in ("server", "client"):
        (head, columns), *rows = table(project, f"<!-- states: {role} -->")
        unmet -= set(columns)
        for event in columns[1:]:
            if event not in events:
                project.fault(SPEC, head, f"the event {event}", "an event of the paragraph Events")
        states = [cells[0] for _, cells in rows]
        for line, cells in rows:
            if states.count(cells[0]) > 1:
                project.fault(SPEC, line, f"the state {cells[0]} in more than one row", "one row")
            for cell in cells[1:]:
                if error := re.fullmatch(r"`([a-z0-9-]+)`", cell):
                    used.append((SPEC, line, error[1], role))
                elif cell not in {"", NOTHING} and (state := cell.rpartition(";")[2].strip()) not in states:
                    project.fault(SPEC, line, f"the next state {state}", f"a state of the {role}")
        for state in {"done", "failed"} - set(states):
            project.fault(SPEC, head, f"no state {state}", "the final states of both tables")
    for event in sorted(unmet):
        project.fault(SPEC, line_at(text, text.find(f"`{event}`")), f"the event {event}", "a column of a state table")
    return used


def check_dashes(project: Project) -> None:
    """Each dash of the state tables has its one reason, and nothing else has."""
    text = project.files[SPEC]
    line = line_at(text, text.find("<!-- dashes -->"))
    try:
        for got, expected in dash_faults(read_tables(text), read_reasons(text)):
            project.fault(SPEC, line, got, expected)
    except ValueError as reason:
        project.fault(SPEC, line, f"tables that cannot be read: {reason}", "two state tables, and reasons")


def check_errors(project: Project, used: list[tuple[str, int, str, str]]) -> None:
    """The error table has the errors of the state tables, the vectors and their schema, with who raises them."""
    raised: dict[str, tuple[int, set[str]]] = {}
    for line, cells in table(project, "<!-- errors -->")[1:]:
        name, by = cells[0].strip("`"), [*cells, "", ""][2].replace("both", "server, client")
        if name in raised:
            project.fault(SPEC, line, f"the error {name} again", f"it once (line {raised[name][0]})")
        raised[name] = (line, set(by.split(", ")))
    shown: set[str] = set()
    for path, line, vector in project.vectors:
        error = vector.get("error") or vector.get("outcome", {}).get("error")
        if error:
            shown.add(error)
            used.append((path, line, error, vector.get("role") or vector["op"]))
    for path, line, error, who in used:
        if error not in raised:
            project.fault(path, line, f"the error {error}", "an error of the error table")
        elif who not in raised[error][1]:
            project.fault(path, line, f"the error {error} raised by {who}", ", ".join(sorted(raised[error][1])))
    for error, (line, _) in raised.items():
        if error not in shown and error not in NO_VECTOR:
            project.fault(SPEC, line, f"no vector with the error {error}", "one, or a reason in spec/check.py")
        if error in shown and error in NO_VECTOR:
            project.fault(SPEC, line, f"a vector with the error {error}", "no reason against one in spec/check.py")
    for line, cells in table(project, "| wait |")[1:]:
        for cell, expected in ((cells[1], r"`time\.[a-z-]+`"), (cells[-1], "|".join(f"`{name}`" for name in raised))):
            if not re.fullmatch(expected, cell):
                project.fault(SPEC, line, f"{cell} in the table of waits", "a rule of time, and an error")
    schema = json.loads(project.files.get("vectors/schema.json", "{}"))
    listed = set(schema.get("$defs", {}).get("error", {}).get("enum", []))
    for error in sorted(listed ^ set(raised)):
        where = "vectors/schema.json" if error in listed else SPEC
        project.fault(where, 1, f"the error {error} in one place", f"it in the table of {SPEC} and in the schema")


def octets_of(part: Any) -> bytes:
    """The octets of one operand of a step, as ../vectors/README.md defines them."""
    if isinstance(part, str):
        return bytes.fromhex(part)
    if "text" in part:
        return str(part["text"]).encode()
    if part["fill"] == "counter251":
        return bytes(i % 251 for i in range(part["size"]))
    return bytes.fromhex(part["fill"]) * int(part["size"])


def dump(octets: bytes) -> list[str]:
    """Sixteen octets a line: offset, hexadecimal in two halves, ASCII."""
    lines = []
    for at in range(0, len(octets), 16):
        row = octets[at : at + 16]
        halves = f"{row[:8].hex(' ')}  {row[8:].hex(' ')}"
        lines.append(f"{at:08x}  {halves:<48}  |{''.join(chr(o) if 32 <= o < 127 else '.' for o in row)}|")
    return lines


def check_dumps(project: Project) -> None:
    """Each hex dump is what the implementation of its vector, a server, writes."""
    text = project.files[SPEC]
    marks = list(re.finditer(r"^<!-- vector: (\S+) -->\n```\n(.*?)^```$", text, re.M | re.S))
    if len(marks) != text.count("<!-- vector: ") or not marks:
        project.fault(SPEC, 1, f"{len(marks)} hex dumps under a vector: mark", f"{text.count('<!-- vector: ') or 1}")
    for mark in marks:
        line = line_at(text, mark.start())
        vector = next((v for _, _, v in project.vectors if v["id"] == mark[1]), {})
        if vector.get("role") != "server" or "steps" not in vector:
            project.fault(SPEC, line, f"a hex dump of {mark[1]}", "a vector with the role server, and steps")
            continue
        parts = [part for step in vector["steps"] if step[0] == "expect" for part in step[1:]]
        got, want = mark[2].splitlines(), dump(b"".join(map(octets_of, parts)))
        for at in range(max(len(got), len(want))):
            pair = [(rows[at] if at < len(rows) else "(no line)") for rows in (got, want)]
            if pair[0] != pair[1]:
                project.fault(SPEC, line + 2 + at, pair[0], f"{pair[1]} ({mark[1]})")


def row_value(cell: str) -> Any:
    """A cell of the address examples as the vectors write it: a text, an error, or a port and a key."""
    if found := re.fullmatch(r"(-?\d+), (?:no octet|`([0-9a-fA-F ]+)`(?: (\d+) times)?)", cell):
        key = (found[2] or "").replace(" ", "").lower() * int(found[3] or 1)
        return {"port": int(found[1]), "key": key}
    return cell.strip("`")


def check_address_examples(project: Project) -> None:
    """Each row of the address examples is a row of vectors/address.json."""

    def plain(value: Any) -> Any:
        return {**value, "key": value["key"].replace(" ", "").lower()} if isinstance(value, dict) else value

    rows = [v for _, _, v in project.vectors if v.get("op") in ("pack", "unpack")]
    known = [(v["op"], plain(v["in"]), plain(v.get("out", v.get("error")))) for v in rows]
    for line, cells in table(project, "<!-- vectors: address -->")[1:]:
        row = (cells[0], *map(row_value, cells[1:]))
        if row not in known:
            same = next((out for op, given, out in known if (op, given) == row[:2]), "a row of vectors/address.json")
            project.fault(SPEC, line, " → ".join(cells), str(same))


def check_limits(project: Project) -> None:
    """The default limit of the message is the one that the vectors show: over by one fails, anything less does not."""
    for _, cells in table(project, "| limit |")[1:]:
        if cells[0] != "message, received":
            continue
        limit = int(cells[1].split()[0].replace(",", ""))
        is_touched = False
        for path, at, vector in project.vectors:
            error = vector.get("outcome", {}).get("error")
            octets = (
                " ".join(map(str, vector["steps"][1][1:])).split() if "steps" in vector and vector["steps"][1:] else []
            )
            if error not in ("over-limit", "timeout") or "limits" in vector.get("give", {}) or len(octets) != 12:
                continue
            declared = int.from_bytes(bytes.fromhex("".join(octets[8:])), "little")
            is_touched |= error == "over-limit" and declared == limit + 1
            if (declared > limit) != (error == "over-limit"):
                project.fault(path, at, f"{error} at {declared}", f"the limit of {SPEC}, {limit}")
        if not is_touched:
            project.fault("vectors/limits.json", 1, "no vector over the limit by one", str(limit + 1))
        return
    project.fault(SPEC, 1, "no limit of a message received", "its row in the table of limits")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Check the spec against the vectors and every file of the project.")
    parser.add_argument("root", nargs="?", type=Path, default=Path(__file__).resolve().parent.parent)
    parser.add_argument("--citations", action="store_true", help="also list what cites each rule, by kind")
    options = parser.parse_args(arguments)
    try:
        project = load(options.root)
    except (OSError, ValueError, KeyError) as reason:
        print(f"spec: cannot check: {reason}", file=sys.stderr)
        return 2
    except subprocess.CalledProcessError as reason:
        print(f"spec: cannot check: {reason.stderr.decode().splitlines()[0]}", file=sys.stderr)
        return 2

    rules = check_rules(project)
    cited = check_citations(project, rules)
    check_reasons(project, rules)
    links = check_links(project)
    check_errors(project, check_states(project))
    check_dashes(project)
    check_dumps(project)
    check_address_examples(project)
    check_limits(project)
    words = len(re.findall(r"\S*\w\S*", project.files[SPEC]))
    if words > MAX_WORDS:
        project.fault(SPEC, 1, f"{words} words", f"at most {MAX_WORDS}")

    if options.citations:
        for name, kinds in sorted(cited.items()):
            print(f"{name:24}" + "".join(f"{kind} {kinds[kind]:<5}" for kind in KINDS).rstrip())
    for path, line, text in sorted(set(project.faults)):
        print(f"{path}:{line}: {text}")
    if project.faults:
        return 1
    levels = Counter(keyword.split()[0] for _, keyword in rules.values())
    count = ", ".join(f"{levels[level]} {level}" for level in ("MUST", "SHOULD", "MAY"))
    total = sum(kinds.total() for kinds in cited.values())
    print(f"spec: {len(rules)} rules ({count}), {total} citations, {links} links, {words} words")
    return 0


if __name__ == "__main__":
    sys.exit(main())
