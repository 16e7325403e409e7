"""The likely causes of a vector's possible failures, found by letting its conversation fail after each step."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from ..cases import vectors
from ..cases.vectors import Vector
from ..results import KEPT, Event, Json, Problem, Result, Saw, Verdict
from . import causes

NONCE = b"\xaa\xbb\xcc"
PATIENCE = 5.0
NO_BOUND = 30
_Wrong = tuple[Saw, list[tuple[Any, Any, str]], Json]
"""The observation, the events that show it (who, what, text), and the adapter's answer."""
_UP = ("suite", "wait", "gives up after 5.0 s")


def possible(vector: Vector) -> list[str]:
    """Returns the causes, in the order of the steps; empty if none is recognised."""
    if vector.role in ("pack", "unpack"):
        request = {
            "op": vector.role,
            **(vector.give["in"] if vector.role == "pack" else {"address": vector.give["in"]}),
        }
        events = [Event(0, "suite", "request", text=json.dumps(request))]
        return [_cause(vector, events, ("accepts", [], {"ok": True}), b"")] if "error" in vector.outcome else []
    ladders = list(_ladders(vector))
    found = (
        _cause(vector, events, wrong, got, ladders[-1][1])
        for events, got, following in ladders
        for wrong in _wrongs(vector, following)
    )
    return [cause for cause in dict.fromkeys(found) if cause]


def _ladders(vector: Vector) -> Iterator[tuple[list[Event], bytes, str]]:
    """Yields the events up to each step, the bytes that the implementation sent, and the kind of the next step; empty
    after the last one."""
    kinds = [*(step[0] for step in vector.steps), ""]
    bound = float(max(1, vector.give.get("close", NO_BOUND)))
    is_server = vector.role == "server"
    request = {"op": "send" if is_server else "receive", "close": NO_BOUND, **vector.give}
    events, at, got = [Event(0, "suite", "request", text=json.dumps(request))], 0.001, b""
    if is_server:
        events.append(Event(at, "implementation", "answer", text='{"listening": 1}'))
    yield list(events), got, kinds[0]
    if vector.setup not in ("nobody", "full"):
        events.append(Event(at, "suite" if is_server else "implementation", "connect"))
    for number, step in enumerate(vector.steps, 1):
        at += 0.001
        kind, who = step[0], "suite" if step[0] == "send" else "implementation"
        if kind in ("send", "expect"):
            octets = vectors.joined(step[1:], NONCE)
            got = (got + octets)[:KEPT] if kind == "expect" else got
            events.append(Event(at, who, "octets", octets[:KEPT].hex(), len(octets)))  # type: ignore[arg-type]
        elif kind in ("half-close", "close", "reset"):
            events.append(Event(at, "suite", "end" if kind == "half-close" else kind))
        elif kind in ("expect-end", "expect-reset"):
            events.append(Event(at, "implementation", kind.removeprefix("expect-")))
        elif kind == "pause":
            at += {"tick": 0.01, "half": 0.5 * bound, "most": 0.6 * bound}[step[1]]
        yield list(events), got, kinds[number]


def _wrongs(vector: Vector, following: str) -> Iterator[_Wrong]:
    error = vector.outcome.get("error")
    yield "hangs", [_UP], {}
    if following == "expect":
        yield "silent", [_UP], {}
        for how in ("end", "reset"):
            for name in ("", "invalid-connection", "timeout"):
                answer = {"error": name} if name else {"ok": True}
                yield "short", [("implementation", how, ""), ("implementation", "answer", json.dumps(answer))], answer
    if following:
        return
    delivered: Json = {"ok": True, "data": {}}
    ended = [("implementation", "answer", "")]
    yield "open", [*ended, _UP], {"error": error} if error else delivered
    yield "open", [_UP], {}
    if error:
        yield "accepts", ended, delivered
        yield "orderly", [*ended, ("implementation", "end", "")], {"error": error}
        yield "surplus", [], {}
    else:
        yield "reset", [*ended, ("implementation", "reset", "")], delivered
    for name in ("io",) if error else ("invalid-connection", "timeout", "io"):
        yield ("name" if error else "refuses"), ended, {"error": name}


def _cause(vector: Vector, before: list[Event], wrong: _Wrong, got: bytes, whole: bytes = b"") -> str:
    saw, after, answer = wrong
    bound = vector.give.get("close", NO_BOUND) if vector.role in ("server", "client") else 0
    at = before[-1].at + max(PATIENCE, bound + 1.0 if 0 < bound < NO_BOUND else 0)
    events = [*before, *(Event(at, who, what, text=text) for who, what, text in after)]
    if saw == "surplus" and vector.role == "server":
        sent = next((event.octets for event in before if event.what == "octets"), "")[:16]
        events.append(Event(at, "implementation", "octets", sent, len(sent) // 2))
        got = bytes.fromhex(sent)
    expected = vector.outcome.get("error") or "success"
    stream = whole.hex() if vector.role == "server" and saw in ("short", "silent") else ""
    problem = Problem(vector.rule, vector.level, "ended", "", expected, got.hex(), stream, len(got), saw)
    role = vector.role if vector.role in ("server", "client") else "address"
    result = Result(vector.id, "", vector.rule, vector.level, role, "", "", Verdict.FAIL)
    result.problems, result.events = [problem], events
    return causes.cause_of(result, answer)
