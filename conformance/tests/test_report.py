"""Tests of one run in each format: terminal, JSON, JUnit XML. A peer's text is escaped."""

from __future__ import annotations

import copy
import io
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest
from lxml import etree
from report_sample import HOSTILE, case, failure, large, sample
from rich.console import Console

from kcom5_conformance import report
from kcom5_conformance.report import likely, roots, words
from kcom5_conformance.report.html import write_html
from kcom5_conformance.report.json import read_json, schema, write_json
from kcom5_conformance.report.junit import write_junit
from kcom5_conformance.report.terminal import Progress, print_summary
from kcom5_conformance.results import Json, Problem, Run, Verdict, run_from_json


def printed(run: Run, width: int = 100, terminal: bool = False) -> str:
    out = io.StringIO()
    print_summary(run, Console(file=out, width=width, force_terminal=terminal))
    return out.getvalue()


# JSON


def test_the_json_report_fits_its_schema_and_gives_the_same_run_back(tmp_path: Path) -> None:
    run = sample()
    write_json(run, tmp_path / "report.json")
    document = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema())
    jsonschema.Draft202012Validator(schema()).validate(document)
    assert document["as_expected"] is False
    assert run_from_json(document) == run == read_json(tmp_path / "report.json")


def test_every_object_of_the_schema_is_closed_and_names_all_its_keys() -> None:
    for name, part in {"": schema(), **schema()["$defs"]}.items():
        if part.get("type") == "object":
            assert part["additionalProperties"] is False, name
            assert part["required"] == list(part["properties"]), name


@pytest.mark.parametrize(
    "damage",
    [
        lambda document: document.update(extra=1),
        lambda document: document["results"][0].update(extra=1),
        lambda document: document["results"][2]["problems"][0].update(extra=1),
        lambda document: document["results"][2]["events"][0].update(who="nobody"),
        lambda document: document["results"][0].update(verdict="fine"),
        lambda document: document["rules"][0].pop("effect"),
        lambda document: document.update(format=2),
    ],
)
def test_a_json_report_with_another_key_or_value_is_refused(tmp_path: Path, damage: Callable[[Json], object]) -> None:
    document = sample().to_json()
    damage(document)
    (tmp_path / "report.json").write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(ValueError, match="not a report: "):
        read_json(tmp_path / "report.json")


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[]"])
def test_a_file_that_is_no_report_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "report.json").write_bytes(content)
    with pytest.raises(ValueError, match="not a report: "):
        read_json(tmp_path / "report.json")


# JUnit


def junit(run: Run, folder: Path) -> etree._Element:
    write_junit(run, folder / "junit.xml")
    document = etree.parse(folder / "junit.xml")
    etree.XMLSchema(etree.parse(Path(str(report.__file__)).with_name("junit.xsd"))).assertValid(document)
    return document.getroot()


def test_the_junit_report_fits_its_schema_and_counts_right(tmp_path: Path) -> None:
    run = sample()
    run.results[0].seconds = 0.000001
    root = junit(run, tmp_path)
    cases = root.findall("testsuite/testcase")
    assert len(cases) == len(run.results) + len(run.complaints)
    for element, where in [(root, "testsuite/testcase"), *((suite, "testcase") for suite in root)]:
        assert int(element.get("tests")) == len(element.findall(where))
        assert int(element.get("failures")) == len(element.findall(f"{where}/failure"))
        assert int(element.get("errors")) == len(element.findall(f"{where}/error"))
        assert int(element.get("skipped")) == len(element.findall(f"{where}/skipped"))
    counted = [result for result in run.results if run.counts_as_failure(result)]
    assert int(root.get("failures")) + int(root.get("errors")) == len(counted) + len(run.complaints)
    assert int(root.get("errors")) == 1


def test_a_junit_failure_says_all_that_is_known(tmp_path: Path) -> None:
    root = junit(sample(), tmp_path)
    found = next(case for case in root.iter("testcase") if case.get("name") == "message.length/one@tcp6")
    text = found.findtext("failure")
    assert "The message length MUST be the number of octets" in text
    assert "looks big-endian" in text
    assert "^^ first wrong octet" in text
    assert "kcom5-conformance run --case message.length/one@tcp6 --seed 7 -- python3 'my adapter.py'" in text
    assert "25 octets  4b 43 4f" in found.findtext("system-out")


def test_a_broken_should_fails_in_junit_by_strict_only(tmp_path: Path) -> None:
    run = sample()
    run.results = [failure("hello.nonce/same", "mine")]
    run.complaints = []
    assert (junit(run, tmp_path).get("failures"), junit(run, tmp_path).get("skipped")) == ("0", "1")
    run.strict = True
    assert (junit(run, tmp_path).get("failures"), junit(run, tmp_path).get("skipped")) == ("1", "0")


def test_text_of_a_peer_stays_text_in_junit(tmp_path: Path) -> None:
    run = sample()
    run.peers[1].name = HOSTILE
    for result in run.results:
        result.id, result.peer, result.reason = result.id + HOSTILE, HOSTILE, HOSTILE
        result.problems = [Problem("hello.form", "MUST", "wire", HOSTILE, HOSTILE)]
    root = junit(run, tmp_path)
    assert "\\x1b[31m" in root.find("testsuite").get("name")
    assert "</script><script>alert(1)</script>" in next(root.iter("failure")).text


# Terminal


def test_the_summary_says_what_failed_and_why() -> None:
    out = printed(sample())
    flat = " ".join(out.split())
    for part in [
        "message.length (MUST)",
        "The message length MUST be the number of octets (not characters) of the message, in 4 octets",
        "The message is cut or runs into what follows",
        "got 00 00 00 02",
        "expected 02 00 00 00",
        "likely the message length looks big-endian",
        "^^ first wrong octet",
        "again kcom5-conformance run --case message.length/one@tcp6 --seed 7 -- python3 'my adapter.py'",
        "failed 2 of 5 times",
        "unsupported: 1 of mine: it has no unix",
        "not-run: 1 of mine: no network namespace",
        "rules: 5 broken, 3 kept, ",
        "complaint the baseline names hello.gone/away",
    ]:
        assert part in flat, part
    assert out.splitlines()[-1] == (
        f"{len(sample().results)} results in 12.3 s: NOT as expected: 6 failed, 1 complaint"
    )


def test_terminal_and_page_count_the_rules_in_the_same_words(tmp_path: Path) -> None:
    run = sample()
    names = [rule.name for rule in run.rules]
    run.results = [case(f"{name}/one", "go", Verdict.PASS) for name in names[3:]]
    run.results += [failure(f"{names[0]}/one", "go"), case(f"{names[1]}/one", "go", Verdict.UNSUPPORTED)]
    for result in run.results:
        result.problems = result.problems[:1]
    write_html(run, tmp_path / "index.html")
    page = etree.parse(tmp_path / "index.html", etree.HTMLParser()).find(".//p[@id='covered']")
    said = f"rules: 1 broken, {len(names) - 3} kept, 1 not tried, 1 not claimed"
    assert said in printed(run)
    assert said in " ".join("".join(page.itertext()).split())


def test_failures_that_look_alike_are_one_group_shown_by_its_shortest_case() -> None:
    run = sample()
    run.results = [failure(f"message.length/case-{number}", "mine") for number in range(40)]
    out = printed(run)
    assert "1. mine as server: " in out
    assert ": 40 cases\n" in out
    assert out.count("first wrong octet") == 1
    assert len(out.splitlines()) < 60


def test_the_case_that_is_shown_is_of_the_most_frequent_rule() -> None:
    run = sample()
    run.results = [failure(f"message.length/case-{number}", "mine") for number in range(3)]
    other = failure("frame.order/shorter", "mine")
    other.problems, other.events = [replace(other.problems[0], rule="frame.order")], []
    run.results.append(other)
    (group,) = roots.groups(run)
    assert group.rules == ["message.length", "frame.order"]
    assert group.example.rule == "message.length"


def test_a_case_in_which_something_else_was_seen_is_never_folded_away() -> None:
    run = sample()
    run.results = [failure(f"message.length/case-{number}", "mine") for number in range(40)]
    other = failure("message.utf8/another", "mine", cause="another cause")
    alike = failure("message.order/alike", "mine")
    alike.problems = [Problem("frame.order", "MUST", "wire", "nothing", "an end", saw="open")]
    run.results += [other, alike]
    flat = " ".join(printed(run).split())
    assert "2. mine as server: " in flat
    assert "another cause" in flat
    assert "also 1 case, as message.order/alike@tcp6: frame.order: got nothing, expected an end" in flat


SEVERAL = "these waits have no timeout: accept, the hello, the client's end"


@pytest.mark.parametrize(
    ("found", "groups"),
    [
        ((likely.NO_ACCEPT, likely.NO_HELLO, likely.NO_CLOSE), {SEVERAL: 3}),
        ((likely.NO_ACCEPT, likely.NO_HELLO, likely.NO_CLOSE, likely.PIECES, likely.PROGRESS), {SEVERAL: 5}),
        ((likely.NO_ACCEPT, likely.NO_CLOSE), {likely.NO_ACCEPT: 1, likely.NO_CLOSE: 1}),
        ((likely.NO_CLOSE, likely.CLOSE_ENDLESS, likely.PIECES), {likely.NO_CLOSE: 2, likely.PIECES: 1}),
        ((likely.PIECES, likely.UNCHECKED), {likely.PIECES: 1, likely.UNCHECKED: 1}),
        ((likely.LATE_UTF8, likely.NOT_CHECKED, likely.REPLACED), {likely.REPLACED: 3}),
    ],
)
def test_a_cause_that_a_simpler_one_covers_joins_its_group(found: tuple[str, ...], groups: dict[str, int]) -> None:
    run = sample()
    run.results = [failure(f"time.wait/case-{number}", "mine", cause=cause) for number, cause in enumerate(found)]
    for number, result in enumerate(run.results):
        result.problems = [replace(result.problems[0], at=number)]
    made = roots.groups(run)
    assert {group.cause: len(group.results) for group in made} == groups
    assert all(group.explained == len(group.results) for group in made)


def test_a_case_is_given_the_simplest_cause_that_was_found_for_its_role() -> None:
    run = sample()
    found = [likely.MAGIC_PART, likely.MAGIC_TAKEN, likely.NO_CLOSE]
    run.results = [failure(f"hello.reject/case-{number}", "mine", cause=cause) for number, cause in enumerate(found)]
    run.results.append(failure("hello.reject/other", "another", cause=likely.MAGIC_PART))
    roots.settle(run)
    causes = [likely.MAGIC_TAKEN, likely.MAGIC_TAKEN, likely.NO_CLOSE, likely.MAGIC_PART]
    assert [result.cause for result in run.results] == causes


def test_a_group_of_wrong_names_has_the_name() -> None:
    run = sample()
    run.results = [failure("listen.port/one", "mine", cause="")]
    answer = '{"detail": "x", "error": "message-not-utf8"}'
    run.results[0].problems = [Problem("listen.port", "MUST", "delivered", answer, "invalid-port", saw="name")]
    assert roots.groups(run)[0].title == "as server: gives another failure the name message-not-utf8"


def test_a_right_exchange_that_fails_explains_what_follows_from_it() -> None:
    run = sample()
    run.peers[1].smoke = [failure("frame.order/smoke", "mine")]
    assert "follows from the first right exchange: got 00 00 00 02, expected 02 00 00 00" in " ".join(
        printed(run).split()
    )


@pytest.mark.parametrize("width", [80, 100])
def test_no_line_is_longer_than_the_screen_but_those_to_be_pasted(width: int) -> None:
    lines = printed(sample(), width).splitlines()
    assert [line for line in lines if len(line.rstrip()) > width and not line.startswith("again ")] == []


@pytest.mark.parametrize("width", [40, 60, 80])
def test_the_legend_of_the_bar_breaks_between_its_parts(width: int) -> None:
    run = sample()
    run.results += [case(f"hello.form/{number}", "go", Verdict.NOT_RUN) for number in range(1000)]
    lines = printed(run, width).splitlines()
    at = next(number for number, line in enumerate(lines) if "█" in line)
    legend = " ".join(line.strip() for line in lines[at + 1 : at + 4])
    assert "1,001 not run" in legend
    assert all(len(line.rstrip()) <= width for line in lines[at : at + 4])
    assert not any(line.rstrip().endswith((" not", " of a", "of", "1,001")) for line in lines[at + 1 : at + 4])


def test_a_run_that_is_as_expected_ends_so() -> None:
    run = sample()
    run.results, run.complaints = [case("hello.segments/three-pieces", "go", Verdict.PASS)], []
    assert printed(run).splitlines()[-1] == "1 result in 12.3 s: as expected"


def test_a_broken_should_is_shown_but_is_as_expected() -> None:
    run = sample()
    run.results, run.complaints = [failure("hello.nonce/same", "mine")], []
    out = printed(run)
    assert "1 case, SHOULD, still conformant" in out
    assert out.splitlines()[-1].endswith("s: as expected; 1 of a SHOULD failed: still conformant")


def test_one_cause_is_one_group_whatever_the_level_of_the_rules() -> None:
    run = sample()
    run.results = [failure("hello.nonce/same", "mine"), failure("message.length/one", "mine")]
    (group,) = roots.groups(run)
    assert (group.counts, group.weak, group.example.rule) == (True, 1, "message.length")
    assert "2 cases, 1 of them of a SHOULD" in printed(run)


@pytest.mark.parametrize("width", [40, 80, 200])
def test_text_of_a_peer_commands_no_terminal(width: int) -> None:
    run = copy.deepcopy(sample())
    run.peers[1].name = HOSTILE + "[bold]"
    run.complaints = [HOSTILE]
    for result in run.results:
        result.peer = HOSTILE + "[bold]"
    out = printed(run, width)
    out.encode()
    assert not set(out) & {"\x1b", "\x00", "\u202e"}
    assert "\\x1b" in out
    assert "[bold]" in "".join(out.split())


def test_colour_is_for_terminals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert "\x1b[" in printed(sample(), terminal=True)
    assert "\x1b[" not in printed(sample())
    monkeypatch.setenv("NO_COLOR", "1")
    assert not re.search(r"\x1b\[[0-9;]*3[0-7]m", printed(sample(), terminal=True))


def test_progress_is_a_line_at_start_and_end_where_there_is_no_terminal() -> None:
    out = io.StringIO()
    progress = Progress(Console(file=out, width=100))
    progress.start("mine", 2)
    progress.advance(failure("message.length/one", "mine"))
    assert out.getvalue() == "mine: 2 cases\n"
    progress.advance(case("hello.form/x", "mine", Verdict.PASS))
    progress.finish()
    assert out.getvalue().splitlines()[1].startswith("mine: 2 cases in ")
    assert out.getvalue().endswith("s, 1 failed\n")


def test_cells_of_the_matrix_are_counted_together() -> None:
    out = io.StringIO()
    progress = Progress(Console(file=out, width=100))
    cells = [result for result in sample().results if result.id.startswith("matrix/")]
    progress.start("matrix", len(cells))
    for cell in cells:
        progress.advance(cell)
    progress.finish()
    assert out.getvalue().splitlines()[1].startswith("matrix: 24 cases in ")


def test_progress_is_a_bar_on_a_terminal_that_is_taken_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    out = io.StringIO()
    progress = Progress(Console(file=out, width=100, force_terminal=True))
    progress.start("mine", 1)
    progress.start("go", 1)
    progress.advance(failure("message.length/one", "mine"))
    progress.finish()
    progress.finish()
    assert "1/1" in out.getvalue()
    assert "1 failed" in out.getvalue()


def test_the_command_that_runs_a_case_again_can_be_pasted() -> None:
    run = sample()
    cell = next(result for result in run.results if result.id.startswith("matrix/"))
    run.program = "./conform"
    again = "./conform matrix --case matrix/go-to-go/0/plain@tcp6 --seed 7"
    assert words.again(run, cell) == f"{again} -- python3 mine.py"
    run.subjects = "--peers 'my peers.toml'"
    assert words.again(run, cell) == f"{again} --peers 'my peers.toml'"


# All


def test_a_run_of_nothing_can_be_reported(tmp_path: Path) -> None:
    run = sample()
    run.results, run.peers, run.complaints = [], [], []
    write_json(run, tmp_path / "report.json")
    write_html(run, tmp_path / "report.html")
    assert junit(run, tmp_path).get("tests") == "0"
    assert "0 results in " in printed(run)


def test_the_page_of_six_thousand_results_is_no_larger_than_a_picture(tmp_path: Path) -> None:
    write_html(large(), tmp_path / "report.html")
    assert (tmp_path / "report.html").stat().st_size < 6_000_000
