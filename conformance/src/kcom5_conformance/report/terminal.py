"""The terminal output: progress, then the failures with their causes. Colour and redrawing need a terminal."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable

from rich.console import Console, Group, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars
from rich.table import Table
from rich.text import Text

from ..escape import safe
from ..results import Problem, Result, Run, Verdict
from . import dump, roots, summary, words

MOST_BAR = 60
"""Columns of the bar."""
GAP = "   "
"""Between two parts of the legend."""
MOST_VECTOR = 4000
"""Characters of a vector that is printed."""
MOST_BROKEN = 10
"""The maximum number of newly broken cases that are named."""
_PARTS = {
    "pass": "green",
    "fail": "red",
    "should": "yellow",
    "known": "cyan",
    "unsupported": "bright_black",
    "not-run": "bright_black",
}

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
    """The progress of each implementation: a bar on a terminal, elsewhere a line at the start and at the end."""

    def __init__(self, console: Console, *, is_quiet: bool = False) -> None:
        self._console = console
        self._is_quiet = is_quiet
        self._failed: Counter[str] = Counter()
        self._done: Counter[str] = Counter()
        self._total: dict[str, int] = {}
        self._since: dict[str, float] = {}
        self._tasks: dict[str, TaskID] = {}
        self._bars: Bars | None = None
        if console.is_terminal and not is_quiet:
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
        """Starts the progress of an implementation. It may be called more than once."""
        if peer in self._total:
            return
        self._total[peer], self._since[peer] = total, time.monotonic()
        if self._bars:
            self._tasks[peer] = self._bars.add_task(safe(peer), total=total, failed="")
            self._bars.start()
        else:
            self._line(f"{safe(peer)}: {total:,} cases")

    def advance(self, result: Result) -> None:
        """Counts a finished case of a started implementation."""
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
        """Removes the bars. It may be called more than once."""
        if self._bars:
            self._bars.stop()

    def _line(self, text: str) -> None:
        if not self._is_quiet:
            self._console.print(Text(text), soft_wrap=True)


def print_summary(run: Run, console: Console, *, is_quiet: bool = False) -> None:
    """Prints each group of failures with its shortest case. The totals come last, so that they stay visible."""
    found = roots.groups(run)
    if not is_quiet:
        for number, group in enumerate(found, 1):
            _group(run, number, group, console)
    _explored(run, console)
    _left_out(run, console)
    for complaint in run.complaints:
        console.print(Text.assemble(("complaint  ", "bold red"), safe(complaint)))
    _overview(run, found, console)


def _overview(run: Run, found: list[roots.Group], console: Console) -> None:
    _counts(run, console)
    console.print(_bar(run, min(console.width, MOST_BAR), console.width))
    console.print(Text(summary.rules_in_words(run)))
    if earlier := [result for result in run.results if result.is_earlier]:
        failed = sum(run.counts_as_failure(result) for result in earlier)
        are = words.count(len(earlier), "result")
        console.print(Text(f"not run again: {are} of the earlier run, {failed or 'none'} failed"))
    if run.since is not None:
        fixed, broken = len(run.since["fixed"]), len(run.since["broken"])
        console.print(Text(f"since the last run: {fixed:,} fixed, {broken:,} broken", "red" if broken else ""))
        more = broken - MOST_BROKEN
        for name in [*run.since["broken"][:MOST_BROKEN], *([f"and {more:,} more"] if more > 0 else [])]:
            console.print(Text(f"  broken: {safe(name)}", "red"))
    if found:
        table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
        table.add_column(justify="right")
        table.add_column(justify="right", style="bold")
        table.add_column(overflow="fold")
        for number, group in enumerate(found, 1):
            text = Text(safe(_titled(run, group)), _style(group))
            if group.cause:
                text.append(f"\n{safe(group.cause)}", "default")
            table.add_row(f"{number}.", f"{len(group.results):,}", text)
        console.print(table)
    console.print(_last_line(run), soft_wrap=True)


def _titled(run: Run, group: roots.Group) -> str:
    several = len(run.peers) > 1
    return f"{group.peer} {group.title}" if several else group.title


def _style(group: roots.Group) -> str:
    return "red" if group.counts else "yellow"


def _bar(run: Run, width: int, most: int) -> Text:
    """Returns a bar of the parts, `width` columns long, and their numbers in lines of at most `most` columns."""
    counts = summary.parts(run)
    total = sum(counts.values()) or 1
    bar, legend = Text(), Text("\n")
    for name, count in counts.items():
        bar.append("█" * max(1, round(width * count / total)), _PARTS[name])
        part = f"{count:,} {summary.PARTS[name]}"
        line = legend.plain.rpartition("\n")[2]
        legend.append("" if not line else GAP if len(line + GAP + part) <= most else "\n")
        legend.append(part, _PARTS[name])
    return bar + legend


def _group(run: Run, number: int, group: roots.Group, console: Console) -> None:
    head = Text(f"{number}. {safe(_titled(run, group))}: {words.count(len(group.results), 'case')}")
    weak = f", {group.weak:,} of them of a SHOULD" if group.weak else ""
    head.append(weak if group.counts else ", SHOULD, still conformant")
    head.stylize(f"bold {_style(group)}")
    console.print(head)
    lines = [("likely", safe(group.cause))] if group.cause else []
    lines.append(("rules", ", ".join(group.rules)))
    if group.follows:
        lines.append(("follows", f"from the first right exchange: {safe(group.follows)}"))
    console.print(_rows(lines))
    console.print(_failure(run, group.example))
    for text in _programs(group.example):
        console.print(Text(text), soft_wrap=True)  # unwrapped, so that it can be pasted
    console.print(_again(run, group.example), soft_wrap=True)
    for result, count in group.others:
        seen = f"{words.count(count, 'case')}, as {result.id}: {words.headline(result)}"
        console.print(_rows([("also", safe(seen))]))
    console.print()


def _again(run: Run, result: Result) -> Text:
    return Text.assemble(("again      ", "bright_black"), safe(words.again(run, result)))


def _failure(run: Run, result: Result) -> RenderableType:
    style = _COLOURS[result.verdict]
    parts: list[RenderableType] = [
        Text.assemble((f"{result.verdict.value} ", f"bold {style}"), (safe(result.id), "bold")),
        *([Text(words.EARLIER, "bright_black")] if result.is_earlier else []),
    ]
    rules = {rule.name: rule for rule in run.rules}
    lines = [("why", safe(result.note))]
    if result.verdict is Verdict.FLAKY:
        lines.append(("found", f"failed {result.failed} of {result.tried} times"))
    elif not result.problems:
        lines.append(("found", words.headline(result)))
    shown: Problem | None = None
    for problem in result.problems:
        rule = rules.get(problem.rule)
        lines.append(("rule", f"{safe(problem.rule)} ({rule.level if rule else problem.level})"))
        if rule:
            lines += [("says", rule.sentence), ("effect", rule.effect)]
        lines += [("got", safe(problem.got)), ("expected", safe(problem.expected))]
        if shown is None and problem.at is not None and problem.stream:
            shown = problem
    parts.append(_rows(lines))
    if shown:
        rows = dump.annotate(shown.stream, result.role, shown.at, shown.expected_stream)
        parts.append(Text(dump.hexdump(rows)))
    if result.events:
        parts.append(_ladder(result))
    if result.stderr:
        parts.append(_rows([("stderr", safe(result.stderr))]))
    return Group(*parts)


def _programs(result: Result) -> list[str]:
    """Returns the reproductions of a generated conversation."""
    if not result.vector:
        return []
    program = result.reproduction or f"no program shows it: {result.unshown}"
    size = len(result.vector)
    vector = result.vector if size <= MOST_VECTOR else f"{size:,} characters, which --report keeps in report.json"
    return [program, f"as a vector: {vector}"]


def _ladder(result: Result) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="bright_black", justify="right", width=9, no_wrap=True)
    table.add_column(style="bright_black", no_wrap=True)
    table.add_column(overflow="fold")
    for at, arrow, happened in words.rungs(result):
        table.add_row(f"{at:.3f} s", arrow, Text(happened))
    return table


def _rows(lines: Iterable[tuple[str, str]]) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bright_black", width=9, no_wrap=True)
    table.add_column(overflow="fold")
    for name, text in lines:
        table.add_row(name, Text(text))
    return table


def _counts(run: Run, console: Console) -> None:
    """Prints a line for each implementation, if there are several."""
    peers = list(dict.fromkeys([*(peer.name for peer in run.peers), *(result.peer for result in run.results)]))
    for peer in peers if len(peers) > 1 else ():
        counts = summary.parts(run, peer)
        text = Text.assemble((safe(peer), "bold"), ": ")
        for number, (name, count) in enumerate(counts.items()):
            text.append(", " if number else "")
            text.append(f"{count:,} {summary.PARTS[name]}", _PARTS[name])
        console.print(text)


def _explored(run: Run, console: Console) -> None:
    """Prints which cells of the tables exploring visited, and which not."""
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
    return Text.assemble(cases, (summary.verdict(run), "bold green" if run.is_as_expected else "bold red"))
