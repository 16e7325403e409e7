"""A case, and how it can end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..results import Level, Problem, Role

if TYPE_CHECKING:
    from .harness import Harness

ALONE_PORT = 40000


class Mismatch(Exception):
    """The implementation did what the spec does not allow."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(f"{problem.rule}: got {problem.got}, expected {problem.expected}")
        self.problem = problem


class NotRun(Exception):
    """This cannot be tried here; the text says why."""


class Unsupported(Exception):
    """The implementation turned out not to have what this asks about; the text says what."""


class TooBusy(Exception):
    """The machine did not let the suite keep its own times: nothing is said about the implementation."""


@dataclass(frozen=True)
class Case:
    """One thing to try, over one transport."""

    id: str
    rule: str
    level: Level
    role: Role
    """server or client: that of the implementation; address for pack and unpack; both."""
    via: str
    note: str
    run: Callable[[Harness], Awaitable[None]]
    needs: frozenset[str] = frozenset()
    """What the adapter has to support."""
    takes: float = 0
    """About how many seconds it takes, if it is one or more, in which the processor has little to do."""
    is_hostile: bool = True
    """The implementation is to serve again afterwards, and that is tried."""
    lock: str = ""
    """Something of the machine that one case at a time may use."""
    is_heavy: bool = False
    """It takes much of the machine: it is run after the others, alone, and once."""
    is_alone: bool = False
    """The adapter has to be in a network of its own, where the only free port is `ALONE_PORT`."""
