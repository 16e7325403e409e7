"""Compares two runs: regressions, fixes, new and removed cases."""

from __future__ import annotations

from dataclasses import dataclass, field

from rich.console import Console

from .baseline import observation
from .escape import one_line
from .results import SAMPLED, Result, Run, Verdict, without_baseline

_FAILED = (Verdict.FAIL, Verdict.FLAKY, Verdict.CRASHED, Verdict.KNOWN_FAILURE)
_PASSED = (Verdict.PASS, Verdict.UNEXPECTED_PASS)


@dataclass(frozen=True)
class Change:
    """A result in the old run and in the new one; None if a run has no result."""

    old: Result | None
    new: Result | None


@dataclass
class Comparison:
    """Each case that differs between the runs is in one of the lists. A renamed case whose verdict changed is also in
    the regressions, fixes or others."""

    regressions: list[Change] = field(default_factory=list)
    """Cases that fail and did not before, or that passed and are now unsupported."""
    fixes: list[Change] = field(default_factory=list)
    """Cases that pass and failed before."""
    others: list[Change] = field(default_factory=list)
    """Cases with another change of the verdict, such as from flaky to fail, or a failure that the old run left out."""
    new: list[Change] = field(default_factory=list)
    """Cases that only the new run has."""
    gone: list[Change] = field(default_factory=list)
    """Cases that only the old run has."""
    renamed: list[Change] = field(default_factory=list)
    """Cases with another id, recognised by the same rule and note, or by all but the rule."""
    same: int = 0

    @property
    def exit_code(self) -> int:
        """Returns 1 if there is a regression or a new case that fails; else 0."""
        return int(bool(self.regressions) or any(_has_failed(change.new) for change in self.new))


def compare(old: Run, new: Run) -> Comparison:
    """Compares by case and peer. A known failure counts as a failure, so that a baseline cannot hide a regression."""
    before = {(result.peer, result.id): result for result in old.results}
    after = {(result.peer, result.id): result for result in new.results}
    gone = [before[key] for key in sorted(before.keys() - after.keys())]
    came = [after[key] for key in sorted(after.keys() - before.keys())]
    comparison = Comparison()
    pairs = [(before[key], after[key]) for key in sorted(before.keys() & after.keys())]
    for is_same in (_same_note, _same_slug):
        for one in list(gone):
            matches = [other for other in came if is_same(one, other)]
            if len(matches) == 1 and sum(is_same(another, matches[0]) for another in gone) == 1:
                gone.remove(one)
                came.remove(matches[0])
                pairs.append((one, matches[0]))
                comparison.renamed.append(Change(one, matches[0]))
    for one, other in pairs:
        _sort_in(comparison, one, other)
    comparison.gone = [Change(one, None) for one in gone]
    comparison.new = [Change(None, one) for one in came]
    return comparison


def _sort_in(comparison: Comparison, old: Result, new: Result) -> None:
    change = Change(old, new)
    lost = old.verdict in _PASSED and new.verdict is Verdict.UNSUPPORTED
    # Others like it failed in the old run, too.
    was_left_out = old.verdict is Verdict.NOT_RUN and old.reason.startswith(SAMPLED)
    if lost or (_has_failed(new) and not _has_failed(old) and not was_left_out):
        comparison.regressions.append(change)
    elif _has_failed(old) and new.verdict in _PASSED:
        comparison.fixes.append(change)
    elif without_baseline(old.verdict) is not without_baseline(new.verdict):
        comparison.others.append(change)
    else:
        comparison.same += 1


def _has_failed(result: Result | None) -> bool:
    return result is not None and result.verdict in _FAILED


def has_passed(result: Result | None) -> bool:
    return result is not None and result.verdict in _PASSED


def _same_note(one: Result, other: Result) -> bool:
    return (one.peer, one.via, one.role, one.rule, one.note) == (
        other.peer,
        other.via,
        other.role,
        other.rule,
        other.note,
    )


def _same_slug(one: Result, other: Result) -> bool:
    return one.peer == other.peer and one.id.partition("/")[2] == other.id.partition("/")[2] != ""


def show(old: Run, new: Run, console: Console) -> int:
    """Prints the changes, the worst first, and returns the exit code."""
    comparison = compare(old, new)
    for title, changes, style in _parts(comparison):
        if changes:
            console.print(f"[bold {style}]{title}[/] ({len(changes)})")
        for change in changes:
            console.print(f"  {one_line(_line(change))}", soft_wrap=True, highlight=False, markup=False)
    console.print(_counts(comparison), soft_wrap=True, highlight=False)
    return comparison.exit_code


def show_markdown(old: Run, new: Run, console: Console) -> int:
    """Prints the changes as Markdown, for a code review comment, and returns the exit code."""
    comparison = compare(old, new)
    lines = [f"**{_counts(comparison)}**"]
    for title, changes, _ in _parts(comparison):
        if changes:
            lines += ["", f"### {title} ({len(changes)})", "", "| case | verdict | seen |", "|---|---|---|"]
        for change in changes:
            name, verdict, seen = (_cell(text) for text in _words(change))
            lines.append(f"| `{name}` | {verdict} | {seen} |")
    console.print("\n".join(lines), soft_wrap=True, highlight=False, markup=False)
    return comparison.exit_code


def _cell(text: str) -> str:
    return one_line(text).replace("\\", "\\\\").replace("|", "\\|").replace("`", "'").replace("<", "&lt;")


def _parts(comparison: Comparison) -> list[tuple[str, list[Change], str]]:
    return [
        ("regressions", comparison.regressions, "red"),
        ("new", comparison.new, "default"),
        ("gone", comparison.gone, "yellow"),
        ("other changes", comparison.others, "yellow"),
        ("renamed", comparison.renamed, "default"),
        ("fixes", comparison.fixes, "green"),
    ]


def _counts(comparison: Comparison) -> str:
    counts = f"{len(comparison.regressions)} worse, {len(comparison.fixes)} better, {len(comparison.new)} new"
    return counts + f", {len(comparison.gone)} gone, {len(comparison.renamed)} renamed, {comparison.same} the same"


def _line(change: Change) -> str:
    name, verdict, seen = _words(change)
    return f"{name}: {verdict}{f' ({seen})' if seen else ''}"


def _words(change: Change) -> tuple[str, str, str]:
    """Returns the case, its verdict, and the observed failure, if any."""
    old, new = change.old, change.new
    result = new or old
    assert result is not None
    name = result.id if old is None or new is None or old.id == new.id else f"{old.id} → {new.id}"
    if old is not None and new is not None and old.verdict is not new.verdict:
        verdict = f"{old.verdict.value} → {new.verdict.value}"
    else:
        verdict = result.verdict.value
    seen = observation(new) if new is not None and _has_failed(new) and new.problems else ""
    return f"{name} of {result.peer}", verdict, seen
