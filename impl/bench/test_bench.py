"""What the benchmark makes of samples, what it draws and refuses, and that it runs: a mebibyte, one round."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

HERE = Path(__file__).resolve().parent
RUN = HERE / "run"


def load(name: str, path: Path) -> ModuleType:
    loader = importlib.machinery.SourceFileLoader(name, str(path))
    spec = importlib.util.spec_from_loader(name, loader)
    assert spec
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look there
    loader.exec_module(module)
    return module


report: Any = load("report", HERE / "report.py")
run: Any = load("bench_run", RUN)


def row(way: str, *seconds: float, group: str = "memory", size: int = 1 << 20, baseline: str = "base") -> Any:
    samples = [{"seconds": value, "cpu": value, "sender_peak": 1e6, "receiver_peak": 2e6} for value in seconds]
    return report.Row(group, size, way, baseline, samples)


def test_a_percentile_is_the_least_value_that_this_share_does_not_exceed() -> None:
    values = [5.0, 1.0, 4.0, 2.0, 3.0]
    assert report.percentile(values, 0.5) == 3
    assert report.percentile(values, 0.99) == 5
    assert report.percentile(values, 0.2) == 1
    assert report.percentile([7.0], 0.5) == 7


def test_ratios_are_of_the_same_round() -> None:
    # The machine is ten times slower in the second round, and the ratio is the same.
    found = report.ratios(row("base", 2, 20, 3), row("ours", 1, 10, 1))
    assert (found.median, found.least, found.greatest) == (2, 2, 3)
    assert report.ratios(row("base"), row("ours", 1)) is None


def test_the_slope_is_the_power_of_the_size() -> None:
    assert report.slope([(x, 3 * x) for x in (1, 10, 100)]) == pytest.approx(1)
    assert report.slope([(x, 3 * x**1.5) for x in (1, 10, 100)]) == pytest.approx(1.5)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0 octets"), (1023, "1023 octets"), (1 << 16, "64 KiB"), (1 << 20, "1 MiB"), (8 << 30, "8 GiB")],
)
def test_sizes_are_said_in_the_greatest_unit_that_fits(value: int, text: str) -> None:
    assert report.size_name(value) == text


def test_times_are_said_in_the_greatest_unit_that_fits() -> None:
    assert [report.seconds_name(value) for value in (2, 0.25, 3.2e-5, 1e-9)] == ["2 s", "250 ms", "32 µs", "1 ns"]


def test_a_table_has_a_cell_for_each_heading_and_the_ratio_to_the_baseline() -> None:
    head, cells = report.group_table([row("base", 2, 2), row("ours", 1, 1)])
    assert all(len(line) == len(head) for line in cells)
    assert cells[1][head.index("speed / baseline")] == "2.00 (2.00–2.00)"
    text = report.text_table(head, cells).splitlines()
    assert len(text) == 4
    lines = report.markdown_table(head, cells).splitlines()
    assert len({line.count("|") for line in lines}) == 1


def test_plots_are_well_formed_whatever_their_names_and_values() -> None:
    points = [(0.0, 1.0), (1024.0, 1e-4), (1 << 30, 0.5)]
    bars = [("a <b> & c", report.Spread(1, 0.5, 2)), ("none", report.Spread(0, 0, 0))]
    for plot in (
        report.line_plot("x < y", {"C++ & co": points}),
        report.line_plot("nothing", {}),
        report.bar_plot("&", bars),
    ):
        root = ElementTree.fromstring(plot)
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        assert root.get("viewBox")
    circles = ElementTree.fromstring(report.line_plot("t", {"a": points})).findall("{http://www.w3.org/2000/svg}circle")
    assert len(circles) == 2  # a size of 0 has no place on a logarithmic axis


def test_a_target_is_met_by_the_median_and_not_measured_without_rows() -> None:
    best, plain = row(run.BEST, 1, 1, 1, baseline=run.BEST), row(run.PLAIN, 4, 4, 4, baseline=run.BEST)
    slow = run.Results([best, plain, row("C++", 2, 1, 2, baseline=run.BEST)], {}, None).targets()
    verdicts = {(target.what, target.target): target.verdict for target in slow}
    assert verdicts["C++ memory to memory", f"≥ 0.95 × {run.BEST}"] == "NOT met"
    assert verdicts["C++ memory to memory", f"≥ 3 × {run.PLAIN}"] == "NOT met"
    assert verdicts["C++ file to file", f"≥ 0.95 × {run.BEST}"] == "not measured"
    fast = run.Results([best, plain, row("C++", 2, 1, 1, baseline=run.BEST)], {}, None).targets()
    verdicts = {(target.what, target.target): target.verdict for target in fast}
    assert verdicts["C++ memory to memory", f"≥ 0.95 × {run.BEST}"] == "met"
    assert verdicts["C++ memory to memory", f"≥ 3 × {run.PLAIN}"] == "met"


def test_ours_is_first_only_if_no_other_is_faster() -> None:
    for seconds, verdict in ((1.1, "met"), (0.9, "NOT met")):
        rows = [row("C++", 1), row("ZeroMQ PAIR", seconds), row("NNG pair", 5)]
        (target,) = run.Results(rows, {}, None).against_picks()
        assert target.verdict == verdict
        assert "ZeroMQ" in target.measured


def test_the_cost_is_linear_when_time_without_data_is_taken_off() -> None:
    sizes = [0, 1 << 16, 1 << 20, 1 << 24]
    linear = [row("C++", 1e-4 + size * 1e-9, group="cost", size=size) for size in sizes]
    assert run.Results(linear, {}, None).linear().verdict == "met"
    worse = [row("C++", 1e-4 + size**1.3 * 1e-9, group="cost", size=size) for size in sizes]
    assert run.Results(worse, {}, None).linear().verdict == "NOT met"
    assert run.Results(linear[:2], {}, None).linear().verdict == "not measured"


def test_allocations_in_the_head_miss_the_target() -> None:
    for allocations, verdict in ((0.0, "met"), (1.0, "NOT met")):
        times = {"C++": {"head_decode": {"ns": 20.0, "allocations": allocations}}}
        targets = {target.what: target.verdict for target in run.Results([], times, None).targets()}
        assert targets["C++ head decode"] == verdict


@pytest.mark.parametrize(
    "words", [["--sizes", "1X"], ["--sizes", "0"], ["--only", "speed"], ["--rounds", "0"], ["more"]]
)
def test_wrong_use_is_2(words: list[str]) -> None:
    done = subprocess.run([sys.executable, str(RUN), *words], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "error:" in done.stderr


def test_help_names_each_group() -> None:
    done = subprocess.run([sys.executable, str(RUN), "--help"], capture_output=True, text=True, check=True)
    assert all(group in done.stdout for group in run.GROUPS)


def test_what_breaks_is_told_with_what_it_said() -> None:
    with pytest.raises(run.BrokenError, match=r"(?s)exit code 3.*the reason"):
        run.finish(run.start(["sh", "-c", "echo the reason >&2; exit 3"]))
    assert not run.running


def test_what_is_not_installed_is_counted_as_not_run_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    not_run: dict[str, str] = {}
    missing = report.Row("memory", 1, "NNG pair", "Python")
    monkeypatch.setitem(run.INSTALL, "no_such_module", "pip install no-such-module")
    run.measure([run.Task(missing, lambda: {"seconds": 1.0}, "no_such_module", True)], 2, not_run)
    assert missing.samples == []
    assert list(not_run.values()) == ["not installed: pip install no-such-module"]


def test_another_tool_that_fails_does_not_end_the_run_and_ours_does() -> None:
    def fails() -> dict[str, float]:
        raise run.BrokenError("no")

    not_run: dict[str, str] = {}
    run.measure([run.Task(report.Row("memory", 1, "NNG pair", "Python"), fails, "", True)], 1, not_run)
    assert list(not_run.values()) == ["failed: no"]
    with pytest.raises(run.BrokenError):
        run.measure([run.Task(report.Row("memory", 1, "C++", run.BEST), fails)], 1, {})


def folders() -> set[Path]:
    return set(Path("/dev/shm" if Path("/dev/shm").is_dir() else "/tmp").glob("kcom5-bench-*"))


needs_tools = pytest.mark.skipif(
    not all(map(shutil.which, ("cmake", "ninja", "go"))), reason="NOT RUN: needs cmake, ninja and go"
)


@needs_tools
def test_a_round_of_a_mebibyte_measures_ours_and_the_raw_loops() -> None:
    before = folders()
    words = ["--sizes", "1M", "--rounds", "1", "--only", "memory,unix,file,program,small,cost"]
    done = subprocess.run([sys.executable, str(RUN), *words], capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    result = json.loads((run.BUILD / "results.json").read_text())
    measured = {(entry["group"], entry["way"]) for entry in result["rows"]}
    for group in ("memory", "unix", "file"):
        assert {(group, way) for way in (run.BEST, "C++", "Go raw", "Go", "Python raw", "Python")} <= measured
    assert {("small", run.MINIMUM), ("small", "C++"), ("program", "Go"), ("program", "pipe + cat")} <= measured
    assert all(value > 0 for entry in result["rows"] for value in [entry["samples"][0]["seconds"]])
    assert "Targets" in done.stdout
    for name in ("cost.svg", "ratios.svg"):
        ElementTree.parse(run.BUILD / name)
    assert folders() <= before


@needs_tools
def test_an_interruption_leaves_nothing() -> None:
    before = folders()
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        # A shell starts background jobs so, and the program would inherit it.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    command = [sys.executable, str(RUN), "--sizes", "1M", "--rounds", "1000", "--only", "memory"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        said = ""
        while "round 2 of" not in said:
            said = process.stderr.readline()
            assert said, "it ended before the second round"
        os.kill(process.pid, signal.SIGINT)
        assert process.stderr.read().endswith("run: error: interrupted\n")
    assert process.returncode == 130
    assert folders() <= before
