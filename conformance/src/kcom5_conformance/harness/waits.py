"""Counts cases that timed out, so that an implementation that never answers does not cost a timeout in every case."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from ..results import SAMPLED
from .attempt import PATIENCE
from .case import Case

ENOUGH = 4
"""After this many timeouts of one level and role, timeouts are shorter, and each rule is tried until its first one."""
SHORT_PATIENCE = 1.0
"""Seconds, at scale 1."""


@dataclass
class Waits:
    """The timeouts so far."""

    samples: bool = True
    """Whether cases are left out. A run that is compared with another leaves none out."""
    count: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Timeouts by level and role."""
    first: dict[tuple[str, str], str] = field(default_factory=dict)
    rules: Counter[tuple[str, str, str]] = field(default_factory=Counter)

    def add(self, case: Case) -> None:
        """Records a timeout of this case."""
        self.count[case.level, case.role] += 1
        self.first.setdefault((case.level, case.role), case.id)
        self.rules[case.level, case.role, case.rule] += 1

    def is_known(self, case: Case) -> bool:
        """Returns whether enough cases like this one timed out."""
        return self.count[case.level, case.role] >= ENOUGH

    def patience(self, case: Case) -> float:
        """Returns the timeout in seconds, at scale 1, for a response that is expected immediately."""
        return SHORT_PATIENCE if self.is_known(case) else PATIENCE

    def why_not(self, case: Case) -> str:
        """Returns why this case is left out; empty if it is tried."""
        if not self.samples or not self.is_known(case) or not self.rules[case.level, case.role, case.rule]:
            return ""
        return (
            f"{SAMPLED}cases of level {case.level} as {case.role} wait in vain, the first was "
            f"{self.first[case.level, case.role]}; of each rule one that does is enough"
        )
