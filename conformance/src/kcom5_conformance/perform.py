"""Performs a run with the given options. The results so far survive an early end."""

from __future__ import annotations

import argparse
import os
import platform
import secrets
import shlex
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from fnmatch import fnmatchcase
from pathlib import Path

import trio
from rich.console import Console
from rich.text import Text

from . import __version__, program, spec
from .cases import matrix
from .errors import UsageError, leaves
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
from .results import Result, Run, Verdict
from .selection import Selection, subjects


@dataclass
class Done:
    """A run, and the error that ended it early, if any."""

    run: Run
    ended: BaseException | None = None
    defects: list[BaseException] = field(default_factory=list)
    """Errors of the suite itself, each in a case that was not run."""


def perform(
    options: argparse.Namespace,
    selection: Selection | None,
    *,
    with_matrix: bool,
    conversations: Sequence[Result] = (),
) -> Done:
    """Performs the run. The results so far survive an early end. `conversations` are failures that exploring found,
    which are tried again. Raises UsageError."""
    seed = options.seed if options.seed is not None else secrets.randbelow(1 << 31)
    done, clock = Done(_new_run(options, seed)), time.monotonic()
    stages = _Stages(options, selection, done, with_matrix, conversations)
    try:
        trio.run(stages.all)
    except UsageError:
        raise
    except BaseException as error:
        done.ended = error
        done.run.complaints.append(f"the run ended before its end: {why(error)}")
    finally:
        stages.progress.finish()
        done.run.seconds = time.monotonic() - clock
    return done


def _new_run(options: argparse.Namespace, seed: int) -> Run:
    return Run(
        suite=__version__,
        command=f"{program.command()} {shlex.join(options.given)}",
        program=program.command(),
        subjects=shlex.join(_subject_words(options)),
        started=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        seconds=0,
        seed=seed,
        strict=options.strict,
        machine=f"{platform.system()} {platform.release()} {platform.machine()}, {os.cpu_count()} processors",
        timeout_scale=options.timeout_scale,
        peers=[],
        rules=list(spec.rules()),
        results=[],
    )


class _Stages:
    """The stages of a run, one after the other for each implementation."""

    def __init__(
        self,
        options: argparse.Namespace,
        selection: Selection | None,
        done: Done,
        with_matrix: bool,
        conversations: Sequence[Result],
    ) -> None:
        self.options, self.selection, self.conversations = options, selection, conversations
        self.with_matrix = with_matrix
        self.done, self.run = done, done.run
        self.chosen = selection.choose() if selection is not None else []
        self.tested = subjects(options.names, options.command, options.peers)
        self.jobs, self.long_lanes = _lanes(options.jobs)
        self.console = Console(stderr=True)
        self.progress = terminal.Progress(self.console, is_quiet=options.quiet)
        self.stops_first = getattr(options, "stop_first", False)
        self.testing = trio.CancelScope()
        """The scope of the cases of one implementation."""

    def add(self, result: Result) -> None:
        if result.verdict.has_failed and not result.cause:
            result.cause = causes.cause_of(result)
        self.run.results.append(result)

    def report(self, result: Result) -> None:
        self.add(result)
        self.progress.advance(result)
        if self.stops_first and self.run.counts_as_failure(result):
            self.testing.cancel()

    async def all(self) -> None:
        smoked = {subject.name: (subject, await self._smoke(subject)) for subject in self.tested}
        for subject, found in smoked.values():
            if not await self._cases(subject, found):
                return
            await self._generated(subject, found)
        if self.with_matrix:
            seed = self.run.seed
            self.run.complaints += await _run_matrix(self.options, smoked, seed, self.progress, self.report)

    async def _smoke(self, subject: Subject) -> Smoke:
        try:
            found = await smoke(subject, PATIENCE * self.options.timeout_scale)
        except AdapterBroken as error:
            raise AdapterBroken(f"{subject.name}: {error}") from error
        for failure in found.failures:
            what = f"a right exchange over {failure.via} as {failure.role} fails: {words.seen(failure)}"
            self.console.print(Text(f"{safe(subject.name)}: warning: {safe(what)}", "yellow"), soft_wrap=True)
        return found

    async def _cases(self, subject: Subject, found: Smoke) -> bool:
        """Runs the chosen cases. Returns False if it stopped at the first failure."""
        options, run = self.options, self.run
        waits = Waits(samples=options.what != "baseline" and getattr(options, "baseline", None) is None)
        runner = Runner(subject, found, run.seed, options.timeout_scale, self.jobs, self.report,
                        long_lanes=self.long_lanes, waits=waits)  # fmt: skip
        runner.defects = self.done.defects
        if options.what == "run":
            runner.repeat = options.repeat
        run.peers.append(runner.peer)
        if self.chosen:
            self.progress.start(subject.name, len(self.chosen))
            before = len(run.results)
            self.testing = trio.CancelScope()
            with self.testing:
                await runner.run(self.chosen)
            self.progress.finish()
            if self.testing.cancelled_caught:
                left = len(self.chosen) - (len(run.results) - before)
                words_left = f"stopped at the first failure, {left:,} cases are left out"
                self.console.print(f"{safe(subject.name)}: {words_left}")
                return False
        if runner.complaint:
            run.complaints.append(runner.complaint)
        return True

    async def _generated(self, subject: Subject, found: Smoke) -> None:
        """Learns, repeats conversations and explores, as the options ask for."""
        options, run, scale = self.options, self.run, self.options.timeout_scale
        if options.what == "learn":
            from .explore.learned import learn

            roles = [role for role in exploring.ROLES if options.role in (None, role)]
            await learn(subject, found, roles, scale, options.report, self.add, self.console)
        again = exploring.Settings(run.seed, 0, scale, self.jobs)
        again.defects = self.done.defects
        await _replay(subject, found, self.conversations, again, self.add, self.console)
        if how := _exploring(options, self.selection, run.seed):
            how.defects = self.done.defects
            roles = [role for role in exploring.ROLES if options.what == "run" or options.role in (None, role)]
            from .explore.command import explore

            run.explored += await explore(subject, found, roles, how, self.add, self.console)


async def _replay(
    subject: Subject,
    found: Smoke,
    conversations: Sequence[Result],
    how: exploring.Settings,
    add: Callable[[Result], None],
    console: Console,
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

    await explore(subject, found, list(exploring.ROLES), how, keep, console)
    for one in own.values():
        add(
            replace(one, verdict=Verdict.PASS, problems=[], events=[], cause="", reproduction="", unshown="", stderr="")
        )


def _subject_words(options: argparse.Namespace) -> list[str]:
    """Returns the options that choose the same implementations."""
    return ["--", *options.command] if options.command else ["--peers", str(options.peers), *options.names]


def why(error: BaseException) -> str:
    first = leaves(error)[0]
    return "interrupted" if isinstance(first, KeyboardInterrupt) else str(first) or type(first).__name__


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
