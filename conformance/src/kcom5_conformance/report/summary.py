"""The numbers of a run, the same in every report."""

from __future__ import annotations

from collections import Counter

from ..results import Result, Run, Verdict
from . import words

STATES = ("broken", "kept", "not tried", "not claimed")
PARTS = {
    "pass": "passed",
    "fail": "failed",
    "should": "of a SHOULD failed",
    "known": "known failures",
    "unsupported": "not claimed",
    "not-run": "not run",
}
"""The parts of the bar, in their order, in words."""


_STATE = {
    Verdict.PASS: "kept",
    Verdict.UNEXPECTED_PASS: "kept",
    Verdict.UNSUPPORTED: "not claimed",
    Verdict.NOT_RUN: "not tried",
}


def part(run: Run, result: Result) -> str:
    """Returns the part of the bar that a result belongs to, a key of `PARTS`."""
    if run.counts_as_failure(result):
        return "fail"
    if result.verdict.has_failed:
        return "should"
    if result.verdict is Verdict.KNOWN_FAILURE:
        return "known"
    value: str = result.verdict.value
    return value


def parts(run: Run, peer: str = "") -> dict[str, int]:
    """Returns the number of results of each part, for one implementation or all, without empty parts."""
    counts = Counter(part(run, result) for result in run.results if peer in ("", result.peer))
    return {name: counts[name] for name in PARTS if counts[name]}


def verdict(run: Run) -> str:
    """Returns the verdict in one line."""
    counts = parts(run)
    weak = f"; {counts['should']:,} of a SHOULD failed: still conformant" if counts.get("should") else ""
    if run.is_as_expected:
        return f"as expected{weak}"
    why = [f"{counts['fail']:,} failed"] if counts.get("fail") else []
    if run.complaints:
        why.append(words.count(len(run.complaints), "complaint"))
    return f"NOT as expected: {', '.join(why)}{weak}"


def rule_states(run: Run) -> dict[str, str]:
    """Returns for each rule one of `STATES`: broken by a case, else kept by one, else not claimed, else not tried."""
    seen: dict[str, set[str]] = {}
    for result in run.results:
        names = {problem.rule for problem in result.problems} or {result.rule}
        for name in names:
            seen.setdefault(name, set()).add(_STATE.get(result.verdict, "broken"))
    order = ("broken", "kept", "not claimed")
    return {
        rule.name: next((one for one in order if one in seen.get(rule.name, ())), "not tried") for rule in run.rules
    }


def rules_in_words(run: Run) -> str:
    """Returns for example `rules: 55 kept, 20 broken, 1 not tried`."""
    counts = Counter(rule_states(run).values())
    return "rules: " + ", ".join(f"{counts[state]} {state}" for state in STATES if counts[state])
