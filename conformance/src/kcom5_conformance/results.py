"""The results of a run: the model from which every report is made. It does not depend on sockets or the terminal.

`Run.to_json` is the JSON report; `report.schema.json` describes it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from enum import Enum
from typing import Any, Literal

Json = dict[str, Any]
Level = Literal["MUST", "SHOULD", "MAY"]
Role = Literal["server", "client", "address", "both"]
Axis = Literal["delivered", "ended", "wire", "time", "memory", "residue", "adapter"]
Saw = Literal[
    "",
    "accepts",
    "altered",
    "broken",
    "connects",
    "crashes",
    "early",
    "hangs",
    "late",
    "listens",
    "lost",
    "memory",
    "message",
    "mute",
    "name",
    "octets",
    "open",
    "orderly",
    "predictable",
    "refuses",
    "reset",
    "residue",
    "short",
    "silent",
    "surplus",
    "unreached",
    "untaken",
]
"""What an implementation did wrong, in one word; `report.roots` has the sentences. Empty if no word fits."""


class Verdict(str, Enum):
    """The verdict on a case."""

    PASS = "pass"
    FAIL = "fail"
    FLAKY = "flaky"
    """It failed in some tries only."""
    CRASHED = "crashed"
    """The adapter's process ended during the case."""
    KNOWN_FAILURE = "known-failure"
    """It failed, as the baseline expects."""
    UNEXPECTED_PASS = "unexpected-pass"
    """It passed, but the baseline expects a failure."""
    UNSUPPORTED = "unsupported"
    """The adapter does not claim to support this."""
    NOT_RUN = "not-run"
    """This machine cannot run it; `Result.reason` says why."""

    @property
    def has_failed(self) -> bool:
        return self in (Verdict.FAIL, Verdict.FLAKY, Verdict.CRASHED)


@dataclass(frozen=True)
class Event:
    """A rung of the ladder: one event between the suite's end and the implementation under test."""

    at: float
    """Seconds from the start of the case."""
    who: Literal["suite", "implementation"]
    what: Literal["connect", "octets", "end", "reset", "close", "wait", "request", "answer"]
    """`octets` are on the wire; `request` and `answer` are lines of the adapter."""
    octets: str = ""
    """Hexadecimal; the first KEPT bytes."""
    size: int = 0
    """The total number of bytes."""
    text: str = ""


SAMPLED = "sampled: "
"""The start of the reason of a case that was left out because others like it had failed."""
KEPT = 1024
"""The maximum number of bytes that an event keeps."""


@dataclass(frozen=True)
class Problem:
    """One deviation from the spec."""

    rule: str
    level: Level
    axis: Axis
    got: str
    expected: str
    stream: str = ""
    """The bytes that the implementation sent on this connection, in hexadecimal, at most KEPT."""
    expected_stream: str = ""
    """The expected bytes, as far as they are known."""
    at: int | None = None
    """The offset of the first wrong byte."""
    saw: Saw = ""


@dataclass
class Result:
    """One case over one transport against one implementation, or one cell of the matrix."""

    id: str
    """`hello.segments/three-pieces@tcp6`; of the matrix `matrix/python-to-go/65536/octets@tcp6`."""
    peer: str
    """The implementation under test; of the matrix `server>client`."""
    rule: str
    level: Level
    role: Role
    via: str
    """tcp6, tcp4, unix; empty for addresses."""
    note: str
    """The fault that the case catches."""
    verdict: Verdict
    seconds: float = 0.0
    problems: list[Problem] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    cause: str = ""
    """The likely cause; empty if none is recognised."""
    reason: str = ""
    """The reason why a case is unsupported or not run; the baseline's reason of a known failure."""
    failed: int = 0
    tried: int = 1
    """How often a flaky case failed, of `tried` times."""
    reproduction: str = ""
    """A program that reproduces the failure without the suite."""
    unshown: str = ""
    """The reason why there is no reproduction."""
    stderr: str = ""
    """The last 4,000 bytes that the adapter wrote to standard error during the case."""
    vector: str = ""
    """For a conversation found by exploring: a file of vectors, as JSON, with this one."""
    script: str = ""
    """The same conversation, for `explore --replay`."""
    is_earlier: bool = False
    """The case was not run again; this is its result in the report of `--failed`."""


@dataclass
class Rule:
    """A rule of the spec, and its state after a run."""

    name: str
    level: Level
    sentence: str
    effect: str
    """The effect on a user if the rule is broken."""


@dataclass
class Peer:
    """An implementation under test."""

    name: str
    command: list[str]
    about: Json
    """The adapter's answer to `about`."""
    tick: float
    """The duration of a pause in seconds, scaled to the speed of the adapter."""
    smoke: list[Result] = field(default_factory=list)
    """Right exchanges that failed before the first case."""


@dataclass
class Explored:
    """The coverage of exploring one implementation in one role."""

    peer: str
    role: Role
    conversations: int
    seconds: float
    unrepeated: int
    """Failures that were not repeated."""
    pairs: list[Json]
    """`state`, `event`, number of `visits`; `dash`: nothing happens there, or a peer cannot cause it."""
    outcomes: list[Json]
    """`rule` that a conversation tested, its `outcome`, number of `visits`."""


@dataclass
class Run:
    """A whole run."""

    suite: str
    """The suite's version."""
    command: str
    """The command line that repeats the run."""
    started: str
    """ISO 8601, UTC."""
    seconds: float
    seed: int
    strict: bool
    machine: str
    peers: list[Peer]
    rules: list[Rule]
    results: list[Result]
    complaints: list[str] = field(default_factory=list)
    """Faults of the run itself, such as a stale entry of the baseline or a pattern without a match."""
    program: str = "kcom5-conformance"
    """The shell command that starts the suite as it was started."""
    subjects: str = ""
    """The options that choose the same implementations."""
    timeout_scale: float = 1.0
    explored: list[Explored] = field(default_factory=list)
    since: dict[str, list[str]] | None = None
    """The cases that are `fixed` and `broken` since the report that was in the folder before; None without one."""

    def counts_as_failure(self, result: Result) -> bool:
        """Returns whether this result fails the run. A broken SHOULD fails it only with `strict`."""
        if result.verdict is Verdict.UNEXPECTED_PASS:
            return True
        return result.verdict.has_failed and (self.strict or result.level == "MUST")

    @property
    def is_as_expected(self) -> bool:
        return not self.complaints and not any(self.counts_as_failure(result) for result in self.results)

    def carry_over(self, earlier: Run) -> None:
        """Adds the earlier run's results of the cases that this run did not try. Adds nothing if the earlier report
        lacks an implementation of this run."""
        names = {peer.name for peer in self.peers}
        if not names <= {peer.name for peer in earlier.peers}:
            return
        self.peers += [peer for peer in earlier.peers if peer.name not in names]
        self.explored += earlier.explored
        tried = {(result.peer, result.id) for result in self.results}
        for result in earlier.results:
            if (result.peer, result.id) not in tried:
                self.results.append(replace(result, verdict=without_baseline(result.verdict), is_earlier=True))

    def to_json(self) -> Json:
        return {"format": 1, "as_expected": self.is_as_expected, **_plain(asdict(self))}


def without_baseline(verdict: Verdict) -> Verdict:
    """Returns the verdict as it was before a baseline was applied."""
    return {Verdict.KNOWN_FAILURE: Verdict.FAIL, Verdict.UNEXPECTED_PASS: Verdict.PASS}.get(verdict, verdict)


def _plain(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return round(value, 6)
    return value


def run_from_json(document: Json) -> Run:
    """The inverse of `Run.to_json`."""
    fields = {key: value for key, value in document.items() if key not in ("format", "as_expected", "groups")}
    results = [_result_from_json(result) for result in fields.pop("results")]
    peers = [
        Peer(**{**peer, "smoke": [_result_from_json(result) for result in peer["smoke"]]}) for peer in fields["peers"]
    ]
    return Run(
        **{
            **fields,
            "peers": peers,
            "rules": [Rule(**rule) for rule in fields["rules"]],
            "results": results,
            "explored": [Explored(**one) for one in fields.get("explored", [])],
        }
    )


def _result_from_json(fields: Json) -> Result:
    return Result(
        **{
            **fields,
            "verdict": Verdict(fields["verdict"]),
            "problems": [Problem(**problem) for problem in fields["problems"]],
            "events": [Event(**event) for event in fields["events"]],
        }
    )
