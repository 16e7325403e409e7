"""Tests of the file of known failures: read, applied, written and repaired."""

from __future__ import annotations

from pathlib import Path

import pytest

from kcom5_conformance import program
from kcom5_conformance.baseline import Entry, apply, observation, read, repair, warnings, write
from kcom5_conformance.errors import UsageError
from kcom5_conformance.results import Level, Problem, Result, Run, Verdict

PEERS = {"mine", "yours"}


def result(name: str, verdict: Verdict = Verdict.PASS, got: str = "3 octets", level: Level = "MUST") -> Result:
    problems = (
        [Problem("echo.exact", level, "wire", got, "8 octets")] if verdict in (Verdict.FAIL, Verdict.FLAKY) else []
    )
    return Result(name, "mine", "echo.exact", level, "server", "tcp6", "", verdict, problems=problems)


def run(*results: Result) -> Run:
    return Run("1", "", "", 0.0, 1, False, "", [], [], list(results))


def entry(name: str, observed: str = "echo.exact: got 3 octets", reason: str = "issue 7") -> Entry:
    return Entry("mine", name, reason, observed)


@pytest.mark.parametrize("verdict", [Verdict.FAIL, Verdict.FLAKY])
def test_known_failure_is_as_expected_and_keeps_its_reason(verdict: Verdict) -> None:
    tried = run(result("a", verdict))
    apply(tried, [entry("a")], PEERS, {"a"})
    assert (tried.results[0].verdict, tried.results[0].reason) == (Verdict.KNOWN_FAILURE, "issue 7")
    assert tried.is_as_expected


def test_known_crash_is_as_expected() -> None:
    tried = run(result("a", Verdict.CRASHED))
    apply(tried, [entry("a", "the adapter ended")], PEERS, {"a"})
    assert tried.is_as_expected


def test_known_failure_that_passes_is_not_as_expected() -> None:
    tried = run(result("a"))
    apply(tried, [entry("a")], PEERS, {"a"})
    assert tried.results[0].verdict is Verdict.UNEXPECTED_PASS
    assert not tried.is_as_expected


def test_failure_that_is_not_known_stays_one() -> None:
    tried = run(result("a", Verdict.FAIL), result("b", Verdict.FAIL))
    apply(tried, [entry("a")], PEERS, {"a", "b"})
    assert [r.verdict for r in tried.results] == [Verdict.KNOWN_FAILURE, Verdict.FAIL]
    assert not tried.is_as_expected


def test_entry_of_another_peer_excuses_nothing() -> None:
    tried = run(result("a", Verdict.FAIL))
    apply(tried, [Entry("yours", "a", "", "echo.exact: got 3 octets")], PEERS, {"a"})
    assert tried.results[0].verdict is Verdict.FAIL
    assert not tried.complaints


def test_entry_of_a_peer_that_is_not_there_is_a_complaint() -> None:
    tried = run(result("a"))
    apply(tried, [Entry("his", "a", "", "echo.exact: got 3 octets")], PEERS, {"a"})
    (complaint,) = tried.complaints
    assert complaint.startswith("baseline: a of his: his is none of the implementations (mine, yours): run `")
    assert not tried.is_as_expected


@pytest.mark.parametrize(
    ("before", "now", "is_same"),
    [
        ("3 octets", "127,992 octets", True),
        ("after 1.25 s", "after 0.9 s", True),
        ("4b434f4d35aabbcc", "4b 43 4f 4d 35 01 02 03", True),
        ("timeout", "truncated", False),
        ("3 octets", "a reset", False),
    ],
)
def test_failure_is_known_only_while_it_fails_as_it_did(before: str, now: str, is_same: bool) -> None:
    tried = run(result("a", Verdict.FAIL, now))
    apply(tried, [entry("a", f"echo.exact: got {before}")], PEERS, {"a"})
    assert (tried.results[0].verdict is Verdict.KNOWN_FAILURE) == is_same
    assert tried.is_as_expected == is_same
    if not is_same:
        (complaint,) = tried.complaints
        assert complaint == (
            "baseline: a of mine fails in another way: "
            f"got 'echo.exact: got {now}', expected 'echo.exact: got {before}'"
        )


def test_stale_entry_is_a_complaint_and_one_that_was_not_selected_is_not() -> None:
    tried = run(result("a"))
    apply(tried, [entry("b"), entry("c")], PEERS, {"a", "b"})
    (complaint,) = tried.complaints
    assert complaint.startswith(f"baseline: c of mine is no case any more: run `{program.command()} baseline repair`")
    assert not tried.is_as_expected


def test_entry_of_a_case_that_is_not_supported_any_more_is_a_complaint() -> None:
    tried = run(result("a", Verdict.UNSUPPORTED), result("b", Verdict.NOT_RUN))
    apply(tried, [entry("a"), entry("b")], PEERS, {"a", "b"})
    assert [c.split(":")[1] for c in tried.complaints] == [" a of mine is not supported any more"]


def test_written_file_is_read_as_it_was_and_excuses_the_same_run(tmp_path: Path) -> None:
    awkward = 'a "quoted" \\ line\n\x00\x7f\x85 ü \U0001d11e # ='
    tried = run(
        result("b", Verdict.FAIL, awkward),
        result("a", Verdict.CRASHED),
        result("c"),
        result("d", Verdict.FAIL, level="SHOULD"),
        result("e", Verdict.UNSUPPORTED),
    )
    entries = write(tried, tmp_path / "known.toml")
    assert [(e.id, e.observed, e.reason) for e in entries] == [
        ("a", "the adapter ended", ""),
        ("b", f"echo.exact: got {awkward}", ""),
    ]
    assert read(tmp_path / "known.toml") == entries
    assert warnings(entries) == ["a of mine: no reason given", "b of mine: no reason given"]
    apply(tried, entries, PEERS, {"a", "b", "c", "d", "e"})
    assert tried.is_as_expected


def test_write_overwrites_nothing(tmp_path: Path) -> None:
    (tmp_path / "known.toml").write_text("mine")
    with pytest.raises(UsageError, match="is there already"):
        write(run(), tmp_path / "known.toml")
    assert (tmp_path / "known.toml").read_text() == "mine"
    with pytest.raises(UsageError, match="cannot write the baseline"):
        write(run(), tmp_path / "none" / "known.toml")


def test_repair_keeps_reasons_and_what_was_not_tried_and_mends_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "known.toml"
    names = ("fails", "differs", "passes", "unsupported", "not-run", "not-selected", "stale")
    path.write_text(
        "".join(
            f'[[failure]]\npeer = "mine"\nid = "{name}"\nreason = "why {name}"\nobserved = "echo.exact: got 3 octets"\n'
            for name in names
        )
        + '[[failure]]\npeer = "his"\nid = "fails"\nreason = ""\nobserved = ""\n'
    )
    tried = run(
        result("new", Verdict.FAIL),
        result("fails", Verdict.FAIL),
        result("differs", Verdict.FAIL, "a reset"),
        result("passes"),
        result("unsupported", Verdict.UNSUPPORTED),
        result("not-run", Verdict.NOT_RUN),
    )
    existing = {*names, "new"} - {"stale"}
    before = path.read_text()
    repaired = repair(tried, path, PEERS, existing)
    assert [(e.id, e.observed) for e in read(path) if e.id in ("new", "differs")] == [
        ("differs", "echo.exact: got 3 octets")
    ], "a regression is told, and comes into the file by accept_new only"
    path.write_text(before)
    repaired = repair(tried, path, PEERS, existing, accept_new=True)
    assert [e.id for e in repaired.added] == ["new"]
    assert [e.id for e in repaired.dropped] == ["fails", "passes", "stale", "unsupported"]
    assert [e.id for e in repaired.changed] == ["differs"]
    entries = read(path)
    assert [(e.id, e.reason) for e in entries] == [
        ("differs", "why differs"),
        ("fails", "why fails"),
        ("new", ""),
        ("not-run", "why not-run"),
        ("not-selected", "why not-selected"),
    ]
    whole = path.read_bytes()
    again = repair(tried, path, PEERS, existing)
    assert (again.added, again.dropped, again.changed, path.read_bytes()) == ([], [], [], whole)
    apply(tried, entries, PEERS, existing)
    assert tried.is_as_expected
    assert [p.name for p in tmp_path.iterdir()] == ["known.toml"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[failure]]\nid = \n", "is not TOML: .*line 2"),
        ("failure = 3\n", "got failure, expected"),
        ("[[mistake]]\n", "got mistake, expected"),
        ('[[failure]]\nid = "a"\n', "failure 1: got id, expected the strings peer, id, reason, observed"),
        ('failure = ["a"]\n', "failure 1: got str, expected"),
        ('[[failure]]\nid = 1\npeer = ""\nreason = ""\nobserved = ""\n', "failure 1: got id, observed, peer, reason"),
        ('[[failure]]\nid = "a"\npeer = "b"\nreason = ""\nobserved = ""\n' * 2, "has a of b twice"),
    ],
)
def test_bad_file_is_an_error_that_says_where(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "known.toml").write_text(text)
    with pytest.raises(UsageError, match=message):
        read(tmp_path / "known.toml")


def test_file_that_is_not_there_or_no_text_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot read the baseline "):
        read(tmp_path / "known.toml")
    (tmp_path / "known.toml").write_bytes(b"\xff")
    with pytest.raises(UsageError, match="is not UTF-8"):
        read(tmp_path / "known.toml")


def test_observation_names_every_problem() -> None:
    failed = result("a", Verdict.FAIL)
    failed.problems.append(Problem("close.confirm", "SHOULD", "ended", "a reset", "FIN"))
    assert observation(failed) == "echo.exact: got 3 octets · close.confirm: got a reset"
