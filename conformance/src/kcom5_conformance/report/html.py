"""The HTML report: one page that holds everything and fetches nothing.

The results stand in the page as JSON, compactly, and are drawn by its own script when they are looked at. All text of
a peer reaches the page as text: the JSON has no `<`, and the script writes `textContent` only. The page's policy allows
no request and no script or style but its own.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import jinja2

from .. import data, files, spec
from ..escape import safe
from ..results import Event, Json, Problem, Result, Run, Verdict
from . import causes, roots, summary, words

_SHOWN = 48
"""How many octets of an event the ladder shows."""


def write_html(run: Run, path: Path, spec_url: str = "") -> None:
    """Write the page. Rules link to `spec_url`; without it to the specification's file, seen from the page."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=jinja2.StrictUndefined
    )
    environment.filters["sha256"] = _sha256
    counts = Counter((_row(result), result.verdict) for result in run.results)
    names = list(dict.fromkeys([*(peer.name for peer in run.peers), *(_row(result) for result in run.results)]))
    page = environment.get_template("report.html.j2").render(
        run=run,
        verdict=summary.verdict(run),
        verdicts=[verdict.value for verdict in Verdict if any(counts[name, verdict] for name in names)],
        counts=[(name, {verdict.value: counts[name, verdict] for verdict in Verdict}) for name in names],
        rules_line=summary.rules_in_words(run),
        parts=summary.parts(run),
        part_words=summary.PARTS,
        spec_url=spec_url or _seen_from(path),
        data=_embedded(_document(run, spec_url or _seen_from(path))),
    )
    files.write(path, page.encode(errors="replace").decode())  # half a surrogate pair is no text


def _row(result: Result) -> str:
    """The row of the summary that a result is counted in."""
    return "matrix" if result.id.startswith("matrix/") else result.peer


def _seen_from(path: Path) -> str:
    try:
        return Path(os.path.relpath(data.spec_file(), path.resolve().parent)).as_posix()
    except ValueError:  # another drive
        return data.spec_file().as_uri()


def _sha256(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _embedded(document: Json) -> str:
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _document(run: Run, spec_url: str) -> Json:
    base = spec_url.removesuffix("#")
    notes: dict[str, int] = {}
    place = {id(result): number for number, result in enumerate(run.results)}
    return {
        "rules": {
            rule.name: [rule.level, rule.sentence, rule.effect, base + "#" + spec.link(rule.name).split("#")[1]]
            for rule in run.rules
        },
        "parts": summary.parts(run),
        "states": summary.rule_states(run),
        "groups": [_group(run, group, place) for group in roots.groups(run)],
        "results": [_compact(run, result, notes) for result in run.results],
        "notes": list(notes),
    }


def _group(run: Run, group: roots.Group, place: dict[int, int]) -> Json:
    return {
        "title": safe(f"{group.peer} {group.title}" if len(run.peers) > 1 else group.title),
        "counts": group.counts,
        "cause": safe(group.cause),
        "explained": group.explained,
        "rules": group.rules,
        "follows": safe(group.follows),
        "again": safe(words.again(run, group.example)),
        "example": place[id(group.example)],
        "others": [[safe(words.headline(result)), count, place[id(result)]] for result, count in group.others],
        "cases": [place[id(result)] for result in group.results],
    }


def _compact(run: Run, result: Result, notes: dict[str, int]) -> list[Any]:
    detail: Json = {"events": [_event(event) for event in result.events]}
    if result.verdict not in (Verdict.PASS, Verdict.UNSUPPORTED, Verdict.NOT_RUN):
        detail |= {
            "headline": words.headline(result),
            "problems": [_problem(problem, result.role) for problem in result.problems],
            "cause": safe(result.cause),
            "again": safe(words.again(run, result)),
            "reproduction": result.reproduction,
            "stderr": safe(result.stderr),
        }
    if result.reason:
        detail["reason"] = safe(result.reason)
    return [
        result.id,
        result.peer,
        result.rule,
        result.level,
        result.role,
        result.via,
        result.verdict.value,
        round(result.seconds, 4),
        notes.setdefault(safe(result.note), len(notes)),
        int(run.counts_as_failure(result)),
        detail,
    ]


def _event(event: Event) -> list[Any]:
    text = safe(event.text if len(event.text) <= 400 else event.text[:400] + "…")
    return [round(event.at, 4), event.who, event.what, event.octets[: 2 * _SHOWN], event.size, text]


def _problem(problem: Problem, role: str) -> Json:
    rows = []
    if problem.stream or problem.expected_stream:
        for row in causes.annotate(problem.stream, role, problem.at, problem.expected_stream):
            rows.append(
                [row.offset, " ".join(row.octets), row.text, _runs(row.names), row.wrong, row.expected, row.skipped]
            )
    return {
        "rule": problem.rule,
        "level": problem.level,
        "axis": problem.axis,
        "got": safe(problem.got),
        "expected": safe(problem.expected),
        "dump": rows,
    }


def _runs(names: tuple[str, ...]) -> list[list[Any]]:
    """Names that follow each other, with how often."""
    runs: list[list[Any]] = []
    for name in names:
        if runs and runs[-1][0] == name:
            runs[-1][1] += 1
        else:
            runs.append([name, 1])
    return runs
