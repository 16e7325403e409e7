"""Reproductions: each starts a wrong peer and shows what is wrong; the same with the right peer shows it not."""

from __future__ import annotations

import subprocess

import pytest
import trio
from suite_command import RIGHT, WRONG

from kcom5_conformance.harness.attempt import PATIENCE
from kcom5_conformance.harness.run import Runner
from kcom5_conformance.harness.smoke import Smoke
from kcom5_conformance.harness.subject import Subject
from kcom5_conformance.report.reproduction import _expression, _literal, reproduction
from kcom5_conformance.report.roots import kind_of
from kcom5_conformance.results import Result
from kcom5_conformance.selection import every_case

HELLO = b"KCOM5\xaa\xbb\xcc"
SUPPORTS = ["send", "receive", "tcp6", "limits", "message", "file"]


def failed(name: str, case_id: str) -> Result:
    """The result of a mutant in a case that it fails."""
    results: list[Result] = []
    smoke = Smoke({"supports": SUPPORTS}, 0.02, [])
    case = next(case for case in every_case() if case.id == case_id)
    run = Runner(Subject(name, [*WRONG, name]), smoke, 1, 1, 1, results.append, tries=1)
    trio.run(run.run, [case])
    assert results[0].verdict.has_failed, results[0]
    return results[0]


def shown(program: str) -> str:
    """What it prints."""
    command = ["bash", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE * 20, check=False)
    assert "SyntaxError" not in done.stderr, done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize(
    ("name", "case_id", "saw"),
    [
        ("big-endian-data-length-sent", "data.length/server-every-octet-value@tcp6", "sends wrong octets"),
        ("takes-every-hello", "hello.reject/flip-0@tcp6", "sends octets where none belong"),
        ("refuses-nul-nonces", "hello.any-nonce/nul-first@tcp6", "closes before it has sent all"),
        ("waits-for-eight", "hello.reject-early/second-octet@tcp6", "keeps the connection open"),
        ("takes-ill-formed", "message.utf8/rejected-overlong-nul@tcp6", "succeeds where it has to fail"),
        ("truncated-is-io", "result.class/truncated@tcp6", "gives another failure the name io"),
        ("delivers-what-follows", "data.end/more-after-the-end@tcp6", "delivers other octets than were sent"),
        ("waits-for-ever-for-the-frame", "time.stall/in-the-data@tcp6", "does not end"),
    ],
)
def test_a_reproduction_shows_the_failure_of_the_mutant_and_not_of_the_right_peer(
    name: str, case_id: str, saw: str
) -> None:
    result = failed(name, case_id)
    assert kind_of(result).saw == saw
    right = result.reproduction.replace(repr([*WRONG, name])[1:-1], repr(RIGHT)[1:-1])
    assert right != result.reproduction
    assert shown(result.reproduction).splitlines() != shown(right).splitlines()


@pytest.mark.parametrize("via", ["tcp6", "tcp4", "unix"])
@pytest.mark.parametrize("role", ["server", "client"])
def test_a_reproduction_is_a_program(role: str, via: str) -> None:
    acts = [("expect", "8"), ("send", "00"), ("half-close", ""), ("wait", "1.0"), ("close", "")]
    lines = reproduction(role, via, acts, RIGHT, {"op": "send", "via": via}).splitlines()
    assert (lines[0], lines[-1]) == ("python3 - <<'E'", "E")
    compile("\n".join(lines[1:-1]), "reproduction", "exec")
    text = "\n".join(lines[2:])
    assert set(lines[1].removeprefix("import ").split(", ")) == {
        name for name in ("json", "select", "socket", "struct", "subprocess", "tempfile", "time") if f"{name}." in text
    }


@pytest.mark.parametrize(
    "octets", [b"", HELLO, bytes(100), HELLO + bytes(i % 251 for i in range(99_999)), bytes(range(256))]
)
def test_octets_are_written_as_python_that_gives_them(octets: bytes) -> None:
    for written in (_expression(octets.hex()), _literal(octets)):
        assert eval(written) == octets
        assert len(written) < 200 or octets == bytes(range(256))


def test_an_act_that_nobody_knows_is_an_error() -> None:
    with pytest.raises(ValueError, match="no such act"):
        reproduction("server", "unix", [("dance", "")], RIGHT, {})
    with pytest.raises(ValueError, match="no octets"):
        reproduction("server", "unix", [("send", "4g")], RIGHT, {})
