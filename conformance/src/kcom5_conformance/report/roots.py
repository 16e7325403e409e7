"""Groups failures by role, observation and phase of the exchange.

One bug breaks many rules over many transports. One change may fix a whole group.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, replace

from ..results import Json, Result, Role, Run, Verdict
from . import likely, words
from .seen import PHASES, Seen

SAID = {
    "accepts": "succeeds where it has to fail",
    "altered": "delivers other octets than were sent",
    "broken": "breaks the connection",
    "connects": "lets in a client that it has to refuse",
    "crashes": "its process ends",
    "early": "times out too early",
    "hangs": "does not end",
    "late": "times out too late",
    "listens": "listens though its arguments are wrong",
    "lost": "loses octets",
    "memory": "takes memory for what has not arrived",
    "message": "delivers another message",
    "mute": "does not answer",
    "octets": "sends wrong octets",
    "open": "keeps the connection open",
    "orderly": "closes in order where it has to reset",
    "predictable": "sends a nonce that is not random",
    "refuses": "fails where it has to succeed",
    "reset": "resets where it has to close in order",
    "residue": "leaves something behind",
    "short": "closes before it has sent all",
    "silent": "stops sending",
    "surplus": "sends octets where none belong",
    "unreached": "is not connected",
    "untaken": "stops reading",
}
"""The observations in words."""
_AXES = {
    "delivered": "gives a wrong result",
    "ended": "ends in another way",
    "wire": "does something else on the wire",
    "time": "keeps another time",
    "memory": SAID["memory"],
    "residue": SAID["residue"],
    "adapter": "its adapter breaks the contract",
}


RENAMES = "gives another failure the name "
DIFFERENT = 5
"""If at least this many kinds of failure have one name, it is assumed to be the only name."""


MOST_WAITS = 3
"""If at least this many waits of a role have no timeout, they are one cause."""


@dataclass(frozen=True)
class Kind:
    """The observation in words, and the phase, a key of `PHASES`."""

    saw: str
    phase: str


@dataclass(frozen=True)
class Group:
    """Failures of one implementation that look alike or have the same cause."""

    peer: str
    role: Role
    kinds: list[Kind]
    """The observations with their phases, the most frequent first."""
    results: list[Result]
    """Sorted: those that fail the run first, then those of the most frequent rule, then by length."""
    counts: bool
    """Whether one of them fails the run. A broken SHOULD fails it only with `strict`."""
    cause: str
    """The likely cause of most of them; empty if none is recognised."""
    own: frozenset[str] = frozenset()
    """The causes of the cases that `cause` stands for."""
    weak: int = 0
    """How many of them do not fail the run. One change may fix broken MUST and SHOULD rules."""
    follows: str = ""
    """The failure of the first valid exchange that explains the group."""

    @property
    def title(self) -> str:
        who = {"server": "as server", "client": "as client", "address": "address"}.get(self.role, self.role)
        saw = self.kinds[0].saw
        phases = [PHASES[kind.phase] for kind in self.kinds if kind.saw == saw and kind.phase]
        where = phases[0] if len(phases) == 1 else f"{', '.join(phases[:-1])} or {phases[-1]}" if phases else ""
        return f"{who}: {saw}{', ' if where else ''}{where}"

    @property
    def example(self) -> Result:
        """Returns the case that is shown: the first with the group's cause."""
        return next((result for result in self.results if result.cause in self.own), self.results[0])

    @property
    def rules(self) -> list[str]:
        """Returns the broken rules, the most frequent first."""
        return [rule for rule, _ in Counter(broken(result) for result in self.results).most_common()]

    @property
    def explained(self) -> int:
        """Returns how many cases have the group's cause."""
        return sum(result.cause in self.own for result in self.results)

    @property
    def others(self) -> list[tuple[Result, int]]:
        """Returns, for each other cause or kind in the group, the shortest case and the number of cases."""
        found: dict[tuple[str, str], list[Result]] = {}
        for result in self.results:
            found.setdefault((kind_of(result).saw, result.cause), []).append(result)
        own = (kind_of(self.example).saw, self.example.cause)
        return [(some[0], len(some)) for key, some in found.items() if key != own]

    def to_json(self) -> Json:
        return {
            "title": self.title,
            "peer": self.peer,
            "role": self.role,
            "observed": [{"saw": kind.saw, "phase": kind.phase} for kind in self.kinds],
            "counts": self.counts,
            "weak": self.weak,
            "rules": self.rules,
            "cause": self.cause,
            "explained": self.explained,
            "follows": self.follows,
            "example": self.example.id,
            "cases": [result.id for result in self.results],
        }


def groups(run: Run) -> list[Group]:
    """Returns the failures in groups: those that fail the run first, then the largest.

    Cases of one role and cause are one group at any level of their rules, because a missing timeout shows in each
    phase. A case without a cause joins the group with the most similar cases, or a group of its observation and phase.
    """
    found: dict[tuple[str, Role], list[Result]] = {}
    for result in run.results:
        if result.verdict.has_failed or run.counts_as_failure(result):
            found.setdefault((result.peer, result.role), []).append(result)
    smoke = {(peer.name, result.role): result for peer in run.peers for result in peer.smoke}
    made = []
    for (peer, role), results in found.items():
        for cause, some in _by_cause(results):
            kinds = [kind for kind, _ in Counter(kind_of(result) for result in some).most_common()]
            _sort(run, some)
            weak = sum(not run.counts_as_failure(result) for result in some)
            own = frozenset(one.cause for one in some if one.cause)
            group = Group(peer, role, kinds, some, weak < len(some), cause, own, weak)
            first = smoke.get((peer, role))
            made.append(replace(group, follows=_followed(group, first)) if first else group)
    return sorted(made, key=lambda group: (not group.counts, -len(group.results), group.peer, group.title))


def _by_cause(results: list[Result]) -> list[tuple[str, list[Result]]]:
    alike: dict[Kind, list[Result]] = {}
    for result in results:
        alike.setdefault(kind_of(result), []).append(result)
    known = frozenset(result.cause for result in results)
    found: dict[tuple[str, Kind | None], list[Result]] = {}
    for kind, some in alike.items():
        whole = _one_name(kind, some)
        causes = Counter(result.cause for result in some if result.cause)
        most = causes.most_common(1)[0][0] if causes else ""
        for result in some:
            cause = whole or _root(result.cause or most, known)
            found.setdefault((cause, None if cause else kind), []).append(result)
    return [(cause, some) for (cause, _), some in found.items()]


def settle(run: Run) -> None:
    """Gives each case the simplest cause that was found for its role and explains it."""
    of: dict[tuple[str, Role], list[Result]] = {}
    for result in run.results:
        of.setdefault((result.peer, result.role), []).append(result)
    for results in of.values():
        known = frozenset(result.cause for result in results)
        for result in results:
            result.cause = _covering(result.cause, known)


def _covering(cause: str, known: frozenset[str]) -> str:
    for simpler in likely.COVERED.get(cause, ()):
        if simpler in known:
            return _covering(simpler, known)
    return cause


def _root(cause: str, known: frozenset[str]) -> str:
    """Returns the cause behind this one, given all that were found for the role."""
    cause = _covering(cause, known)
    waits = [wait for one, wait in likely.MISSING_TIMEOUTS.items() if one in known]
    if cause in likely.MISSING_TIMEOUTS and len(waits) >= MOST_WAITS:
        return f"these waits have no timeout: {', '.join(waits)}"
    return cause


def _one_name(kind: Kind, results: list[Result]) -> str:
    """Returns the cause of failures of different kinds with the same error name."""
    names = {result.problems[0].expected for result in results if result.problems}
    if not kind.saw.startswith(RENAMES) or len(names) < DIFFERENT:
        return ""
    return f"different failures have one name, {kind.saw.removeprefix(RENAMES)}: map each to its own"


def _sort(run: Run, results: list[Result]) -> None:
    """Sorts those that fail the run first, then those of the most frequent rule, then by length."""
    rule = Counter(map(broken, results)).most_common(1)[0][0]
    results.sort(key=lambda result: (not run.counts_as_failure(result), broken(result) != rule, *_length(result)))


def _length(result: Result) -> tuple[bool, int, float, str]:
    """Returns the sort key within a group: not flaky first, then the number of steps."""
    return result.verdict is Verdict.FLAKY, len(result.events), result.seconds, result.id


def _followed(group: Group, first: Result) -> str:
    """Returns the failure of the valid exchange, if its phase is not later than the group's."""
    order = list(PHASES)
    if order.index(kind_of(first).phase) > min(order.index(kind.phase) for kind in group.kinds):
        return ""
    return words.seen(first)


def broken(result: Result) -> str:
    """Returns the first rule that the case found broken; reports list the case under it."""
    return result.problems[0].rule if result.problems else result.rule


def kind_of(result: Result) -> Kind:
    """Returns the observation and its phase."""
    if not result.problems or result.verdict is Verdict.UNEXPECTED_PASS:
        return Kind("passes, and the baseline says that it fails", "")
    if result.verdict is Verdict.FLAKY:
        kind = kind_of(replace(result, verdict=Verdict.FAIL))
        return Kind(f"now and then {kind.saw}", kind.phase)
    problem = result.problems[0]
    seen = Seen(result, problem)
    if problem.saw == "name":
        error = re.search(r'"error": "([a-z0-9-]+)"', problem.got)
        return Kind(f"{RENAMES}{error[1] if error else 'an error'}", "")
    return Kind(SAID.get(problem.saw) or _AXES[problem.axis], seen.phase)
