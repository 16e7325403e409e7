"""Read the two state tables and the explanations of their dashes from the Markdown of the spec.

Does: the one reader of the tables for the model, the interpretation of the vectors and the sweep.
Does not: judge them; ../check.py and the properties of the model do.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

SPEC = Path(__file__).resolve().parent.parent / "kcom5.md"
NOTHING = "\N{EN DASH}"
ROLES = ("server", "client")
FINAL = ("done", "failed")


@dataclass(frozen=True)
class Cell:
    """What one cell says: an action (or ""), the next state, and the error that it names (or "")."""

    text: str
    action: str
    state: str
    error: str


@dataclass(frozen=True)
class Table:
    """One state table: its events, its states (the first one is where it begins), and its cells."""

    role: str
    events: tuple[str, ...]
    states: tuple[str, ...]
    cells: dict[tuple[str, str], Cell]

    def dashes(self) -> set[tuple[str, str]]:
        return {place for place, cell in self.cells.items() if cell.text == NOTHING}

    def change(self, state: str, event: str, text: str) -> Table:
        """A table that differs in one cell."""
        return replace(self, cells={**self.cells, (state, event): parse_cell(text, state)})


@dataclass(frozen=True)
class Reason:
    """One row of the explanations: the dashes of `states` and `events`, reachable or not, and why."""

    states: tuple[str, ...]
    events: tuple[str, ...]
    is_reachable: bool
    text: str

    def places(self, table: Table) -> Iterator[tuple[str, str]]:
        for state in self.states:
            for event in table.events if self.events == ("every event",) else self.events:
                if (state, event) in table.cells:
                    yield state, event


def parse_cell(text: str, state: str) -> Cell:
    """A cell of the row `state`: `–`, a state, "action; state" or an error name in backticks."""
    if text == NOTHING:
        return Cell(text, "", state, "")
    if error := re.fullmatch(r"`([a-z0-9-]+)`", text):
        return Cell(text, "", "failed", error[1])
    action, _, target = text.rpartition(";")
    return Cell(text, action.strip(), target.strip(), "")


def rows_after(text: str, mark: str) -> list[list[str]]:
    """The rows of the Markdown table under the line `mark`, the header first."""
    if f"\n{mark}\n" not in text:
        raise ValueError(f"there is no {mark}")
    rows = []
    for line in text.split(f"\n{mark}\n", 1)[1].split("\n"):
        if not line.startswith("|"):
            break
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if not re.fullmatch(r"[-:|]+", "".join(cells)):
            rows.append(cells)
    return rows


def read_table(text: str, role: str) -> Table:
    (header, *rows) = rows_after(text, f"<!-- states: {role} -->")
    events, cells = tuple(header[1:]), {}
    for row in rows:
        if len(row) != len(header):
            raise ValueError(f"the row {row[0]} of the {role} has {len(row)} cells, expected {len(header)}")
        for event, cell in zip(events, row[1:], strict=True):
            cells[row[0], event] = parse_cell(cell, row[0])
    table = Table(role, events, tuple(row[0] for row in rows), cells)
    unknown = {cell.state for cell in cells.values()} - set(table.states)
    if unknown:
        raise ValueError(f"the table of the {role} leads to {', '.join(sorted(unknown))}, which it does not have")
    return table


def read_tables(text: str) -> dict[str, Table]:
    return {role: read_table(text, role) for role in ROLES}


def read_reasons(text: str) -> list[Reason]:
    found = []
    for states, events, why in rows_after(text, "<!-- dashes -->")[1:]:
        kind, _, reason = why.partition(":")
        if kind not in ("right", "cannot happen"):
            raise ValueError(f"a reason begins with `right:` or `cannot happen:`, got {why}")
        listed = [tuple(re.split(r", *", cell)) for cell in (states, events)]
        found.append(Reason(listed[0], listed[1], kind == "right", reason.strip()))
    return found


def dash_faults(tables: dict[str, Table], reasons: list[Reason]) -> list[tuple[str, str]]:
    """Each dash stands in exactly one row of the explanations, and nothing else does: what is got, and expected."""
    faults = []
    for role, table in tables.items():
        covered = [place for reason in reasons for place in reason.places(table)]
        for place in table.cells:
            is_dash, count, name = place in table.dashes(), covered.count(place), " × ".join(place)
            if is_dash and count != 1:
                faults.append((f"{count} reasons for the dash {name} of the {role}", "one row under <!-- dashes -->"))
            elif not is_dash and count:
                faults.append((f"a reason for a dash at {name} of the {role}", table.cells[place].text))
    return faults


def reachable_dashes(table: Table, reasons: list[Reason]) -> set[tuple[str, str]]:
    """The dashes whose explanation says that they are reached."""
    return {place for reason in reasons if reason.is_reachable for place in reason.places(table)}
