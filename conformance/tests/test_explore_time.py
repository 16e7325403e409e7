"""What the oracle allows of an end whose timeout and whose peer come close to each other (`time.late`)."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
import trio

from kcom5_conformance.explore import generate
from kcom5_conformance.explore.lane import PLAYS
from kcom5_conformance.explore.model import expect
from kcom5_conformance.explore.play import Known
from kcom5_conformance.explore.script import HELLO, Octets, Script, Step
from kcom5_conformance.explore.walk import Expected
from kcom5_conformance.harness.call import Call
from kcom5_conformance.harness.case import Mismatch
from kcom5_conformance.results import Json

PAUSE: Step = ("pause", "most")
WHOLE: tuple[Step, ...] = (("send", HELLO), ("read", -1), ("end",))
HEAD = bytes(8) + b"\0\0\0\0" + bytes(8)


def server(*steps: Step, size: int = 0) -> Script:
    return Script("server", steps=steps, close=1, message=b"hi", data=Octets(size))


def client(*steps: Step) -> Script:
    return Script("client", steps=steps, close=1)


@pytest.mark.parametrize(
    ("script", "usual", "late"),
    [
        (server(*WHOLE, PAUSE, PAUSE, ("close",)), "unconfirmed", "ok"),
        (server(*WHOLE, PAUSE, PAUSE, ("half-close",)), "unconfirmed", "ok"),
        (server(PAUSE, PAUSE, ("connect",), *WHOLE, ("close",)), "timeout", "ok"),
        (server(("send", HELLO[:4]), PAUSE, PAUSE, ("send", HELLO[4:]), *WHOLE[1:], ("close",)), "timeout", "ok"),
        (server(("send", HELLO[:4]), PAUSE, PAUSE, ("close",)), "timeout", "invalid-connection"),
        (server(("send", HELLO[:4]), PAUSE, PAUSE, ("send", b"abcd")), "timeout", "invalid-connection"),
        (server(("send", HELLO), ("read", 100), PAUSE, PAUSE, ("reset",), size=16 << 20), "timeout", "unconfirmed"),
        (client(("send", HEAD[:7]), PAUSE, PAUSE, ("send", HEAD[7:])), "timeout", "ok"),
        (client(("send", HEAD[:13]), PAUSE, PAUSE, ("send", HEAD[13:])), "timeout", "ok"),
        (client(("send", HEAD[:13]), PAUSE, PAUSE, ("close",)), "timeout", "truncated"),
        (client(("send", HEAD[:13]), PAUSE, PAUSE, ("reset",)), "timeout", "truncated"),
        (client(("send", HEAD[:7]), PAUSE, PAUSE, ("half-close",)), "timeout", "invalid-connection"),
    ],
)
def test_what_comes_just_after_the_timeout_may_count(script: Script, usual: str, late: str) -> None:
    expected = expect(script)
    assert expected.likely == usual
    assert expected.outcomes.get(late) != "", "only for an end that looks late"
    assert expected.late is not None
    assert expected.late.outcomes[late] == ""


@pytest.mark.parametrize(
    "script",
    [
        server(*WHOLE, PAUSE, ("close",)),
        server(PAUSE, ("connect",), PAUSE, *WHOLE, ("close",)),
        client(("send", HEAD[:8]), PAUSE, ("send", HEAD[8:13]), PAUSE, ("send", HEAD[13:])),
    ],
)
def test_what_comes_before_the_timeout_counts(script: Script) -> None:
    expected = expect(script)
    assert list(expected.outcomes) == ["ok"]
    assert expected.late is None


@pytest.mark.parametrize("script", [server(*WHOLE, ("stall",)), client(("send", HEAD[:13]), ("stall",))])
def test_nothing_that_comes_is_a_timeout(script: Script) -> None:
    expected = expect(script)
    assert expected.likely in ("timeout", "unconfirmed")
    assert expected.late is None


def judge(script: Script, answer: Json, acted: float, ended: float, lateness: float = 0.0) -> Expected:
    """Judges an answer at `ended`. The step that counts late was at `acted`, and the timeout started at 0."""
    harness = SimpleNamespace(acts=[], connections=[], patience=5.0)
    play = PLAYS[script.role](script, expect(script), cast("Any", harness), Known(lateness=lateness))
    play.times = dict.fromkeys(range(-2, len(script.steps)), 0.0) | {play.expected.late_from: acted}
    call = Call(cast("Any", harness), {"op": "send"}, cast("Any", None), answer, end=ended)
    call.ended.set()
    trio.run(play._judge, call)
    return play.expected


CLOSES: tuple[Step, ...] = (*WHOLE, PAUSE, PAUSE, ("close",))
CONFIRMED: Json = {"ok": True, "confirmed": True}


def test_late_look_finds_what_came() -> None:
    """It decides everything from then on: an end that came late confirms, and a client has data."""
    assert judge(server(*CLOSES), CONFIRMED, 1.2, 1.21).likely == "ok"
    with pytest.raises(Mismatch, match=r"close\.confirm"):
        judge(server(*CLOSES), {"ok": True, "confirmed": False}, 1.2, 1.21)
    script = client(("send", HEAD[:13]), PAUSE, PAUSE, ("send", HEAD[13:]))
    assert judge(script, {"ok": True, "message": "", "data": {}}, 1.2, 1.21).likely == "ok"


def test_timeout_is_right_whatever_comes_after_it() -> None:
    assert judge(server(*CLOSES), {"error": "unconfirmed"}, 1.2, 1.0).likely == "unconfirmed"
    assert judge(server(*CLOSES), {"error": "unconfirmed"}, 1.2, 1.25).likely == "unconfirmed"


def test_answer_before_the_peer_acts_is_not_late() -> None:
    """A success before the client has closed confirms nothing."""
    assert judge(server(*CLOSES), CONFIRMED, 1.2, 0.01).likely == "unconfirmed"


def test_who_ignores_its_timeout_is_caught() -> None:
    """More than a second after T: unless its timeouts are as late as that if nothing comes, which is only a SHOULD."""
    with pytest.raises(Mismatch, match=r"time\.confirm"):
        judge(server(*CLOSES), CONFIRMED, 2.4, 2.41)
    assert judge(server(*CLOSES), CONFIRMED, 2.4, 2.41, lateness=1.5).likely == "ok"


@pytest.mark.parametrize("role", ["server", "client"])
def test_acts_after_the_timeout_are_generated(role: str) -> None:
    """Some soon enough for a late end, some too late for any."""
    late = [script for script in generate.portion(role, True, 1, 100) if expect(script).late is not None]
    pauses = {script.steps.count(PAUSE) for script in late}
    assert {2, 4} <= pauses
