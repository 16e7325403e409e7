"""Edits of one cell, or of one rule left out, each of which must give a counter-example."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import spin
from configs import Config
from names import ALL_RULES, RULES
from promela import Numbers
from tables import NOTHING, Table, parse_cell

Place = tuple[str, str, str, str]  # role, state, event, and the new text of the cell


@dataclass(frozen=True)
class Edit:
    """One edit: cells that change, or a rule that is left out; and the properties that may show it."""

    title: str
    shown_by: tuple[str, ...]
    cells: tuple[Place, ...] = ()
    rule: str = ""

    def configs(self, configs: Iterable[Config]) -> list[Config]:
        """The configurations without the rule."""
        left_out = 1 << list(RULES).index(self.rule) if self.rule else 0
        return [replace(config, rules=ALL_RULES & ~left_out) for config in configs]

    def apply(self, tables: dict[str, Table]) -> dict[str, Table]:
        """The tables with the edited cells."""
        edited = dict(tables)
        for role, state, event, text in self.cells:
            edited[role] = edited[role].change(state, event, text)
        return edited

    def text(self, tables: dict[str, Table]) -> str:
        """The cells as KCOM5_EDITS has them."""
        numbers = Numbers(tables)
        return "".join(
            numbers.edit(role, state, event, parse_cell(text, state)) for role, state, event, text in self.cells
        )


def explore(
    folder: Path, tables: dict[str, Table], edit: Edit, configs: Iterable[Config]
) -> tuple[spin.Result, list[Config]]:
    """The counter-example that the edit gives, the shortest of its configuration; and that configuration."""
    without = "" if edit.shown_by == ("NAME",) else "NAME"  # which a wrong cell breaks at once, and shows nothing else
    return spin.shortest(folder, edit.configs(configs), edit.text(tables), without)


def cell(title: str, shown_by: str, *cells: Place) -> Edit:
    return Edit(title, tuple(shown_by.split()), cells)


def without(rule: str, shown_by: str) -> Edit:
    return Edit(f"without {RULES[rule]}", tuple(shown_by.split()), rule=rule)


EDITS = (
    without("R_ABORT", "CONFIRMED NEVER_BOTH"),
    without("R_LINGER", "CONFIRMED"),
    without("R_HOLD_BACK", "CONFIRMED NEVER_BOTH"),
    without("R_KEEP", "KEPT"),
    without("R_READ_AWAY", "KEPT"),
    without("R_STORE_FIRST", "CONFIRMED NEVER_BOTH"),
    without("R_HALF_LAST", "CONFIRMED NEVER_BOTH"),
    without("R_LOOK_FIRST", "GOES_WELL"),
    without("R_SOCKET_ERROR", "END_CONFIRMS"),
    without("R_UNACKED", "END_CONFIRMS SYSTEM_HAS_ALL"),
    without("R_ARRIVED_FIRST", "KEPT GOES_WELL"),
    without("R_LAST_LOOK", "TIMED_OUT"),
    without("R_CHATTER", "TICKS"),
    cell("confirm switched off", "ACKNOWLEDGED GOES_WELL", ("server", "sending", "sent", "half-close; done")),
    cell(
        "an early end confirms", "SYSTEM_HAS_ALL END_CONFIRMS", ("server", "confirming", "early-end", "confirm; done")
    ),
    cell(
        "no draining after an early half-close", "ACKNOWLEDGED", ("server", "half-closed", "sent", "half-close; done")
    ),
    cell("the end is a receipt at any time", "SYNC END_CONFIRMS", ("server", "sending", "end", "confirm; done")),
    cell("a part is delivered", "OCTETS", ("client", "data", "end", "deliver; done")),
    cell("connecting × reset is a dash again", "ENDS WAITS", ("client", "connecting", "reset", NOTHING)),
    cell("connecting × end is a dash again", "ENDS WAITS", ("client", "connecting", "end", NOTHING)),
    cell("confirming × timeout is a dash", "TICKS", ("server", "confirming", "timeout", NOTHING)),
    cell("draining × timeout is a dash", "TICKS", ("server", "draining", "timeout", NOTHING)),
    cell("a reset after the half-close is overlooked", "ENDS WAITS NAME", ("server", "confirming", "reset", NOTHING)),
    cell(
        "a half-closing client is waited for twice",
        "WAITS GOES_WELL",
        ("server", "half-closed", "sent", "half-close; confirming"),
    ),
    cell("a second half-close", "ONCE", ("server", "confirming", "early-end", "half-close; draining")),
    cell("a wrong hello is answered", "SILENT", ("server", "hello", "wrong", "send echo and frame; sending")),
    cell("a field is left out", "OCTETS GOES_WELL", ("client", "message-length", "whole", "data-length")),
    cell("cancelling in data delivers", "OCTETS", ("client", "data", "cancel", "deliver; done")),
)
FAST = EDITS[::9]  # for every run of the tests; the command runs all of them
