"""What a run found: one model, from which every report is made. It knows nothing of sockets or of the screen.

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
"""What an implementation did wrong, in one word; `report.roots` has the sentences. Empty: no word fits."""


class Verdict(str, Enum):
    """How a case came out."""

    PASS = "pass"
    FAIL = "fail"
    FLAKY = "flaky"
    """It failed, and not each time it was tried again."""
    CRASHED = "crashed"
    """The adapter's process ended during the case."""
    KNOWN_FAILURE = "known-failure"
    """It failed, and the baseline says so."""
    UNEXPECTED_PASS = "unexpected-pass"
    """It passed, and the baseline says that it fails."""
    UNSUPPORTED = "unsupported"
    """The adapter does not claim to do this."""
    NOT_RUN = "not-run"
    """It cannot be tried on this machine; `Result.reason` says why."""

    @property
    def has_failed(self) -> bool:
        return self in (Verdict.FAIL, Verdict.FLAKY, Verdict.CRASHED)


@dataclass(frozen=True)
class Event:
    """A rung of the ladder: what passed between the suite's end and the implementation under test."""

    at: float
    """Seconds from the start of the case."""
    who: Literal["suite", "implementation"]
    what: Literal["connect", "octets", "end", "reset", "close", "wait", "request", "answer"]
    """`octets` are on the wire; `request` and `answer` are lines of the adapter."""
    octets: str = ""
    """Hexadecimal; the first KEPT octets."""
    size: int = 0
    """How many octets they were."""
    text: str = ""


KEPT = 1024
"""How many octets an event keeps."""


@dataclass(frozen=True)
class Problem:
    """One thing that was not as the spec says."""

    rule: str
    level: Level
    axis: Axis
    got: str
    expected: str
    stream: str = ""
    """All that the implementation had sent on this connection, in hexadecimal, at most KEPT octets."""
    expected_stream: str = ""
    """What it should have been, as far as that is known."""
    at: int | None = None
    """The offset of the first wrong octet in it."""
    saw: Saw = ""


@dataclass
class Result:
    """One case over one transport against one implementation; or one cell of the matrix."""

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
    """Why the case is there: the fault that it catches."""
    verdict: Verdict
    seconds: float = 0.0
    problems: list[Problem] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    cause: str = ""
    """The likely cause, if one is recognised."""
    reason: str = ""
    """Of an unsupported case or one that is not run; of a known failure: the baseline's."""
    failed: int = 0
    tried: int = 1
    """Of a flaky case: it failed `failed` of `tried` times."""
    reproduction: str = ""
    """A program that does the same without the suite, and shows what is wrong."""
    unshown: str = ""
    """Why there is no such program."""
    stderr: str = ""
    """What the adapter wrote to standard error during the case; the last 4,000 bytes."""
    vector: str = ""
    """Of a conversation that was found by exploring: a file of vectors, as JSON, with this one."""
    script: str = ""
    """The same conversation, for `explore --replay`."""
    is_earlier: bool = False
    """The case was not run again: this is its result in the report that `--failed` names."""


@dataclass
class Rule:
    """A rule of the spec, and what a run says about it."""

    name: str
    level: Level
    sentence: str
    effect: str
    """What a user meets where it is broken."""


@dataclass
class Peer:
    """An implementation under test."""

    name: str
    command: list[str]
    about: Json
    """The adapter's answer to `about`."""
    tick: float
    """The moment that a pause lasts, in seconds: scaled to the adapter."""
    smoke: list[Result] = field(default_factory=list)
    """Right exchanges that failed before the first case."""


@dataclass
class Explored:
    """What exploring one implementation in one role visited."""

    peer: str
    role: Role
    conversations: int
    seconds: float
    unrepeated: int
    """Failures that did not come again."""
    pairs: list[Json]
    """`state`, `event`, how many `visits`; `dash`: nothing happens there, or no peer can cause it."""
    outcomes: list[Json]
    """`rule` that a conversation was about, its `outcome`, how many `visits`."""


@dataclass
class Run:
    """All of a run."""

    suite: str
    """The suite's version."""
    command: str
    """The command line that does the same again."""
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
    """What is wrong with the run and no case's fault: a stale entry of the baseline, a pattern without a match."""
    program: str = "kcom5-conformance"
    """What a shell has to be given to start the suite as it was started."""
    subjects: str = ""
    """The options that choose the same implementations again."""
    timeout_scale: float = 1.0
    explored: list[Explored] = field(default_factory=list)
    since: dict[str, list[str]] | None = None
    """The cases that are `fixed` and `broken` since the report that was in the folder before; None without one."""

    def counts_as_failure(self, result: Result) -> bool:
        """Whether the run fails by this result: a broken SHOULD does by `strict` only."""
        if result.verdict is Verdict.UNEXPECTED_PASS:
            return True
        return result.verdict.has_failed and (self.strict or result.level == "MUST")

    @property
    def is_as_expected(self) -> bool:
        return not self.complaints and not any(self.counts_as_failure(result) for result in self.results)

    def carry_over(self, earlier: Run) -> None:
        """Adds the earlier run's results of the cases that this run did not try. A report without an implementation
        of this run is of something else: nothing is added."""
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
    """The verdict as it was before a baseline renamed it."""
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
