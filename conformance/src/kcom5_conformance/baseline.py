"""The file of an implementation's known failures. A run is as expected if exactly these cases fail.

The file is TOML, one `[[failure]]` per case, sorted, so that a change is a few lines of a diff. A failure is known only
while it looks the same: `observed` is compared, except numbers and bytes, which may differ from run to run.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import files, program
from .errors import UsageError
from .results import Result, Run, Verdict

HEAD = "# Known failures, for kcom5-conformance. `baseline repair` keeps the list right; the reasons are yours.\n"
_KEYS = ("peer", "id", "reason", "observed")


@dataclass(frozen=True, order=True)
class Entry:
    """One known failure."""

    peer: str
    id: str
    reason: str
    """The reason that the maintainers of the implementation give; may be empty."""
    observed: str
    """The failure as it was observed when the entry was written."""


@dataclass(frozen=True)
class Repaired:
    """The changes that `repair` made to a file."""

    added: list[Entry]
    dropped: list[Entry]
    changed: list[Entry]
    """Cases that still fail, but differently."""


def _repair() -> str:
    return f"run `{program.command()} baseline repair` and look at what it changes"


def observation(result: Result) -> str:
    """Returns the observed failure of a case in one line."""
    if result.verdict is Verdict.CRASHED:
        return "the adapter ended"
    return " · ".join(f"{problem.rule}: got {problem.got}" for problem in result.problems)


def read(path: Path) -> list[Entry]:
    """Returns the entries of a file, sorted. Raises `UsageError` with the place of a fault in the file."""
    document = files.read_toml(path, "the baseline", f"make one with `{program.command()} baseline write {path}`")
    unknown = document.keys() - {"failure"}
    failures = document.get("failure", [])
    if unknown or not isinstance(failures, list):
        raise UsageError(
            f"the baseline {path}: got {', '.join(sorted(unknown)) or 'failure'}, expected [[failure]] only"
        )
    entries = [_entry(item, f"{path}, failure {number}") for number, item in enumerate(failures, 1)]
    seen: set[tuple[str, str]] = set()
    for entry in entries:
        if (entry.peer, entry.id) in seen:
            raise UsageError(f"the baseline {path} has {entry.id} of {entry.peer} twice", "leave one of them")
        seen.add((entry.peer, entry.id))
    return sorted(entries)


def _entry(item: Any, place: str) -> Entry:
    if not isinstance(item, dict) or item.keys() != set(_KEYS) or not all(isinstance(item[key], str) for key in _KEYS):
        got = ", ".join(sorted(item))[:200] if isinstance(item, dict) else type(item).__name__
        raise UsageError(f"the baseline {place}: got {got}, expected the strings {', '.join(_KEYS)}")
    return Entry(**item)


def warnings(entries: Iterable[Entry]) -> list[str]:
    """Returns warnings that do not fail the run."""
    return [f"{entry.id} of {entry.peer}: no reason given" for entry in entries if not entry.reason.strip()]


def apply(run: Run, entries: Iterable[Entry], peers: Collection[str], cases: Collection[str]) -> None:
    """Sets the verdicts `known-failure` and `unexpected-pass`, and adds to the run's complaints. `peers` are the names
    of all implementations and `cases` all ids, selected or not. An entry with another name or id is stale."""
    results = {(result.peer, result.id): result for result in run.results}
    for entry in sorted(entries):
        result = results.get((entry.peer, entry.id))
        if result is None:
            if entry.peer not in peers:
                names = f"{entry.peer} is none of the implementations ({', '.join(sorted(peers))})"
                run.complaints.append(f"baseline: {entry.id} of {entry.peer}: {names}: {_repair()}")
            elif entry.id not in cases:
                run.complaints.append(f"baseline: {entry.id} of {entry.peer} is no case any more: {_repair()}")
        elif result.verdict is Verdict.UNSUPPORTED:
            run.complaints.append(f"baseline: {entry.id} of {entry.peer} is not supported any more: {_repair()}")
        elif result.verdict is Verdict.PASS:
            result.verdict = Verdict.UNEXPECTED_PASS
            result.reason = entry.reason
        elif result.verdict.has_failed:
            got = observation(result)
            if _same(got, entry.observed):
                result.verdict = Verdict.KNOWN_FAILURE
                result.reason = entry.reason
            else:
                run.complaints.append(
                    f"baseline: {entry.id} of {entry.peer} fails in another way: "
                    f"got {got!r}, expected {entry.observed!r}"
                )


def write(run: Run, path: Path) -> list[Entry]:
    """Writes all failures of a run to which no baseline was applied."""
    entries = _failures(run)
    try:
        files.write(path, _text(entries), is_new=True)
    except FileExistsError as error:
        raise UsageError(f"the baseline {path} is there already", "mend it with `baseline repair`") from error
    except OSError as error:
        raise UsageError(f"cannot write the baseline {path}: {error.strerror}") from error
    return entries


def repair(
    run: Run, path: Path, peers: Collection[str], cases: Collection[str], *, accept_new: bool = False
) -> Repaired:
    """Updates a file by a run to which no baseline was applied. Drops entries that pass, are unsupported or are stale.
    Keeps reasons, and entries that the run did not try. Only `accept_new` adds regressions: new failures, and cases
    that fail differently."""
    old = {(entry.peer, entry.id): entry for entry in read(path)}
    failures = {(entry.peer, entry.id): entry for entry in _failures(run)}
    results = {(result.peer, result.id): result for result in run.results}
    new: list[Entry] = []
    repaired = Repaired([], [], [])
    for key, entry in old.items():
        result, now = results.get(key), None
        if result is None:
            now = entry if entry.peer in peers and entry.id in cases else None
        elif result.verdict is Verdict.NOT_RUN:
            now = entry
        elif result.verdict.has_failed:
            got = observation(result)
            now = entry if _same(got, entry.observed) else Entry(entry.peer, entry.id, entry.reason, got)
        if now is None:
            repaired.dropped.append(entry)
            continue
        if now is not entry:
            repaired.changed.append(now)
        new.append(now if accept_new else entry)
    repaired.added.extend(entry for key, entry in failures.items() if key not in old)
    whole = _text([*new, *(repaired.added if accept_new else ())])
    try:
        files.write(path, whole)
    except OSError as error:
        raise UsageError(f"cannot write the baseline {path}: {error.strerror}") from error
    return repaired


def _failures(run: Run) -> list[Entry]:
    failed = [result for result in run.results if result.verdict.has_failed and run.counts_as_failure(result)]
    return sorted(Entry(result.peer, result.id, "", observation(result)) for result in failed)


def _text(entries: Iterable[Entry]) -> str:
    blocks = [
        "\n[[failure]]\n" + "".join(f"{key} = {_quoted(getattr(entry, key))}\n" for key in _KEYS)
        for entry in sorted(entries)
    ]
    return HEAD + "".join(blocks)


def _quoted(text: str) -> str:
    """Returns a basic string of TOML, which is a string of JSON with DEL escaped."""
    quoted = json.dumps(_WHOLE.sub("\ufffd", text), ensure_ascii=False)
    return quoted.replace("\x7f", "\\u007f")


_WHOLE = re.compile("[\ud800-\udfff]")
"""Lone surrogates, which TOML does not allow."""


def _same(one: str, other: str) -> bool:
    return _shape(one) == _shape(other)


def _shape(text: str) -> str:
    """Replaces numbers and bytes by `#`, because times, ports and nonces differ in each run."""
    return re.sub(r"\b(?:[0-9a-f]{2}(?: ?[0-9a-f]{2})+|[0-9][0-9.,]*)\b", "#", text)
