"""Cases that no vector can say: those that measure a process from outside, or need a world of their own."""

from __future__ import annotations

from collections.abc import Iterator

from .bench import Case


def cases() -> Iterator[Case]:
    """Every case of this file."""
    yield from ()
