"""The stages of a run: the smoke stage, the parts of each implementation, and the matrix."""

from __future__ import annotations

import argparse
import io
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import trio
from rich.console import Console
from rich.text import Text

from . import workers
from .cases import matrix
from .errors import UsageError
from .escape import safe
from .exits import warn
from .explore import settings as exploring
from .harness import procfs
from .harness.attempt import PATIENCE
from .harness.run import (
    LEAST_DESCRIPTORS,
    LONG_LANES,
    Runner,
    lanes_by_descriptors,
)
from .harness.smoke import AdapterBroken, Smoke, smoke
from .harness.subject import Subject
from .harness.waits import Waits
from .report import causes, terminal, words
from .results import Peer, Result, Role, Run, Verdict
from .selection import Selection, subjects
from .workers import Tell


@dataclass
class _Part:
    """What can be done for one implementation beside the other parts."""

    subject: Subject
    smoke: Smoke
    role: Role | None = None
    """The role; None for all."""
    explores: bool = False
    """Whether to explore the role, and not to run its cases."""


class Stages:
    """The stages of a run: the smoke stage, the parts, and the matrix."""

    def __init__(
        self,
        options: argparse.Namespace,
        selection: Selection | None,
        run: Run,
        with_matrix: bool,
        conversations: Sequence[Result],
    ) -> None:
        self.options, self.selection, self.conversations = options, selection, conversations
        self.with_matrix, self.run = with_matrix, run
        self.defects: list[BaseException] = []
        self.chosen = selection.choose() if selection is not None else []
        self.tested = subjects(options.names, options.command, options.peers)
        self.jobs, self.long_lanes = _lanes(options.jobs)
        self.console = Console(stderr=True)
        self.progress = terminal.Progress(self.console, is_quiet=options.quiet)
        self.stops_first = getattr(options, "stop_first", False)
        self.is_stopped = False
        self.tell: Tell = self.take
        """Takes what is found, in this process or in the first one."""
        self.testing = trio.CancelScope()
        """The scope of the cases of one implementation."""

    def add(self, result: Result) -> None:
        if result.verdict.has_failed and not result.cause:
            result.cause = causes.cause_of(result)
        self.tell("result", result)

    def report(self, result: Result) -> None:
        """Adds the result of one of the cases that the progress counts."""
        self.add(result)
        self.tell("case", result)

    def take(self, kind: str, value: Any) -> None:
        """Takes what a part tells."""
        if kind == "result":
            self.run.results.append(value)
        elif kind == "case":
            self.progress.advance(value)
            if self.stops_first and self.run.counts_as_failure(value):
                self.is_stopped = True
                self.testing.cancel()
        elif kind == "start":
            self.progress.start(*value)
        elif kind == "line":
            self.console.print(value, markup=False, highlight=False, soft_wrap=True)
        elif kind == "complaint":
            if value not in self.run.complaints:
                self.run.complaints.append(value)
        else:
            (self.run.explored if kind == "explored" else self.defects).append(value)

    def all(self) -> None:
        smoked = trio.run(self._smoke_all)
        self.run.peers = [
            Peer(subject.name, subject.command, found.about, found.tick, found.failures)
            for subject, found in smoked.values()
        ]
        self._play_all(list(smoked.values()))
        self.progress.finish()
        if self.is_stopped:
            left = len(self.chosen) * len(smoked) - len(self.run.results)
            self._line(f"{self.run.results[-1].peer}: stopped at the first failure, {left:,} cases are left out")
            return
        names = list(smoked)
        self.run.explored.sort(key=lambda one: (names.index(one.peer), one.role == "client"))
        if self.with_matrix:
            arguments = (self.options, smoked, self.run.seed, self.progress, self.report)
            self.run.complaints += trio.run(_run_matrix, *arguments)

    def _play_all(self, smoked: list[tuple[Subject, Smoke]]) -> None:
        """Plays the parts, at the same time on idle processors: on a busy machine that would disturb timed cases."""
        processes = workers.processes(self.options.processes) if self.chosen else 1
        # Cases that wait do so at the same time in one process.
        roles: list[Role | None] = [None] if processes == 1 else ["client", "server"]
        parts = [_Part(*one, role) for one in smoked for role in roles]
        if self.options.what == "run" and _exploring(self.options, self.selection, self.run.seed):
            parts += [_Part(*one, role, explores=True) for one in smoked for role in exploring.ROLES]
        if processes == 1:
            for part in parts:
                if not self.is_stopped:
                    trio.run(self._play, part)
            return

        def play(number: int, tell: Tell) -> None:
            self.tell, self.console = tell, Console(file=io.StringIO())
            trio.run(self._play, parts[number])

        with closing(workers.spread(len(parts), min(len(parts), processes), play)) as told:
            for kind, value in told:
                self.take(kind, value)
                if self.is_stopped:
                    return

    def _line(self, text: str) -> None:
        self.tell("line", safe(text))

    async def _smoke_all(self) -> dict[str, tuple[Subject, Smoke]]:
        return {subject.name: (subject, await self._smoke(subject)) for subject in self.tested}

    async def _smoke(self, subject: Subject) -> Smoke:
        try:
            found = await smoke(subject, PATIENCE * self.options.timeout_scale)
        except AdapterBroken as error:
            raise AdapterBroken(f"{subject.name}: {error}") from error
        for failure in found.failures:
            what = f"a right exchange over {failure.via} as {failure.role} fails: {words.seen(failure)}"
            self.console.print(Text(f"{safe(subject.name)}: warning: {safe(what)}", "yellow"), soft_wrap=True)
        return found

    async def _play(self, part: _Part) -> None:
        defects: list[BaseException] = []
        try:
            if part.explores or self.options.what == "explore":
                roles = [role for role in exploring.ROLES if (part.role or self.options.role) in (None, role)]
                await self._explore(part.subject, part.smoke, roles, defects)
            elif self.options.what == "learn":
                await self._learn(part.subject, part.smoke)
            else:
                await self._cases(part, defects)
        finally:
            for defect in defects:
                self.tell("defect", workers.portable(defect))

    async def _cases(self, part: _Part, defects: list[BaseException]) -> None:
        """Runs the chosen cases, and repeats the conversations that failed."""
        options, run, subject, found = self.options, self.run, part.subject, part.smoke
        chosen = [
            case for case in self.chosen if part.role in (None, "client" if case.role == "address" else case.role)
        ]
        waits = Waits(samples=options.what != "baseline" and getattr(options, "baseline", None) is None)
        runner = Runner(subject, found, run.seed, options.timeout_scale, self.jobs, self.report,
                        long_lanes=self.long_lanes, waits=waits, defects=defects)  # fmt: skip
        if options.what == "run":
            runner.repeat = options.repeat
        if chosen:
            self.tell("start", (subject.name, len(self.chosen)))
            self.testing = trio.CancelScope()
            with self.testing:
                await runner.run(chosen)
        if runner.complaint:
            self.tell("complaint", runner.complaint)
        if not self.is_stopped and part.role != "server":
            again = exploring.Settings(run.seed, 0, options.timeout_scale, self.jobs)
            again.defects = defects
            await _replay(subject, found, self.conversations, again, self.add, self._line)

    async def _explore(self, subject: Subject, found: Smoke, roles: list[Role], defects: list[BaseException]) -> None:
        how = _exploring(self.options, self.selection, self.run.seed)
        assert how is not None
        how.defects = defects
        from .explore.command import explore

        for one in await explore(subject, found, roles, how, self.add, self._line, self.console):
            self.tell("explored", one)

    async def _learn(self, subject: Subject, found: Smoke) -> None:
        options = self.options
        from .explore.learned import learn

        roles = [role for role in exploring.ROLES if options.role in (None, role)]
        await learn(subject, found, roles, options.timeout_scale, options.report, self.add, self.console)


async def _replay(
    subject: Subject,
    found: Smoke,
    conversations: Sequence[Result],
    how: exploring.Settings,
    add: Callable[[Result], None],
    tell: Callable[[str], None],
) -> None:
    """Repeats the conversations that failed with this implementation. One that no longer fails passes."""
    own = {one.id: one for one in conversations if one.peer == subject.name}
    how.replayed = [exploring.replayed(one.script) for one in own.values()]
    if not own:
        return
    from .explore.command import explore

    def keep(result: Result) -> None:
        if result.script:
            own.pop(result.id, None)
            add(result)

    await explore(subject, found, list(exploring.ROLES), how, keep, tell)
    for one in own.values():
        add(
            replace(one, verdict=Verdict.PASS, problems=[], events=[], cause="", reproduction="", unshown="", stderr="")
        )


def _lanes(jobs: int) -> tuple[int, int]:
    """Returns the number of lanes: as requested, or fewer if the limit on open files requires it."""
    limit = procfs.most_descriptors()
    if limit < LEAST_DESCRIPTORS:
        raise UsageError(f"at most {limit} files may be open (ulimit -n)", f"at least {LEAST_DESCRIPTORS} are needed")
    short, long = lanes_by_descriptors(jobs, limit)
    if (short, long) != (jobs, LONG_LANES):
        warn(f"at most {limit} files may be open (ulimit -n): fewer cases run side by side, which takes longer")
    return short, long


def _exploring(options: argparse.Namespace, selection: Selection | None, seed: int) -> exploring.Settings | None:
    """Returns the settings of exploring, or None. `run` explores only if no case is selected."""
    scale, jobs = options.timeout_scale, options.jobs
    if options.what == "explore":
        replayed = [exploring.replayed(options.replay)] if options.replay is not None else []
        return exploring.Settings(seed, options.seconds, scale, jobs, examples=options.examples, folder=options.save,
                                is_first_enough=options.first, replayed=replayed)  # fmt: skip
    if options.what == "run" and selection == Selection() and options.explore:
        return exploring.Settings(seed, options.explore, scale, jobs)
    return None


async def _run_matrix(
    options: argparse.Namespace,
    smoked: dict[str, tuple[Subject, Smoke]],
    seed: int,
    progress: terminal.Progress,
    report: Callable[[Result], None],
) -> list[str]:
    names = list(smoked)
    chosen = list(matrix.cells(names, names))
    captures: Path | None = None
    if options.what == "matrix":
        if options.case:
            chosen = [cell for cell in chosen if any(fnmatchcase(cell.id, pattern) for pattern in options.case)]
        if not chosen:
            hint = "an id is matrix/SERVER-to-CLIENT/SIZE/MANNER@VIA, and a pattern may have * and ?"
            raise UsageError(f"no cell matches {', '.join(options.case)}", hint)
        captures = options.capture

    progress.start("matrix", len(chosen))
    patience = PATIENCE * options.timeout_scale
    # A cell uses two adapters and a relay.
    lanes = max(1, sum(_lanes(options.jobs)) // 3)
    complaints = await matrix.run(smoked, chosen, min(options.jobs, lanes), patience, seed, report, captures)
    progress.finish()
    return complaints
