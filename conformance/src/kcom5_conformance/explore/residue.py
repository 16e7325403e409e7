"""What conversations leave behind in an adapter: descriptors, threads, children, memory, temporary files."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, fields
from pathlib import Path

from ..harness import procfs
from ..harness.adapter import Adapter
from ..harness.case import NotRun
from .script import Script

LEAST_MEMORY = 64 << 10
"""Bytes for each conversation that was played, and"""
LEAST_GROWTH = 4 << 20
"""bytes in all: less is not told from what an allocator or a collector does."""
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
        """What is more than before, in words: at least so many things, or memory for all that was played; or not."""
        for part in fields(self):
            more = getattr(self, part.name) - getattr(before, part.name)
            if part.name == "memory":
                if more >= max(played * LEAST_MEMORY, LEAST_GROWTH):
                    return f"{more >> 10:,} KiB of memory"
            elif more >= least:
                return f"{more} {part.name.removesuffix('s') if more == 1 else part.name}"
        return ""


def measure(adapter: Adapter, folder: Path) -> Footprint | None:
    """None where the system does not tell. `folder` is the adapter's TMPDIR."""
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
    """The conversation that leaves something, and what; `play` plays some and measures afterwards."""
    scripts = sorted(scripts, key=lambda script: len(str(script)))  # the shortest one if several leave something
    while True:
        growth = await _growth(scripts, play)
        if not growth:
            return None
        if len(scripts) == 1:
            return scripts[0], growth
        half = len(scripts) // 2
        scripts = scripts[:half] if await _growth(scripts[:half], play) else scripts[half:]


async def _growth(scripts: list[Script], play: Callable[[list[Script]], Awaitable[Footprint | None]]) -> str:
    """Returns the growth in each round. The first round warms up."""
    rounds = -(-ROUNDS // len(scripts))
    await play(scripts * rounds)
    before = await play(scripts)
    after = await play(scripts * max(2, rounds))
    if before is None or after is None:
        return ""
    # A single one has to leave something each time; of several one may be the culprit.
    return after.grown(before, len(scripts) * max(2, rounds), max(2, rounds))
