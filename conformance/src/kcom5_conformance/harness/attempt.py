"""One attempt at a case, and its outcome."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import trio

from ..errors import leaves
from ..results import Json, Problem
from .adapter import Adapter, AdapterError
from .case import Case, Mismatch, NotRun, TooBusy, Unsupported
from .harness import Harness

PATIENCE = 5.0
"""Timeout in seconds, at scale 1, for a response that is expected immediately."""
START_PATIENCE = 60.0
"""Timeout in seconds for the first answer of a new process."""


async def ask(adapter: Adapter, request: Json, patience: float, *definitions: str) -> Json:
    await adapter.ask(request, patience)
    with trio.move_on_after(patience):
        return await adapter.answer(*definitions)
    raise await adapter.hang(patience)


async def start_adapter(adapter: Adapter, scale: float) -> None:
    """Starts a process of the adapter, and waits until it answers.

    Otherwise a timed case would include the interpreter's start, and a slow start would fail a case.
    """
    await adapter.start()
    await ask(adapter, {"op": "about"}, START_PATIENCE * scale, "answer-about")


def one_exchange(role: str) -> Callable[[Harness], Awaitable[None]]:
    async def run(harness: Harness) -> None:
        await harness.exchange(role)

    return run


@dataclass
class Outcome:
    """The outcome of one attempt. `error` is None if it passed."""

    harness: Harness | None
    """The harness of the attempt; None if it was not tried."""
    error: Exception | None
    seconds: float
    stderr: str = ""
    """The adapter's standard error during the attempt."""

    @property
    def is_defect(self) -> bool:
        """Returns whether the suite itself is broken in this case."""
        known = (Mismatch, NotRun, TooBusy, Unsupported, AdapterError)
        return self.error is not None and not isinstance(self.error, known)

    @property
    def has_served(self) -> bool:
        """Returns whether an exchange has succeeded."""
        return self.harness is not None and any("ok" in (call.answer or {}) for call in self.harness.calls)

    @property
    def is_about_time(self) -> bool:
        """Returns whether a busy machine can cause this failure. Any other failure counts."""
        if not isinstance(self.error, Mismatch) or self.harness is None:
            return False
        problem = self.error.problem
        answer = (self.harness.answer or {}).get("error")
        return problem.axis == "time" or (
            problem.axis in ("delivered", "ended", "wire")
            and ("timeout" in problem.expected or answer in ("timeout", "unconfirmed"))
        )

    @property
    def words(self) -> str:
        if isinstance(self.error, Mismatch):
            return f"got {self.error.problem.got}, expected {self.error.problem.expected}"
        return str(self.error)


async def attempt(
    case: Case, adapter: Adapter, tick: float, patience: float, *, is_responsive: bool = False
) -> Outcome:
    """Runs a case once. Afterwards the adapter is either idle and responsive, or not running. With `is_responsive`, an
    exchange in the case or after it shows that it is, and it is not asked."""
    start = trio.current_time()
    outcome = Outcome(None, None, 0)
    harness: Harness | None = None
    adapter.forget_words()
    try:
        async with trio.open_nursery() as nursery:
            harness = Harness(case, adapter, nursery, tick, patience)
            outcome = Outcome(harness, None, 0)
            outcome.error = await _error_of(case, harness)
            outcome.seconds = trio.current_time() - start
            harness.close()
            outcome.error = await _idle(harness, outcome.error, is_responsive)
            nursery.cancel_scope.cancel()
    except Exception as error:  # a defect of the suite ends only the case
        outcome.error = error
        await adapter.kill()
    finally:
        outcome.stderr = adapter.words
        if harness is not None:
            for other in harness.others:
                await other.kill()
            harness.close()
            harness.clean()
    return outcome


async def _error_of(case: Case, harness: Harness) -> Exception | None:
    """Runs the case and returns its error, if any."""
    try:
        await case.run(harness)
    except Exception as failure:
        for one in leaves(failure):  # a nursery raises an exception group
            if isinstance(one, (Mismatch, NotRun, TooBusy, Unsupported, AdapterError)):
                return one
            if isinstance(one, OSError):
                got = f"a broken connection ({one.strerror})"
                return Mismatch(Problem(case.rule, case.level, "wire", got, "that it holds", saw="broken"))
        raise
    return None


async def _idle(harness: Harness, error: Exception | None, is_responsive: bool) -> Exception | None:
    """Waits until the adapter is idle, or ends it. A missing answer is charged to this case, never to the next one."""
    adapter = harness.adapter
    # A running call ends by itself, because the suite has closed its connections.
    with trio.move_on_after(harness.patience if error is None else min(1.0, harness.patience)):
        for call in harness.calls:
            await call.ended.wait()
    if any(not call.ended.is_set() for call in harness.calls):
        hang = await adapter.hang(harness.patience)
        return error or hang
    error = error or next((call.error for call in harness.calls if call.error is not None), None)
    if adapter.is_in_use:
        try:
            await adapter.check()
            if error is not None or not is_responsive:
                await ask(adapter, {"op": "about"}, harness.patience, "answer-about")
        except AdapterError as failure:
            return error or failure
    return error
