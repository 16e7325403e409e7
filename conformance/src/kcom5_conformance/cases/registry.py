"""The registry of cases that are written as functions, with one case for each transport."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from ..harness.case import Case
from ..harness.harness import Harness
from ..harness.ports import TRANSPORTS
from ..results import Level, Role

TCP = ("tcp6", "tcp4")
Run = Callable[[Harness], Awaitable[None]]
_CASES: list[Case] = []


def cases() -> Iterator[Case]:
    """Yields every registered case."""
    yield from _CASES


def add(slug: str, role: Role, note: str, run: Run, via: tuple[str, ...] = TRANSPORTS, **more: Any) -> None:
    """Registers a case for each transport, and one of an address."""
    ops = {"server": {"send"}, "client": {"receive"}, "address": {"pack"}, "both": {"send", "receive"}}[role]
    needs = {*ops, *more.pop("needs", ())}
    level: Level = more.pop("level", "MUST")
    for one in ("",) if role == "address" else via:
        name, with_via = (f"{slug}@{one}", {*needs, one}) if one else (slug, needs)
        _CASES.append(Case(name, slug.split("/")[0], level, role, one, note, run, frozenset(with_via), **more))


def case(slug: str, role: Role, note: str, via: tuple[str, ...] = TRANSPORTS, **more: Any) -> Callable[[Run], Run]:
    """Registers the decorated function as a case."""

    def register(run: Run) -> Run:
        add(slug, role, note, run, via, **more)
        return run

    return register
