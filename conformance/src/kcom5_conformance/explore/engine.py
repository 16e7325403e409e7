"""Explores one implementation: plays batches of scripts on several adapters, shrinks failures, checks for residue."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from functools import partial

import trio

from ..results import Problem
from . import generate, residue
from .circumstance import Circumstance, circumstance, under
from .lane import Lane, Played, Target
from .model import expect
from .play import NONCES, level_of
from .script import Script

PORTION = 48
"""Scripts generated at a time."""
TIMED_PORTION = 36
VARIANTS = 3
"""The number of circumstances in which each script is played."""
TIMED_LANES = (12, 24)
"""The minimum and the maximum; in between one for each second to explore, because each starts a process."""
TIMED_ROUNDS = 2
"""Repetitions of a script that waits, to confirm that it leaks."""
LONG = 3.0
"""Seconds. A script that waits longer only begins if it ends within the time to explore."""
HASTE = 0.3
"""Fraction of the timeout for the first try. After a late answer the script is tried again with the whole timeout."""
SHRINK_SECONDS = 12.0
OVERTIME = 10.0
"""Seconds after the time to explore in which a failure may still be repeated."""
BISECT_SECONDS = 20.0
"""Seconds beyond the time to explore."""
TIMED_BISECT_SECONDS = 15.0
"""Seconds that have to be left for scripts that wait."""


@dataclass
class Failure:
    """A shrunk failure that was repeated. A crash need not be repeated."""

    played: Played
    after: float
    """Seconds from the start of its role."""
    number: int
    """Number of the first conversation that showed it."""
    failed: int = 1
    tried: int = 1
    """How often it was repeated."""


@dataclass
class Visited:
    """Coverage of one role."""

    conversations: int = 0
    seconds: float = 0.0
    pairs: Counter[tuple[str, str]] = field(default_factory=Counter)
    """State and event."""
    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Rule and outcome."""
    unrepeated: int = 0
    """Failures that were not repeated."""


@dataclass
class Explorer:
    """One implementation, one role."""

    target: Target
    role: str
    seed: int
    seconds: float
    examples: int
    """The maximum of conversations; 0 for no limit."""
    jobs: int
    found: Callable[[Failure], None]
    tell: Callable[[Visited], None] = lambda visited: None
    is_first_enough: bool = False
    visited: Visited = field(default_factory=Visited)
    _start: float = 0.0
    _innocent: set[Script] = field(default_factory=set)
    """Scripts that wait, of which repetitions left nothing behind."""

    def __post_init__(self) -> None:
        self._supports = self.target.smoke.supports
        self.patience, self.known = self.target.patience, self.target.known
        self._shrinking, self._generating = trio.Lock(), trio.Lock()
        self._is_enough = self.is_replay = False
        self._is_begun = trio.Event()
        """Set when the first scripts that do not wait have been played."""
        self._playing = trio.CancelScope()

    @property
    def is_over(self) -> bool:
        visited = self.visited
        visited.seconds = trio.current_time() - self._start
        return (
            self._is_enough
            or visited.seconds > self.seconds
            or (bool(self.examples) and visited.conversations >= self.examples)
        )

    @property
    def _is_done(self) -> bool:
        """Returns whether nothing more is played: the first failure was enough, or the suite cannot play a replay."""
        return self._is_enough or (self.is_replay and bool(self.target.defects))

    async def run(self, saved: list[Script]) -> None:
        """Plays the saved scripts, then explores until the time is over."""
        self._start = trio.current_time()
        with self._playing:
            await self._run(saved)
        self.visited.seconds = trio.current_time() - self._start

    async def _run(self, saved: list[Script]) -> None:
        async with trio.open_nursery() as nursery:
            if saved:
                async with AsyncExitStack() as stack:
                    lanes = [await stack.enter_async_context(Lane(self.target)) for _ in range(self.jobs)]
                    await self._play_all(saved, lanes, lambda script: None)
            nursery.start_soon(self._explore, False, PORTION, self.jobs)
            nursery.start_soon(
                self._explore, True, TIMED_PORTION, min(max(TIMED_LANES[0], int(self.seconds)), TIMED_LANES[1])
            )

    async def replay(self, scripts: list[Script]) -> None:
        """Plays only these, each often enough to detect repeated nonces and residue."""
        self._start, self.is_replay = trio.current_time(), True
        self.seconds = float("inf")
        async with Lane(self.target) as lane:
            for script in scripts:
                count = len(self.known)
                await self._play_all([script] * (1 if script.is_timed else NONCES + 1), [lane], lambda script: None)
                if self.target.defects:
                    break
                if len(self.known) == count and script.waits <= LONG:
                    await self._charge_residue([script])
        self.visited.seconds = trio.current_time() - self._start

    async def _explore(self, is_timed: bool, size: int, count: int) -> None:
        if is_timed and self.is_first_enough:
            await self._is_begun.wait()  # most failures come before it, and each of these lanes starts a process
        lanes = [Lane(self.target, is_timed) for _ in range(count)]
        number = self.seed * 2 + is_timed
        try:
            while not self.is_over:
                async with self._generating:  # in a thread, because pauses go on meanwhile
                    scripts = await trio.to_thread.run_sync(generate.portion, self.role, is_timed, number, size)
                chooser = random.Random(number)
                given = {script: script for script in scripts}
                todo = list(scripts) if not is_timed else []
                for script in scripts:
                    for _ in range(1 if is_timed else VARIANTS - 1):
                        variant = under(script, circumstance(chooser, self._supports))
                        given[variant] = script
                        todo.append(variant)
                todo = [script for script in todo if self._is_in_contract(script)]
                todo.sort(key=lambda script: -script.waits)
                shrink = partial(self._shrink, is_timed, number, size, given)
                await self._play_all(todo, lanes, shrink)
                self.tell(self.visited)
                self._is_begun.set()
                number += 1 << 20
        finally:
            self._is_begun.set()
            with trio.CancelScope(shield=True):
                async with trio.open_nursery() as nursery:
                    for lane in lanes:
                        nursery.start_soon(lane.close)

    def _is_in_contract(self, script: Script) -> bool:
        """Returns whether the adapter supports the script. Without `limits` it need not have the default limit."""
        needs = {
            script.via: True,
            "file": script.in_file,
            "message": script.before is not None,
            "limits": script.limits != (None, None) or expect(script).rule == "limit.over",
        }
        return all(name in self._supports for name, is_needed in needs.items() if is_needed)

    async def _play_all(self, scripts: list[Script], lanes: list[Lane], shrink: Callable[[Script], object]) -> None:
        """Plays the scripts in parallel. A lane repeats, shrinks and reports a failure when it reaches it."""
        waiting = scripts[::-1]

        async def work(lane: Lane) -> None:
            while waiting and not self._is_done and trio.current_time() - self._start < self.seconds:
                script = waiting.pop()
                if script.waits > LONG and trio.current_time() - self._start + script.waits > self.seconds:
                    continue
                played = await lane.play(script, HASTE * self.patience)
                self._count(played)
                if played.problem is not None and played.sign not in self.known:
                    await self._suspect(lane, played, shrink)
                if lane.is_due:
                    await self._look_for_residue(lane, script.is_timed)

        async with trio.open_nursery() as nursery:
            for lane in lanes:
                nursery.start_soon(work, lane)

    def _count(self, played: Played) -> None:
        visited, expected = self.visited, expect(played.script)
        visited.conversations += 1
        visited.outcomes[expected.rule, played.outcome or "–"] += 1
        visited.pairs.update(expected.path)

    async def _suspect(self, lane: Lane, first: Played, shrink: Callable[[Script], object]) -> None:
        """Repeats a failure with full patience to confirm it, then shrinks it."""
        async with self._shrinking:
            if first.sign in self.known or self._is_enough:
                return
            if trio.current_time() - self._start > self.seconds + OVERTIME:
                self.visited.unrepeated += 1
                return
            number, after = self.visited.conversations, trio.current_time() - self._start
            again = [await lane.play(first.script, self.patience) for _ in range(2)]
            if any(played.problem is not None for played in again):
                again += [await lane.play(first.script, self.patience) for _ in range(2)]
            failed = [played for played in again if played.problem is not None and played.sign not in self.known]
            sign, count = Counter(played.sign for played in failed).most_common(1)[0] if failed else ("", 0)
            if count < 2:
                self.visited.unrepeated += 1
                if first.is_crash:
                    self.known.add(first.sign)
                    self._report(Failure(first, after, number, failed=1, tried=1 + len(again)))
                return
            self.known |= {first.sign, sign}
            least = await self._least(lane, next(played for played in failed if played.sign == sign), shrink)
            self._report(Failure(least, after, number, failed=count, tried=len(again)))

    def _report(self, failure: Failure) -> None:
        self.found(failure)
        if self.is_first_enough:
            self._is_enough = True
            self._playing.cancel()

    async def _least(self, lane: Lane, failed: Played, shrink: Callable[[Script], object]) -> Played:
        """Finds the simplest circumstances and the smallest script with the same failure. A replay skips this."""
        if self.is_replay:
            return failed
        best = failed
        plain = under(failed.script, Circumstance(close=failed.script.close))
        for script in (plain, replace(plain, close=30) if not plain.is_timed else plain):
            if script != best.script and script.via in self._supports:
                played = await lane.play(script, self.patience)
                best = played if played.sign == failed.sign else best
        job = shrink(best.script)
        if job is None:
            return best
        least: Script = await job(lane, best)  # type: ignore[operator]
        if least == best.script:
            return best
        played = await lane.play(least, self.patience)
        return played if played.sign == failed.sign else best

    def _shrink(self, is_timed: bool, number: int, size: int, given: dict[Script, Script], script: Script) -> object:
        """Returns the job that shrinks a script of this portion, or None if the script is not in it."""
        raw = next((raw for raw in given.values() if _core(raw) == _core(script)), None)
        if raw is None:
            return None
        case = Circumstance(script.via, script.close, script.before, script.in_file)

        async def work(lane: Lane, failed: Played) -> Script:
            last = trio.current_time() + SHRINK_SECONDS

            async def fails(script: Script) -> bool:
                if trio.current_time() > last:
                    return False
                played = await lane.play(under(script, case), HASTE * self.patience)
                return played.sign == failed.sign

            def shrink() -> Script:
                return generate.shrink(
                    self.role, is_timed, number, size, raw, lambda script: trio.from_thread.run(fails, script)
                )

            return under(await trio.to_thread.run_sync(shrink), case)

        return work

    # ---- residue

    async def _look_for_residue(self, lane: Lane, is_timed: bool) -> None:
        scripts, is_grown = lane.look(1 if is_timed else 2)
        if is_timed and trio.current_time() - self._start > self.seconds - TIMED_BISECT_SECONDS:
            return
        scripts = [
            one for one in scripts if one.is_timed == is_timed and one not in self._innocent and one.waits <= LONG
        ]
        if is_grown and scripts:
            await self._charge_residue(scripts)

    async def _charge_residue(self, scripts: list[Script]) -> None:
        """Finds and reports the conversation that leaves residue, if there is one."""
        sign = f"{self.role} close.residue residue"
        async with self._shrinking:
            if sign in self.known or self._is_enough:
                return
            over = trio.current_time() if self.is_replay else self._start + self.seconds
            last = max(trio.current_time(), over) + BISECT_SECONDS
            found = await (self._timed_culprit if scripts[0].is_timed else self._culprit)(scripts, last)
            if found is None:
                return
            self.known.add(sign)
            async with Lane(self.target) as fresh:
                played = await fresh.play(found[0], self.patience)
            words = f"each time it leaves something behind: {found[1]} after some repetitions"
            problem = Problem(
                "close.residue", level_of("close.residue"), "residue", words, "nothing left behind", saw="residue"
            )
            after = trio.current_time() - self._start
            self._report(Failure(replace(played, problem=problem), after, self.visited.conversations))

    async def _culprit(self, scripts: list[Script], last: float) -> tuple[Script, str] | None:
        async with Lane(self.target) as fresh:
            return await residue.culprit(scripts, partial(self._repeat, fresh, last))

    async def _timed_culprit(self, scripts: list[Script], last: float) -> tuple[Script, str] | None:
        """Repeats scripts that wait in parallel, each on its own adapter. Returns the shortest one that leaks."""
        found: dict[Script, str] = {}

        async def repeat(script: Script) -> None:
            async with Lane(self.target) as fresh:
                found[script] = await residue.growth([script], partial(self._repeat, fresh, last), TIMED_ROUNDS)

        async with trio.open_nursery() as nursery:
            for script in set(scripts):
                nursery.start_soon(repeat, script)
        self._innocent |= {script for script, growth in found.items() if not growth}
        guilty = [(script, growth) for script, growth in found.items() if growth]
        return min(guilty, key=lambda pair: len(str(pair[0])), default=None)

    async def _repeat(self, lane: Lane, last: float, scripts: list[Script]) -> residue.Footprint | None:
        """Plays scripts and returns the footprint afterwards; None if it takes too long."""
        for script in scripts:
            if trio.current_time() > last:
                return None
            await lane.play(script, HASTE * self.patience)
        return lane.footprint()


def _core(script: Script) -> Script:
    """Returns a script without its circumstances."""
    close = script.close if script.is_timed else 30
    return replace(script, via="tcp6", before=None, in_file=False, close=close)
