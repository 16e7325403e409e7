"""The parts of scripts that both roles use, and the choices of a script's details."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from .edges import LONG_BOUND, NO_BOUNDS
from .script import Step

_T = TypeVar("_T")


class Detail:
    """A number whose digits make the decisions."""

    def __init__(self, number: int) -> None:
        self._left = number

    def pick(self, options: Sequence[_T]) -> _T:
        self._left, at = divmod(self._left, len(options))
        return options[at]


def message_of(drawn: tuple[int, int, bytes], kinds: tuple[bytes, ...]) -> bytes:
    pad, number, end = drawn
    return b"a" * pad + kinds[number % len(kinds)] + end


def cut_up(octets: bytes, cut: tuple[int, ...], between: tuple[Step, ...] = (("pause", "tick"),)) -> tuple[Step, ...]:
    """Sends in pieces with a tick between them."""
    size = len(octets)
    cuts = sorted({at if at >= 0 else size + at for at in cut if 0 < (at if at >= 0 else size + at) < size} | {0})
    steps: list[Step] = []
    for start, end in zip(cuts, [*cuts[1:], size], strict=True):
        steps += [("send", octets[start:end]), *between]
    return tuple(steps[: len(steps) - len(between)]) if octets else ()


def bound_of(kind: str, detail: Detail) -> int:
    """Returns T for a script that waits for parts of it."""
    return detail.pick(NO_BOUNDS) if kind.endswith("never") else LONG_BOUND if kind.startswith("long") else 1


def long_pauses(kind: str) -> tuple[Step, ...]:
    """Waits six seconds: for most of T, or without a limit."""
    return (("pause", "most"),) * (10 if kind == "long-never" else 1)


def by_rule(fill: str) -> str:
    """Returns a fill that a request can write by its rule, because long data is not written out."""
    return fill if fill == "counter251" or len(fill) == 2 else "0a"
