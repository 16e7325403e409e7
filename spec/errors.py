#!/usr/bin/env python3
"""Write the error names, their families and the programs' advice into each language.

The sources are two tables: the errors of kcom5.md, and the advice of ../impl/README.md. What is made of them stands in
other files between two lines that name this script, or is a list in a JSON schema. Exit code: 0 all written, or with
--check all as it must be; 1 a block is not what the tables make, or an error has no advice.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FAMILIES = ("usage", "transport", "protocol")


@dataclass(frozen=True)
class Error:
    """A row of the table of errors."""

    name: str
    family: str
    by: str
    when: str

    @property
    def words(self) -> list[str]:
        return self.name.split("-")

    @property
    def go(self) -> str:
        return "Err" + "".join(word.upper() if word in ("io", "utf8") else word.capitalize() for word in self.words)

    @property
    def sentence(self) -> str:
        """When it is raised, in one clause."""
        return re.split(r"[;:]", self.when)[0].replace("octets", "bytes")


@dataclass(frozen=True)
class Tables:
    """What everything is made of."""

    errors: tuple[Error, ...]
    advice: dict[str, str]
    """By the name of an error, or of a situation that has advice of its own."""


def rows(text: str, mark: str) -> list[list[str]]:
    """The cells of the table under a mark, without its header."""
    lines = text.split(mark, 1)[1].lstrip("\n").split("\n\n", 1)[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split(" |")] for line in lines]


def read(root: Path = ROOT) -> Tables:
    """The tables of the project. Raises ValueError if they do not fit together."""
    spec = (root / "spec/kcom5.md").read_text(encoding="utf-8")
    readme = (root / "impl/README.md").read_text(encoding="utf-8")
    errors = tuple(Error(cells[0].strip("`"), *cells[1:]) for cells in rows(spec, "<!-- errors -->"))
    advice = {cells[0].strip("`"): cells[1] for cells in rows(readme, "<!-- advice -->")}
    if missing := [error.name for error in errors if error.name not in advice]:
        raise ValueError(f"impl/README.md: no advice for {', '.join(missing)}")
    if wrong := [error.name for error in errors if error.family not in FAMILIES]:
        raise ValueError(f"spec/kcom5.md: no family of {', '.join(wrong)}")
    return Tables(errors, advice)


def quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def cpp_enum(tables: Tables) -> list[str]:
    first, *others = ("_".join(error.words) for error in tables.errors)
    return [f"  {first} = 1,  // 0 is success in a std::error_code", *(f"  {name}," for name in others)]


def cpp_rows(tables: Tables) -> list[str]:
    return [f"    {{{quoted(e.name)}, Family::{e.family}, {quoted(e.sentence)}}}," for e in tables.errors]


def cpp_advice(tables: Tables) -> list[str]:
    lines = [f"    {{{quoted(name)}, {quoted(advice)}}}," for name, advice in tables.advice.items()]
    return ["    // clang-format off", *lines, "    // clang-format on"]


def outcomes(tables: Tables) -> list[str]:
    return [f"    {{{quoted(error.name)}, {quoted(error.family)}}}," for error in tables.errors]


BASES = {"usage": "ValueError", "transport": "OSError", "protocol": "ConnectionError"}
OTHER_BASES = {"refused": "ConnectionRefusedError", "timeout": "TimeoutError", "truncated": "EOFError"}
OTHER_BASES |= dict.fromkeys(("malformed-message", "over-limit"), "ValueError")


def python_classes(tables: Tables) -> list[str]:
    lines = []
    for error in tables.errors:
        base = OTHER_BASES.get(error.name, BASES[error.family])
        sentence = error.sentence[0].upper() + error.sentence[1:]
        lines += [f"class {''.join(map(str.capitalize, error.words))}(KcomError, {base}):"]
        lines += [f'    """{sentence}."""', "", f'    name = "{error.name}"', f'    family = "{error.family}"', "", ""]
    return ["", "", *lines]


def python_advice(tables: Tables) -> list[str]:
    lines = []
    for name, advice in tables.advice.items():
        line = f"    {quoted(name)}: {quoted(advice)},"
        lines.append(line if len(line) <= 120 else line + "  # noqa: E501")
    return ["# fmt: off", "HINTS = {", *lines, "}", "# fmt: on"]


def go_names(tables: Tables) -> list[str]:
    width = max(len(error.go) for error in tables.errors)
    values = max(len(error.name) for error in tables.errors) + 2
    lines = ["const ("]
    for error in tables.errors:
        who = f"{error.by}: {error.sentence}"
        lines.append(f"\t{error.go:<{width}} Name = {quoted(error.name):<{values}} // {who}")
    lines += [")", "", "var families = map[Name]string{"]
    lines += [f"\t{error.go + ':':<{width + 1}} {quoted(error.family)}," for error in tables.errors]
    return [*lines, "}", ""]


def go_advice(tables: Tables) -> list[str]:
    width = max(map(len, tables.advice)) + 3
    return [f"\t{quoted(name) + ':':<{width}} {quoted(advice)}," for name, advice in tables.advice.items()]


def schema(tables: Tables) -> list[str]:
    return [", ".join(quoted(error.name) for error in tables.errors)]


MADE_HERE = r"^[ \t]*(?://|#) Generated by spec/errors\.py; do not edit\.\n"
BLOCK = rf"(?m)({MADE_HERE})(.*?)(?=^[ \t]*(?://|#) End of what is generated\.$)"
VECTOR_SCHEMA = r'("error": \{"enum": \[)(.*?)(?=\]\},\n    "hex")'
ADAPTER_SCHEMA = r'("error": \{\s*"enum": \[\s*)(.*?)(?=,\s*"error"\s*\])'

MADE: dict[str, tuple[str, Callable[[Tables], list[str]]]] = {
    "impl/cpp/include/kcom5/errors.hpp": (BLOCK, cpp_enum),
    "impl/cpp/src/errors.cpp": (BLOCK, cpp_rows),
    "impl/cpp/cli/words.cpp": (BLOCK, cpp_advice),
    "impl/python/src/kcom5/errors.py": (BLOCK, python_classes),
    "impl/python/src/kcom5/words.py": (BLOCK, python_advice),
    "impl/go/core/errors.go": (BLOCK, go_names),
    "impl/go/cmd/kcom5/words.go": (BLOCK, go_advice),
    "fuzz/differential/peer.cpp": (BLOCK, outcomes),
    "vectors/schema.json": (VECTOR_SCHEMA, schema),
    "conformance/adapter.schema.json": (ADAPTER_SCHEMA, schema),
}
"""For each file what is replaced, the part before it in a group, and what makes the new text."""


def made(root: Path, tables: Tables, path: str) -> tuple[str, str]:
    """The text of a file, and what it must be."""
    pattern, make = MADE[path]
    text = (root / path).read_text(encoding="utf-8")
    new = "\n".join(make(tables)) + ("\n" if pattern == BLOCK else "")
    right, count = re.subn(pattern, lambda found: found[1] + new, text, flags=re.S)
    if count != 1:
        raise ValueError(f"{path}: {count} places for what is generated, and not one")
    return text, right


def main() -> int:
    parser = argparse.ArgumentParser(description="Write the tables of errors and advice into each language.")
    parser.add_argument("root", nargs="?", type=Path, default=ROOT)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if something would change")
    options = parser.parse_args()
    is_right = True
    try:
        tables = read(options.root)
        for path in MADE:
            text, right = made(options.root, tables, path)
            if text != right and options.check:
                is_right = False
                print(f"{path}: not what the tables of errors and advice make: run spec/errors.py")
            elif text != right:
                (options.root / path).write_text(right, encoding="utf-8", newline="\n")
    except ValueError as fault:
        print(fault)
        return 1
    return 0 if is_right else 1


if __name__ == "__main__":
    sys.exit(main())
