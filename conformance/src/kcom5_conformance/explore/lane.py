"""Plays scripts on one adapter, one after the other."""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import trio

from ..harness import procfs
from ..harness.adapter import Adapter, AdapterError, Crashed
from ..harness.attempt import PATIENCE, Outcome, attempt, start_adapter
from ..harness.case import Case, Mismatch, NotRun, TooBusy
from ..harness.harness import Harness
from ..harness.run import MOST_BUSY, MOST_LATE
from ..harness.smoke import Smoke
from ..harness.subject import Subject
from ..results import Problem
from . import residue
from .client_play import ClientPlay
from .model import expect
from .play import Known, Play, level_of
from .script import Script
from .server_play import ServerPlay

PLAYS: dict[str, type[Play]] = {"server": ServerPlay, "client": ClientPlay}
"""By the role of the implementation."""
MOST_WAITED = 0.5
"""If the suite or adapter waits longer than this for a processor, in seconds, a repeated failure proves nothing."""

LOOK_AFTER = 24
"""Conversations of one adapter between two checks for residue."""
TIMED_LOOK_AFTER = 6
"""The same for conversations that wait."""
WARM_AFTER = 2
"""The same until the first check."""


@dataclass
class Target:
    """What all lanes share that explore one role of one implementation."""

    subject: Subject
    smoke: Smoke
    scale: float
    folder: Path
    """An empty folder for the adapters' files."""
    known: set[str] = field(default_factory=set)
    """Keys of the failures that were handled."""
    facts: Known = field(default_factory=Known)
    defects: list[BaseException] = field(default_factory=list)
    """Errors of the suite itself."""

    @property
    def patience(self) -> float:
        return PATIENCE * self.scale


@dataclass(frozen=True)
class Played:
    """The outcome of one script."""

    script: Script
    problem: Problem | None
    """The problem. A broken SHOULD rule is here only if no MUST rule was broken."""
    outcome: str
    harness: Harness | None
    is_crash: bool = False

    @property
    def sign(self) -> str:
        """Returns the key of the failure. Failures with the same key count as one."""
        return "" if self.problem is None else f"{self.script.role} {self.problem.rule} {self.problem.axis}"


def _waited(adapter: Adapter) -> float:
    """Returns the seconds that the suite and a running adapter waited for a processor."""
    return procfs.waited([os.getpid(), *(adapter.processes() if adapter.is_running else [])])


def _may_be_load(outcome: Outcome, should: list[Problem]) -> bool:
    """Returns whether a busy machine can cause this."""
    if isinstance(outcome.error, AdapterError):
        return not isinstance(outcome.error, Crashed)
    problems = [outcome.error.problem] if isinstance(outcome.error, Mismatch) else should
    waits = ("time", "ended")
    return outcome.is_about_time or any(one.axis in waits or "nothing" in one.got for one in problems)


def _hangs(outcome: Outcome) -> bool:
    """Returns whether the suite has waited in vain for all of its patience."""
    return isinstance(outcome.error, Mismatch) and outcome.error.problem.saw == "hangs"


class Lane:
    """One adapter that plays one script after another."""

    def __init__(self, target: Target, is_timed: bool = False) -> None:
        self._of, self._is_timed = target, is_timed
        self._adapter: Adapter | None = None
        self._before: residue.Footprint | None = None
        self._scripts: list[Script] = []
        self._is_warm = False
        self._folder = Path(tempfile.mkdtemp(prefix="lane-", dir=target.folder))
        (self._folder / "out").mkdir()
        (self._folder / "tmp").mkdir()

    async def __aenter__(self) -> Lane:
        return self

    async def __aexit__(self, *_error: object) -> None:
        with trio.CancelScope(shield=True):
            await self.close()

    async def play(self, script: Script, patience: float) -> Played:
        """Plays a script, and repeats it if the machine was too busy for the suite's timing."""
        played = Played(script, None, "", None)
        for _ in range(MOST_BUSY):
            try:
                adapter = await self._running()
            except AdapterError as error:
                return self._crashed(script, error, None)
            try:
                played = await self._once(script, adapter, patience)
                break
            except TooBusy:
                continue
        self._scripts.append(script)
        return played

    async def _running(self) -> Adapter:
        if self._adapter is not None:
            await self._adapter.check()
        if self._adapter is None or not self._adapter.is_running:
            subject = self._of.subject
            place = {"TMPDIR": str(self._folder / "tmp")}
            self._adapter = Adapter(subject.command, environment=place, cwd=subject.cwd)
            self._is_warm, self._scripts = False, []
            await start_adapter(self._adapter, self._of.scale)
        return self._adapter

    async def _once(self, script: Script, adapter: Adapter, patience: float) -> Played:
        expected = expect(script)
        plays: list[Play] = []

        async def run(harness: Harness) -> None:
            harness.files.folder = self._folder  # reused: creating one takes as long as a conversation
            plays.append(PLAYS[script.role](script, expected, harness, self._of.facts))
            await plays[0].run()

        level = level_of(expected.rule)
        is_careful = script.is_timed or patience >= self._of.patience
        waited = _waited(adapter) if is_careful else 0.0
        case = Case("explore", expected.rule, level, script.role, script.via, "", run)
        outcome = await attempt(case, adapter, self._of.smoke.tick, patience)
        if isinstance(outcome.error, TooBusy):
            raise outcome.error
        if is_careful and _may_be_load(outcome, plays[0].should if plays else []):
            late = _waited(adapter) - waited
            most = MOST_LATE * script.bound if script.is_timed else MOST_WAITED
            if late > (max(most, patience / 2) if _hangs(outcome) else most):
                raise TooBusy(f"the suite or the adapter had to wait {late:.2f} s for a processor")
        if isinstance(outcome.error, AdapterError):
            return self._crashed(script, outcome.error, outcome.harness)
        problem = None
        if isinstance(outcome.error, Mismatch):
            problem = outcome.error.problem
        elif outcome.error is not None and outcome.is_defect:
            self._of.defects.append(outcome.error)
        elif outcome.error is not None and not isinstance(outcome.error, NotRun):
            problem = Problem(expected.rule, level, "wire", str(outcome.error), expected.likely)
        elif plays and plays[0].should:
            new = (one for one in plays[0].should if f"{script.role} {one.rule} {one.axis}" not in self._of.known)
            problem = next(new, plays[0].should[0])
        return Played(script, problem, plays[0].outcome if plays else "", outcome.harness)

    def _crashed(self, script: Script, error: AdapterError, harness: Harness | None) -> Played:
        problem = Problem("close.residue", "MUST", "adapter", str(error), "that the process lives on", saw="crashes")
        return Played(script, problem, "", harness, is_crash=isinstance(error, Crashed))

    def footprint(self) -> residue.Footprint | None:
        if self._adapter is None or not self._adapter.is_running:
            return None
        return residue.measure(self._adapter, self._folder / "tmp")

    @property
    def is_due(self) -> bool:
        """Returns whether it is time for a check for residue."""
        after = TIMED_LOOK_AFTER if self._is_timed and self._is_warm else WARM_AFTER if self._is_timed else LOOK_AFTER
        return len(self._scripts) >= after

    def look(self, least: int) -> tuple[list[Script], bool]:
        """Returns the scripts since the last look, and whether the adapter has grown since; false the first time.

        The growth is confirmed by playing these again, so that of `least` of them is enough.
        """
        scripts, self._scripts = self._scripts, []
        before, self._before = self._before, self.footprint()
        if not self._is_warm or before is None or self._before is None or len(scripts) < 4:
            self._is_warm = self._before is not None
            return scripts, False
        return scripts, bool(self._before.grown(before, len(scripts), least))

    async def close(self) -> None:
        if self._adapter is not None:
            await self._adapter.close(1)
            await self._adapter.kill()
        shutil.rmtree(self._folder, ignore_errors=True)
