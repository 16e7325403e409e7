"""Tests of the comparison: it narrows faults to one input, and records what was done."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import engine
import inputs
import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
HERE = ROOT / "fuzz/differential"


def run(*words: str) -> tuple[int, str]:
    done = subprocess.run([HERE / "run", *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return done.returncode, done.stdout


def test_a_program_that_is_missing_is_named() -> None:
    with pytest.raises(engine.BrokenError, match="the build failed: no-such-program is not installed"):
        engine.call("the build", "no-such-program", "--version")


def broken(source: Path, target: Path, *changes: tuple[str, str]) -> Path:
    """Writes a copy of a source with changes."""
    text = source.read_text()
    for right, wrong in changes:
        assert text.count(right) == 1, f"{source} does not have {right!r} once"
        text = text.replace(right, wrong)
    target.write_text(text)
    return target


def broken_go(folder: Path, *changes: tuple[str, str]) -> str:
    wire = ROOT / "impl/go/core/wire.go"
    engine.build_go(folder / "peer", engine.PEER, {str(wire): str(broken(wire, folder / "wire.go", *changes))})
    return f"go={folder / 'peer'}"


def broken_python(folder: Path, *changes: tuple[str, str]) -> str:
    shutil.copytree(ROOT / "impl/python/src/kcom5", folder / "kcom5")
    broken(ROOT / "impl/python/src/kcom5/exchange.py", folder / "kcom5/exchange.py", *changes)
    return f"python=env KCOM5_PYTHON={folder} {sys.executable} {HERE / 'peer.py'}"


def test_the_three_agree_and_the_ledger_saves_the_second_run(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.jsonl"
    code, text = run("--inputs", "50000", "--seed", "2", "--ledger", str(ledger))
    assert code == 0, text
    assert "50,000 inputs in 1 blocks, no difference" in text
    before = ledger.read_text()
    summary = text.splitlines(keepends=True)[-1]  # a slow run prints its progress before
    assert run("--inputs", "50000", "--seed", "2", "--ledger", str(ledger)) == (0, summary)
    assert ledger.read_text() == before
    assert run("--summary", "--seed", "2", "--ledger", str(ledger)) == (0, summary)
    assert run("--summary", "--seed", "3", "--ledger", str(ledger))[1].startswith("0 inputs")


def test_a_surrogate_that_go_lets_pass_is_found(tmp_path: Path) -> None:
    peer = broken_go(
        tmp_path,
        ('\t"strconv"\n', '\t"strconv"\n\t"strings"\n'),
        ("if !utf8.ValidString(message) {", r'if !utf8.ValidString(strings.ReplaceAll(message, "\xed\xa0\x80", "")) {'),
    )
    code, words = run("--inputs", "50000", "--peer", peer)
    assert code == 1, words
    assert "eda080" in words
    again = re.search(r"again: +fuzz/differential/run (--input [0-9a-f]+)", words)
    assert again
    code, shown = run(*again[1].split(), "--peer", peer)
    assert code == 1
    assert shown in words
    assert run(*again[1].split())[0] == 0
    assert "malformed-message" in words or "message-not-utf8" in words


@pytest.mark.parametrize(
    ("place", "inserted", "said"),
    [
        # An offset that is off by one.
        ("        if limit is not None and self._size > limit:\n", '        self.consumed += what == "data"\n', " at "),
        # Bytes that are discarded, and yet consumed.
        ("            return\n        self._field += octets\n", "            self.consumed += 1\n", "server, "),
        ('            self._take("wrong", f"got more', "            raise SystemExit(3)\n", "died with 3"),
    ],
)
def test_a_python_core_that_is_wrong_is_found(tmp_path: Path, place: str, inserted: str, said: str) -> None:
    code, words = run("--inputs", "50000", "--peer", broken_python(tmp_path, (place, inserted + place)))
    assert code == 1, words
    assert "does not come out the same" in words
    assert said in words


def test_a_peer_that_dies_once_is_no_difference_and_is_told(tmp_path: Path) -> None:
    right = "        if self.consumed > HELLO_SIZE:\n"
    once = f"            import os\n            if not os.path.exists({str(tmp_path / 'died')!r}):\n"
    die = f"                os.mkdir({str(tmp_path / 'died')!r})\n                raise SystemExit(3)\n"
    code, words = run("--inputs", "50000", "--peer", broken_python(tmp_path, (right, right + once + die)))
    assert code == 4, words
    assert "differed once and not again" in words


def test_an_input_is_shown_by_its_number_and_by_its_bytes() -> None:
    code, words = run("--show", "8")
    assert code == 0
    given = inputs.client(20, 3) + inputs.NUMBER_OF["connected"]
    given += b"".join(map(inputs.given, (b"KCOM5\xaa\xbb\xcc\3\0", b"\0\0\xef\xbf\xbf\1\0\0\0", bytes(5))))
    given += inputs.NUMBER_OF["end"] + inputs.NUMBER_OF["early-end"]
    assert words.startswith("client, limits 20 3 | connected | 4b434f4d35aabbcc0300 | ")
    assert words.count("ok at 24, details 01180000000300") == 3
    assert run("--input", given.hex()) == (0, words)


def test_the_words_of_an_input_tell_all_of_it() -> None:
    server = inputs.server(b"hi", 3) + inputs.NUMBER_OF["wrong"] + inputs.given(b"K")
    for given, words in (
        (b"u1.00", "unpack 312e3030"),
        (b"mhi", "message 6869"),
        (inputs.absent(1 << 32), "message of 4294967296"),
        (inputs.pack(-1, b"\xff"), "pack -1 ff"),
        (inputs.client(), "client, limits - -"),
        (server, "server, message 6869, data of 3 | wrong | 4b"),
    ):
        assert inputs.words_of(given) == words
        assert inputs.inputs_of(inputs.block_of([given, server])) == [given, server]


def test_wrong_use_is_2() -> None:
    assert run("--inputs", "0")[0] == 2
    assert run("--peer", "nothing")[0] == 2
    assert run("--help")[0] == 0


def text_of(path: Path) -> str:
    """Returns the text of a file in /proc; empty if its process has ended meanwhile."""
    try:
        return path.read_text()
    except OSError:
        return ""


def test_an_interrupted_fuzzer_ends_its_processes() -> None:
    command = [str(ROOT / "fuzz/run"), "--target", "address", "--time", "1h", "--seed", "1"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    fuzzers: list[Path] = []
    while not fuzzers:
        assert process.poll() is None
        ours = ["(fuzz-address-cp)", str(process.pid)]
        fuzzers = [path for path in Path("/proc").glob("[0-9]*/stat") if text_of(path).split()[1:4:2] == ours]
        os.sched_yield()
    process.send_signal(signal.SIGINT)
    _, words = process.communicate(timeout=60)
    assert (process.returncode, words) == (130, "fuzz/run: interrupted\n")
    assert not fuzzers[0].exists()


def test_a_peer_that_is_silent_or_stops_in_an_answer_has_died(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "SILENCE", 0.3)
    for said in ("", "half an answer"):
        program = f"import sys; print({said!r}, end='', flush=True); sys.stdin.read()"
        peer = engine.Program("x", [sys.executable, "-c", program])
        peer.send(b"block")
        assert peer.receive() == "died with -9: it said nothing"


def test_an_interruption_keeps_the_ledger(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.jsonl"
    command = [str(HERE / "run"), "--inputs", "1e9", "--ledger", str(ledger)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while not ledger.exists() or not ledger.read_text().endswith("\n"):
        assert process.poll() is None
        os.sched_yield()
    process.send_signal(signal.SIGINT)
    _, words = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "the ledger is kept" in words
    assert all(json.loads(line)["count"] == 50_000 for line in ledger.read_text().splitlines())
