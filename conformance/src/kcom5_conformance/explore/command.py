"""The command `explore`: implementations and roles, saved failures, results for the report."""

from __future__ import annotations

import contextlib
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from rich.console import Console

from ..escape import safe
from ..harness.smoke import Smoke
from ..harness.subject import Subject
from ..report import causes, words
from ..results import Explored, Json, Problem, Result, Role, Verdict
from .engine import Explorer, Failure, Visited
from .lane import Target
from .model import expect
from .play import level_of
from .script import Script, to_text, to_vector
from .settings import ROLES, Settings
from .tables import FINAL, table

NO_ACT = ("failure", "cancel")
"""Events that a peer cannot cause."""


async def explore(
    subject: Subject,
    smoke: Smoke,
    roles: list[Role],
    options: Settings,
    report: Callable[[Result], None],
    tell: Callable[[str], None],
    console: Console | None = None,
) -> list[Explored]:
    """Explores an implementation in each of its roles and passes every result to `report`. The progress is shown on the
    console, and a line of each role is passed to `tell`."""
    found = []
    for role in roles:
        if ROLES[role] not in smoke.about["supports"]:
            continue
        saved = [script for script in options.replayed or options.saved() if script.role == role]
        if options.replayed and not saved:
            continue
        failed: set[str] = set()

        def tell_failure(failure: Failure, failed: set[str] = failed) -> None:
            result = result_of(failure, subject.name)
            failed.add(result.rule)
            options.save(failure.played.script)
            report(result)

        with tempfile.TemporaryDirectory(prefix="kcom5-") as folder, _progress(console, subject.name, role) as show:
            explorer = Explorer(
                Target(subject, smoke, options.scale, Path(folder), defects=options.defects),
                role,
                options.seed,
                options.seconds,
                options.examples,
                options.jobs,
                tell_failure,
                show,
                options.is_first_enough,
            )
            await (explorer.replay(saved) if options.replayed else explorer.run(saved))
        visited = explorer.visited
        for result in _passed(visited, subject.name, role, failed):
            report(result)
        found.append(_summary(visited, subject.name, role))
        line = _told(visited, len(failed), "replayed" if options.replayed else "explored", role)
        tell(f"{subject.name}: {line}")
    return found


def _told(visited: Visited, failed: int, did: str, role: Role) -> str:
    """Returns the line about a role that was explored. `failed` is the number of broken rules."""
    rate = visited.conversations / max(visited.seconds, 0.001)
    unrepeated = f", {visited.unrepeated} failed once and not again" if visited.unrepeated else ""
    broken = f"{rate:.0f} a second, {words.count(failed, 'rule') if failed else 'no rule'} broken{unrepeated}"
    ended = broken if visited.conversations else "none ended in that time: allow it more seconds"
    return f"{did} as {role}: {words.count(visited.conversations, 'conversation')} in {visited.seconds:.1f} s, {ended}"


def result_of(failure: Failure, peer: str) -> Result:
    """Returns the result of a failure, with the ladder, a program that reproduces it, and a vector."""
    played = failure.played
    script, problem = played.script, played.problem
    assert problem is not None
    vector = vector_of(script, problem)
    is_flaky = failure.failed < failure.tried and not played.is_crash
    verdict = Verdict.CRASHED if played.is_crash else Verdict.FLAKY if is_flaky else Verdict.FAIL
    result = Result(
        f"explore/{vector['id']}@{script.via}",
        peer,
        problem.rule,
        problem.level,
        script.role,
        script.via,
        f"found by exploring, conversation {failure.number:,}, after {failure.after:.1f} s",
        verdict,
        problems=[problem],
        failed=failure.failed,
        tried=failure.tried,
    )
    if played.harness is not None:
        result.events = played.harness.events
        result.cause = causes.cause_of(result, played.harness.answer)
        result.reproduction, result.unshown = played.harness.reproduction(problem)
    result.script = to_text(script)
    result.vector = json.dumps({"about": "Found by exploring.", "vectors": [vector]}, ensure_ascii=False)
    return result


def vector_of(script: Script, problem: Problem) -> Json:
    """Returns the script as a vector with the right outcome."""
    expected = expect(script)
    outcome: Json = {"ok": True} if expected.likely == "ok" else {"error": expected.likely}
    if expected.likely == "ok" and script.role == "client":
        if expected.message:
            outcome["message"] = expected.message
        data = expected.data
        if data:
            outcome["data"] = data.hex(" ") if isinstance(data, bytes) else data.to_json()
    note = f"expected {problem.expected}; an implementation gave {problem.got}"[:200]
    return to_vector(script, problem.rule, level_of(problem.rule), note, outcome)


def _passed(visited: Visited, peer: str, role: Role, failed: set[str]) -> Iterator[Result]:
    """Returns a passed result for each rule whose conversations were all right."""
    for rule in sorted({rule for rule, _ in visited.outcomes} - failed):
        outcomes = {name: count for (one, name), count in visited.outcomes.items() if one == rule}
        note = ", ".join(f"{name} {count:,}" for name, count in sorted(outcomes.items()))
        yield Result(f"explore/{role}/{rule}", peer, rule, level_of(rule), role, "", f"conversations: {note}",
                     Verdict.PASS, tried=sum(outcomes.values()))  # fmt: skip


def _summary(visited: Visited, peer: str, role: Role) -> Explored:
    """Returns how often each pair of state and event was visited, without the impossible ones."""
    states = table(role)
    pairs: list[Json] = []
    for state in states.states:
        for event in states.events:
            if state not in FINAL:
                is_dash = states.cell(state, event).is_dash or event in NO_ACT
                pairs.append({"state": state, "event": event, "visits": visited.pairs[state, event], "dash": is_dash})
    outcomes: list[Json] = [
        {"rule": rule, "outcome": outcome, "visits": count}
        for (rule, outcome), count in sorted(visited.outcomes.items())
    ]
    return Explored(peer, role, visited.conversations, visited.seconds, visited.unrepeated, pairs, outcomes)


@contextlib.contextmanager
def _progress(console: Console | None, peer: str, role: str) -> Iterator[Callable[[Visited], None]]:
    """Shows the progress on a terminal."""
    start = time.monotonic()
    head = f"{safe(peer)}: exploring as {role}"
    if console is None or not console.is_terminal:
        yield lambda visited: None
        return
    with console.status(head) as status:

        def show(visited: Visited) -> None:
            seconds = time.monotonic() - start
            rate = visited.conversations / max(seconds, 0.001)
            status.update(f"{head}: {visited.conversations:,} conversations, {rate:.0f} a second, {seconds:.0f} s")

        yield show
