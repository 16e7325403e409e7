"""A case and its possible outcomes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..results import Level, Problem, Role

if TYPE_CHECKING:
    from .harness import Harness

ALONE_PORT = 40000


class Mismatch(Exception):
    """The implementation broke the spec."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(f"{problem.rule}: got {problem.got}, expected {problem.expected}")
        self.problem = problem


class NotRun(Exception):
    """This machine cannot run the case; the text says why."""


class Unsupported(Exception):
    """The implementation lacks the feature under test; the text says which."""


class TooBusy(Exception):
    """The machine was too busy for the suite's own timing: no verdict on the implementation."""


@dataclass(frozen=True)
class Case:
    """One test over one transport."""

    id: str
    rule: str
    level: Level
    role: Role
    """The implementation's role: server, client, both, or address for pack and unpack."""
    via: str
    note: str
    run: Callable[[Harness], Awaitable[None]]
    needs: frozenset[str] = frozenset()
    """The entries of `supports` that the adapter must have."""
    takes: float = 0
    """Seconds that the case waits, if one or more. These cases run in parallel with the others."""
    is_hostile: bool = True
    """The implementation must still serve afterwards, which a later exchange on the same process shows."""
    lock: str = ""
    """A resource of the machine that one case at a time may use."""
    is_heavy: bool = False
    """Needs much memory: runs after all others, alone and once."""
    is_alone: bool = False
    """The adapter runs in its own network namespace, where the only free port is `ALONE_PORT`."""
