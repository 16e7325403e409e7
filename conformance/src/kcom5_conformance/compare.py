"""Two runs side by side: what got worse, what got better, what came and what went."""

from __future__ import annotations

from dataclasses import dataclass, field

from rich.console import Console

from .baseline import observation
from .escape import one_line
from .results import Result, Run, Verdict, without_baseline

_FAILED = (Verdict.FAIL, Verdict.FLAKY, Verdict.CRASHED, Verdict.KNOWN_FAILURE)
_PASSED = (Verdict.PASS, Verdict.UNEXPECTED_PASS)


@dataclass(frozen=True)
class Change:
    """A result in the old run and in the new one; one of them is None where there is none."""

    old: Result | None
    new: Result | None


@dataclass
class Comparison:
    """Each case that is not the same in both runs stands in one of the lists; a renamed one whose verdict changed also
    stands with the regressions, fixes or others."""

    regressions: list[Change] = field(default_factory=list)
    """It fails, and did not; or it passed, and is not supported any more."""
    fixes: list[Change] = field(default_factory=list)
    """It passes, and failed."""
    others: list[Change] = field(default_factory=list)
    """Another change of the verdict, such as from flaky to fail."""
    new: list[Change] = field(default_factory=list)
    """The old run did not have it."""
    gone: list[Change] = field(default_factory=list)
    """The new run does not have it."""
    renamed: list[Change] = field(default_factory=list)
    """The same case by another id: its rule and note are the same, or all but its rule."""
    same: int = 0

    @property
    def exit_code(self) -> int:
        """1 if something got worse, a new case that fails included; else 0."""
        return int(bool(self.regressions) or any(_has_failed(change.new) for change in self.new))


def compare(old: Run, new: Run) -> Comparison:
    """Compares case by case and peer by peer. A known failure is a failure here: no baseline hides a regression."""
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
    if lost or (_has_failed(new) and not _has_failed(old)):
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
    """Writes what changed, the worst first, and returns the exit code."""
    comparison = compare(old, new)
    for title, changes, style in _parts(comparison):
        if changes:
            console.print(f"[bold {style}]{title}[/] ({len(changes)})")
        for change in changes:
            console.print(f"  {one_line(_line(change))}", soft_wrap=True, highlight=False, markup=False)
    console.print(_counts(comparison), soft_wrap=True, highlight=False)
    return comparison.exit_code


def show_markdown(old: Run, new: Run, console: Console) -> int:
    """The same as Markdown, for a comment of a code review."""
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
    """The case, its verdict, and what was seen if it fails."""
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
