"""The HTML report: one self-contained page that loads nothing.

Groups, rules and a list of the cases are HTML. The page also has the results as compact JSON, and its script draws
ladders and dumps on demand. Text of a peer cannot become markup: the template escapes it, the JSON has no `<`, and the
script writes only `textContent`. The page's content security policy allows only its own script and style, and no
requests.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import jinja2

from .. import data, files, spec
from ..escape import safe
from ..results import Event, Json, Problem, Result, Run, Verdict
from . import dump, roots, summary, words

_SHOWN = 48
"""The maximum number of bytes of an event in the ladder."""


def write_html(run: Run, path: Path, spec_url: str = "") -> None:
    """Writes the page. Rules link to `spec_url`, or to the specification's file relative to the page."""
    counts = Counter((_row(result), result.verdict) for result in run.results)
    names = list(dict.fromkeys([*(peer.name for peer in run.peers), *(_row(result) for result in run.results)]))
    groups = [_group(run, group) for group in roots.groups(run)]
    has_matrix = any(_row(result) == "matrix" for result in run.results)
    tabs = {
        "groups": f"Groups {len(groups)}" if groups else "",
        "rules": "Rules",
        "cases": "Cases",
        "matrix": "Matrix" if has_matrix else "",
        "explored": "Explored" if run.explored else "",
        "compare": "Compare",
    }
    page = _template().render(
        run=run,
        verdict=summary.verdict(run),
        verdicts=[verdict.value for verdict in Verdict if any(counts[name, verdict] for name in names)],
        counts=[(name, {verdict.value: counts[name, verdict] for verdict in Verdict}) for name in names],
        rules_line=summary.rules_in_words(run),
        parts=summary.parts(run),
        part_words=summary.PARTS,
        tabs={name: shown for name, shown in tabs.items() if shown},
        groups=groups,
        rules=_rules(run, spec_url or _seen_from(path)),
        has_matrix=has_matrix,
        data=_embedded(_document(run, groups, spec_url or _seen_from(path))),
    )
    files.write(path, page.encode(errors="replace").decode())  # a lone surrogate cannot be encoded


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=jinja2.StrictUndefined
    )
    environment.filters |= {"sha256": _sha256, "safe_text": safe, "headline": words.headline}
    return environment.get_template("report.html.j2")


def _row(result: Result) -> str:
    """Returns the row of the summary that counts the result."""
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


def _rules(run: Run, spec_url: str) -> list[tuple[str, list[Json]]]:
    """Returns the rules of each state, in the order of `summary.STATES`."""
    states = summary.rule_states(run)
    return [
        (
            state,
            [
                {
                    "name": rule.name,
                    "level": rule.level,
                    "sentence": rule.sentence,
                    "effect": rule.effect,
                    "url": _link(rule.name, spec_url),
                }
                for rule in run.rules
                if states[rule.name] == state
            ],
        )
        for state in summary.STATES
        if state in states.values()
    ]


def _link(rule: str, spec_url: str) -> str:
    return spec_url.removesuffix("#") + "#" + spec.link(rule).split("#")[1]


def _document(run: Run, groups: list[Json], spec_url: str) -> Json:
    notes: dict[str, int] = {}
    place = {id(result): number for number, result in enumerate(run.results)}
    return {
        "started": run.started,
        "rules": {
            rule.name: [rule.level, rule.sentence, rule.effect, _link(rule.name, spec_url)] for rule in run.rules
        },
        "groups": [
            {
                "again": group["again"],
                "example": place[id(group["example"])],
                "cases": [place[id(result)] for result in group["cases"]],
            }
            for group in groups
        ],
        "results": [_compact(run, result, notes) for result in run.results],
        "notes": list(notes),
    }


def _group(run: Run, group: roots.Group) -> Json:
    levels = {rule.name: rule.level for rule in run.rules}
    return {
        "title": safe(f"{group.peer} {group.title}" if len(run.peers) > 1 else group.title),
        "counts": group.counts,
        "weak": group.weak,
        "cause": safe(group.cause),
        "rules": [(safe(rule), levels.get(rule, "MUST")) for rule in group.rules],
        "follows": safe(group.follows),
        "again": safe(words.again(run, group.example)),
        "others": [(safe(words.headline(result)), count, safe(result.id)) for result, count in group.others],
        "example": group.example,
        "cases": group.results,
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
            "unshown": result.unshown,
            "stderr": safe(result.stderr),
        }
    if result.is_earlier:
        detail["earlier"] = words.EARLIER
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
        for row in dump.annotate(problem.stream, role, problem.at, problem.expected_stream):
            rows.append(
                [row.offset, " ".join(row.octets), row.text, _runs(row.names), row.wrong, row.expected, row.skipped]
            )
    return {
        "rule": problem.rule,
        "level": problem.level,
        "axis": problem.axis,
        "saw": problem.saw,
        "got": safe(problem.got),
        "expected": safe(problem.expected),
        "dump": rows,
    }


def _runs(names: tuple[str, ...]) -> list[list[Any]]:
    """Run-length encodes the names."""
    runs: list[list[Any]] = []
    for name in names:
        if runs and runs[-1][0] == name:
            runs[-1][1] += 1
        else:
            runs.append([name, 1])
    return runs
