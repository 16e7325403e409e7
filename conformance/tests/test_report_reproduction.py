"""Tests of reproductions: each shows the fault with a wrong peer, and does not with the correct one."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import trio
from suite_command import RIGHT, VIA, WRONG, case_of, inside, is_error

from kcom5_conformance.explore.script import Script, from_text, to_text
from kcom5_conformance.harness.attempt import PATIENCE
from kcom5_conformance.harness.frame import frame
from kcom5_conformance.harness.run import Runner
from kcom5_conformance.harness.smoke import Smoke
from kcom5_conformance.harness.subject import Subject
from kcom5_conformance.report.acts import Act
from kcom5_conformance.report.json import read_json
from kcom5_conformance.report.literals import literal
from kcom5_conformance.report.reproduction import _MODULES, reproduction
from kcom5_conformance.report.roots import kind_of
from kcom5_conformance.report.words import again
from kcom5_conformance.results import Problem, Result, Saw

HELLO = b"KCOM5\xaa\xbb\xcc"
NONCE = r"4b 43 4f 4d 35 (?!aa bb cc)([0-9a-f ]{8})"
NOISE_MIB = 16
"""What the memory of a process may differ by from time to time."""
SUPPORTS = ["send", "receive", "tcp6", "tcp4", "unix", "pack", "limits", "message", "file"]


def failed(name: str, case_id: str) -> Result:
    """The result of a mutant in a case that it fails."""
    results: list[Result] = []
    smoke = Smoke({"supports": SUPPORTS}, 0.02, [])
    run = Runner(Subject(name, [*WRONG, name]), smoke, 1, 1, 1, results.append, tries=1)
    trio.run(run.run, [case_of(case_id)])
    assert results[0].verdict.has_failed, results[0]
    return results[0]


def shown(program: str) -> str:
    """Returns the output without nonces, memory sizes and paths, which differ between runs."""
    command = ["bash", "-c", program]
    running = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}  # another one may start slowly
    done = subprocess.run(
        command, env={**os.environ, **running}, capture_output=True, text=True, timeout=PATIENCE * 20, check=False
    )
    assert "Error" not in done.stderr, done.stderr
    # The nonce of the suite's hello stays: a server has to send it back.
    nonces = list(dict.fromkeys(re.findall(NONCE, done.stdout)))
    text = re.sub(NONCE, lambda match: f"hello {nonces.index(match[1])}", done.stdout)
    text = re.sub(r"/tmp[/\w]\S*|\"listening\": \d+", "…", text)
    text = re.sub(r"(-?\d+) MiB", lambda match: f"{max(0, int(match[1])) // NOISE_MIB * NOISE_MIB} MiB", text)
    return re.sub(r"after (\d+)\.\d+ s the", r"after \1 s the", text)


def is_shown(program: str, name: str) -> bool:
    """Whether the program prints something else for the correct peer."""
    right = program.replace(repr([*WRONG, name])[1:-1], repr(RIGHT)[1:-1])
    assert right != program
    return shown(program) != shown(right)


@pytest.mark.parametrize(
    ("name", "case_id", "saw"),
    [
        ("pack-pads-the-port", "address.canonical/leading-zero-digit", "delivers other octets than were sent"),
        ("big-endian-data-length-sent", "data.length/server-every-octet-value@tcp6", "sends wrong octets"),
        ("takes-every-hello", "hello.reject/flip-0@tcp6", "sends octets where none belong"),
        ("refuses-nul-nonces", "hello.any-nonce/nul-first@tcp6", "closes before it has sent all"),
        ("waits-for-eight", "hello.reject-early/second-octet@tcp6", "keeps the connection open"),
        ("takes-ill-formed", "message.utf8/rejected-overlong-nul@tcp6", "succeeds where it has to fail"),
        ("truncated-is-io", "result.class/truncated@tcp6", "gives another failure the name io"),
        ("delivers-what-follows", "data.end/more-after-the-end@tcp6", "delivers other octets than were sent"),
        ("waits-for-ever-for-the-frame", "time.stall/in-the-data@tcp6", "does not end"),
        ("leaks-listeners", "close.residue/nobody-comes-three-times@tcp6", "leaves something behind"),
        ("keeps-listening", "listen.refuse-others/at-once@tcp6", "lets in a client that it has to refuse"),
        ("waits-for-ever-for-a-connection", "time.connect/full-queue@tcp6", "does not end"),
        ("wraps-the-client-port", "listen.port/client-79136@tcp6", "gives another failure the name refused"),
        ("constant-nonce", "hello.nonce/two-exchanges-differ@tcp6", "sends a nonce that is not random"),
        ("open-to-all", "unix.mode/0600@unix", "leaves something behind"),
        ("leaks-connections", "close.residue/500-receives-of-every-outcome@tcp6", "leaves something behind"),
        ("leaks-memory", "close.residue/500-receives-of-every-outcome@unix", "leaves something behind"),
        ("leaves-a-spool", "close.residue/each-error-of-a-server-with-a-file@tcp6", "leaves something behind"),
        ("inherits-sockets", "close.residue/sockets-of-a-server-are-not-inherited@tcp6", "leaves something behind"),
        (
            "allocates-what-is-declared",
            "limit.memory/declared-2-to-the-40-minus-1@tcp6",
            "takes memory for what has not arrived",
        ),
        ("replaces-a-link", "file.whole/link-is-followed@tcp6", "gives a wrong result"),
        ("looks-into-the-pipe", "file.once/pipe-has-one-writer@tcp6", "delivers other octets than were sent"),
        ("fills-a-shorter-file", "file.size/becomes-shorter-before-the-client-comes@tcp6", "ends in another way"),
        ("shares-the-port", "listen.exclusive/no-option-shares-the-port@tcp6", "does something else on the wire"),
        (
            "binds-the-wildcard",
            "listen.loopback/bound-to-loopback-alone@tcp4",
            "lets in a client that it has to refuse",
        ),
        ("mode-of-the-umask", "unix.mode/whatever-the-umask@unix", "leaves something behind"),
        ("removes-what-only-is-bound", "unix.stale/bound-and-not-listening@unix", "does not end"),
        ("removes-what-replaced-it", "unix.cleanup/replaced-meanwhile@unix", "leaves something behind"),
    ],
)
def test_a_reproduction_shows_the_failure_of_the_mutant_and_not_of_the_right_peer(
    name: str, case_id: str, saw: str
) -> None:
    result = failed(name, case_id)
    assert kind_of(result).saw == saw
    assert is_shown(result.reproduction, name)


@pytest.mark.parametrize(
    ("name", "case_id", "reason"),
    [
        ("two-listen", "unix.stale/two-at-one-instant@unix", "two processes"),
        ("mode-after-listening", "unix.mode/before-it-listens@unix", "start it by `strace"),
        ("killed-is-an-orderly-end", "close.abort/killed-before-it-stored@tcp6", "end it by SIGKILL"),
    ],
)
def test_where_no_program_shows_it_the_reason_is_told(name: str, case_id: str, reason: str) -> None:
    result = failed(name, case_id)
    assert not result.reproduction
    assert reason in result.unshown


ACTS = [
    *(Act("listen", 4000), Act("ask", {"op": "receive", "port": 4000}), Act("accept"), Act("expect", "8")),
    *(
        Act("send", ("n0 n1^01", b"\0")),
        Act("look", 1),
        Act("half-close"),
        Act("wait", "1.0"),
        Act("reset"),
        Act("answer"),
    ),
]


@pytest.mark.parametrize("via", ["tcp6", "tcp4", "unix"])
@pytest.mark.parametrize("saw", ["predictable", "residue", "hangs"])
def test_a_reproduction_is_a_program(saw: Saw, via: str) -> None:
    problem = Problem("x.y", "MUST", "residue", "one more descriptor", "none", saw=saw)
    lines = reproduction(via, ACTS, RIGHT, problem=problem)[0].splitlines()
    assert (lines[0], lines[-1]) == ("python3 - <<'E'", "E")
    compile("\n".join(lines[1:-1]), "reproduction", "exec")
    text = "\n".join(lines[2:])
    assert "hello[5:6] + bytes([hello[6] ^ 0x01]) + " in text
    assert set(lines[1].removeprefix("import ").split(", ")) == {name for name in _MODULES if f"{name}." in text}


@pytest.mark.parametrize(
    "octets",
    [
        *(b"", HELLO, bytes(100), HELLO + bytes(i % 251 for i in range(99_999)), bytes(range(256))),
        HELLO + b"a" * 99_999 + bytes(8) + b"b" * 99_999,
    ],
)
def test_octets_are_written_as_python_that_gives_them(octets: bytes) -> None:
    written = literal(octets)
    assert eval(written) == octets
    assert len(written) < 200 or octets == bytes(range(256))


def test_an_act_that_nobody_knows_is_an_error() -> None:
    with pytest.raises(ValueError, match="no such act"):
        reproduction("unix", [Act("dance")], RIGHT)
    with pytest.raises(ValueError, match="no octets"):
        reproduction("unix", [Act("send", "4g")], RIGHT)


@pytest.mark.parametrize("message", ["x" * 99_999, "a" + "b" * 300 + "c", "\u00fc" * 300, "\\" * 300, "\n" * 300])
def test_a_long_message_is_written_short_and_is_the_same(message: str) -> None:
    program, _ = reproduction("tcp6", [Act("ask", {"op": "send", "message": message})], RIGHT)
    asked = next(line for line in program.splitlines() if line.startswith("ask("))
    assert eval(asked.removeprefix("ask")) == {"op": "send", "message": message}
    assert len(asked) < 700


def test_a_program_that_is_too_long_is_not_made() -> None:
    program, reason = reproduction("tcp6", [Act("ask", {"op": "send", "message": "xyz" * 33_333})], RIGHT)
    assert not program
    assert re.fullmatch(r"a program would have 10\d,\d+ characters", reason)


FRAME = frame(b"hi", b"123")
ECHO_IN_PIECES = Script("client", steps=(("send", bytes(6)), ("pause", "tick"), ("send", bytes(2) + FRAME), ("end",)))


def test_failed_replays_the_conversations_that_failed(tmp_path: Path) -> None:
    (tmp_path / "peers.toml").write_text(f"[mine]\ncommand = {json.dumps([*WRONG, 'one-recv-for-the-echo'])}\n")
    script = replace(ECHO_IN_PIECES, via=VIA)

    def failures() -> list[str]:
        results = read_json(tmp_path / "report" / "report.json").results
        return [result.id for result in results if result.problems]

    inside("explore", "--replay", to_text(script), "--report", "report", at=tmp_path)
    (found,) = failures()
    again_failed = ("run", "--failed", "report", "--report", "report")
    assert inside(*again_failed, at=tmp_path).returncode == 1
    assert failures() == [found], "the same failure has the same name"
    (tmp_path / "peers.toml").write_text(f"[mine]\ncommand = {json.dumps(RIGHT)}\n")
    done = inside(*again_failed, at=tmp_path)
    assert (done.returncode, "1 fixed, 0 broken" in done.stdout) == (0, True), done.stdout
    assert "replayed as client" in done.stderr
    is_error(inside(*again_failed, at=tmp_path), 2, "no case failed in report")


@pytest.mark.parametrize(
    ("name", "script", "rule"),
    [
        ("one-recv-for-the-echo", ECHO_IN_PIECES, "echo.segments"),
        ("full-queue-is-io", Script("client", via="unix", steps=(("full",),), close=1), "time.connect"),
        ("constant-nonce", Script("client", steps=(("send", bytes(8) + FRAME), ("end",))), "hello.nonce"),
        ("leaks-descriptors", Script("client", steps=(("send", bytes(8) + FRAME), ("end",))), "close.residue"),
        ("keeps-listening", Script("server", steps=(("late",), ("send", HELLO), ("read", -1), ("close",))),
         "listen.refuse-others"),
    ],
)  # fmt: skip
def test_a_conversation_is_replayed_and_its_program_shows_it(
    name: str, script: Script, rule: str, tmp_path: Path
) -> None:
    script = replace(script, via=VIA) if script.via == "tcp6" else script
    arguments = ("--strict", "--replay", to_text(script), "--report", "report", "--", *WRONG, name)
    assert inside("explore", *arguments, at=tmp_path).returncode == 1
    run = read_json(tmp_path / "report" / "report.json")
    result = next(one for one in run.results if one.problems and one.problems[0].rule == rule)
    assert result.script == to_text(script)
    assert f"--replay {shlex.quote(to_text(script))} " in again(run, result)
    assert is_shown(result.reproduction, name)


def test_a_conversation_is_replayed_from_what_was_saved_or_from_a_short_word(tmp_path: Path) -> None:
    long = Script("client", steps=(("send", bytes(8) + frame(b"a" * 70_000, b"")), ("end",)))
    assert from_text(to_text(long)) == long
    assert len(to_text(long)) < 1000
    (tmp_path / "script.json").write_text(f"{long}\n")
    for given in ("script.json", to_text(long)):
        done = inside("explore", "--replay", given, "--", *RIGHT, at=tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "replayed as client: " in done.stderr
        assert "as server" not in done.stderr
    is_error(
        inside("explore", "--replay", "none.json", "--", *RIGHT, at=tmp_path), 2, "none.json is not a conversation"
    )
