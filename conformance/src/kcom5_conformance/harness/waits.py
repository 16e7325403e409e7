"""Cases that waited in vain: what never answers is known soon, and is not waited for in every case."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from .attempt import PATIENCE
from .case import Case

ENOUGH = 4
"""Of one level and role: after so many cases that waited in vain, one of each rule is still tried, with less
patience."""
SHORT_PATIENCE = 1.0
"""Seconds, at scale 1."""


@dataclass
class Waits:
    """What waited in vain so far."""

    samples: bool = True
    """Whether cases are left out; what is compared with another run leaves none out."""
    count: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By level and role."""
    first: dict[tuple[str, str], str] = field(default_factory=dict)
    rules: Counter[tuple[str, str, str]] = field(default_factory=Counter)

    def add(self, case: Case) -> None:
        """This case waited in vain."""
        self.count[case.level, case.role] += 1
        self.first.setdefault((case.level, case.role), case.id)
        self.rules[case.level, case.role, case.rule] += 1

    def is_known(self, case: Case) -> bool:
        """Whether enough cases like this one waited in vain."""
        return self.count[case.level, case.role] >= ENOUGH

    def patience(self, case: Case) -> float:
        """Seconds, at scale 1, within which what must come at once has to come."""
        return SHORT_PATIENCE if self.is_known(case) else PATIENCE

    def why_not(self, case: Case) -> str:
        """Why this case is not tried; empty if it is."""
        if not self.samples or not self.is_known(case) or not self.rules[case.level, case.role, case.rule]:
            return ""
        return (
            f"sampled: cases of level {case.level} as {case.role} wait in vain, the first was "
            f"{self.first[case.level, case.role]}; of each rule one that does is enough"
        )
