"""Tests of the command's output, and of a run whose output cannot be written."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from suite_command import ALL_THE_TIME, FEW, PADS, RIGHT, VIA, environment, inside

from kcom5_conformance.cases import replay
from kcom5_conformance.harness.adapter import SuiteBroken
from kcom5_conformance.harness.run import Runner

FULL = Path("/dev/full")
needs_full = pytest.mark.skipif(not FULL.exists(), reason="NOT RUN: no /dev/full")


def shell(line: str, at: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """Runs a line of bash, in which `suite` is the command, and `right` and `wrong` are adapters."""
    script = (
        f'suite() {{ {sys.executable} -m kcom5_conformance "$@"; }}\n'
        f"right={' '.join(RIGHT)!r} wrong={' '.join(PADS)!r} few={' '.join(FEW)!r}\n{line}"
    )
    return subprocess.run(
        ["bash", "-fc", script], cwd=at, env=environment(**more), capture_output=True, text=True, timeout=ALL_THE_TIME,
        check=False,
    )  # fmt: skip


def complaints(done: subprocess.CompletedProcess[str]) -> list[str]:
    assert "Traceback" not in done.stderr, done.stderr
    return [line for line in done.stderr.splitlines() if line.startswith("kcom5-conformance: error: ")]


@needs_full
@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        ("suite run $few -- $right >&-", 2, "standard output is closed"),
        ("suite run $few -- $wrong > /dev/full", 1, "cannot write to standard output: No space left on device"),
        ("suite list > /dev/full", 2, "cannot write to standard output: No space left on device"),
        ("suite --help > /dev/full", 2, "cannot write to standard output: No space left on device"),
        ("suite run $few -- $right <&- 2> /dev/full > /dev/null", 0, ""),
        ("suite run $few -- $right 2>&- > /dev/null", 0, ""),
        ("suite run $few -- $wrong | head -1 > /dev/null; exit ${PIPESTATUS[0]}", 1, ""),
    ],
)
def test_output_that_cannot_be_written_is_one_line_and_an_exit_code(
    tmp_path: Path, line: str, code: int, said: str
) -> None:
    done = shell(line, tmp_path)
    assert (done.returncode, complaints(done)) == (code, [f"kcom5-conformance: error: {said}"] if said else [])


@needs_full
def test_reports_are_written_though_the_summary_cannot_be(tmp_path: Path) -> None:
    done = shell("suite run $few --report report -- $right > /dev/full", tmp_path)
    said = "kcom5-conformance: error: cannot write to standard output: No space left on device"
    assert (done.returncode, complaints(done)) == (2, [said])
    assert json.loads((tmp_path / "report" / "report.json").read_text())["as_expected"] is True


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="NOT RUN: a full disk needs root")
def test_full_disk_under_the_report_leaves_no_part_of_it(tmp_path: Path) -> None:
    (tmp_path / "small").mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "none", tmp_path / "small"], check=False).returncode:
        pytest.skip("NOT RUN: mount is refused here")
    try:
        done = shell("suite run $few --report small -- $right", tmp_path)
        assert (done.returncode, list((tmp_path / "small").iterdir())) == (2, [])
        assert complaints(done) == ["kcom5-conformance: error: cannot write small/report.json: No space left on device"]
        assert "as expected" in done.stdout  # the summary comes first
    finally:
        subprocess.run(["umount", tmp_path / "small"], check=True)


def test_report_that_cannot_be_written_is_told_before_the_run(tmp_path: Path) -> None:
    (tmp_path / "report" / "report.json").mkdir(parents=True)
    done = inside("run", *FEW, "--report", "report", "--", *RIGHT, at=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert complaints(done) == ["kcom5-conformance: error: report/report.json is a folder"]


def test_reports_are_not_written_through_what_somebody_put_there(tmp_path: Path) -> None:
    (tmp_path / "report").mkdir()
    (tmp_path / "theirs").write_text("theirs")
    for name in ("report.json", "junit.xml", "index.html"):
        (tmp_path / "report" / name).symlink_to(tmp_path / "theirs")
    assert inside("run", *FEW, "--report", "report", "--", *RIGHT, at=tmp_path).returncode == 0
    assert (tmp_path / "theirs").read_text() == "theirs"


def test_few_descriptors_are_said_and_the_run_goes_on(tmp_path: Path) -> None:
    cases = f"--role client --via {VIA} --rule time.handshake"
    done = shell(f"ulimit -n 128; suite run {cases} -- $right", tmp_path, TMPDIR=str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "at most 128 files may be open (ulimit -n): fewer cases run side by side" in done.stderr
    assert list(tmp_path.iterdir()) == []
    done = shell("ulimit -n 40; suite run $few -- $right", tmp_path)
    assert done.returncode == 2
    assert complaints(done) == ["kcom5-conformance: error: at most 40 files may be open (ulimit -n)"]


def test_defect_of_the_suite_is_named_and_the_report_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A defect in one case fails only that case."""

    async def row(harness: Any, *_: Any) -> None:
        raise SuiteBroken("two and two are five")

    monkeypatch.setattr(replay, "row", row)
    done = inside("run", *FEW, "--rule", "address.canonical", "--report", "report", "--", *RIGHT, at=tmp_path)
    assert done.returncode == 4
    assert "kcom5-conformance: error: the suite itself is broken: two and two are five\n" in done.stderr
    document = json.loads((tmp_path / "report" / "report.json").read_text())
    assert document["as_expected"] is False
    assert {result["verdict"] for result in document["results"]} == {"not-run"}
    assert "the suite itself is broken here: two and two are five" in document["results"][0]["reason"]


def test_report_is_written_though_the_runner_dies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = Runner._result
    seen: list[str] = []

    def dies(self: Runner, case: Any, *rest: Any, **more: Any) -> Any:
        seen.append(case.id)
        if len(seen) == 3:
            raise KeyboardInterrupt
        return original(self, case, *rest, **more)

    monkeypatch.setattr(Runner, "_result", dies)
    done = inside("run", *FEW, "--report", "report", "--", *RIGHT, at=tmp_path)
    assert done.returncode == 130
    document = json.loads((tmp_path / "report" / "report.json").read_text())
    assert (document["as_expected"], len(document["results"])) == (False, 2)
    assert document["complaints"] == ["the run ended before its end: interrupted"]


def test_processes_share_the_cases(tmp_path: Path) -> None:
    names = ("address.canonical/*", f"echo.exact/*@{VIA}", f"hello.form/*@{VIA}")
    some = [word for name in names for word in ("--case", name)]
    for count in ("1", "3"):
        done = inside("run", *some, "--processes", count, "--report", count, "--", *RIGHT, at=tmp_path)
        assert done.returncode == 0, done.stderr
        assert done.stderr.count(" cases in ") == 1, "the progress counts them together"
    one, three = (json.loads((tmp_path / count / "report.json").read_text())["results"] for count in ("1", "3"))
    assert {result["role"] for result in one} == {"address", "client", "server"}
    assert [result["id"] for result in one] == [result["id"] for result in three]


def test_suites_on_one_machine_do_not_disturb_each_other(tmp_path: Path) -> None:
    """All of them need the default port."""
    cases = f"--rule listen.default --via {VIA} --jobs 1 --processes 1 --repeat 9"
    shell("".join(f"suite run {cases} -- $right > {name} & " for name in "abcd") + "wait", tmp_path)
    for name in "abcd":
        said = (tmp_path / name).read_text()
        assert said.rstrip().endswith(": as expected"), said
        assert "not-run" not in said
