"""Makes a result from the outcome of an attempt."""

from __future__ import annotations

from contextlib import suppress

from ..report import causes
from ..results import Problem, Result, Saw, Verdict
from .adapter import AdapterError, Crashed, Hung
from .attempt import Outcome
from .case import Case, Mismatch


def result_of(peer: str, case: Case, verdict: Verdict, outcome: Outcome | None = None, reason: str = "") -> Result:
    """Returns the result of a case, with all known details if it failed."""
    result = Result(case.id, peer, case.rule, case.level, case.role, case.via, case.note, verdict, reason=reason)
    if outcome is None:
        return result
    result.seconds = outcome.seconds
    if outcome.error is None:
        return result
    result.stderr = outcome.stderr
    result.problems = [problem_of(case.rule, outcome.error)]
    result.level = result.problems[0].level
    if outcome.harness is not None:
        with suppress(Exception):  # an error in the details must not end the run
            result.events = outcome.harness.events
        result.cause = causes.cause_of(result, outcome.harness.answer)
        with suppress(Exception):
            result.reproduction, result.unshown = outcome.harness.reproduction(result.problems[0])
    return result


def problem_of(rule: str, error: Exception) -> Problem:
    """Returns the problem of a case of this rule."""
    if isinstance(error, Mismatch):
        return error.problem
    saw: Saw = "crashes" if isinstance(error, Crashed) else "mute" if isinstance(error, Hung) else ""
    what = error.what if isinstance(error, AdapterError) else str(error)
    return Problem(rule, "MUST", "adapter", what, "an answer to every request", saw=saw)
