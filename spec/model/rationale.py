"""The table of results in ../rationale.md, between its marks; made by `run --long --write`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from names import PROPERTIES

RATIONALE = Path(__file__).resolve().parent.parent / "rationale.md"
START, STOP = "<!-- model: results -->", "<!-- model: end -->"


@dataclass(frozen=True)
class Row:
    """One group of configurations and what its exploration took."""

    group: str
    configs: int
    states: int


def text(rows: list[Row], edits: list[tuple[str, str]]) -> str:
    """Both tables: the states explored, and the counter-example of each edit."""
    lines = [START, "| ends | configurations | states |", "|---|---|---|"]
    lines += [f"| {row.group} | {row.configs} | {row.states:,} |" for row in rows]
    lines += [f"| all | {sum(row.configs for row in rows):,} | {sum(row.states for row in rows):,} |"]
    lines += ["", "| holds in all of them | assumed |", "|---|---|"]
    lines += [f"| {what} | {assumed} |" for what, assumed in PROPERTIES.values()]
    lines += ["", "| edit | what no longer holds |", "|---|---|"]
    lines += [f"| {title} | {PROPERTIES[name][0]} |" for title, name in edits]
    return "\n".join([*lines, STOP])


def write(rows: list[Row], edits: list[tuple[str, str]]) -> None:
    before = RATIONALE.read_text(encoding="utf-8")
    after, count = re.subn(f"{START}.*?{STOP}", lambda _: text(rows, edits), before, flags=re.S)
    if count != 1:
        raise ValueError(f"{RATIONALE.name} has {count} places between {START} and {STOP}, expected one")
    RATIONALE.write_text(after, encoding="utf-8")
