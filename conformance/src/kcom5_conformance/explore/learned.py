"""The command `learn`: the machine of each role, its differences from the tables, and its drawing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from ..errors import UsageError
from ..escape import safe
from ..harness.adapter import AdapterError
from ..harness.smoke import Smoke
from ..harness.subject import Subject
from ..results import Problem, Result, Role, Verdict
from .learn import Learned, Learner
from .machine import Difference, draw, to_dot
from .play import level_of
from .settings import ROLES

_BY_LETTER = {
    "server": {"connect": "listen.one-client", "wrong": "hello.reject", "whole": "echo.exact", "read": "frame.order"},
    "client": {"connect": "hello.form", "refused": "connect.refused", "over": "limit.over", "whole": "frame.segments"},
}
_BY_STATE = {
    ("listening", "timeout"): "time.wait",
    ("hello", "timeout"): "time.handshake",
    ("hello", "more"): "hello.segments",
    ("hello", "end"): "hello.eof",
    ("hello", "reset"): "hello.eof",
    ("sending", "timeout"): "time.stall",
    ("half-closed", "timeout"): "time.stall",
    ("confirming", "timeout"): "time.confirm",
    ("sending", "end"): "close.half",
    ("half-closed", "read"): "close.half",
    ("connecting", "timeout"): "time.connect",
    ("echo", "timeout"): "time.handshake",
    ("echo", "whole"): "echo.segments",
    ("message", "wrong"): "message.utf8",
    ("data", "whole"): "data.end",
}


def rule_of(role: str, difference: Difference) -> str:
    """Returns the rule that a difference breaks."""
    state, letter = difference.state, difference.word[-1]
    if rule := _BY_STATE.get((state, letter)) or _BY_LETTER[role].get(letter):
        return rule
    if role == "server":
        return "close.extra" if letter == "more" else "close.confirm"
    if state == "echo":
        return "echo.segments" if letter == "more" else "echo.mismatch"
    return {"timeout": "time.stall", "more": "frame.segments"}.get(letter, "data.truncated")


async def learn(
    subject: Subject,
    smoke: Smoke,
    roles: list[Role],
    scale: float,
    folder: Path | None,
    report: Callable[[Result], None],
    console: Console,
) -> None:
    """Learns each role of the implementation. Writes the drawings to `folder`."""
    if "tcp6" not in smoke.about["supports"] and "tcp4" not in smoke.about["supports"]:
        raise UsageError(f"{subject.name} supports no TCP", "learn needs a transport that can be reset")
    for role in roles:
        if ROLES[role] not in smoke.about["supports"]:
            continue
        via = "tcp6" if "tcp6" in smoke.supports else "tcp4"
        try:
            learned = await Learner(subject, smoke, role, scale, via).learn()
        except AdapterError as error:
            problem = Problem("close.residue", "MUST", "adapter", str(error), "that the process lives on")
            report(_result(subject.name, role, via, [problem], 0.0, Verdict.CRASHED))
            continue
        problems = [_problem(role, one) for one in learned.differences]
        problems.sort(key=lambda problem: problem.level != "MUST")
        report(_result(subject.name, role, via, problems, learned.seconds, Verdict.FAIL if problems else Verdict.PASS))
        _print(console, subject.name, role, learned, folder)


def _problem(role: str, one: Difference) -> Problem:
    rule = rule_of(role, one)
    got, expected = f"{one.got}, after: {', '.join(one.word)}", f"{one.expected}, in the state {one.state}"
    return Problem(rule, level_of(rule), "delivered", got, expected)


def _result(peer: str, role: Role, via: str, problems: list[Problem], seconds: float, verdict: Verdict) -> Result:
    rule = problems[0].rule if problems else "result.class"
    note = "the state machine that is learned from its answers alone is that of the tables"
    result = Result(f"learn/{role}@{via}", peer, rule, level_of(rule), role, via, note, verdict, seconds, problems)
    result.failed = len(problems) and 1
    return result


def _print(console: Console, peer: str, role: str, learned: Learned, folder: Path | None) -> None:
    machine, found = learned.machine, learned.differences
    equal = f"{len(found)} answers differ from the tables" if found else "equal to the tables"
    lines = [f"{safe(peer)} as {role}: {len(machine.states)} states, {equal}; {learned.words} conversations"]
    lines[0] += f" in {learned.seconds:.1f} s"
    for one in found:
        lines.append(f"  {', '.join(one.word)}: got {safe(one.got)}, expected {one.expected}, in {one.state}")
    dot = to_dot(machine, f"{peer} as {role}", found)
    if folder is not None:
        files = draw(dot, folder, f"{peer.replace('/', '_')}-{role}")
        missing = "" if len(files) > 1 else " (no SVG: Graphviz's `dot` is not installed)"
        lines.append(f"  drawn: {', '.join(safe(str(file)) for file in files)}{missing}")
    else:
        lines.append("  --report DIR draws it")
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
