"""The state tables, read from the text of the specification."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from .. import data

FINAL = ("done", "failed")
_MARKS = re.compile(r"[^a-z0-9 ;-]")


@dataclass(frozen=True)
class Cell:
    """The reaction of a state to an event."""

    does: tuple[str, ...] = ()
    next: str = ""
    """The next state; empty if the state does not change."""
    error: str = ""
    """The error of a transition to `failed`."""

    @property
    def is_dash(self) -> bool:
        return not self.next


@dataclass(frozen=True)
class Table:
    """One end's table."""

    role: str
    states: tuple[str, ...]
    events: tuple[str, ...]
    cells: dict[tuple[str, str], Cell]

    def cell(self, state: str, event: str) -> Cell:
        """Returns the cell; a dash for a final state or an event that the table lacks."""
        return self.cells.get((state, event), Cell())


@cache
def table(role: str) -> Table:
    """Returns the table of a server or a client."""
    text = data.spec_file().read_text("utf-8")
    rows = list(_rows(text.split(f"<!-- states: {role} -->")[1]))
    events = tuple(rows[0][1:])
    states, cells = [], {}
    for state, *row in rows[2:]:
        states.append(state)
        for event, words in zip(events, row, strict=False):
            if state not in FINAL:
                cells[state, event] = _cell(words)
    return Table(role, tuple(states), events, cells)


def _rows(text: str) -> Iterator[list[str]]:
    for line in text.strip().splitlines():
        if not line.startswith("|"):
            return
        yield [words.strip() for words in line.strip().strip("|").split("|")]


def _cell(words: str) -> Cell:
    if found := re.search(r"`([a-z0-9-]+)`", words):
        return Cell(next="failed", error=found[1])
    parts = [part.strip() for part in _MARKS.sub("", words).split(";") if part.strip(" -")]
    return Cell(tuple(parts[:-1]), parts[-1]) if parts else Cell()
