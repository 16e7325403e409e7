"""Runs cases against one implementation, in parallel on several processes of its adapter.

Only this module decides the verdict of a case. The cases are in `cases`.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import trio

from ..errors import leaves
from ..results import KEPT, Peer, Problem, Result, Verdict
from . import procfs
from .adapter import Adapter, AdapterError, Crashed, SuiteBroken
from .attempt import PATIENCE, Outcome, attempt, one_exchange, start_adapter
from .case import Case, Mismatch, NotRun, TooBusy, Unsupported
from .ports import why_not
from .smoke import Smoke
from .subject import Subject, why_not_alone
from .verdicts import problem_of, result_of
from .waits import Waits

LONG_LANES = 48
"""Adapters for cases that wait for seconds."""
TRIES = 3
"""The total number of runs of a case that fails."""
MOST_FAILURES = 3
"""After this many failures of one rule and role, a failing case is not tried again."""
MOST_LATE = 0.15
"""Seconds for which the suite or the adapter may be delayed in a case that waits. With more the case proves nothing."""
USUAL_DELAY = 0.03
"""Seconds. A shorter delay of the suite is not counted."""
MOST_BUSY = 5
"""The number of tries of a case on a machine that is too busy for the suite's timing."""
DESCRIPTORS_PER_LANE = 10
"""The approximate maximum of descriptors for an adapter's pipes and a case's sockets."""
DESCRIPTORS_BESIDE = 40
LEAST_DESCRIPTORS = DESCRIPTORS_BESIDE + 2 * DESCRIPTORS_PER_LANE


def lanes_by_descriptors(jobs: int, limit: int) -> tuple[int, int]:
    """Returns the numbers of lanes for short and long cases that fit the limit on open files."""
    room = max(2, (limit - DESCRIPTORS_BESIDE) // DESCRIPTORS_PER_LANE)
    if jobs + LONG_LANES <= room:
        return jobs, LONG_LANES
    short = max(1, min(jobs, room // 3))
    return short, room - short


@dataclass
class _Process:
    """An adapter of a lane."""

    adapter: Adapter
    held: list[tuple[Case, Result]] = field(default_factory=list)
    """The cases that have not failed, until another succeeds: the adapter may not serve after them, or it may end."""
    has_run: bool = False
    """Whether a case has run on it."""
    is_in_case: bool = False
    """Whether a case has begun, which an exit is then charged to."""
    has_served: bool = False
    """Whether an exchange has succeeded in the last case."""


_Lane = dict[bool, _Process]
"""The adapters that a lane uses, one at a time; by `is_alone` of the case."""


@dataclass
class Runner:
    """Runs cases against one implementation."""

    subject: Subject
    smoke: Smoke
    seed: int
    scale: float
    """The factor of every timeout, for slow machines and slow implementations."""
    jobs: int
    report: Callable[[Result], None]
    is_wanted: Callable[[Case], bool] = lambda case: True
    """Called before each case. A case for which it is false has no result."""
    tries: int = TRIES
    """The total number of runs of a case that fails."""
    repeat: int = 1
    """The number of runs of each case, also if it passes. Above 1 it replaces `tries`."""
    long_lanes: int = LONG_LANES
    waits: Waits = field(default_factory=Waits)
    complaint: str = ""
    """The exits of adapters at the end of the run that break the contract."""
    defects: list[BaseException] = field(default_factory=list)
    """Errors of the suite itself."""
    _delayed: float = 0.0
    """Seconds for which the suite was delayed in total."""
    _failures: Counter[tuple[str, str]] = field(default_factory=Counter)

    def patience(self, case: Case) -> float:
        """Returns the timeout in seconds for a response that is expected immediately."""
        return self.scale * self.waits.patience(case)

    @property
    def peer(self) -> Peer:
        return Peer(self.subject.name, self.subject.command, self.smoke.about, self.smoke.tick, self.smoke.failures)

    async def run(self, cases: list[Case]) -> None:
        """Runs all cases and passes each result to `report` at once."""
        supports = set(self.smoke.about["supports"])
        todo = []
        for case in cases:
            if missing := sorted(case.needs - supports):
                self.report(self._result(case, Verdict.UNSUPPORTED, reason=f"it does not support {', '.join(missing)}"))
            elif here := why_not(case.via):
                self.report(self._result(case, Verdict.NOT_RUN, reason=here))
            else:
                todo.append(case)
        random.Random(self.seed).shuffle(todo)
        heavy = [case for case in todo if case.is_heavy]
        light = [case for case in todo if not case.is_heavy]
        long = sorted((case for case in light if case.takes), key=lambda case: -case.takes)
        short = [case for case in light if not case.takes]
        locks = {case.lock: trio.Lock() for case in todo if case.lock}
        async with trio.open_nursery() as watching:
            watching.start_soon(self._watch)
            async with trio.open_nursery() as nursery:
                for queue, lanes in ((long, self.long_lanes), (short, self.jobs)):
                    queue.reverse()
                    for _ in range(min(lanes, len(queue))):
                        nursery.start_soon(self._lane, queue, locks)
            await self._lane(heavy, locks)
            watching.cancel_scope.cancel()

    async def _watch(self) -> None:
        """Detects delays of the suite itself."""
        period = 0.05
        while True:
            start = trio.current_time()
            await trio.sleep(period)
            late = trio.current_time() - start - period
            if late > USUAL_DELAY:
                self._delayed += late

    async def _lane(self, queue: list[Case], locks: dict[str, trio.Lock]) -> None:
        """Runs the cases of the queue on one adapter."""
        lane: _Lane = {}
        try:
            while queue:
                case = queue.pop()
                if not self.is_wanted(case):
                    continue
                if case.lock:
                    async with locks[case.lock]:
                        await self._case(case, lane)
                else:
                    await self._case(case, lane)
            for process in list(lane.values()):
                await self._end(process, lane)
        finally:
            for process in lane.values():
                await process.adapter.kill()
                self._release(process)

    async def _end(self, process: _Process, lane: _Lane) -> None:
        """Ends an adapter, after an exchange that shows that it still serves."""
        unsure = {case.role: case for case, _ in process.held if self._may_spoil(case)}
        for case in unsure.values():
            if process.adapter.is_in_use and await self._serves_after(case, process.adapter):
                await self._find_spoiler(process, lane)
                break
        self._release(process)
        if fault := await process.adapter.close(PATIENCE * self.scale):
            self.complaint = f"{self.subject.name}: {fault}"

    async def _adapter(self, lane: _Lane, is_alone: bool) -> Adapter:
        process = lane.setdefault(is_alone, _Process(self.subject.adapter(is_alone)))
        try:
            await process.adapter.check()
        except Crashed as error:
            if process.is_in_case:
                raise
            self._blame_last(process, error)
        process.is_in_case = True
        if not process.adapter.is_running:
            process.adapter = self.subject.adapter(is_alone)
            await start_adapter(process.adapter, self.scale)
        return process.adapter

    def _blame_last(self, process: _Process, error: Crashed) -> None:
        """Blames the last case for an exit of the process between two cases."""
        if process.held:
            _, result = process.held[-1]
            result.verdict, result.level = Verdict.CRASHED, "MUST"
            result.problems, result.stderr = [problem_of(result.rule, error)], error.stderr
            self._release(process)
        elif not process.has_run:
            self.complaint = f"{self.subject.name}: {error}"

    def _release(self, process: _Process, is_proved: Callable[[Case], bool] = lambda case: True) -> None:
        """Reports the held results of all cases, or of those that are proved."""
        held, process.held = process.held, []
        for case, result in held:
            if is_proved(case):
                self.report(result)
            else:
                process.held.append((case, result))

    async def _case(self, case: Case, lane: _Lane) -> None:
        """Runs a case and reports its result, or holds it."""
        if reason := self.waits.why_not(case):
            self.report(self._result(case, Verdict.NOT_RUN, reason=reason))
            return
        result = await self._judged(case, lane)
        process = lane[case.is_alone]
        process.has_run, process.is_in_case = True, False
        if result.verdict.has_failed:
            self._release(process)
            self.report(result)
            return
        if result.verdict is Verdict.PASS:
            serves = case.role if process.has_served else ""
            self._release(process, lambda before: before.role == serves or not self._may_spoil(before))
        process.held.append((case, result))

    def _may_spoil(self, case: Case) -> bool:
        """Returns whether the implementation may be unable to serve after the case, and could before."""
        return case.is_hostile and not self.smoke.has_failed(case)

    async def _find_spoiler(self, process: _Process, lane: _Lane) -> bool:
        """Returns whether a held case left the adapter unable to serve. Such a case fails.

        Each runs again on a new process, with an exchange after it.
        """
        found = False
        while process.held:
            case, result = process.held[0]
            if self._may_spoil(case):
                await process.adapter.kill()
                again = await self._judged(case, lane, is_followed=True)
                if again.verdict.has_failed:
                    found, result = True, again
                    await process.adapter.kill()
            del process.held[0]
            self.report(result)
        return found

    async def _judged(self, case: Case, lane: _Lane, *, is_followed: bool = False) -> Result:
        """Runs a case, and if `is_followed` an exchange after it. A failing case is repeated, to distinguish a failure
        from a race, and from the damage that a case before it did."""
        delayed, patience = self._delayed, self.patience(case)
        outcome = await self._once(case, lane, is_followed)
        if isinstance(outcome.error, NotRun):
            return self._result(case, Verdict.NOT_RUN, reason=str(outcome.error))
        if isinstance(outcome.error, Unsupported):
            return self._result(case, Verdict.UNSUPPORTED, reason=str(outcome.error))
        if outcome.is_defect:
            return self._defect(case, outcome)
        if outcome.error is None and self.repeat == 1:
            return self._result(case, Verdict.PASS, outcome)
        was_late = self._delayed - delayed > MOST_LATE
        is_in_vain = outcome.error is not None and outcome.seconds - case.takes >= patience and not was_late
        is_again = self._failures[case.rule, case.role] < MOST_FAILURES and not case.is_heavy
        if is_in_vain:
            is_again = is_again and not self.waits.is_known(case)
        tries = self.repeat if self.repeat > 1 else self.tries if is_again else 1
        process = lane[case.is_alone]
        may_be_spoiled = not is_followed and any(self._may_spoil(held) for held, _ in process.held)
        is_spoiled = outcome.error is not None and may_be_spoiled
        if is_spoiled:
            tries = max(tries, 2)
            await process.adapter.kill()
        is_followed = is_followed or (outcome.error is not None and self._may_spoil(case))
        others = [await self._once(case, lane, is_followed) for _ in range(tries - 1)]
        failed = [other for other in (outcome, *others) if isinstance(other.error, (Mismatch, AdapterError))]
        passed = [other for other in (outcome, *others) if other.error is None]
        if passed and (not failed or (is_spoiled and await self._find_spoiler(process, lane))):
            return self._result(case, Verdict.PASS, passed[0])
        result = self._result(case, _verdict(failed, tries), failed[0])
        result.failed, result.tried = len(failed), tries
        has_failed_always = len(failed) == tries
        self._failures[case.rule, case.role] += has_failed_always
        if is_in_vain and has_failed_always:
            self.waits.add(case)
        return result

    def _defect(self, case: Case, outcome: Outcome) -> Result:
        assert outcome.error is not None
        error = leaves(outcome.error)[0]
        self.defects.append(error)
        words = str(error) if isinstance(error, SuiteBroken) else f"{type(error).__name__}: {error}"
        return self._result(case, Verdict.NOT_RUN, reason=f"the suite itself is broken here: {words}"[:KEPT])

    async def _once(self, case: Case, lane: _Lane, is_followed: bool) -> Outcome:
        """Runs one attempt, and an exchange after it if `is_followed`. Repeats it if the machine was too busy."""
        outcome = Outcome(None, None, 0)
        for turn in range(MOST_BUSY):
            delayed = self._delayed
            try:
                adapter = await self._adapter(lane, case.is_alone)
            except AdapterError as error:
                return Outcome(None, NotRun(why_not_alone()) if case.is_alone else error, 0)
            waited = procfs.waited(adapter.processes()) if case.takes else 0.0
            outcome = await attempt(
                case, adapter, self.smoke.tick, self.patience(case), is_responsive=self._may_spoil(case)
            )
            lane[case.is_alone].has_served = outcome.error is None and outcome.has_served
            if outcome.error is None and is_followed and adapter.is_in_use:
                outcome = await self._serves_after(case, adapter) or outcome
            late = self._delayed - delayed
            if case.takes and adapter.is_running:
                late = max(late, procfs.waited(adapter.processes()) - waited)
            if not isinstance(outcome.error, TooBusy) and late <= self._most_late(case, outcome, turn):
                return outcome
        if isinstance(outcome.error, TooBusy):
            return Outcome(None, NotRun(f"the machine was too busy to keep the times, {MOST_BUSY} times"), 0)
        return outcome

    def _most_late(self, case: Case, outcome: Outcome, turn: int) -> float:
        """Returns the seconds for which the suite or the adapter may have been delayed, if this outcome is to count."""
        if outcome.is_about_time and case.takes:
            return MOST_LATE
        patience = self.patience(case)
        is_in_vain = outcome.error is not None and outcome.seconds - case.takes >= patience
        # It costs as much again, so it is done once.
        return patience / 4 if is_in_vain and turn == 0 and self.tries > 1 else math.inf

    async def _serves_after(self, case: Case, adapter: Adapter) -> Outcome | None:
        """Runs an exchange after the case. Returns the outcome if it fails."""
        after = Case(case.id, "close.residue", "MUST", case.role, case.via, case.note, one_exchange(case.role))
        then = await attempt(after, adapter, self.smoke.tick, self.patience(case), is_responsive=True)
        if then.error is None:
            return None
        got = f"afterwards: {then.words}"
        problem = Problem("close.residue", "MUST", "residue", got, "that it serves again", saw="residue")
        then.error = then.error if isinstance(then.error, AdapterError) else Mismatch(problem)
        return then

    def _result(self, case: Case, verdict: Verdict, outcome: Outcome | None = None, reason: str = "") -> Result:
        return result_of(self.subject.name, case, verdict, outcome, reason)


def _verdict(failed: list[Outcome], tries: int) -> Verdict:
    if len(failed) < tries:
        return Verdict.FLAKY
    return Verdict.CRASHED if isinstance(failed[0].error, Crashed) else Verdict.FAIL
