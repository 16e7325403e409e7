"""Follows a script through the state table of a role, in units of T."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf

from .script import Octets, Script
from .tables import FINAL, table

MARGIN = 0.15
"""Fraction of T. This close to its end, a timeout may or may not have passed."""


@dataclass
class Expected:
    """The allowed outcomes of a script."""

    rule: str
    """The rule that any other outcome breaks."""
    outcomes: dict[str, str] = field(default_factory=dict)
    """Maps the allowed outcomes (`ok` and error names, the likeliest first) to the SHOULD rule that each breaks, or to
    an empty string."""
    from_step: int = 1 << 30
    """The step from which the implementation may have closed."""
    bound_from: int | None = None
    """The step at which the timeout starts that ends it; -1 for the connection, -2 for the call."""
    message: str = ""
    data: Octets | bytes = b""
    """The content that a client delivers."""
    may_send: bool = True
    """Whether a server may have sent the echo and the frame, or a part of them."""
    is_confirmed: bool | None = None
    """The value of `confirmed` at a success; None if both are right."""
    path: list[tuple[str, str]] = field(default_factory=list)
    """State and event pairs of the likeliest path."""
    late: Expected | None = None
    """What is right, too, if the implementation looked once more after its timeout, and found what the peer did after
    it (`time.late`)."""
    late_from: int = 0
    """The step that has to be there when it looks."""

    @property
    def likely(self) -> str:
        return next(iter(self.outcomes))


class Walk:
    """The state of the likeliest path, by the table, and the time in units of T."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.table = table(script.role)
        self.state = self.table.states[0]
        self.found = Expected("")
        self.now = self.since = 0.0
        self.at = -1
        """The current step."""
        self.bound_from = -2
        self.lapse: int | None = None
        """The step in which a timeout passed, after which the peer acts again."""
        self.late_from: int | None = None
        """The step after it that starts the next timeout."""

    def take(self, event: str) -> str:
        """Applies an event and returns the error that it leads to, if any."""
        cell = self.table.cell(self.state, event)
        if self.state not in FINAL:
            self.found.path.append((self.state, event))
        self.state = cell.next or self.state
        return cell.error

    def begin_bound(self, at: int) -> None:
        self.since, self.bound_from = self.now, at
        if self.lapse is not None and self.late_from is None:
            self.late_from = self.at

    def wait(self) -> bool:
        """Waits for 0.6 T. Returns whether a timeout has passed for the second time."""
        self.now += 0.6
        if not self.script.is_limited or self.now - self.since <= 1 + MARGIN:
            return False
        if self.lapse is not None:
            return True
        self.lapse, self.since = self.at, inf
        return False

    def decide(self, rule: str, *outcomes: str, **should: str) -> Expected:
        """Returns the outcomes of an end at this step. `should` maps outcomes (with _) to broken SHOULD rules."""
        found = self.found
        found.rule, found.from_step = rule, min(found.from_step, self.at)
        found.outcomes |= dict.fromkeys(outcomes, "")
        found.outcomes |= {name.replace("_", "-"): left for name, left in should.items()}
        return found

    def late(self, rule: str, **should: str) -> Expected:
        """Returns the outcomes after the timeout of this state."""
        self.found.bound_from = self.bound_from
        return self.decide(rule, self.take("timeout"), **should)
