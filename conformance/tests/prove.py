"""Tests the suite: it catches every mutant by the rule that it breaks, and no correct peer.

A mutant runs against the cases of its own rule. With `--whole` it runs against all cases of its role, and the other
rules that catch it are printed: the matrix mutant × rule. A correct peer (the reference peer, the minimal one, those of
`unusual_peers.py`) runs against all cases. It must pass every MUST and fail exactly the SHOULDs that it leaves out.
Exit code: 0 proved, 1 not.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import trio
from rich.console import Console
from rich.progress import track

from kcom5_conformance.harness.attempt import PATIENCE
from kcom5_conformance.harness.case import Case
from kcom5_conformance.harness.run import Runner
from kcom5_conformance.harness.smoke import AdapterBroken, Smoke, smoke
from kcom5_conformance.harness.subject import Subject
from kcom5_conformance.harness.waits import Waits
from kcom5_conformance.results import Result, Verdict
from kcom5_conformance.selection import every_case

HERE = Path(__file__).resolve().parent
MUTANTS = [sys.executable, str(HERE / "mutants")]
SIDE_BY_SIDE = 10
"""Mutants at a time. They wait most of the time."""
SHOULDS = [
    *("hello.nonce", "hello.reject-early", "hello.alone", "listen.refuse-others"),
    *("close.confirm", "close.abort", "close.residue", "time.prompt"),
]
"""The minimal peer leaves out every rule of that level, and a case of `close.residue` about children."""
SCALE = 0.4
"""The suite's time scale. The peers are local and in one language."""
TICK = 0.02
"""Seconds after which a mutant has surely read what was sent, beside the others."""


@dataclass
class Proof:
    """The result of the suite for one peer."""

    name: str
    rule: str
    """The rule that it breaks; empty for a correct peer."""
    caught_by: set[str] = field(default_factory=set)
    """The rules of which a case failed."""
    leaves_out: set[str] = field(default_factory=set)
    """The rules of level SHOULD that a correct peer does not follow."""
    broken: str = ""
    """Why the suite has no result."""
    not_run: str = ""
    """Why a case of its rule was not run."""

    @property
    def is_proved(self) -> bool:
        return not self.broken and (self.rule in self.caught_by if self.rule else self.caught_by == self.leaves_out)

    def __str__(self) -> str:
        others = " ".join(sorted(self.caught_by - {self.rule}))
        if missed := sorted(self.leaves_out - self.caught_by):
            others += f" (and not {' '.join(missed)})"
        verdict = "proved" if self.is_proved else "NOT RUN" if self.not_run and not self.broken else "NOT PROVED"
        why = self.broken or ("" if self.is_proved else self.not_run)
        return f"{verdict:10} {self.name:38} {self.rule or '-':20} {others} {why}".rstrip()

    @property
    def is_missed(self) -> bool:
        """Whether it is not proved, although all of its cases could run here."""
        return not self.is_proved and (bool(self.broken) or not self.not_run)


def mutants() -> list[dict[str, str]]:
    """Returns name, rule and role of each."""
    listing = subprocess.run([*MUTANTS, "--list"], check=True, capture_output=True)
    found: list[dict[str, str]] = json.loads(listing.stdout)
    return found


def cases_for(rule: str, role: str, whole: bool) -> list[Case]:
    """Its own rule's cases over each transport; for the whole, and without a rule, all others of its role over one."""
    via = "unix" if rule.startswith("unix.") else "tcp6"
    return [
        case
        for case in every_case()
        if (not case.is_heavy or case.rule == rule)
        and (case.rule == rule or ((whole or not rule) and case.via in ("", via) and not is_long_run(case)))
        and case.role in (role, "both")
    ]


def cost_of(case: Case) -> int:
    """Whether a case is short, waits on an adapter of its own, or runs hundreds of exchanges: 0, 1 or 2."""
    return 2 if is_long_run(case) else bool(case.takes)


def is_long_run(case: Case) -> bool:
    return "close.residue/500-" in case.id


async def prove(name: str, rule: str, role: str, command: list[str], whole: bool, found: Smoke) -> Proof:
    """Runs the suite against one mutant, with what the smoke stage found of the reference peer."""
    proof = Proof(name, rule)
    failed: set[str] = set()

    def count(result: Result) -> None:
        # On a busy machine it is tried again.
        if result.verdict is Verdict.NOT_RUN and result.rule == rule and "too busy" not in result.reason:
            proof.not_run = result.reason
        if result.verdict.has_failed:
            proof.caught_by.add(result.problems[0].rule)
            if result.problems[0].rule == result.rule:
                failed.add(result.rule)

    subject = Subject(name, command)
    cases = cases_for(rule, role, whole)
    # One failure of a rule is enough, and a wrong peer fails at the first try. So the cheapest cases come first.
    run = Runner(subject, found, 1, SCALE, 1, count, lambda case: case.rule not in failed, tries=1, long_lanes=3)
    for cost in range(3):
        if whole or rule not in failed:
            await run.run([case for case in cases if cost_of(case) == cost])
    return proof


def controls() -> list[dict[str, Any]]:
    """The correct peers: name, command, and the rules of level SHOULD that each leaves out."""
    script = HERE / "unusual_peers.py"
    listing = subprocess.run([sys.executable, script, "--list"], check=True, capture_output=True)
    found = [{**peer, "command": [script, peer["name"]]} for peer in json.loads(listing.stdout)]
    minimal = {"name": "minimal", "command": [HERE / "minimal_peer.py"], "leaves_out": SHOULDS}
    return [{"name": "reference", "command": [HERE / "right_peer.py"], "leaves_out": []}, minimal, *found]


def cases_for_right(supports: Collection[str]) -> list[Case]:
    """All but those that take much of the machine, over one transport; of what differs over another one, both."""
    first = next(via for via in ("tcp6", "tcp4", "unix") if via in supports)
    both = ("unix.", "close.", "listen.", "file.", "hello.", "result.")
    return [
        case
        for case in every_case()
        if not case.is_heavy
        and not is_long_run(case)
        and (case.via in ("", first) or (case.via == "unix" and case.rule.startswith(both)))
    ]


async def prove_right(name: str, command: list[str], leaves_out: list[str]) -> Proof:
    """Runs the suite against a correct peer. A failure may come from a busy machine, so it is tried again."""
    proof = Proof(name, "", leaves_out=set(leaves_out))
    levels: dict[str, str] = {}

    def count(result: Result) -> None:
        if result.verdict in (Verdict.FAIL, Verdict.CRASHED):
            rule, level = result.problems[0].rule, result.level
            proof.caught_by.add(rule if level == "SHOULD" else f"{rule}!")
            levels[rule] = level
            if level == "MUST":
                proof.broken += f"{result.id}: got {result.problems[0].got[:200]} "

    subject = Subject(name, [sys.executable, *map(str, command)])
    try:
        found = await smoke(subject, PATIENCE)
        run = Runner(
            subject, found, 1, 1, 2, count, lambda case: levels.get(case.rule) != "SHOULD", waits=Waits(samples=False)
        )
        await run.run(cases_for_right(found.supports))
    except AdapterBroken as error:
        proof.broken = str(error)
    return proof


async def prove_all(peers: Iterable[dict[str, str]], console: Console, whole: bool) -> list[Proof]:
    """Runs every peer, several in parallel."""
    waiting = list(peers)[::-1]
    proofs: list[Proof] = []
    done, next_done = trio.open_memory_channel[Proof](len(waiting))
    reference = await smoke(Subject("reference", [sys.executable, str(HERE / "right_peer.py")]), PATIENCE)
    reference.tick = TICK

    async def lane() -> None:
        while waiting:
            peer = waiting.pop()
            command = [*MUTANTS, peer["name"]]
            await done.send(await prove(peer["name"], peer["rule"], peer["role"], command, whole, reference))

    async with trio.open_nursery() as nursery:
        for _ in range(SIDE_BY_SIDE):
            nursery.start_soon(lane)
        for _ in track(range(len(waiting)), "mutants", console=console, disable=not console.is_terminal):
            proofs.append(await next_done.receive())
            if proofs[-1].is_missed:
                console.print(f"{proofs[-1]}", markup=False, highlight=False)
    return proofs


def main() -> None:
    """Tests all peers, or those named."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("names", nargs="*", metavar="NAME", help="of mutants and right peers (default: all)")
    parser.add_argument("--whole", action="store_true", help="with every case of a peer's role: the matrix")
    parser.add_argument(
        "--controls",
        action="store_true",
        help="with every right peer, and not only the reference peer and the minimal one",
    )
    options = parser.parse_args()
    names = set(options.names)
    peers = [peer for peer in mutants() if not names or peer["name"] in names]
    is_chosen = names | (
        {peer["name"] for peer in controls()} if options.controls else set() if names else {"reference", "minimal"}
    )
    right = [peer for peer in controls() if peer["name"] in is_chosen]
    if missing := names - {peer["name"] for peer in (*peers, *right)}:
        parser.error(f"no mutant and no right peer {', '.join(sorted(missing))}")
    proofs = trio.run(prove_all, peers, Console(stderr=True), options.whole)
    # Mutants that run in parallel delay each other, so a timed case may prove nothing; and a case of another rule may
    # catch a mutant by the rule that it breaks. A mutant that was missed runs again, alone and with every case.
    again = {proof.name for proof in proofs if proof.is_missed}
    proofs = [proof for proof in proofs if not proof.is_missed]
    for peer in peers:
        if peer["name"] in again:
            proofs += trio.run(prove_all, [peer], Console(stderr=True), True)
    for control in right:
        proofs.append(trio.run(prove_right, control["name"], control["command"], control["leaves_out"]))
    for proof in sorted(proofs, key=lambda proof: (proof.rule, proof.name)):
        print(proof)
    missed = [proof for proof in proofs if proof.is_missed]
    open_ = [proof for proof in proofs if not proof.is_proved and not proof.is_missed]
    rules = {proof.rule for proof in proofs if proof.rule}
    print(f"{len(proofs)} peers, {len(rules)} rules, {len(missed)} not proved, {len(open_)} not run")
    print(f"{len(proofs) - len(missed) - len(open_)} passed, {len(missed)} failed, {len(open_)} skipped")
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
