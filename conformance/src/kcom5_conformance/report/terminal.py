"""The terminal: progress while it runs, and at the end what failed and why. Colour and redrawing on a terminal only."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from itertools import groupby

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars
from rich.table import Table
from rich.text import Text

from ..escape import safe
from ..results import Problem, Result, Rule, Run, Verdict
from . import causes, words

SHOWN_PER_RULE = 3
"""How many failures of one rule and implementation are shown in full."""

_COLOURS = {
    Verdict.PASS: "green",
    Verdict.FAIL: "red",
    Verdict.FLAKY: "magenta",
    Verdict.CRASHED: "red",
    Verdict.KNOWN_FAILURE: "yellow",
    Verdict.UNEXPECTED_PASS: "red",
    Verdict.UNSUPPORTED: "bright_black",
    Verdict.NOT_RUN: "bright_black",
}


class Progress:
    """How far each implementation is: a bar on a terminal; elsewhere a line at its start and at its end."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._failed: Counter[str] = Counter()
        self._done: Counter[str] = Counter()
        self._total: dict[str, int] = {}
        self._since: dict[str, float] = {}
        self._tasks: dict[str, TaskID] = {}
        self._bars: Bars | None = None
        if console.is_terminal:
            self._bars = Bars(
                TextColumn("{task.description}", markup=False),
                BarColumn(),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                TextColumn("{task.fields[failed]}", style="red", markup=False),
                console=console,
                transient=True,
            )

    def start(self, peer: str, total: int) -> None:
        self._total[peer], self._since[peer] = total, time.monotonic()
        if self._bars:
            self._tasks[peer] = self._bars.add_task(safe(peer), total=total, failed="")
            self._bars.start()
        else:
            self._line(f"{safe(peer)}: {total:,} cases")

    def advance(self, result: Result) -> None:
        """A case of a started implementation is over."""
        peer = "matrix" if result.id.startswith("matrix/") else result.peer
        self._done[peer] += 1
        self._failed[peer] += result.verdict.has_failed
        failed = f"{self._failed[peer]:,} failed" if self._failed[peer] else ""
        if self._bars:
            self._bars.update(self._tasks[peer], advance=1, failed=failed)
        elif self._done[peer] == self._total[peer]:
            seconds = time.monotonic() - self._since[peer]
            cases = words.count(self._done[peer], "case")
            self._line(f"{safe(peer)}: {cases} in {seconds:.1f} s, {failed or 'none failed'}")

    def finish(self) -> None:
        """The bars are taken away. It may be called more than once."""
        if self._bars:
            self._bars.stop()

    def _line(self, text: str) -> None:
        self._console.print(Text(text), soft_wrap=True)


def print_summary(run: Run, console: Console) -> None:
    """What failed and why; the counts; what was not tried; and as the last line whether all was as expected."""
    _failures(run, console)
    _counts(run, console)
    _coverage(run, console)
    _explored(run, console)
    _left_out(run, console)
    for complaint in run.complaints:
        console.print(Text.assemble(("complaint  ", "bold red"), safe(complaint)))
    console.print(_last_line(run), soft_wrap=True)


def verdict_of(run: Run) -> str:
    """`as expected`, or `NOT as expected: ` and why."""
    if run.is_as_expected:
        return "as expected"
    counts = Counter(result.verdict for result in run.results if run.counts_as_failure(result))
    why = [f"{counts[verdict]:,} {verdict.value}" for verdict in Verdict if counts[verdict]]
    if run.complaints:
        why.append(f"{len(run.complaints)} complaint{'s' if len(run.complaints) > 1 else ''}")
    return f"NOT as expected: {', '.join(why)}"


def must_rules(run: Run) -> tuple[list[Rule], list[Rule], list[Rule]]:
    """The MUST rules of which a case passed, those of which cases were chosen and none passed, and the others."""
    passed = {result.rule for result in run.results if result.verdict in (Verdict.PASS, Verdict.UNEXPECTED_PASS)}
    tried = {result.rule for result in run.results}
    must = [rule for rule in run.rules if rule.level == "MUST"]
    return (
        [rule for rule in must if rule.name in passed],
        [rule for rule in must if rule.name in tried - passed],
        [rule for rule in must if rule.name not in tried],
    )


def _failures(run: Run, console: Console) -> None:
    order = {rule.name: number for number, rule in enumerate(run.rules)}
    found = [result for result in run.results if result.verdict.has_failed or run.counts_as_failure(result)]
    found.sort(key=lambda result: (result.peer, order.get(_broken(result), len(order)), _broken(result)))
    rules = {rule.name: rule for rule in run.rules}
    for (peer, name), group in groupby(found, key=lambda result: (result.peer, _broken(result))):
        results = list(group)
        level = rules[name].level if name in rules else results[0].level
        console.rule(Text.assemble((safe(peer), "bold"), " · ", (safe(name), "bold red"), f" · {level}"), align="left")
        if name in rules:
            console.print(_rows([("says", rules[name].sentence), ("effect", rules[name].effect)]))
        for result in results[:SHOWN_PER_RULE]:
            console.print(_failure(result))
            console.print(_again(run, result), soft_wrap=True)
        if len(results) > SHOWN_PER_RULE:
            console.print(Text(f"… and {len(results) - SHOWN_PER_RULE:,} more of this rule", "bold"))
        console.print()


def _broken(result: Result) -> str:
    """The rule that a failed case is filed under: the first that it found broken."""
    return result.problems[0].rule if result.problems else result.rule


def _again(run: Run, result: Result) -> Text:
    return Text.assemble(("again      ", "bright_black"), safe(words.again(run, result)))


def _failure(result: Result) -> RenderableType:
    style = _COLOURS[result.verdict]
    parts: list[RenderableType] = [
        Text(),
        Text.assemble((f"{result.verdict.value} ", f"bold {style}"), (safe(result.id), "bold")),
    ]
    lines = [("why", safe(result.note))]
    if result.verdict is Verdict.FLAKY:
        lines.append(("found", f"failed {result.failed} of {result.tried} times"))
    elif not result.problems:
        lines.append(("found", words.headline(result)))
    shown: Problem | None = None
    for problem in result.problems:
        if problem.rule != _broken(result):
            lines.append(("also", safe(problem.rule)))
        lines += [("got", safe(problem.got)), ("expected", safe(problem.expected))]
        if shown is None and problem.at is not None and problem.stream:
            shown = problem
    lines += [("likely", safe(result.cause))] if result.cause else []
    parts.append(_rows(lines))
    if shown:
        rows = causes.annotate(shown.stream, result.role, shown.at, shown.expected_stream)
        parts.append(Padding(Text(causes.hexdump(rows), no_wrap=True, overflow="ellipsis"), (0, 0, 0, 11)))
    if result.vector:
        parts.append(_rows([("ladder", words.ladder(result))]))
        parts += [Text(text) for text in (result.reproduction, f"as a vector: {result.vector}") if text]
    return Group(*parts)


def _rows(lines: Iterable[tuple[str, str]]) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bright_black", width=9, no_wrap=True)
    table.add_column(overflow="fold")
    for name, text in lines:
        table.add_row(name, Text(text))
    return table


def _counts(run: Run, console: Console) -> None:
    peers = list(dict.fromkeys([*(peer.name for peer in run.peers), *(result.peer for result in run.results)]))
    counts = Counter((result.peer, result.verdict) for result in run.results)
    used = [verdict for verdict in Verdict if any(counts[peer, verdict] for peer in peers)]
    table = Table(box=None, pad_edge=False, header_style="bright_black")
    table.add_column("implementation", overflow="fold")
    for verdict in used:
        table.add_column(verdict.value, justify="right", style=_COLOURS[verdict], overflow="fold")
    for peer in peers:
        table.add_row(
            Text(safe(peer)),
            *(
                Text(f"{counts[peer, verdict]:,}", "bright_black" if not counts[peer, verdict] else "")
                for verdict in used
            ),
        )
    console.print(table)


def _coverage(run: Run, console: Console) -> None:
    shown, missing, untried = must_rules(run)
    console.print(Text(f"rules: {len(shown)} of {len(shown + missing + untried)} MUST have a case that passed"))
    if missing:
        console.print(Text.assemble(("no case passed: ", "yellow"), ", ".join(rule.name for rule in missing)))
    if untried:
        few = len(untried) <= 5
        console.print(f"not tried: {', '.join(rule.name for rule in untried) if few else f'{len(untried)} rules'}")


def _explored(run: Run, console: Console) -> None:
    """What exploring visited of the tables, and what it did not."""
    for one in run.explored:
        cells = [pair for pair in one.pairs if not pair["dash"]]
        missed = [f"{pair['state']} × {pair['event']}" for pair in cells if not pair["visits"]]
        text = f"explored {safe(one.peer)} as {one.role}: {one.conversations:,} conversations, "
        text += f"{len(cells) - len(missed)} of {len(cells)} cells, {len(one.outcomes)} pairs of rule and outcome"
        console.print(Text(text))
        if missed:
            console.print(Text(f"not visited: {', '.join(missed)}", "bright_black"))


def _left_out(run: Run, console: Console) -> None:
    reasons: dict[tuple[Verdict, str], Counter[str]] = {}
    for result in run.results:
        if result.verdict in (Verdict.UNSUPPORTED, Verdict.NOT_RUN, Verdict.KNOWN_FAILURE):
            reasons.setdefault((result.verdict, result.reason), Counter())[result.peer] += 1
    for (verdict, reason), peers in sorted(reasons.items()):
        counts = ", ".join(f"{count:,} of {peer}" for peer, count in sorted(peers.items()))
        text = f"{verdict.value}: {counts}: {reason or 'no reason given'}"
        console.print(Text(safe(text), _COLOURS[verdict]))


def _last_line(run: Run) -> Text:
    cases = f"{len(run.results):,} result{'' if len(run.results) == 1 else 's'} in {run.seconds:.1f} s: "
    return Text.assemble(cases, (verdict_of(run), "bold green" if run.is_as_expected else "bold red"))
