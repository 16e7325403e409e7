"""Tests of explore: its oracle against the vectors, conversations against the schema, correct and wrong peers."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jsonschema
import pytest
from suite_command import VIA

from kcom5_conformance import data
from kcom5_conformance.cases import vectors
from kcom5_conformance.cases.vectors import Vector
from kcom5_conformance.cli import run_command
from kcom5_conformance.explore import generate
from kcom5_conformance.explore.command import vector_of
from kcom5_conformance.explore.details import cut_up
from kcom5_conformance.explore.engine import Explorer
from kcom5_conformance.explore.model import expect
from kcom5_conformance.explore.residue import Footprint
from kcom5_conformance.explore.script import HELLO, Octets, Script, Step, from_json, to_text
from kcom5_conformance.explore.strategies import STRATEGIES
from kcom5_conformance.explore.tables import table
from kcom5_conformance.results import Problem

HERE = Path(__file__).resolve().parent
NONCE = b"\xaa\xbb\xcc"


def script_of(vector: Vector) -> Script | None:
    """Returns a vector as a script, or None if a conversation cannot express it."""
    give = vector.give
    is_large = isinstance(give.get("data"), dict) and give["data"].get("size", 0) > 1 << 17
    if vector.role not in ("server", "client") or vector.setup or vector.times > 1 or "port" in give or is_large:
        return None
    message, sent = give.get("message", ""), vectors.octets(give.get("data", ""))
    message = message.encode() if isinstance(message, str) else vectors.octets(message)
    steps: list[Step] = []
    for step in vector.steps:
        if not (made := _step(vector, step, sum(len(one[1]) for one in steps if one[0] == "send"))):
            return None
        steps += made
    limits = give.get("limits", {})
    return Script(
        "server" if vector.role == "server" else "client",
        steps=tuple(steps[1:] if vector.role == "client" and steps[:1] == [("read", 8)] else steps),
        close=give.get("close", 30),
        message=message,
        data=Octets(len(sent), sent.hex() or "00"),
        limits=(limits.get("message"), limits.get("data")),
    )


def _step(vector: Vector, step: vectors.Step, at: int) -> list[Step]:
    kind = step[0]
    if kind == "send":
        octets = vectors.joined(step[1:], NONCE)
        if vector.role == "client":
            own = HELLO[at : at + len(octets)]
            octets = bytes(a ^ b for a, b in zip(octets, own, strict=False)) + octets[len(own) :]
        return [("send", octets)]
    if kind == "expect":
        return [("read", len(vectors.joined(step[1:], NONCE)))]
    names = {"expect-nothing": "nothing", "expect-end": "end", "expect-refused": "late"}
    if kind in ("expect-mode", "replace-file", "expect-reset") or step == ("pause", "half"):
        return []
    return [(names.get(kind, kind), *(step[1:2] if kind == "pause" else ()))]


def test_oracle_allows_what_the_vectors_say() -> None:
    """Independent of the implementations, as the vectors are."""
    tried, wrong = 0, []
    for vector in vectors.load(data.vectors_folder()):
        script = script_of(vector)
        if script is None:
            continue
        tried += 1
        outcome = vector.outcome.get("error", "ok")
        expected = expect(script)
        if outcome not in expected.outcomes:
            wrong.append(f"{vector.id}: {outcome}, not {expected.outcomes}")
        elif outcome == "ok" and vector.role == "client":
            message = vector.outcome.get("message", "")
            text = message if isinstance(message, str) else vectors.octets(message).decode()
            if expected.message != text:
                wrong.append(f"{vector.id}: {expected.message!r}")
    assert not wrong
    assert tried > 300


def test_tables_are_those_of_the_spec() -> None:
    server, client = table("server"), table("client")
    assert server.cell("hello", "whole").next == "sending"
    assert client.cell("data", "end").error == "truncated"
    assert client.cell("data", "whole").does == ("deliver",)
    assert server.cell("done", "reset").is_dash


@pytest.mark.parametrize("kind", STRATEGIES)
def test_generated_scripts_are_vectors(kind: tuple[str, bool]) -> None:
    """Each has an outcome of the spec, can be saved and loaded, and is a valid vector."""
    schema = json.loads((data.vectors_folder() / "schema.json").read_text("utf-8"))
    check = jsonschema.Draft202012Validator({"$ref": "#/$defs/conversation", "$defs": schema["$defs"]})
    scripts = generate.portion(*kind, 7, 40)
    assert len(scripts) > 20
    assert scripts == generate.portion(*kind, 7, 40)
    for script in scripts:
        assert from_json(json.loads(str(script))) == script
        expected = expect(script)
        assert expected.outcomes
        if expected.likely != "message-not-utf8":
            vector = vector_of(script, Problem(expected.rule, "MUST", "wire", "x", "y"))
            assert not list(check.iter_errors(vector)), vector


def test_half_of_the_scripts_are_right_conversations() -> None:
    for role in ("server", "client"):
        outcomes = [expect(script).likely for script in generate.portion(role, False, 3, 300)]
        assert outcomes.count("ok") > 0.4 * len(outcomes)


def test_shrinking_finds_the_least() -> None:
    """Every message with a NUL fails, so the smallest script has nothing else."""

    def fails(script: Script) -> bool:
        return b"\0" in script.message

    failed = next(script for script in generate.portion("server", False, 5, 200) if fails(script))
    least = generate.shrink("server", False, 5, 200, failed, fails)
    assert fails(least)
    assert len(least.message) <= len(failed.message)
    assert least.data.size == 0


@pytest.mark.parametrize("role", ["server", "client"])
def test_right_peer_is_failed_by_none(role: str, capsys: pytest.CaptureFixture[str]) -> None:
    options = ("--seconds", "6", "--examples", "100", "--strict")
    assert _explore(role, "right_peer.py", *options) == 0, capsys.readouterr().out


@pytest.mark.parametrize(
    ("role", "name", "rule"),
    [
        ("client", "reads-latin1", "message."),
        ("client", "sends-nine-octets", "hello.form"),
        ("server", "big-endian-message-length-sent", "message.length"),
        ("server", "counts-characters", "message.length"),
    ],
)
def test_wrong_peer_is_found(role: str, name: str, rule: str, tmp_path: Path) -> None:
    """The report has the rule, a program and a vector, and saved conversations run first."""
    options = ("--seconds", "90", "--first", "--seed", "1", "--save", str(tmp_path / "saved"))
    assert _explore(role, "mutants", name, *options, "--report", str(tmp_path)) == 1
    results = _failures(tmp_path)
    assert any(result["rule"].startswith(rule) for result in results), [result["rule"] for result in results]
    assert results[0]["reproduction"]
    assert results[0]["events"]
    vector = json.loads(results[0]["vector"])["vectors"][0]
    assert vector["role"] == role
    assert list((tmp_path / "saved").iterdir())
    assert _explore(role, "mutants", name, *options, "--report", str(tmp_path), "--examples", "1") == 1


@pytest.mark.parametrize(
    ("role", "name", "rule"),
    [("client", "seven-bit-nonce", "hello.nonce"), ("server", "forgives-a-line-end", "hello.alone")],
)
def test_broken_should_is_found(role: str, name: str, rule: str, tmp_path: Path) -> None:
    options = ("--seconds", "90", "--first", "--strict", "--seed", "2", "--report", str(tmp_path))
    assert _explore(role, "mutants", name, *options) == 1
    assert rule in [result["rule"] for result in _failures(tmp_path)]


WHOLE: tuple[Step, ...] = (("read", -1), ("end",), ("close",))
PAUSE: Step = ("pause", "most")
NUL = bytes(8) + b"\1\0\0\0\0" + bytes(8)
"""An echo, relative to the hello, and the frame of a message of one NUL, without data."""
ILL_FORMED = bytes(8) + b"\1\0\0\0\xff"
EARLY_END: tuple[Step, ...] = (("send", HELLO), ("read", 100), ("half-close",))
LATE_ECHO = cut_up(bytes(20), (5, 6, 7), (PAUSE,))
LEAVES: tuple[Step, ...] = (("pause", "tick"), ("close",))


@pytest.mark.parametrize(
    ("name", "script", "rule"),
    [
        (
            "looks-before-the-half-close",
            Script("server", steps=(("send", HELLO), ("read", -1), ("close",))),
            "close.confirm",
        ),
        (
            "says-confirmed-always",
            Script("server", steps=(("send", HELLO), ("half-close",), *WHOLE), data=Octets(16 << 20, "00")),
            "close.confirm",
        ),
        (
            "malformed-after-the-frame",
            Script("client", steps=(("send", ILL_FORMED), ("pause", "tick"), ("close",))),
            "message.utf8",
        ),
        ("reset-while-connecting-is-success", Script("client", steps=(("unread",), ("reset",))), "echo.mismatch"),
        ("files-a-string", Script("client", steps=(("send", NUL),), in_file=True), "message.utf8"),
        ("leaks-listeners", Script("server", steps=(*(PAUSE,) * 4, ("connect",), *WHOLE), close=1), "close.residue"),
        (
            "does-not-wait-for-acknowledgement",
            Script("server", steps=(*EARLY_END, ("stall",)), close=1, data=Octets(1 << 19, "00")),
            "close.confirm",
        ),
        ("begins-the-bound-of-the-nonce", Script("client", steps=(PAUSE, *LATE_ECHO), close=1), "time.handshake"),
        (
            "forgets-the-other-limit",
            Script("client", steps=(("send", bytes(11) + b"\x80"), *LEAVES), limits=(None, 1 << 20)),
            "limit.over",
        ),
    ],
)
def test_conversation_shows_the_bug(name: str, script: Script, rule: str, tmp_path: Path) -> None:
    arguments = ("--replay", to_text(replace(script, via=VIA)), "--first", "--strict", "--report", str(tmp_path))
    assert _explore(script.role, "mutants", name, *arguments) == 1
    assert [result["rule"] for result in _failures(tmp_path)] == [rule]


def test_defect_of_the_suite_is_not_charged_to_the_implementation(capsys: pytest.CaptureFixture[str]) -> None:
    script = Script("client", via=VIA, steps=(("send", NUL), ("dance",)))
    assert _explore("client", "right_peer.py", "--replay", to_text(script)) == 4
    told = capsys.readouterr().err
    assert "the suite itself is broken" in told
    assert "replayed as client: 1 conversation in " in told


def test_time_that_is_over_at_once_ends_the_exploring(capsys: pytest.CaptureFixture[str]) -> None:
    assert _explore("client", "right_peer.py", "--first", "--seconds", "0") == 1
    assert "0 conversations in " in capsys.readouterr().err


def test_residue_is_found_and_charged(tmp_path: Path) -> None:
    arguments = ("--seconds", "120", "--first", "--jobs", "1", "--report", str(tmp_path))
    assert _explore("client", "mutants", "leaks-descriptors", *arguments) == 1
    assert [result["rule"] for result in _failures(tmp_path)] == ["close.residue"]


def test_memory_counts_after_many_conversations_only() -> None:
    grown = Footprint(memory=64 << 20)
    assert grown.grown(Footprint(), 24, 2)
    assert not grown.grown(Footprint(), 6, 1)
    assert Footprint(descriptors=1).grown(Footprint(), 6, 1)


def _explore(role: str, *words: str) -> int:
    program, *rest = words
    name = [rest.pop(0)] if rest and not rest[0].startswith("-") else []
    return run_command(["explore", "--role", role, *rest, "--", sys.executable, str(HERE / program), *name])


def _failures(folder: Path) -> list[Any]:
    report = json.loads((folder / "report.json").read_text("utf-8"))
    assert report["explored"][0]["conversations"] > 0
    return [result for result in report["results"] if result["verdict"] != "pass"]


def test_nothing_is_asked_that_the_adapter_does_not_claim() -> None:
    script = Script("client", limits=(1, None))
    claims = SimpleNamespace(_supports=frozenset({"tcp6", "limits"}))
    lacks = SimpleNamespace(_supports=frozenset({"tcp6"}))
    assert Explorer._is_in_contract(claims, script)  # type: ignore[arg-type]
    assert not Explorer._is_in_contract(lacks, script)  # type: ignore[arg-type]
    assert not Explorer._is_in_contract(claims, replace(script, in_file=True))  # type: ignore[arg-type]
    assert not Explorer._is_in_contract(claims, replace(script, before="old"))  # type: ignore[arg-type]
