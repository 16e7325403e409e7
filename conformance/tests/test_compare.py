"""Two runs side by side."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from kcom5_conformance.compare import compare, show
from kcom5_conformance.results import Problem, Result, Run, Verdict

V = Verdict


def result(name: str, verdict: Verdict, note: str = "", peer: str = "mine", got: str = "a [b]reset") -> Result:
    rule, via = name.partition("/")[0], name.partition("@")[2]
    problems = [Problem(rule, "MUST", "ended", got, "FIN")] if verdict is V.FAIL else []
    return Result(name, peer, rule, "MUST", "server", via, note or name, verdict, problems=problems)


def run(*results: Result) -> Run:
    return Run("1", "", "", 0.0, 1, False, "", [], [], list(results))


LISTS = ("regressions", "fixes", "others", "new", "gone", "renamed")


@pytest.mark.parametrize(
    ("old", "new", "where", "code"),
    [
        (V.PASS, V.PASS, None, 0),
        (V.FAIL, V.FAIL, None, 0),
        (V.PASS, V.FAIL, "regressions", 1),
        (V.PASS, V.FLAKY, "regressions", 1),
        (V.PASS, V.CRASHED, "regressions", 1),
        (V.PASS, V.KNOWN_FAILURE, "regressions", 1),
        (V.PASS, V.UNSUPPORTED, "regressions", 1),
        (V.UNSUPPORTED, V.FAIL, "regressions", 1),
        (V.PASS, V.NOT_RUN, "others", 0),
        (V.FAIL, V.PASS, "fixes", 0),
        (V.KNOWN_FAILURE, V.UNEXPECTED_PASS, "fixes", 0),
        (V.UNSUPPORTED, V.PASS, "others", 0),
        (V.FAIL, V.KNOWN_FAILURE, None, 0),
        (None, V.PASS, "new", 0),
        (None, V.FAIL, "new", 1),
        (V.PASS, None, "gone", 0),
    ],
)
def test_each_change_has_its_place(old: Verdict | None, new: Verdict | None, where: str | None, code: int) -> None:
    comparison = compare(
        run(*([result("a.b/c@tcp6", old)] if old else [])), run(*([result("a.b/c@tcp6", new)] if new else []))
    )
    assert {name: len(getattr(comparison, name)) for name in LISTS} == {name: int(name == where) for name in LISTS}
    assert comparison.same == int(where is None)
    assert comparison.exit_code == code


@pytest.mark.parametrize(("reason", "where"), [("sampled: cases wait", "others"), ("no curl", "regressions")])
def test_a_failure_that_the_old_run_left_out_after_others_like_it_is_not_a_regression(reason: str, where: str) -> None:
    left_out = replace(result("a.b/c@tcp6", V.NOT_RUN), reason=reason)
    comparison = compare(run(left_out), run(result("a.b/c@tcp6", V.FAIL)))
    assert [name for name in LISTS if getattr(comparison, name)] == [where]


def test_peers_are_compared_each_with_itself() -> None:
    comparison = compare(
        run(result("a/b@tcp6", V.PASS, peer="x"), result("a/b@tcp6", V.FAIL, peer="y")),
        run(result("a/b@tcp6", V.FAIL, peer="x"), result("a/b@tcp6", V.PASS, peer="y")),
    )
    assert [c.new.peer for c in comparison.regressions if c.new] == ["x"]
    assert [c.new.peer for c in comparison.fixes if c.new] == ["y"]


@pytest.mark.parametrize(
    ("before", "after", "is_renamed"),
    [
        (("a/old@tcp6", "the fault"), ("a/new@tcp6", "the fault"), True),
        (("a/old@tcp6", "the fault"), ("b/old@tcp6", "other words"), True),
        (("a/old@tcp6", "the fault"), ("a/new@tcp6", "other words"), False),
        (("a/old@tcp6", "the fault"), ("a/new@tcp4", "the fault"), False),
    ],
)
def test_renamed_case_is_neither_new_nor_gone(
    before: tuple[str, str], after: tuple[str, str], is_renamed: bool
) -> None:
    comparison = compare(run(result(before[0], V.PASS, before[1])), run(result(after[0], V.FAIL, after[1])))
    assert len(comparison.renamed) == len(comparison.regressions) == int(is_renamed)
    assert len(comparison.new) == len(comparison.gone) == int(not is_renamed)
    assert comparison.exit_code == 1


def test_ambiguous_names_are_not_guessed() -> None:
    comparison = compare(
        run(result("a/one@tcp6", V.PASS, "same"), result("a/two@tcp6", V.PASS, "same")),
        run(result("a/three@tcp6", V.PASS, "same")),
    )
    assert (len(comparison.renamed), len(comparison.gone), len(comparison.new)) == (0, 2, 1)


def test_text_tells_what_changed_the_worst_first() -> None:
    old = run(
        result("a/b@tcp6", V.PASS), result("c/d@tcp6", V.FAIL), result("e/f@tcp6", V.PASS), result("g/h@", V.PASS)
    )
    new = run(
        result("a/b@tcp6", V.FAIL), result("c/d@tcp6", V.PASS), result("e/f@tcp6", V.PASS), result("i/j@", V.PASS)
    )
    output = io.StringIO()
    assert show(old, new, Console(file=output, width=40)) == 1
    assert output.getvalue() == (
        "regressions (1)\n"
        "  a/b@tcp6 of mine: pass → fail (a: got a [b]reset)\n"
        "new (1)\n"
        "  i/j@ of mine: pass\n"
        "gone (1)\n"
        "  g/h@ of mine: pass\n"
        "fixes (1)\n"
        "  c/d@tcp6 of mine: fail → pass\n"
        "1 worse, 1 better, 1 new, 1 gone, 0 renamed, 1 the same\n"
    )


def test_what_only_the_baseline_renamed_is_the_same() -> None:
    comparison = compare(
        run(result("a/b@tcp6", V.FAIL), result("c/d@tcp6", V.PASS)),
        run(result("a/b@tcp6", V.KNOWN_FAILURE), result("c/d@tcp6", V.UNEXPECTED_PASS)),
    )
    assert (comparison.others, comparison.same) == ([], 2)
