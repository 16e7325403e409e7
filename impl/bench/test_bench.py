"""What the benchmark makes of samples, what it draws and refuses, and that it runs: a mebibyte, one round."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import json
import shutil
import signal
import socket
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import process
import pytest
import report
import samples
from results import Results, machine
from ways import BEST, BOUNDED, BUILD, FRAMED, GROUPS, INSTALL, MINIMUM, PLAIN, SMALL

RUN = Path(__file__).resolve().parent / "run"
loader = importlib.machinery.SourceFileLoader("bench_run", str(RUN))
run: Any = importlib.util.module_from_spec(importlib.machinery.ModuleSpec("bench_run", loader))
sys.modules["bench_run"] = run  # dataclasses look there
loader.exec_module(run)


def row(way: str, *seconds: float, group: str = "memory", size: int = 1 << 20, baseline: str = "base") -> report.Row:
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
    assert found
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
    best, plain = row(BEST, 1, 1, 1, baseline=BEST), row(PLAIN, 4, 4, 4, baseline=BEST)
    slow = Results([best, plain, row("C++", 2, 1, 2, baseline=BEST)], {}, None).targets()
    verdicts = {(target.what, target.target): target.verdict for target in slow}
    assert verdicts["C++ memory to memory", f"≥ 0.95 × {BEST}"] == "NOT met"
    assert verdicts["C++ memory to memory", f"≥ 3 × {PLAIN}"] == "NOT met"
    assert verdicts["C++ file to file", f"≥ 0.95 × {BEST}"] == "not measured"
    fast = Results([best, plain, row("C++", 2, 1, 1, baseline=BEST)], {}, None).targets()
    verdicts = {(target.what, target.target): target.verdict for target in fast}
    assert verdicts["C++ memory to memory", f"≥ 0.95 × {BEST}"] == "met"
    assert verdicts["C++ memory to memory", f"≥ 3 × {PLAIN}"] == "met"


def test_ours_is_first_only_if_no_other_is_faster() -> None:
    for seconds, verdict in ((1.1, "met"), (0.9, "NOT met")):
        rows = [row("C++", 1), row("ZeroMQ PAIR", seconds), row("NNG pair", 5)]
        (target,) = Results(rows, {}, None).against_picks()
        assert target.verdict == verdict
        assert "ZeroMQ" in target.measured


def test_the_cost_is_linear_when_time_without_data_is_taken_off() -> None:
    sizes = [0, 1 << 16, 1 << 20, 1 << 24]
    linear = [row("C++", 1e-4 + size * 1e-9, group="cost", size=size) for size in sizes]
    assert Results(linear, {}, None).linear().verdict == "met"
    worse = [row("C++", 1e-4 + size**1.3 * 1e-9, group="cost", size=size) for size in sizes]
    assert Results(worse, {}, None).linear().verdict == "NOT met"
    assert Results(linear[:2], {}, None).linear().verdict == "not measured"


def test_allocations_in_the_head_miss_the_target() -> None:
    for allocations, verdict in ((0.0, "met"), (1.0, "NOT met")):
        times = {"C++": {"head_decode": {"ns": 20.0, "allocations": allocations}}}
        targets = {target.what: target.verdict for target in Results([], times, None).targets()}
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
    assert all(group in done.stdout for group in GROUPS)


def test_what_breaks_is_told_with_what_it_said() -> None:
    with pytest.raises(process.BrokenError, match=r"(?s)exit code 3.*the reason"):
        process.finish(process.start(["sh", "-c", "echo the reason >&2; exit 3"]))
    assert not process.running


def test_what_is_not_installed_is_counted_as_not_run_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    not_run: dict[str, str] = {}
    missing = report.Row("memory", 1, "NNG pair", "Python")
    monkeypatch.setitem(INSTALL, "no_such_module", "pip install no-such-module")
    run.measure([run.Task(missing, lambda: {"seconds": 1.0}, "no_such_module", True)], 2, not_run)
    assert missing.samples == []
    assert list(not_run.values()) == ["not installed: pip install no-such-module"]


def test_another_tool_that_fails_does_not_end_the_run_and_ours_does() -> None:
    def fails() -> dict[str, float]:
        raise process.BrokenError("no")

    not_run: dict[str, str] = {}
    run.measure([run.Task(report.Row("memory", 1, "NNG pair", "Python"), fails, "", True)], 1, not_run)
    assert list(not_run.values()) == ["failed: no"]
    with pytest.raises(process.BrokenError):
        run.measure([run.Task(report.Row("memory", 1, "C++", BEST), fails)], 1, {})


def in_a_round(*names: str, size: int, group: str = "memory", number: int = 0) -> list[str]:
    """Whose turn it is, one after the other; a turn's time is its number, from 1."""
    order: list[str] = []

    def take(name: str) -> dict[str, float]:
        order.append(name)
        return {"seconds": float(order.count(name) ** 2)}

    block = [run.Task(report.Row(group, size, name, BEST), lambda name=name: take(name)) for name in names]
    if number:
        return [task.row.way for task in run.in_turns(block, number)]
    run.measure(block, 1, {})
    for task in block:
        turns = order.count(task.row.way)
        assert task.row.samples == [{"seconds": float(((turns + 1) // 2) ** 2)}]  # the median of its turns
    return order


def test_what_is_over_soon_takes_five_turns_in_between_the_others() -> None:
    assert in_a_round("a", "b", "c", size=1 << 20) == ["a", "b", "c", "c", "b", "a"] * 2 + ["a", "b", "c"]


def test_the_next_round_begins_with_the_last() -> None:
    assert in_a_round("a", "b", size=1 << 20, number=1) == ["b", "a", "a", "b"] * 2 + ["b", "a"]


def test_of_the_long_ones_those_compared_closely_take_five_turns() -> None:
    order = in_a_round(BEST, FRAMED, "C++", "NNG pair", size=1 << 30)
    assert [order.count(name) for name in (BEST, FRAMED, "C++", "NNG pair")] == [5, 5, 5, 1]
    assert in_a_round(BEST, "C++", size=8 << 30) == [BEST, "C++"]


def test_a_count_and_programs_of_many_starts_have_one_turn() -> None:
    assert in_a_round("C++", size=0, group="calls") == ["C++"]
    assert in_a_round("C++", size=SMALL, group="program") == ["C++"]


def test_a_row_that_fails_in_a_later_turn_has_no_sample() -> None:
    turns = iter([{"seconds": 1.0}])

    def take() -> dict[str, float]:
        for sample in turns:
            return sample
        raise process.NotRunError("no room")

    not_run: dict[str, str] = {}
    task = run.Task(report.Row("memory", 1, "C++", BEST), take)
    run.measure([task], 1, not_run)
    assert task.row.samples == []
    assert list(not_run.values()) == ["no room"]


def test_what_a_killed_run_left_is_removed_and_what_a_running_one_has_is_not() -> None:
    with subprocess.Popen([sys.executable, "-c", "pass"]) as ended:
        pass
    store = samples.Store()
    left = store.folder.with_name(f"{samples.PREFIX}{ended.pid}-left")
    left.mkdir()
    (left / "file").touch()
    other = samples.Store()
    try:
        assert not left.exists()
        assert store.folder.exists()
    finally:
        store.remove()
        other.remove()


@pytest.mark.parametrize(
    ("lines", "processor"),
    [
        ("model name: AMD EPYC\ncpu family: 25\nmodel: 1\nflags: fpu fsrm\n", "AMD EPYC, family 25, model 1, fsrm"),
        ("model name: AMD EPYC\ncpu family: 23\nmodel: 49\nflags: fpu\n\nmodel: 50\n", "AMD EPYC, family 23, model 49"),
    ],
)
def test_a_machine_is_told_by_its_first_processor_and_what_matters_of_it(
    lines: str, processor: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Path.read_text
    monkeypatch.setattr(Path, "read_text", lambda path: lines if str(path) == "/proc/cpuinfo" else real(path))
    assert machine()["processor"] == processor


def test_exchanges_wait_until_few_closed_connections_are_left(monkeypatch: pytest.MonkeyPatch) -> None:
    left = [samples.REMEMBERED + 2, samples.REMEMBERED + 1, samples.REMEMBERED]
    waits: list[float] = []
    monkeypatch.setattr(samples, "closed_connections", lambda: left.pop(0))
    monkeypatch.setattr("time.sleep", waits.append)
    samples.few_closed_connections()
    assert (len(waits), left) == (2, [])


def test_closed_connections_are_those_that_the_system_remembers(monkeypatch: pytest.MonkeyPatch) -> None:
    said = "sockets: used 77\nTCP: inuse 3 orphan 0 tw 17429 alloc 5 mem 2\nUDP: inuse 0 mem 0\n"
    monkeypatch.setattr(Path, "read_text", lambda _: said)
    assert samples.closed_connections() == 17429


def folders() -> set[Path]:
    store = samples.Store()
    store.remove()
    return set(store.folder.parent.glob(f"{samples.PREFIX}*"))


needs_tools = pytest.mark.skipif(
    not all(map(shutil.which, ("cmake", "ninja", "go"))), reason="NOT RUN: needs cmake, ninja and go"
)


@needs_tools
def test_a_round_of_a_mebibyte_measures_ours_and_the_raw_loops() -> None:
    before = folders()
    words = ["--sizes", "1M", "--rounds", "1", "--only", "memory,unix,file,program,small,cost"]
    done = subprocess.run([sys.executable, str(RUN), *words], capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    result = json.loads((BUILD / "results.json").read_text())
    measured = {(entry["group"], entry["way"]) for entry in result["rows"]}
    for group in ("memory", "unix", "file"):
        assert {(group, way) for way in (BEST, "C++", "Go raw", "Go", "Python raw", "Python")} <= measured
    assert {("memory", FRAMED), ("small", MINIMUM), ("small", BOUNDED), ("small", "C++")} <= measured
    assert {("program", "Go"), ("program", "pipe + cat")} <= measured
    assert all(value > 0 for entry in result["rows"] for value in [entry["samples"][0]["seconds"]])
    assert "Targets" in done.stdout
    for name in ("cost.svg", "ratios.svg"):
        ElementTree.parse(BUILD / name)
    assert folders() <= before


@needs_tools
def test_the_framed_loop_sends_as_many_octets_first_as_a_head_has() -> None:
    size = 1 << 20
    for words, head in ((["best"], 0), (["framed"], 8 + 4 + 8)):
        sender = process.start([str(BUILD / "cmake/bench_raw"), *words, "send", "memory", "ipv4", str(size), "-"])
        assert sender.stdout
        with socket.create_connection(("127.0.0.1", int(sender.stdout.readline()))) as client:
            received = b"".join(iter(lambda: client.recv(1 << 16), b""))
        process.finish(sender)
        assert len(received) == head + size
        assert received[head:] == bytes(range(256)) * (size // 256)


@needs_tools
def test_an_interruption_leaves_nothing() -> None:
    before = folders()
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        # A shell starts background jobs so, and the program would inherit it.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    command = [sys.executable, str(RUN), "--sizes", "1M", "--rounds", "1000", "--only", "memory"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as running:
        assert running.stderr
        said = ""
        while "round 2 of" not in said:
            line = running.stderr.readline()
            assert line, f"it ended before the second round: {said}"
            said += line
        running.send_signal(signal.SIGINT)
        assert running.stderr.read().endswith("run: error: interrupted\n")
    assert running.returncode == 130
    assert folders() <= before
