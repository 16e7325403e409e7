"""Selects cases and implementations by the options of the command line."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Collection
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

from . import cases, files, program
from .errors import UsageError
from .harness.adapter import SuiteBroken
from .harness.case import Case
from .harness.subject import Subject


@cache
def every_case() -> tuple[Case, ...]:
    """Returns all cases, in the order of the spec's areas."""
    found = tuple(cases.every())
    ids = [case.id for case in found]
    if len(set(ids)) < len(ids):
        raise SuiteBroken(f"two cases have one id: {sorted({name for name in ids if ids.count(name) > 1})}")
    return tuple(sorted(found, key=lambda case: case.rule))


@dataclass(frozen=True)
class Selection:
    """Patterns may have * and ?. A case is chosen if it matches each given kind of pattern."""

    cases: list[str] = field(default_factory=list)
    rules: list[str] = field(default_factory=list)
    roles: list[str] = field(default_factory=list)
    vias: list[str] = field(default_factory=list)
    levels: list[str] = field(default_factory=list)
    only: frozenset[str] | None = None
    """The ids to choose from; None for all."""

    def choose(self) -> list[Case]:
        """Returns the chosen cases. Raises UsageError if a pattern matches nothing or no case is left."""
        chosen = [case for case in every_case() if self._matches(case)]
        for kind, patterns in (("case", self.cases), ("rule", self.rules)):
            for pattern in patterns:
                if not any(is_named(pattern, case.id if kind == "case" else case.rule) for case in every_case()):
                    names = {case.id if kind == "case" else case.rule for case in every_case()}
                    hint = f"`{program.command()} list` shows every {kind}; a pattern may have * and ?"
                    raise UsageError(f"no {kind} matches {pattern!r}", did_you_mean(pattern, names) or hint)
        if not chosen and self.only != frozenset():
            raise UsageError("no case matches all of this together", "leave one of the options out")
        return chosen

    def _matches(self, case: Case) -> bool:
        return (
            (self.only is None or case.id in self.only)
            and (not self.cases or any(is_named(pattern, case.id) for pattern in self.cases))
            and (not self.rules or any(is_named(pattern, case.rule) for pattern in self.rules))
            and (not self.roles or case.role in self.roles)
            and (not self.vias or not case.via or case.via in self.vias)
            and (not self.levels or case.level in self.levels)
        )


def did_you_mean(name: str, names: Collection[str]) -> str:
    """Returns a hint with the closest name; empty if none is close."""
    found = difflib.get_close_matches(name, names, 1)
    return f"did you mean {found[0]}?" if found else ""


def is_named(pattern: str, name: str) -> bool:
    """Returns whether the pattern matches. A pattern without a transport matches all transports."""
    return fnmatchcase(name, pattern) or ("@" not in pattern and fnmatchcase(name.split("@")[0], pattern))


def _name_of(command: list[str]) -> str:
    """Names an implementation by the last word of its command that is not an option."""
    words = [word for word in command[1:] if not word.startswith("-") and "=" not in word]
    return Path([command[0], *words][-1]).stem


def subjects(names: list[str], command: list[str], peers_file: Path) -> list[Subject]:
    """Returns the implementations: one by its command line, or those of a peers file by name, or all of the file."""
    if command:
        if names:
            raise UsageError(f"got the name {names[0]} and a command", "give names of the peers file, or -- COMMAND")
        return [Subject(_name_of(command), command)]
    if not peers_file.exists():
        raise UsageError(
            f"cannot read the peers file {peers_file}: there is none",
            f"name the file with --peers, or give the adapter's command: {program.command()} run -- COMMAND",
        )
    table = files.read_toml(peers_file, "the peers file", _FORM)
    for name in table:
        _check_peer(peers_file, name, table[name])
    for name in names:
        if name not in table:
            hint = did_you_mean(name, table) or f"it has: {', '.join(table)}"
            raise UsageError(f"no peer {name!r} in {peers_file}", hint)
    if not table:
        raise UsageError(f"{peers_file} names no peer", _FORM)
    here = peers_file.absolute().parent
    return [
        Subject(name, _command(table[name]["command"]), here / table[name].get("cwd", ".")) for name in (names or table)
    ]


_FORM = 'a peer is: [NAME], command = ["program", "argument"], and cwd = "FOLDER" if it runs elsewhere than the file'


def _check_peer(file: Path, name: str, peer: object) -> None:
    is_right = (
        isinstance(peer, dict)
        and {"command"} <= set(peer) <= {"command", "cwd"}
        and isinstance(peer.get("cwd", "."), str)
        and isinstance(peer["command"], list)
        and peer["command"]
        and all(isinstance(part, str) for part in peer["command"])
    )
    if not is_right:
        raise UsageError(f"{file}: got {str(peer)[:200]} in [{name}], expected a command", _FORM)


def _command(command: list[str]) -> list[str]:
    """Replaces `python3` by the running interpreter, so that reports do not depend on the machine's default."""
    return [sys.executable, *command[1:]] if command[0] == "python3" else command
