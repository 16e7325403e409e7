"""Detects leaks of conversations in an adapter: descriptors, threads, children, memory, temporary files."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, fields
from pathlib import Path

from ..harness import procfs
from ..harness.adapter import Adapter
from ..harness.case import NotRun
from .script import Script

LEAST_MEMORY = 64 << 10
"""Bytes of growth per conversation that count as a leak, if the total also reaches LEAST_GROWTH."""
LEAST_GROWTH = 4 << 20
"""Bytes of total growth. Less cannot be distinguished from the work of an allocator or a garbage collector."""
ROUNDS = 24
"""Repetitions of a single conversation to confirm the growth."""


@dataclass(frozen=True)
class Footprint:
    """The resources of an adapter and its descendants."""

    descriptors: int = 0
    threads: int = 0
    children: int = 0
    files: int = 0
    memory: int = 0

    def grown(self, before: Footprint, played: int, least: int) -> str:
        """Describes the growth: at least `least` more of something, or memory for all that was played; else empty.

        Memory counts after many conversations only, because an allocator keeps what one of them needed.
        """
        for part in fields(self):
            more = getattr(self, part.name) - getattr(before, part.name)
            if part.name == "memory":
                if played >= ROUNDS and more >= max(played * LEAST_MEMORY, LEAST_GROWTH):
                    return f"{more >> 10:,} KiB of memory"
            elif more >= least:
                return f"{more} {part.name.removesuffix('s') if more == 1 else part.name}"
        return ""


def measure(adapter: Adapter, folder: Path) -> Footprint | None:
    """Measures the adapter. Returns None if the kernel does not tell. `folder` is the adapter's TMPDIR."""
    try:
        pids = adapter.processes()
        usage = procfs.usage(pids)
    except (NotRun, ValueError):
        return None
    files = sum(1 for _ in folder.iterdir())
    return Footprint(usage.descriptors, usage.threads, len(pids), files, usage.resident)


async def culprit(
    scripts: list[Script], play: Callable[[list[Script]], Awaitable[Footprint | None]]
) -> tuple[Script, str] | None:
    """Finds the conversation that leaks. Returns it and the growth. `play` plays some and measures afterwards."""
    scripts = sorted(scripts, key=lambda script: len(str(script)))  # prefers the shortest one
    while True:
        grown = await growth(scripts, play)
        if not grown:
            return None
        if len(scripts) == 1:
            return scripts[0], grown
        half = len(scripts) // 2
        scripts = scripts[:half] if await growth(scripts[:half], play) else scripts[half:]


async def growth(
    scripts: list[Script], play: Callable[[list[Script]], Awaitable[Footprint | None]], repetitions: int = ROUNDS
) -> str:
    """Returns the growth in each round. The first round warms up. `repetitions` is the number of scripts in a round."""
    rounds = -(-repetitions // len(scripts))
    await play(scripts * rounds)
    before = await play(scripts)
    after = await play(scripts * max(2, rounds))
    if before is None or after is None:
        return ""
    # A single script must leak each time; of several scripts one may be the culprit.
    return after.grown(before, len(scripts) * max(2, rounds), max(2, rounds))
