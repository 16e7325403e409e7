"""The command `explain`: describes a case or a rule."""

from __future__ import annotations

import argparse
from itertools import groupby
from textwrap import fill

from . import data, program, spec
from .cases import openings, vectors
from .errors import UsageError
from .exits import AS_EXPECTED
from .harness.case import Case
from .report.possible import possible
from .results import Rule
from .selection import did_you_mean, every_case, is_named

WIDTH = 80


def explain(options: argparse.Namespace) -> int:
    """Prints all cases that match the name or pattern, or all rules."""
    name = options.name
    rules = {rule.name: rule for rule in spec.rules()}
    found = [case for case in every_case() if is_named(name, case.id)]
    chosen = [rule for rule in rules.values() if is_named(name, rule.name)]
    if not found and not chosen:
        names = {*rules, *(_slug(case) for case in every_case())}
        hint = did_you_mean(name, names) or f"`{program.command()} list` shows all of them"
        raise UsageError(f"no case and no rule matches {name!r}", hint)
    steps = {vector.id: vector for vector in (*vectors.load(data.vectors_folder()), *openings.as_vectors())}
    for slug, same in groupby(found, key=_slug):
        _case(list(same), slug, steps.get(slug))
    for rule in [rules[one] for one in dict.fromkeys(case.rule for case in found)] if found else chosen:
        _rule(rule, [] if found else [case for case in every_case() if case.rule == rule.name])
    return AS_EXPECTED


def _slug(case: Case) -> str:
    return case.id.split("@")[0]


def _case(same: list[Case], slug: str, vector: vectors.Vector | None) -> None:
    case = same[0]
    print(f"{slug}  ({case.level}, {case.role})")
    _line("tries", case.note)
    _line("over", ", ".join(one.via or "the adapter alone" for one in same))
    if vector is not None:
        for step in vector.steps:
            _line("step", " ".join(str(part) for part in step))
        _line("expected", ", ".join(f"{key} {value}" for key, value in vector.outcome.items()))
        for cause in possible(vector):
            _line("likely, if it fails", cause)
    else:
        _line("likely, if it fails", "known only from what a run sees: the report says it")
    print()


def _rule(rule: Rule, cases: list[Case]) -> None:
    print(f"{rule.name}  ({rule.level})")
    print(fill(rule.sentence, WIDTH, initial_indent="  ", subsequent_indent="  "))
    _line("where it is broken", rule.effect)
    _line("spec", spec.link(rule.name))
    if cases:
        print("  shown by:")
    for slug in dict.fromkeys(map(_slug, cases)):
        print(f"    {slug}")
    print()


def _line(name: str, text: str) -> None:
    print(fill(f"{name}: {text}", WIDTH, initial_indent="  ", subsequent_indent="    ", break_long_words=False))
