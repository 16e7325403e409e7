"""Change each cell of both tables into everything else that it could say, and see what catches the change.

The cheap catches come first: a reason of a dash that is missing or too much, the name of a failure, a vector; then the
other properties of the model.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import judge
import replay
import spin
from configs import small
from names import PROPERTIES
from promela import Numbers
from tables import NOTHING, ROLES, Reason, Table, dash_faults, parse_cell


@dataclass(frozen=True)
class Change:
    """One cell that says something else, and what caught it: a kind, and its words ("" if nothing did)."""

    role: str
    state: str
    event: str
    text: str
    kind: str
    words: str


def contents(table: Table) -> list[str]:
    """What a cell of the table may say: what some cell says, and each state and error without an action."""
    said = {cell.text for cell in table.cells.values()}
    states = {cell.state for cell in table.cells.values()} | set(table.states)
    errors = {f"`{cell.error}`" for cell in table.cells.values() if cell.error}
    return sorted(said | states | errors)


def changes(table: Table) -> Iterator[tuple[str, str, str]]:
    for (state, event), cell in table.cells.items():
        for text in contents(table):
            if text != cell.text and not (text == NOTHING and cell.text == state):
                yield state, event, text


def error_of(role: str, state: str, event: str) -> str | None:
    """The error that the event must name there (the property NAME, as claims.h has it); None: it is not judged so."""
    is_early = state in ("connecting", "echo", "hello")
    match event:
        case "failure" | "cancel":
            return "io"
        case "timeout":
            return "unconfirmed" if state in ("confirming", "draining") else "timeout"
        case "refused":
            return "refused"
        case "over":
            return "over-limit"
        case "wrong":
            return "malformed-message" if state == "message" else "invalid-connection"
        case "reset" | "end" if role == "client":
            return "invalid-connection" if is_early else "truncated"
        case "reset" if state != "listening":
            return "invalid-connection" if is_early else "unconfirmed"
        case "end" if is_early:
            return "invalid-connection"
    return None


class Sweep:
    """The tables and everything that may catch a change of them."""

    def __init__(self, tables: dict[str, Table], reasons: list[Reason], folder: Path | None) -> None:
        self.tables, self.reasons, self.folder = tables, reasons, folder
        self.vectors = list(replay.playable())
        self.configs = small()
        self.numbers = Numbers(tables)

    def catch(self, role: str, state: str, event: str, text: str) -> Change:
        """The first that catches the change."""
        edited = {**self.tables, role: self.tables[role].change(state, event, text)}
        if dash_faults(edited, self.reasons):
            return Change(role, state, event, text, "reason of a dash", "")
        expected = error_of(role, state, event)
        if expected is not None and edited[role].cells[state, event].error != expected:
            return Change(role, state, event, text, "property", PROPERTIES["NAME"][0])
        if why := replay.first_fault(edited[role], self.vectors):
            return Change(role, state, event, text, "vector", why)
        if self.folder is None:
            return Change(role, state, event, text, "", "no Spin")
        edits = self.numbers.edit(role, state, event, parse_cell(text, state))
        result = spin.run(self.folder, self.configs, edits, for_ever=True)
        if result.violated:
            return Change(role, state, event, text, "property", PROPERTIES[result.violated][0])
        faults = judge.cell_faults(edited, self.reasons, result) + judge.pair_faults(self.tables, result)
        return Change(role, state, event, text, "cell or pair" if faults else "", "; ".join(faults[:1]))

    def run(self) -> Iterator[Change]:
        """Every change, with what catches it."""
        for role in ROLES:
            for change in changes(self.tables[role]):
                yield self.catch(role, *change)


def summary(found: list[Change]) -> str:
    """How many changes each kind caught."""
    count = Counter(change.kind for change in found)
    parts = [f"{number} by a {kind}" for kind, number in count.most_common() if kind]
    return f"{len(found)} changes of one cell: {', '.join(parts)}; {count['']} not caught"
