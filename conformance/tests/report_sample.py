"""An invented run in which everything occurs once, for the tests of the reports, and the same with many results."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypedDict

from kcom5_conformance import spec
from kcom5_conformance.report import causes
from kcom5_conformance.report.acts import Act
from kcom5_conformance.report.reproduction import reproduction
from kcom5_conformance.results import Event, Json, Peer, Problem, Result, Run, Verdict

if TYPE_CHECKING:
    from typing_extensions import Unpack  # of typing itself from Python 3.11 on

HOSTILE = "</script><script>alert(1)</script><!-- ]]> & \" ' \x00\x1b[31m\u202e\ud800\ufffe é😀"
HELLO = "4b434f4d35aabbcc"
RIGHT = HELLO + "02000000" + "6869" + "0300000000000000" + "000102"
ACTS = [Act("ask", {"op": "send"}), Act("connect"), Act("send", HELLO), Act("expect", "25")]
SWAPPED = HELLO + "00000002" + "6869" + "0000000000000003" + "000102"


def case(name: str, peer: str, verdict: Verdict, via: str = "tcp6", role: str = "server", **more: object) -> Result:
    rule = name.split("/")[0]
    levels = {rule.name: rule.level for rule in spec.rules()}
    fields: Json = {
        "id": f"{name}@{via}" if via else name,
        "peer": peer,
        "rule": rule,
        "level": levels.get(rule, "MUST"),
        "role": role,
        "via": via,
        "note": f"why {rule} is looked at",
        "verdict": verdict,
        "seconds": 0.0123,
        "events": [
            Event(0.0, "suite", "request", text='{"op":"send","via":"tcp6","port":0}'),
            Event(0.0007, "implementation", "answer", text='{"listening":23456}'),
            Event(0.001, "suite", "connect"),
            Event(0.0012, "suite", "octets", HELLO, 8),
            Event(0.0019, "implementation", "octets", RIGHT, 25),
            Event(0.002, "implementation", "end"),
            Event(0.0021, "suite", "close"),
        ],
        **more,
    }
    return Result(**fields)


class More(TypedDict, total=False):
    """The optional parts of a failure."""

    note: str
    events: list[Event]
    cause: str
    reason: str
    failed: int
    tried: int


def failure(name: str, peer: str, verdict: Verdict = Verdict.FAIL, **more: Unpack[More]) -> Result:
    rule = name.split("/")[0]
    result = case(
        name,
        peer,
        verdict,
        problems=[
            Problem(rule, "MUST", "wire", "00 00 00 02", "02 00 00 00", SWAPPED, RIGHT, 8, "octets"),
            Problem("close.confirm", "SHOULD", "ended", "a reset", "an end"),
        ],
        reproduction=reproduction("tcp6", ACTS, ["mine"])[0],
        **more,
    )
    result.cause = result.cause or causes.cause_of(result)
    return result


def sample() -> Run:
    results = [
        case("hello.segments/three-pieces", "go", Verdict.PASS),
        case("address.reject/no-key", "go", Verdict.PASS, via="", role="address", events=[]),
        failure("message.length/one", "mine", events=[*case("x.y/z", "", Verdict.PASS).events, *_rest()]),
        failure("message.length/two", "mine", Verdict.FLAKY, failed=2, tried=5),
        failure("close.extra/one-octet", "mine", Verdict.CRASHED, cause=HOSTILE, note=HOSTILE),
        case("hello.nonce/differs", "mine", Verdict.UNEXPECTED_PASS, role="client", reason="it is a constant"),
        failure("hello.alone/browser", "mine", Verdict.KNOWN_FAILURE, reason="see issue 12 " + HOSTILE),
        case("unix.mode/before-listen", "mine", Verdict.UNSUPPORTED, via="unix", reason="it has no unix", events=[]),
        case("connect.self/own-port", "mine", Verdict.NOT_RUN, role="client", reason="no network namespace", events=[]),
    ]
    peers = ("go", "mine")
    for server in peers:
        for client in peers:
            for via in ("tcp6", "tcp4", "unix"):
                for size in (0, 65536):
                    bad = server == "mine" and via == "tcp4" and size
                    results.append(
                        Result(
                            f"matrix/{server}-to-{client}/{size}/plain@{via}",
                            f"{server}>{client}",
                            "data.opaque",
                            "MUST",
                            "both",
                            via,
                            "what one sends the other receives",
                            Verdict.FAIL if bad else Verdict.PASS,
                            0.01,
                            [Problem("data.opaque", "MUST", "delivered", "4,096 octets", "65,536 octets")]
                            if bad
                            else [],
                            [Event(0.001, "suite", "octets", HELLO, 8), Event(0.002, "implementation", "end")],
                        )
                    )
    return Run(
        suite="0.1.0",
        command="kcom5-conformance run --seed 7 -- python3 mine.py",
        started="2026-01-02T03:04:05Z",
        seconds=12.3,
        seed=7,
        strict=False,
        machine="Linux x86_64, 2 processors",
        peers=[
            Peer("go", ["adapter-go"], {"name": "go"}, 0.01),
            Peer("mine", ["python3", "my adapter.py"], {"name": "mine"}, 0.02),
        ],
        rules=[replace(rule) for rule in spec.rules()],
        results=results,
        complaints=["the baseline names hello.gone/away, which is no case"],
        subjects="-- python3 mine.py",
    )


def _rest() -> list[Event]:
    return [
        Event(0.01, "suite", "wait", text="a tick"),
        Event(0.5, "implementation", "answer", text=HOSTILE),
        Event(1.0, "implementation", "reset"),
        Event(1.1, "implementation", "octets", "00" * 1024, 1048576),
    ]


def large(count: int = 6000) -> Run:
    run = sample()
    rules = [rule.name for rule in spec.rules()]
    run.results += [
        case(f"{rules[number % len(rules)]}/case-{number}", ("go", "mine", "other")[number % 3], Verdict.PASS)
        for number in range(count - len(run.results))
    ]
    return run
