"""Tests of the command in a process, as a user runs it: exit codes, messages, reports."""

from __future__ import annotations

import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jsonschema
import pytest
from suite_command import (
    ALL_THE_TIME,
    FEW,
    HERE,
    HERE_VIAS,
    ODD,
    PACKAGE,
    PADS,
    RIGHT,
    ROOT,
    VIA,
    WRONG,
    environment,
    inside,
    is_alive,
    is_error,
    pasted,
    suite,
)

from kcom5_conformance import __version__, cli
from kcom5_conformance.report import json as json_report


@pytest.fixture
def here(tmp_path: Path) -> Path:
    return tmp_path


# ---- exit code 0 and 1


def test_right_peer_is_as_expected(here: Path) -> None:
    done = inside("run", *FEW, "--", *RIGHT, at=here)
    assert done.returncode == 0, done.stderr
    assert re.search(r"3 results in \d+\.\d s: as expected$", done.stdout.strip())
    assert list(here.iterdir()) == []


def test_failure_is_not_as_expected_and_says_all_that_helps(here: Path) -> None:
    done = inside("run", *FEW, "--seed", "7", "--", *PADS, at=here)
    assert done.returncode == 1
    for part in ("address.canonical", "says", "effect", "got", "expected", "again", "NOT as expected: "):
        assert part in done.stdout


@pytest.mark.parametrize("manner", ["only-packs", "nameless"])
def test_run_in_which_nothing_was_tried_is_not_as_expected(here: Path, manner: str) -> None:
    chosen = ["--rule", "result.class", "--via", VIA, "--case", "*/message-not-utf8"]
    done = inside("run", *chosen, "--report", "report", "--", *ODD, manner, at=here)
    assert done.returncode == 1
    assert "nothing was tried" in done.stdout
    assert json.loads((here / "report" / "report.json").read_text())["as_expected"] is False


def test_liar_does_not_pass(here: Path) -> None:
    done = inside("run", *FEW, "--", *ODD, "liar", at=here)
    assert done.returncode == 1
    assert " pass " not in done.stdout.replace("no case passed", "")


def test_broken_should_fails_the_run_by_strict_only(here: Path) -> None:
    chosen = ["run", "--case", f"hello.nonce/two-exchanges-differ@{VIA}"]
    for options, code in (([], 0), (["--strict"], 1)):
        done = inside(*chosen, *options, "--", *WRONG, "constant-nonce", at=here)
        assert done.returncode == code, done.stdout
        assert f"fail hello.nonce/two-exchanges-differ@{VIA}" in done.stdout


# ---- exit code 2


@pytest.mark.parametrize(
    ("arguments", "detail"),
    [
        ("run --case hallo.* -- x", "no case matches 'hallo.*'"),
        ("run --rule hallo -- x", "no rule matches 'hallo'"),
        ("run --rule hello.form --role address -- x", "no case matches all of this together"),
        ("list --case hallo", "no case matches 'hallo'"),
        ("run nobody --peers good.toml", "no peer 'nobody' in good.toml"),
        ("run", "cannot read the peers file peers.toml: there is none"),
        ("run --peers .", "cannot read the peers file .: "),
        ("run --peers ill.toml", "ill.toml is not TOML: "),
        ("run --peers latin.toml", "latin.toml is not UTF-8: "),
        ("run --peers empty.toml", "empty.toml names no peer"),
        ("run --peers top.toml", "top.toml: got ['true'] in [command], expected a command"),
        ("run --peers word.toml", "word.toml: got {'command': 'true'} in [a], expected a command"),
        ("run --peers more.toml", "got {'command': ['true'], 'user': '/'} in [a], expected"),
        ("run a -- true", "got the name a and a command"),
        ("run --", "got nothing after --, expected the adapter's command"),
        ("list -- true", "this command takes no adapter"),
        ("run --baseline nowhere.toml -- true", "cannot read the baseline nowhere.toml"),
        ("run --baseline ill.toml -- true", "the baseline ill.toml is not TOML"),
        ("run --jobs 0 -- true", "--jobs: got '0', expected a whole number above 0"),
        ("run --timeout-scale nan -- true", "--timeout-scale: got 'nan', expected a number above 0"),
        ("run --seed x -- true", "--seed: "),
        ("run --via tcp -- true", "--via: got 'tcp', expected one of tcp6, tcp4, unix"),
        ("run --report good.toml -- true", "cannot write to the folder good.toml: it is a file"),
        ("matrix --capture good.toml -- true", "cannot write to the folder good.toml: it is a file"),
        ("run --frob -- true", "unrecognized arguments: --frob"),
        ("frob", "COMMAND: got 'frob', expected one of run, "),
        ("", "COMMAND is missing"),
        ("explain", "CASE|RULE is missing"),
        ("explain hallo", "no case and no rule matches 'hallo'"),
        ("compare old.json new.json", "cannot read old.json"),
        ("compare good.toml good.toml", "good.toml: not a report"),
        ("compare list.json list.json", "list.json: not a report"),
        ("verify nowhere.pcap", "cannot read nowhere.pcap"),
        ("verify good.toml", "good.toml, line 1"),
        ("init --lang cobol", "--lang: got 'cobol', expected one of python, "),
        ("init", "--lang is missing"),
        ("baseline write good.toml -- true", "good.toml is there already"),
        ("baseline write nowhere/known.toml -- true", "there is no folder nowhere"),
        ("baseline repair nowhere.toml -- true", "cannot read the baseline nowhere.toml"),
        ("baseline mend known.toml -- true", "got 'mend', expected one of write, repair"),
    ],
)
def test_wrong_use_is_one_error_with_a_hint(
    here: Path, arguments: str, detail: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "good.toml").write_text('[a]\ncommand = ["true"]\n')
    (here / "ill.toml").write_text("[a\n")
    (here / "latin.toml").write_bytes(b'[a]\ncommand = ["\xff"]\n')
    (here / "empty.toml").write_text("")
    (here / "top.toml").write_text('command = ["true"]\n')
    (here / "word.toml").write_text('[a]\ncommand = "true"\n')
    (here / "more.toml").write_text('[a]\ncommand = ["true"]\nuser = "/"\n')
    (here / "list.json").write_text("[]")
    monkeypatch.chdir(here)
    code = cli.run_command(arguments.split())
    output, errors = capsys.readouterr()
    is_error(subprocess.CompletedProcess(arguments, code, output, errors), 2, detail)
    assert output == ""
    assert len(errors.splitlines()) == 2


def test_wrong_use_has_its_exit_code(here: Path) -> None:
    is_error(suite("run", "--case", "hallo", "--", "x", at=here), 2, "no case matches 'hallo'")


def test_cell_that_is_none_is_wrong_use(here: Path) -> None:
    is_error(inside("matrix", "--case", "matrix/a-to-b/*", "--", *RIGHT, at=here), 2, "no cell matches matrix/a-to-b/*")


# ---- exit code 3


@pytest.mark.parametrize(
    ("command", "detail"),
    [
        (["/nowhere/adapter"], "adapter broken: adapter: /nowhere/adapter cannot be started from "),
        (["true"], "adapter broken: true: the adapter ended"),
        ([*ODD, "garbage"], "adapter broken: garbage: the adapter wrote a line that is no JSON"),
        ([*ODD, "unsupported"], "adapter broken: unsupported: the adapter answered"),
        ([*ODD, "ends-by-7"], "adapter broken: ends-by-7: the end of its input"),
    ],
)
def test_broken_adapter_has_an_exit_code_of_its_own(here: Path, command: list[str], detail: str) -> None:
    done = inside("run", *FEW, "--report", "report", "--", *command, at=here)
    is_error(done, 3, detail)
    document = json.loads((here / "report" / "report.json").read_text())
    assert (document["as_expected"], document["results"]) == (False, [])
    assert "adapter" in document["complaints"][0]


def test_adapter_that_is_a_folder_is_broken(here: Path) -> None:
    (here / "adapter").mkdir()
    is_error(
        inside("run", "--", "./adapter", at=here), 3, f"./adapter cannot be started from {here}: Permission denied"
    )


# ---- exit code 4


def test_suite_that_lost_its_data_says_that_it_is_its_own_fault(here: Path) -> None:
    shutil.copytree(PACKAGE, here / "kcom5_conformance", ignore=shutil.ignore_patterns("__pycache__", "data"))
    shutil.copytree(ROOT / "vectors", here / "kcom5_conformance" / "data" / "vectors")
    command = [sys.executable, "-m", "kcom5_conformance", "list"]
    alone = {**environment(), "PYTHONPATH": str(here)}
    next((here / "kcom5_conformance" / "data" / "vectors").glob("*.json")).write_text("{")
    done = subprocess.run(command, env=alone, cwd=here, capture_output=True, text=True, check=False)
    assert done.returncode == 4
    assert "kcom5-conformance: error: the suite itself is broken: " in done.stderr
    assert "kcom5-conformance: hint: this is not your implementation's fault" in done.stderr


# ---- exit code 130


def adapters_of(folder: Path) -> list[int]:
    """The ids of the processes of an adapter that writes them to a file."""
    return [int(line) for file in folder.glob("pids") for line in file.read_text().split()]


NOTES_ITS_ID = """
import os, sys
sys.path.insert(0, {peers!r})
with open({pids!r}, "a") as file:
    file.write(f"{{os.getpid()}}\\n")
from reference_peer import ReferencePeer
ReferencePeer().main()
"""


def noting(folder: Path) -> list[str]:
    program = folder / "noting.py"
    program.write_text(NOTES_ITS_ID.format(peers=str(HERE), pids=str(folder / "pids")))
    return [sys.executable, str(program)]


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="not run: no /proc")
@pytest.mark.parametrize(
    ("how", "inherited", "peers"),
    [
        (signal.SIGINT, signal.SIG_DFL, 1),
        (signal.SIGINT, signal.SIG_IGN, 2),  # as in the background of a shell
        (signal.SIGTERM, signal.SIG_DFL, 2),
        (signal.SIGTERM, signal.SIG_IGN, 1),
    ],
)
def test_interrupted_run_leaves_no_process_and_no_folder_behind(
    here: Path, how: signal.Signals, inherited: signal.Handlers, peers: int
) -> None:
    (here / "two.toml").write_text("".join(f"[peer{n}]\ncommand = {json.dumps(noting(here))}\n" for n in range(peers)))
    command = [sys.executable, "-m", "kcom5_conformance", "run", "--rule", "time.wait", "--peers", "two.toml"]
    (here / "tmp").mkdir()
    run = subprocess.Popen(
        command,
        cwd=here,
        env=environment(TMPDIR=str(here / "tmp")),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, inherited),
    )
    try:
        # One of each for the smoke stage; the others are there when the cases run.
        until(lambda: len(adapters_of(here)) > 2 * peers)
        run.send_signal(how)
        _, errors = run.communicate(timeout=ALL_THE_TIME)
    finally:
        run.kill()
        run.wait()
    assert run.returncode == 130
    assert errors.decode().splitlines()[-1] == "kcom5-conformance: error: interrupted"
    assert b"Traceback" not in errors
    assert [pid for pid in adapters_of(here) if is_alive(pid)] == []
    assert list((here / "tmp").iterdir()) == []


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="not run: no /proc")
def test_run_that_ended_leaves_no_process_behind(here: Path) -> None:
    assert suite("run", *FEW, "--", *noting(here), at=here).returncode == 0
    assert len(adapters_of(here)) > 1
    assert [pid for pid in adapters_of(here) if is_alive(pid)] == []


def until(holds: Any) -> None:
    deadline = time.monotonic() + ALL_THE_TIME
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


# ---- the baseline


def test_known_failure_passes_the_gate_and_a_change_fails_it(here: Path) -> None:
    """A baseline from its first failure to a change of its cases."""
    done = inside("baseline", "write", "known.toml", *FEW, "--", *PADS, at=here)
    assert (done.returncode, done.stdout) == (0, "known.toml: 1 known failure\n")
    gate = ["run", *FEW, "--baseline", "known.toml"]
    done = inside(*gate, "--", *PADS, at=here)
    assert done.returncode == 0
    assert "kcom5-conformance: warning: known.toml: " in done.stderr
    assert "no reason given" in done.stderr
    done = inside(*gate, "--require-reasons", "--", *PADS, at=here)
    assert done.returncode == 1
    assert "no reason given" in done.stdout

    known = here / "known.toml"
    known.write_text(known.read_text().replace('reason = ""', 'reason = "since ever"'))
    done = inside(*gate, "--require-reasons", "--", *PADS, at=here)
    assert done.returncode == 0, done.stdout
    assert "known-failure: 1 of pack-pads-the-port: since ever" in done.stdout

    known.write_text(known.read_text().replace("leading-zero-digit", "gone"))
    done = inside(*gate, "--", *PADS, at=here)
    assert done.returncode == 1
    assert "is no case any more" in " ".join(done.stdout.split())
    done = inside("baseline", "repair", "known.toml", *FEW, "--", *PADS, at=here)
    assert done.returncode == 1
    assert "new, and not added: address.canonical/" in done.stdout
    assert "dropped: address.canonical/gone" in done.stdout
    done = inside("baseline", "repair", "known.toml", "--accept-new", *FEW, "--", *PADS, at=here)
    assert (done.returncode, done.stdout.splitlines()[0][:27]) == (0, "added: address.canonical/le")
    assert inside(*gate, "--", *PADS, at=here).returncode == 0


# ---- looking


def test_list_shows_a_line_for_each_case(here: Path) -> None:
    lines = inside("list", "--rule", "address.canonical", at=here).stdout.splitlines()
    assert [line.split("\t")[:3] for line in lines] == [
        [f"address.canonical/{name}", "MUST", "address"]
        for name in ("document-example", "lower-case", "leading-zero-digit")
    ]


def test_list_into_a_pipe_that_nobody_reads_is_quiet() -> None:
    command = [sys.executable, "-m", "kcom5_conformance", "list"]
    with subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 141


def test_explain_tells_of_a_case_and_of_a_rule(here: Path) -> None:
    name = inside("list", "--rule", "close.extra", "--via", VIA, at=here).stdout.split("\t")[0]
    case = inside("explain", name, at=here).stdout
    for part in (name.split("@")[0], "tries: ", "over: ", "where it is broken: ", "spec/kcom5.md#close.extra"):
        assert part in case
    rule = inside("explain", "close.extra", at=here).stdout
    assert rule.startswith("close.extra  (MUST)")
    assert "shown by:" in rule
    assert f"  {name.split('@')[0]}\n" in rule


def help_of(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as end:
        cli.run_command([*arguments, "--help"])
    assert end.value.code == 0
    return capsys.readouterr().out


def test_every_option_of_every_command_has_a_help_text(capsys: pytest.CaptureFixture[str]) -> None:
    commands = re.findall(r"^    (\w+) {2,}", help_of(capsys), re.M)
    assert commands == ["run", "explore", "learn", "matrix", "list", "explain", "baseline", "compare", "init", "verify"]
    for command in commands:
        entries = re.findall(r"^  (-{1,2}\w[^\n]*|[A-Z{][^\n]*)(\n {10,}\S)?", help_of(capsys, command), re.M)
        assert entries
        for line, more in entries:
            assert more or re.search(r"\S {2,}\S", line), f"{command}: {line} has no help"


def test_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        cli.run_command(["--version"])
    assert capsys.readouterr().out == f"{__version__}\n"


# ---- reports


def test_reports_are_whole_and_valid(here: Path) -> None:
    done = suite("run", *FEW, "--report", "new/report", "--", *PADS, at=here)
    assert "reports: new/report/index.html, report.json, junit.xml" in done.stdout
    assert "\x1b" not in done.stdout + done.stderr, "no escapes where there is no terminal"
    report = here / "new" / "report"
    assert sorted(path.name for path in report.iterdir()) == ["index.html", "junit.xml", "report.json"]
    document = json.loads((report / "report.json").read_text())
    jsonschema.Draft202012Validator(json_report.schema()).validate(document)
    assert document["as_expected"] is False
    suites = ElementTree.parse(report / "junit.xml").getroot()
    assert (len(suites.findall(".//testcase")), len(suites.findall(".//failure"))) == (3, 1)
    page = (report / "index.html").read_text()
    assert page.rstrip().endswith("</html>")
    assert "address.canonical" in page


def test_command_of_a_failure_runs_just_that_case_again(here: Path) -> None:
    folder = here / "a folder; with 'signs'"
    folder.mkdir()
    shutil.copytree(HERE / "mutants", folder / "mutants", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(HERE / "reference_peer.py", folder)
    command = [sys.executable, str(folder / "mutants"), "pack-pads-the-port"]
    done = suite("run", *FEW, "--", *command, at=here)
    (again,) = re.findall(r"^again +(.*)$", done.stdout, re.M)
    assert done.stdout.splitlines()[-1] == f"next: {again}"
    once_more = pasted(again, at=here)
    assert once_more.returncode == 1
    assert "1 result in" in once_more.stdout
    assert once_more.stdout.count("again ") == 1
    assert again in once_more.stdout


def test_command_of_a_cell_runs_just_that_cell_again(here: Path) -> None:
    command = [*WRONG, "big-endian-message-length-sent"]
    (here / "my peers.toml").write_text(f"[wrong]\ncommand = {json.dumps(command)}\n")
    done = suite("matrix", "--case", f"matrix/*/65536/random@{VIA}", "--peers", "my peers.toml", at=here)
    assert done.returncode == 1, done.stderr
    (again,) = re.findall(r"^again +(.*)$", done.stdout, re.M)
    once_more = pasted(again, at=here)
    assert once_more.returncode == 1
    assert "1 result in" in once_more.stdout


def test_compare_shows_what_became_better_and_what_worse(here: Path) -> None:
    for name, command in (("right", RIGHT), ("wrong", PADS)):
        (here / "peers.toml").write_text(f"[mine]\ncommand = {json.dumps(command)}\n")
        inside("run", *FEW, "--report", name, at=here)
    old, new = here / "wrong" / "report.json", here / "right" / "report.json"
    better = inside("compare", old, new, at=here)
    assert (better.returncode, "0 worse, 1 better" in better.stdout) == (0, True)
    worse = inside("compare", new, old, at=here)
    assert (worse.returncode, "1 worse, 0 better" in worse.stdout) == (1, True)
    table = inside("compare", new, old, "--format", "markdown", at=here)
    lines = table.stdout.splitlines()
    assert (table.returncode, lines[0]) == (1, "**1 worse, 0 better, 0 new, 0 gone, 0 renamed, 2 the same**")
    assert "### regressions (1)" in lines
    assert any(line.startswith("| `address.canonical/") and "| pass → fail |" in line for line in lines)


def test_capture_of_the_matrix_is_judged_as_conforming(here: Path) -> None:
    done = inside("matrix", "--case", "matrix/*/1/*", "--capture", "wire", "--", *RIGHT, at=here)
    assert done.returncode == 0, done.stdout
    captures = sorted((here / "wire").iterdir())
    assert len(captures) == len(HERE_VIAS) * 4
    for capture in captures:
        judged = inside("verify", "--strict", capture, at=here)
        assert judged.returncode == 0, judged.stdout


# ---- terminals


def test_colour_on_a_terminal_and_the_cursor_is_given_back(here: Path) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "kcom5_conformance", "run", *FEW, "--", *PADS]
    given = environment(TERM="xterm-256color")
    octets = b""
    with subprocess.Popen(command, cwd=here, env=given, stdin=theirs, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        with suppress(OSError):  # the end of a terminal
            while piece := os.read(ours, 65536):
                octets += piece
        os.close(ours)
        assert process.wait() == 1
    text = octets.decode()
    assert "\x1b[1;31m" in text
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h")


# ---- from nothing to a run


def test_template_runs_at_once(here: Path) -> None:
    made = suite("init", "--lang", "python", "adapter", at=here)
    assert made.returncode == 0
    go, small, whole = re.findall(r"^(?:cd |.* run --peers ).*$", made.stdout, re.M)
    assert "Failures are expected" in made.stdout
    done = pasted(f"{go} && {small}", at=here)
    assert done.returncode == 0, done.stdout
    assert small.replace(" --rule echo.exact", "") == whole
    assert f"{len(HERE_VIAS) - 1} passed   1 not claimed" in done.stdout
    is_error(inside("init", "--lang", "python", "adapter", at=here), 2, "is there already")
