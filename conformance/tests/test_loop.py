"""Tests of a developer's loop: run failed cases again, stop early, compare with the last run, find a name."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
from suite_command import FEW, ODD, PADS, RIGHT, WRONG, inside, is_error, pasted, suite

from kcom5_conformance import data
from kcom5_conformance.cases import openings, vectors
from kcom5_conformance.report import likely, roots
from kcom5_conformance.report.json import read_json
from kcom5_conformance.report.possible import possible
from kcom5_conformance.results import Result, Verdict


def ids(folder: Path) -> list[str]:
    return [result.id for result in read_json(folder / "report.json").results]


def failures(folder: Path) -> list[Result]:
    return [result for result in read_json(folder / "report.json").results if result.verdict.has_failed]


def test_failed_runs_the_failed_cases_and_carries_the_other_results_over(tmp_path: Path) -> None:
    peers = tmp_path / "peers.toml"
    peers.write_text(f"[mine]\ncommand = {json.dumps(PADS)}\n")
    done = inside("run", *FEW, "--case", "address.reject/one-digit", "--report", "report", at=tmp_path)
    assert "since the last run" not in done.stdout
    before = ids(tmp_path / "report")
    failed = [result.id for result in failures(tmp_path / "report")]
    assert (len(before), len(failed)) == (4, 1)
    done = inside("run", "--failed", "report/report.json", "--report", "report", at=tmp_path)
    assert done.returncode == 1
    assert "since the last run: 0 fixed, 0 broken" in done.stdout
    peers.write_text(f"[mine]\ncommand = {json.dumps(RIGHT)}\n")  # mended
    done = inside("run", "--failed", "report", "--report", "report", at=tmp_path)
    assert done.returncode == 0
    assert "since the last run: 1 fixed, 0 broken" in done.stdout
    assert "not run again: 3 results of the earlier run, none failed" in done.stdout
    results = read_json(tmp_path / "report/report.json").results
    assert [result.id for result in results] == before
    assert [result.id for result in results if not result.is_earlier] == failed
    is_error(inside("run", "--failed", "report", at=tmp_path), 2, "no case failed in report")


def test_a_failure_that_is_not_run_again_fails_the_run(tmp_path: Path) -> None:
    peers = tmp_path / "peers.toml"
    peers.write_text(f"[a]\ncommand = {json.dumps(PADS)}\n[b]\ncommand = {json.dumps(PADS)}\n")
    inside("run", *FEW, "--report", "report", at=tmp_path)
    peers.write_text(peers.read_text().replace(json.dumps(PADS), json.dumps(RIGHT), 1))
    done = inside("run", "--failed", "report", "--report", "report", "a", at=tmp_path)
    assert done.returncode == 1
    assert "since the last run: 1 fixed, 0 broken" in done.stdout
    assert "not run again: this is the result of the earlier run" in done.stdout
    assert {result.peer: result.is_earlier for result in failures(tmp_path / "report")} == {"b": True}
    inside("run", "--failed", "report", "--report", "other", "--", *PADS, at=tmp_path)
    assert len(ids(tmp_path / "other")) == 1, "the results of other implementations are carried over"


@pytest.mark.parametrize("processes", ["1", "2"])
def test_stop_first_ends_at_the_first_failure(tmp_path: Path, processes: str) -> None:
    one = ("--stop-first", "--jobs", "1", "--processes", processes)
    done = inside("run", "--rule", "address.*", *one, "--report", "report", "--", *ODD, "liar", at=tmp_path)
    assert done.returncode == 1
    verdicts = [result.verdict for result in read_json(tmp_path / "report/report.json").results]
    assert verdicts.count(Verdict.FAIL) == 1


def test_one_group_of_the_failures_can_be_run_again(tmp_path: Path) -> None:
    peer = ("--", *WRONG, "unpack-is-lenient")
    cases = [word for name in ("space-before-dot", "tab-first") for word in ("--case", f"address.reject/{name}")]
    inside("run", *cases, "--report", "report", *peer, at=tmp_path)
    groups = [group.results for group in roots.groups(read_json(tmp_path / "report/report.json"))]
    assert len(groups) > 1
    inside("run", "--failed", "report", "--group", "2", "--report", "two", *peer, at=tmp_path)
    again = [result for result in read_json(tmp_path / "two/report.json").results if not result.is_earlier]
    assert {result.id for result in again} == {result.id for result in groups[1]}
    few = f"report has {len(groups)} groups of failures, got --group 99"
    is_error(inside("run", "--failed", "report", "--group", "99", *peer, at=tmp_path), 2, few)
    is_error(inside("run", "--group", "1", *peer, at=tmp_path), 2, "got --group without --failed")


def test_repeat_tells_what_fails_now_and_then(tmp_path: Path) -> None:
    inside("run", *FEW, "--repeat", "4", "--report", "report", "--", *PADS, at=tmp_path)
    tried = {
        (result.verdict, result.failed, result.tried) for result in read_json(tmp_path / "report/report.json").results
    }
    assert tried == {(Verdict.PASS, 0, 1), (Verdict.FAIL, 4, 4)}


def test_quiet_prints_the_overview_only(tmp_path: Path) -> None:
    quiet = inside("run", *FEW, "--quiet", "--", *PADS, at=tmp_path)
    assert "got " not in quiet.stdout
    assert quiet.stderr == ""
    assert quiet.stdout.splitlines()[-1].endswith("NOT as expected: 1 failed")


def test_the_end_of_a_run_with_a_report_tells_the_next_step(tmp_path: Path) -> None:
    done = suite("run", *FEW, "--report", "a folder", "--seed", "3", "--", *PADS, at=tmp_path)
    step = done.stdout.splitlines()[-1].removeprefix("next: ")
    options = "run --failed 'a folder' --group 1 --stop-first --report 'a folder' --seed 3 -- "
    assert step.endswith(f" {options}{shlex.join(PADS)}")
    pasted_step = pasted(step, tmp_path)
    assert pasted_step.returncode == 1, pasted_step.stderr
    assert pasted_step.stdout.splitlines()[-1].startswith("next: ")
    assert len(ids(tmp_path / "a folder")) == 3


def test_again_is_the_command_as_the_suite_was_started(tmp_path: Path) -> None:
    (tmp_path / "peers.toml").write_text(f"[mine]\ncommand = {json.dumps(PADS)}\n")
    done = inside("run", *FEW, "--seed", "3", at=tmp_path)
    assert "--seed 3 --peers peers.toml mine" in done.stdout


def test_a_command_of_a_peers_file_is_run_from_the_folder_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/peers.toml").write_text(
        '[here]\ncommand = ["./start"]\n\n[there]\ncommand = ["./sub/start"]\ncwd = ".."\n'
    )
    start = tmp_path / "sub/start"
    start.write_text(f"#!/bin/sh\nexec {' '.join(RIGHT)}\n")
    start.chmod(0o755)
    done = inside("run", *FEW, "--peers", "sub/peers.toml", at=tmp_path)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["run", "--rule", "hello.nonse", "--", "true"], "did you mean hello.nonce?"),
        (["explain", "close.extr"], "did you mean close.extra?"),
        (["run", "--peers", "peers.toml", "mien"], "did you mean mine?"),
    ],
)
def test_a_name_that_is_nearly_right_is_told(tmp_path: Path, arguments: list[str], hint: str) -> None:
    (tmp_path / "peers.toml").write_text('[mine]\ncommand = ["true"]\n')
    done = inside(*arguments, at=tmp_path)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == f"kcom5-conformance: hint: {hint}"


def test_explain_takes_a_pattern_and_tells_steps_what_is_expected_and_causes(tmp_path: Path) -> None:
    out = inside("explain", "hello.alone/*", at=tmp_path).stdout
    assert "hello.alone/nine-octets  (SHOULD, server)" in out
    assert "expected: error invalid-connection" in out
    assert "  step: send " in out
    assert "  likely, if it fails: the call ends with an error and leaves its connection" in out
    assert max(len(line) for line in out.splitlines()) <= 80


@pytest.mark.parametrize(
    ("case", "cause"),
    [
        ("hello.eof/close-after-4", likely.EOF_MISSED),
        ("close.extra/one-octet", likely.EXTRA),
        ("address.reject/groups-35", "the number of groups is not checked: it has to divide 48"),
        ("time.stall/in-the-data", "the wait for the frame has no timeout"),
        ("hello.alone/nine-octets", likely.NINTH),
        ("hello.alone/opening-of-http-method-kcom5", likely.NINTH),
    ],
)
def test_the_causes_of_a_case_are_those_that_its_failures_can_have(case: str, cause: str) -> None:
    known = [*vectors.load(data.vectors_folder()), *openings.as_vectors()]
    assert cause in possible(next(one for one in known if one.id == case))


def test_a_server_that_is_to_be_silent_cannot_stop_too_early() -> None:
    vector = next(one for one in openings.as_vectors() if one.id == "hello.alone/opening-of-http-method-kcom5")
    assert not {likely.EXTRA, likely.UNREAD, likely.MORE_HELLO} & set(possible(vector))


def test_explain_says_where_causes_are_known_only_from_a_run(tmp_path: Path) -> None:
    out = inside("explain", "close.residue/nobody-comes-three-times", at=tmp_path).stdout
    assert "  likely, if it fails: known only from what a run sees: the report says it" in out


def test_list_can_be_read_by_a_program(tmp_path: Path) -> None:
    found = json.loads(inside("list", "--rule", "hello.nonce", "--json", at=tmp_path).stdout)
    assert {case["rule"] for case in found} == {"hello.nonce"}
    assert set(found[0]) == {"id", "rule", "level", "role", "via", "note"}


def test_a_banner_on_standard_output_is_told_to_go_to_standard_error(tmp_path: Path) -> None:
    done = inside("run", *FEW, "--", *ODD, "banner", at=tmp_path)
    is_error(done, 3, "adapter broken")
    assert "to standard error" in done.stderr.splitlines()[-1]
