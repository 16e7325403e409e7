"""A result in plain words, for the terminal and JUnit."""

from __future__ import annotations

import shlex

from ..escape import safe
from ..results import Event, Result, Run, Verdict
from . import dump

EARLIER = "not run again: this is the result of the earlier run"


def count(number: int, thing: str) -> str:
    """Returns for example `1 case` or `2,278 cases`."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def headline(result: Result) -> str:
    """Returns the failure in one line."""
    if result.verdict is Verdict.UNEXPECTED_PASS:
        return "it passes, and the baseline says that it fails"
    flaky = f"failed {result.failed} of {result.tried} times: " if result.verdict is Verdict.FLAKY else ""
    if not result.problems:
        return flaky + (safe(result.reason) or result.verdict.value)
    more = f" (and {len(result.problems) - 1} more)" if len(result.problems) > 1 else ""
    return f"{flaky}{result.problems[0].rule}: {safe(seen(result))}{more}"


def seen(result: Result) -> str:
    """Returns its first problem."""
    return f"got {result.problems[0].got}, expected {result.problems[0].expected}"


def again(run: Run, result: Result) -> str:
    """Returns the command that runs only this case against its implementation."""
    case = shlex.quote(result.id)
    if result.id.startswith("matrix/"):
        return f"{run.program} matrix --case {case} {settings(run)} {run.subjects}".rstrip()
    command = next((peer.command for peer in run.peers if peer.name == result.peer), [])
    subject = f"-- {shlex.join(command)}"
    if run.subjects.startswith("--peers "):
        subject = shlex.join([*shlex.split(run.subjects)[:2], result.peer])
    if result.id.startswith(("explore/", "learn/")):
        act = result.id.split("/")[0]
        if result.script:
            return f"{run.program} explore --replay {shlex.quote(result.script)} {settings(run)} {subject}"
        return f"{run.program} {act} --role {result.role} {settings(run)} {subject}"
    return f"{run.program} run --case {case} {settings(run)} {subject}"


def settings(run: Run) -> str:
    """Returns the options that affect the outcome of a case."""
    scale = f" --timeout-scale {run.timeout_scale:g}" if run.timeout_scale != 1 else ""
    return f"--seed {run.seed}{scale}"


def ladder(result: Result) -> str:
    """Returns the transcript of both ends, one line for each event."""
    return "\n".join(f"{at:9.3f} s  {arrow:<15}  {happened}" for at, arrow, happened in rungs(result))


def rungs(result: Result) -> list[tuple[float, str, str]]:
    """Returns the ladder in parts: seconds, direction, and event."""
    return [(event.at, _arrow(event), happened(event)) for event in result.events]


def happened(event: Event) -> str:
    """Returns an event in a few words."""
    said = safe(event.text)
    if event.what != "octets":
        return f"{event.what} {said}".strip()
    shown = " ".join(event.octets[at : at + 2] for at in range(0, min(len(event.octets), 64), 2))
    more = " …" if event.size > len(shown.split()) else ""
    return f"{event.size:,} octet{'' if event.size == 1 else 's'}  {shown}{more}  {said}".rstrip()


def explain(run: Run, result: Result) -> str:
    """Returns everything known about a failure."""
    lines = [safe(result.note), *([EARLIER] if result.is_earlier else [])]
    for problem in result.problems:
        rule = next((rule for rule in run.rules if rule.name == problem.rule), None)
        lines += ["", f"rule      {problem.rule} ({problem.level}, {problem.axis})"]
        if rule:
            lines += [f"says      {rule.sentence}", f"effect    {rule.effect}"]
        lines += [f"got       {safe(problem.got)}", f"expected  {safe(problem.expected)}"]
        if problem.stream or problem.expected_stream:
            rows = dump.annotate(problem.stream, result.role, problem.at, problem.expected_stream)
            lines += ["", dump.hexdump(rows)]
    if result.cause:
        lines += ["", f"likely    {safe(result.cause)}"]
    if result.stderr:
        lines += ["", "its standard error:", safe(result.stderr)]
    if result.reason:
        lines += ["", f"reason    {safe(result.reason)}"]
    lines += ["", f"again     {again(run, result)}"]
    return "\n".join(lines)


def _arrow(event: Event) -> str:
    if event.what == "wait":
        return "suite"
    return "suite ---> peer" if event.who == "suite" else "suite <--- peer"
