"""Tests of the runner with adapters that break the contract: who is blamed, and that the run continues."""

from __future__ import annotations

import errno
import itertools
import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing
from suite_command import VIA, case_of, wait_until_gone

from kcom5_conformance import data
from kcom5_conformance.cases import replay, vectors
from kcom5_conformance.harness import procfs
from kcom5_conformance.harness.adapter import Adapter, Crashed, fault
from kcom5_conformance.harness.attempt import PATIENCE
from kcom5_conformance.harness.call import Call, within_words
from kcom5_conformance.harness.case import Case, Mismatch, NotRun, TooBusy, Unsupported
from kcom5_conformance.harness.files import Files
from kcom5_conformance.harness.frame import frame
from kcom5_conformance.harness.harness import Harness
from kcom5_conformance.harness.ports import TRANSPORTS, why_not
from kcom5_conformance.harness.run import MOST_BUSY, MOST_FAILURES, Runner
from kcom5_conformance.harness.smoke import AdapterBroken, Smoke, smoke
from kcom5_conformance.harness.subject import _UNSHARE, Subject
from kcom5_conformance.harness.waits import ENOUGH, SHORT_PATIENCE, Waits
from kcom5_conformance.report import causes
from kcom5_conformance.results import Axis, Problem, Result, Verdict
from kcom5_conformance.selection import every_case

ODD = Path(__file__).parent / "odd_adapter.py"
SHORT = 0.3
AMPLE = 1.5  # for tests in which correct answers must be in time on a busy machine
"""Time scale for tests that wait for something that never comes."""


def subject(manner: str, *arguments: str) -> Subject:
    return Subject("odd", [sys.executable, str(ODD), manner, *arguments])


def smoke_of(manner: str, scale: float = 1) -> Smoke:
    return trio.run(smoke, subject(manner), PATIENCE * scale)


ODD_FROM_THE_START = ("liar", "nameless", "only-packs", "stuck")
"""The manners of these tests that show in the first exchanges. The others are right until they see their message."""
_of_the_right_one: list[Smoke] = []


async def smoked(tested: Subject) -> Smoke:
    """Returns the result of the smoke stage, which is made once for all adapters that are right in it."""
    if tested.name != "odd" or tested.command[2] in ODD_FROM_THE_START:
        return await smoke(tested, PATIENCE)
    if not _of_the_right_one:
        _of_the_right_one.append(await smoke(RIGHT, PATIENCE))
    return _of_the_right_one[0]


def conduct(
    tested: Subject, *cases: Case, scale: float = 1, tries: int = 3, jobs: int = 1, hangs: int = 0, samples: bool = True
) -> tuple[dict[str, Result], Runner]:
    """Runs the cases in the order of a fixed seed. Returns the results by id, as they were when they were reported."""
    results: list[Result] = []

    def report(result: Result) -> None:
        results.append(replace(result))

    async def run() -> Runner:
        found = await smoked(tested)
        made = Runner(tested, found, 1, scale, jobs, report, tries=tries, waits=Waits(samples))
        made.waits.count["MUST", "server"] = hangs
        await made.run(list(cases))
        return made

    made = trio.run(run)
    assert len(results) == len(cases)
    return {result.id: result for result in results}, made


def case(name: str, run: Callable[[Harness], Awaitable[None]], **more: Any) -> Case:
    more = {"role": "server", "via": VIA, "is_hostile": False, **more}
    return Case(f"echo.exact/{name}@{VIA}", "echo.exact", "MUST", note="", run=run, **more)


def exchange(message: str) -> Callable[[Harness], Awaitable[None]]:
    async def run(harness: Harness) -> None:
        await harness.exchange_with_server(message)

    return run


NOW = case("now", exchange("now"))
BEFORE_AND_AFTER = [case(f"fair-{number}", exchange("fair")) for number in range(3)]
RIGHT = subject("right")


# ---- the smoke stage


@pytest.mark.parametrize(
    ("manner", "said"),
    [
        ("exits-at-once", r"ended.*\(exit code 1\)[\s\S]*there is nothing to do"),
        ("banner", r"wrote a line that is no JSON: b'welcome'"),
        ("garbage", r"wrote a line that is no JSON: b'Hello, World!'"),
        ("endless-line", r"wrote a line of more than 1048576 octets"),
        ("unsupported", r"""answered {"unsupported": true}"""),
        ("dances", r"answers an op that does not exist by {'ok': True}, expected {'unsupported': true}"),
        ("hates-strangers", r"ended \(exit code 5\)\nit was asked: {\"op\": \"dance\"}"),
        ("claims-nothing", r"supports.*got \[\], expected pack, or send or receive"),
        ("claims-no-transport", r"got \['send'\], expected .* with a transport"),
        ("ends-by-7", r"the end of its input ends the adapter, expected exit code 0 \(exit code 7\)"),
    ],
)
def test_what_is_no_adapter_is_broken_and_the_message_says_why(manner: str, said: str) -> None:
    with pytest.raises(AdapterBroken, match=said):
        smoke_of(manner)


@pytest.mark.parametrize("manner", ["mute", "half-a-line"])
def test_adapter_that_does_not_answer_about_is_broken(manner: str) -> None:
    with pytest.raises(AdapterBroken, match=r"did not answer within"):
        smoke_of(manner, SHORT)


def test_adapter_that_ignores_the_end_of_its_input_is_broken() -> None:
    with pytest.raises(AdapterBroken, match=r"the end of its input does not end the adapter"):
        smoke_of("deaf", SHORT)


def test_program_that_cannot_be_started_is_broken_and_the_message_says_from_where() -> None:
    with pytest.raises(AdapterBroken, match=r"/nowhere x cannot be started from .*: No such file or directory"):
        trio.run(smoke, Subject("no", ["/nowhere", "x"]), PATIENCE)


def test_right_adapter_fails_no_right_exchange() -> None:
    assert smoke_of("right").failures == []


def test_server_that_never_answers_fails_a_right_exchange_over_each_transport() -> None:
    failures = smoke_of("stuck", SHORT).failures
    assert [(failure.role, failure.via) for failure in failures] == [
        ("server", via) for via in TRANSPORTS if not why_not(via)
    ]
    assert all("the call has not ended after" in failure.problems[0].got for failure in failures)
    assert all("which the suite allows" in failure.problems[0].expected for failure in failures)


def test_answer_without_a_line_end_is_told() -> None:
    failures = smoke_of("cuts-its-line", SHORT).failures
    assert {failure.role for failure in failures} == {"server", "client"}
    assert all("10 octets of an answer without a line end" in failure.problems[0].got for failure in failures)


def test_a_time_says_which_part_is_t() -> None:
    assert within_words({"close": 1}, 6) == "within 6.0 s: T is 1 s, and the suite allows 5.0 s more"
    for close in (0, -1, 30):
        assert within_words({"close": close}, 5) == "within 5.0 s, which the suite allows for what comes at once"


def test_crash_in_the_first_exchange_is_a_failure_and_no_broken_adapter() -> None:
    failures = smoke_of("segv-first").failures
    assert {failure.verdict for failure in failures} == {Verdict.CRASHED}
    assert "about to fall" in failures[0].stderr


def test_adapter_that_only_packs_is_one() -> None:
    assert smoke_of("only-packs").failures == []


# ---- verdicts


def test_liar_passes_nothing() -> None:
    some = [one for one in every_case() if one.via in ("", VIA) and one.rule in ("address.canonical", "echo.exact")]
    results, _ = conduct(subject("liar"), NOW, *BEFORE_AND_AFTER, *some, tries=1)
    assert {result.verdict for result in results.values()} == {Verdict.FAIL}
    assert "unsupported" in results[NOW.id].problems[0].got


@pytest.mark.parametrize(
    ("manner", "said"),
    [
        ("segv", "the adapter ended (killed by SIGSEGV)\nit was asked: "),
        ("exits", "the adapter ended (exit code 1)\nit was asked: "),
        ("leaves", "the adapter ended"),  # seen at once, or by the exchange that follows
    ],
)
def test_crash_is_charged_to_its_case_and_the_rest_goes_on(manner: str, said: str) -> None:
    results, made = conduct(subject(manner), case("now", exchange("now"), is_hostile=True), *BEFORE_AND_AFTER)
    wrong = results.pop(NOW.id)
    assert {result.verdict for result in results.values()} == {Verdict.PASS}
    assert wrong.verdict is Verdict.CRASHED
    assert wrong.problems[0].got.startswith(said)
    assert manner == "leaves" or '"message": "now"' in wrong.problems[0].got
    assert made.complaint == ""


def test_standard_error_of_a_crash_is_shown() -> None:
    results, _ = conduct(subject("segv"), NOW, tries=1)
    assert results[NOW.id].stderr == "about to fall"


def test_adapter_that_hangs_fails_the_case_and_is_replaced() -> None:
    results, _ = conduct(subject("hangs"), NOW, *BEFORE_AND_AFTER, scale=AMPLE, tries=2)
    wrong = results.pop(NOW.id)
    assert (wrong.verdict, wrong.failed, wrong.tried) == (Verdict.FAIL, 2, 2)
    assert "did not answer within" in wrong.problems[0].got
    assert {result.verdict for result in results.values()} == {Verdict.PASS}


def test_adapter_that_reads_no_more_fails_the_case_and_is_replaced() -> None:
    async def twice(harness: Harness) -> None:
        await harness.exchange_with_server("now")
        await harness.exchange_with_server("x" * (1 << 20))  # more than a pipe takes

    results, _ = conduct(subject("reads-no-more"), case("now", twice), *BEFORE_AND_AFTER, scale=AMPLE, tries=1)
    wrong = results.pop(NOW.id)
    assert wrong.verdict is Verdict.FAIL
    assert f"did not read its request within {PATIENCE * AMPLE} s" in wrong.problems[0].got
    assert {result.verdict for result in results.values()} == {Verdict.PASS}


def test_adapter_that_hangs_after_its_answer_fails_its_own_case_and_no_other() -> None:
    results, _ = conduct(subject("hangs-afterwards"), NOW, *BEFORE_AND_AFTER, scale=AMPLE, tries=1)
    wrong = results.pop(NOW.id)
    assert wrong.verdict is Verdict.FAIL
    assert "did not answer within" in wrong.problems[0].got
    assert {result.verdict for result in results.values()} == {Verdict.PASS}


def in_turn(tested: Subject, act: Callable[[Runner, dict[bool, Any], list[Result]], Awaitable[None]]) -> list[Result]:
    """Calls `act` with a runner, a lane and the results so far, and ends the lane. Returns all results."""
    results: list[Result] = []

    async def run() -> None:
        made = Runner(tested, await smoked(tested), 1, 1, 1, results.append)
        lane: dict[bool, Any] = {}
        await act(made, lane, results)
        await made._end(lane[False], lane)

    trio.run(run)
    return results


async def kill(adapter: Adapter) -> None:
    os.kill(adapter.pid, signal.SIGKILL)
    while adapter.is_running:
        await trio.sleep(0.01)


def test_adapter_that_ends_between_two_cases_is_charged_to_the_first() -> None:
    async def act(made: Runner, lane: dict[bool, Any], results: list[Result]) -> None:
        await made._case(case("first", exchange("fair")), lane)
        await kill(lane[False].adapter)
        assert results == []  # another process cannot change a result that it was told
        await made._case(case("second", exchange("fair")), lane)
        assert "killed by SIGKILL" in results[0].problems[0].got

    assert [result.verdict for result in in_turn(RIGHT, act)] == [Verdict.CRASHED, Verdict.PASS]


def test_adapter_that_ends_between_two_tries_is_not_charged_to_the_case_before() -> None:
    async def act(made: Runner, lane: dict[bool, Any], _: list[Result]) -> None:
        await made._case(case("first", exchange("fair")), lane)
        second = case("second", exchange("fair"))
        assert (await made._once(second, lane, False)).error is None
        await kill(lane[False].adapter)
        assert isinstance((await made._once(second, lane, False)).error, Crashed)

    assert [result.verdict for result in in_turn(RIGHT, act)] == [Verdict.PASS]


def test_case_without_an_exchange_does_not_show_that_the_implementation_serves() -> None:
    async def act(made: Runner, lane: dict[bool, Any], _: list[Result]) -> None:
        await made._case(case("now", exchange("now"), is_hostile=True), lane)
        await made._case(case("idle", raising()), lane)
        await made._case(case("fair", exchange("fair")), lane)

    verdicts = {result.id: result.verdict for result in in_turn(subject("serves-no-more"), act)}
    assert verdicts.pop(NOW.id) is Verdict.FAIL
    assert set(verdicts.values()) == {Verdict.PASS}


def test_search_for_the_culprit_that_is_interrupted_loses_no_result(monkeypatch: pytest.MonkeyPatch) -> None:
    async def interrupted(*_: Any, **__: Any) -> Result:
        raise InterruptedError

    async def act(made: Runner, lane: dict[bool, Any], results: list[Result]) -> None:
        for number in range(2):
            await made._case(case(f"idle-{number}", raising(), is_hostile=True), lane)
        monkeypatch.setattr(made, "_judged", interrupted)
        with pytest.raises(InterruptedError):
            await made._find_spoiler(lane[False], lane)
        monkeypatch.undo()
        assert results == []

    assert [result.verdict for result in in_turn(RIGHT, act)] == [Verdict.PASS] * 2


def test_line_that_is_nested_too_deeply_is_the_adapters_fault() -> None:
    results, made = conduct(subject("nests"), NOW, *BEFORE_AND_AFTER, tries=1)
    wrong = results.pop(NOW.id)
    assert (wrong.verdict, made.defects) == (Verdict.FAIL, [])
    assert "nested too deeply" in wrong.problems[0].got
    assert {result.verdict for result in results.values()} == {Verdict.PASS}


def test_place_that_was_not_asked_for_is_the_adapters_fault() -> None:
    results, made = conduct(subject("listens-elsewhere"), NOW, *BEFORE_AND_AFTER, tries=1)
    assert made.defects == []
    assert "says that it listens on '\\ud800\\x00', which it was not asked" in results[NOW.id].problems[0].got


def test_standard_error_is_not_kept_but_for_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    results, _ = conduct(subject("floods"), NOW, tries=1)
    said = results[NOW.id].stderr
    assert said.endswith("noise\nthe last words")
    assert len(said) < 5000
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="NOT RUN: only Linux gives orphans to the suite")
def test_what_an_adapter_started_ends_with_it_whatever_its_session(tmp_path: Path) -> None:
    file = tmp_path / "children"
    command = [sys.executable, str(ODD), "leaves-children", str(file)]
    script = f"""
import sys, trio
sys.path[:0] = {sys.path!r}
from kcom5_conformance.harness import children
from test_runner import NOW, Subject, conduct
children.adopt()
conduct(Subject("odd", {command!r}), NOW, tries=1)
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60, cwd=Path(__file__).parent)
    pids = file.read_text().split()
    assert len(pids) == 2
    for pid in pids:
        wait_until_gone(int(pid))


def test_transport_that_this_machine_lacks_is_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    reason = "this machine has no loopback address ::1 (Cannot assign requested address)"
    monkeypatch.setattr("kcom5_conformance.harness.run.why_not", lambda via: reason if via == VIA else "")
    other = case("other", exchange("fair"), via="unix")
    results, _ = conduct(RIGHT, NOW, other)
    assert (results[NOW.id].verdict, results[NOW.id].reason) == (Verdict.NOT_RUN, reason)
    assert results[other.id].verdict is Verdict.PASS


def test_failure_of_a_task_is_a_failure_of_its_case() -> None:
    async def fails(harness: Harness) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep_forever)
            harness.fail("wire", "one", "two")

    results, made = conduct(RIGHT, case("group", fails), *BEFORE_AND_AFTER)
    assert results[f"echo.exact/group@{VIA}"].verdict is Verdict.FAIL
    assert results[f"echo.exact/group@{VIA}"].problems[0].got == "one"
    assert made.defects == []


def test_defect_in_one_case_costs_that_case() -> None:
    results, made = conduct(RIGHT, case("broken", raising(KeyError("x"))), *BEFORE_AND_AFTER)
    broken = results.pop(f"echo.exact/broken@{VIA}")
    assert (broken.verdict, broken.reason) == (Verdict.NOT_RUN, "the suite itself is broken here: KeyError: 'x'")
    assert [type(defect) for defect in made.defects] == [KeyError]
    assert {result.verdict for result in results.values()} == {Verdict.PASS}


def test_diagnosis_that_fails_costs_the_diagnosis(monkeypatch: pytest.MonkeyPatch) -> None:
    def dies(*_: Any) -> str:
        raise IndexError("of a field that is not there")

    monkeypatch.setattr(causes, "_of_server", dies)
    results, made = conduct(subject("unsteady", os.devnull), case("fails", raising(mismatch())), tries=1)
    (result,) = results.values()
    assert (result.verdict, result.cause, made.defects) == (Verdict.FAIL, "", [])


def test_wrong_octets_that_are_cut_for_display_are_diagnosed() -> None:
    """A client that says `ok` with 51 to 4,096 wrong bytes."""

    async def run(harness: Harness) -> None:
        async with harness.listen() as listener:
            call = await harness.call("receive", listener.place)
            connection = await listener.accept()
            await connection.send(await connection.hello() + frame(b"", bytes(200)))
            await connection.expect_end()
            connection.close()
            await call.expect_ok("", b"\1" * 200)

    results, made = conduct(RIGHT, case("long", run, role="client"), tries=1)
    (result,) = results.values()
    assert (result.verdict, made.defects) == (Verdict.FAIL, [])


@pytest.mark.parametrize("size", [1 << 24])
def test_large_message_is_neither_shown_whole_nor_costs_much_to_tell(size: int) -> None:
    async def run() -> tuple[int, str]:
        one = case("large", exchange("now"), role="client")
        async with trio.open_nursery() as nursery:
            harness = Harness(one, Adapter([]), nursery, 0.01, 1)
            answer = {"ok": True, "message": "x" * size, "data": {"size": 0, "sha256": ""}}
            call = Call(harness, {"op": "receive"}, harness.adapter, answer)
            harness.calls.append(call)
            harness.log("implementation", "answer", text=answer)
            call.ended.set()
            tracemalloc.start()
            with pytest.raises(Mismatch) as found:
                await call.expect_ok("y" * 10, b"")
            told = f"{found.value} {call.told} {harness.events}"
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
        return peak, told

    peak, told = trio.run(run)
    assert peak < 1 << 20
    assert len(told) < 5000


def test_connection_that_is_not_accepted_fails_the_case() -> None:
    async def connect(harness: Harness) -> None:
        with socket.socket(socket.AF_INET6) as listener:
            listener.bind(("::1", 0))
            listener.listen(0)  # room for one
            for _ in range(2):
                await harness.connect(listener.getsockname()[1])

    results, _ = conduct(RIGHT, case("now", connect), scale=SHORT, tries=1)
    assert results[NOW.id].verdict is Verdict.FAIL
    assert "a broken connection (not connected within 1.5 s)" in results[NOW.id].problems[0].got


def test_garbage_in_the_middle_fails_the_case_alone() -> None:
    results, _ = conduct(subject("garbles"), NOW, *BEFORE_AND_AFTER)
    wrong = results.pop(NOW.id)
    assert wrong.verdict is Verdict.FAIL
    assert "wrote a line that is no JSON: b'listening on port 80'" in wrong.problems[0].got
    assert {result.verdict for result in results.values()} == {Verdict.PASS}


def test_second_answer_is_not_taken_for_that_to_the_next_request() -> None:
    twice = case("now", exchange("now"), is_hostile=True)
    results, _ = conduct(subject("twice"), twice, *BEFORE_AND_AFTER)
    wrong = results.pop(NOW.id)
    assert wrong.verdict is Verdict.FAIL
    assert "wrote a line that nobody asked for" in wrong.problems[0].got
    assert {result.verdict for result in results.values()} == {Verdict.PASS}


def test_much_standard_error_disturbs_nothing() -> None:
    results, _ = conduct(subject("loud"), NOW, *BEFORE_AND_AFTER)
    assert {result.verdict for result in results.values()} == {Verdict.PASS}


def test_failure_that_does_not_come_again_is_flaky_with_its_count(tmp_path: Path) -> None:
    results, _ = conduct(subject("unsteady", str(tmp_path / "log")), NOW)
    wrong = results[NOW.id]
    assert (wrong.verdict, wrong.failed, wrong.tried) == (Verdict.FLAKY, 1, 3)


def test_implementation_without_names_is_judged_by_what_it_does() -> None:
    names = [case_of("result.class/in-use@tcp6"), case_of("result.class/message-not-utf8@tcp6")]
    behaviour = next(one for one in every_case() if one.rule == "hello.reject" and one.via == VIA and not one.takes)
    results, _ = conduct(subject("nameless"), *names, behaviour)
    assert results.pop(behaviour.id).verdict is Verdict.PASS
    assert {(result.verdict, result.reason) for result in results.values()} == {
        (Verdict.UNSUPPORTED, "it has no names of failures")
    }


def test_what_is_not_claimed_is_not_asked_for() -> None:
    results, _ = conduct(
        subject("only-packs"),
        case_of("address.canonical/document-example"),
        case("needs", exchange("fair"), needs=frozenset({"send", "tcp6"})),
    )
    assert results["address.canonical/document-example"].verdict is Verdict.PASS
    other = results[f"echo.exact/needs@{VIA}"]
    assert (other.verdict, other.reason) == (Verdict.UNSUPPORTED, "it does not support send, tcp6")


def raising(*errors: Exception) -> Callable[[Harness], Awaitable[None]]:
    """Returns one after the other, and then nothing."""
    waiting = list(errors)[::-1]

    async def run(harness: Harness) -> None:
        if waiting:
            raise waiting.pop()

    return run


def mismatch(axis: Axis = "wire") -> Mismatch:
    return Mismatch(Problem("echo.exact", "MUST", axis, "this", "that"))


def test_what_cannot_be_tried_here_says_why() -> None:
    one = case("not-run", raising(NotRun("no moon")))
    other = case("unsupported", raising(Unsupported("no tail")))
    results, _ = conduct(RIGHT, one, other)
    assert (results[one.id].verdict, results[one.id].reason) == (Verdict.NOT_RUN, "no moon")
    assert (results[other.id].verdict, results[other.id].reason) == (Verdict.UNSUPPORTED, "no tail")


def test_busy_machine_is_not_the_implementations_fault() -> None:
    for_once = case("for-once", raising(*[TooBusy("late")] * (MOST_BUSY - 1)))
    always = case("always", raising(*[TooBusy("late")] * MOST_BUSY))
    results, _ = conduct(RIGHT, for_once, always)
    assert results[for_once.id].verdict is Verdict.PASS
    assert results[always.id].verdict is Verdict.NOT_RUN
    assert results[always.id].reason == f"the machine was too busy to keep the times, {MOST_BUSY} times"


def test_timed_case_that_fails_while_the_adapter_gets_no_processor_says_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waited = itertools.count()
    monkeypatch.setattr(procfs, "waited", lambda pids: next(waited))
    timed = case("timed", raising(*[mismatch("time")] * (MOST_BUSY - 1)), takes=1.0)
    other = case("other", raising(mismatch("time")))
    results, _ = conduct(RIGHT, timed, other)
    assert (results[timed.id].verdict, results[timed.id].tried) == (Verdict.PASS, 1)
    assert results[other.id].verdict is Verdict.FLAKY


def test_timed_case_that_fails_after_many_short_delays_of_the_suite_says_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("kcom5_conformance.harness.run.MOST_LATE", 0.5)
    fail = raising(mismatch("time"))

    async def delayed(harness: Harness) -> None:
        for _ in range(16):
            time.sleep(0.1)
            await trio.sleep(0)
        await fail(harness)

    timed = case("timed", delayed, takes=1.0)
    results, _ = conduct(RIGHT, timed)
    assert (results[timed.id].verdict, results[timed.id].tried) == (Verdict.PASS, 1)


def test_wait_in_vain_of_a_suite_that_got_no_processor_is_tried_again() -> None:
    fail = raising(mismatch("ended"))

    def waits(delay: float) -> Callable[[Harness], Awaitable[None]]:
        async def run(harness: Harness) -> None:
            end = trio.current_time() + harness.patience
            while trio.current_time() < end:
                time.sleep(delay)
                await trio.sleep(0.06)
            await fail(harness)

        return run

    starved, idle = case("starved", waits(0.1)), case("idle", waits(0))
    assert conduct(RIGHT, starved, scale=SHORT)[0][starved.id].verdict is Verdict.PASS
    fail = raising(mismatch("ended"))
    assert conduct(RIGHT, idle, scale=SHORT)[0][idle.id].verdict is Verdict.FLAKY
    fail = raising(*[mismatch("ended")] * 6)  # each of three tries is repeated once
    assert conduct(RIGHT, starved, scale=SHORT)[0][starved.id].verdict is Verdict.FAIL


@pytest.mark.parametrize("axis", ["residue", "memory", "wire", "delivered"])
def test_what_has_nothing_to_do_with_time_is_seen_on_a_busy_machine_too(
    monkeypatch: pytest.MonkeyPatch, axis: Axis
) -> None:
    waited = itertools.count()
    monkeypatch.setattr(procfs, "waited", lambda pids: next(waited))
    piles_up = case("piles-up", raising(mismatch(axis)), takes=1.0)
    results, _ = conduct(RIGHT, piles_up)
    assert (results[piles_up.id].verdict, results[piles_up.id].failed) == (Verdict.FLAKY, 1)


def test_timed_case_whose_adapter_was_ended_has_failed() -> None:
    async def end(harness: Harness) -> None:
        await harness.adapter.kill()
        raise mismatch()

    timed = case("timed", end, takes=1.0)
    results, _ = conduct(RIGHT, timed)
    assert results[timed.id].verdict is Verdict.FAIL


def test_timed_case_that_fails_while_all_have_a_processor_has_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(procfs, "waited", lambda pids: 7.0)
    monkeypatch.setattr("kcom5_conformance.harness.run.MOST_LATE", 60.0)
    timed = case("timed", raising(mismatch()), takes=1.0)
    results, _ = conduct(RIGHT, timed)
    assert results[timed.id].verdict is Verdict.FLAKY


def test_a_process_that_waits_for_a_processor_is_seen() -> None:
    one = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); print(flush=True)"
    hogs = [
        subprocess.Popen([sys.executable, "-c", f"{one}\nfor _ in range({count}): pass\nprint(flush=True)\ninput()"],
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for count in (10**7, 10**9)
    ]  # fmt: skip
    lines = [hog.stdout for hog in hogs if hog.stdout is not None]
    try:
        for line in lines:
            line.readline()
        before = procfs.waited([hogs[0].pid])
        lines[0].readline()
        assert procfs.waited([hogs[0].pid]) - before > 0.02
    finally:
        for hog in hogs:
            hog.kill()
            hog.communicate()


def test_a_port_is_reserved_against_other_suites_until_the_case_is_over() -> None:
    async def nothing(harness: Harness) -> None:
        pass

    async def run() -> None:
        async with trio.open_nursery() as nursery:
            one, other = (
                Harness(case("any", nothing), subject("right").adapter(False), nursery, 1, 1) for _ in range(2)
            )
            port = await one.own_place()
            assert isinstance(port, int)
            one.reserve(port)
            with pytest.raises(OSError, match="in use"):
                other.reserve(port)
            # A case may look whether it listens on an address of the other family.
            for via in (name for name in ("tcp6", "tcp4") if name != other.via and not why_not(name)):
                with pytest.raises(OSError, match="in use"):
                    other.reserve(port, via)
            one.clean()
            other.reserve(port)
            other.clean()

    trio.run(run)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux makes the file without a socket")
def test_no_new_program_can_hold_a_dead_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    files = Files([])
    monkeypatch.setattr(socket.socket, "bind", None)
    path = files.dead_socket("dead")
    with socket.socket(socket.AF_UNIX) as client:
        assert client.connect_ex(str(path)) == errno.ECONNREFUSED
    files.clean()


def test_a_copy_of_a_closed_listener_in_a_program_that_is_being_started_is_waited_for() -> None:
    async def nothing(harness: Harness) -> None:
        pass

    async def run() -> None:
        async with trio.open_nursery() as nursery:
            harness = Harness(case("any", nothing), subject("right").adapter(False), nursery, 1, PATIENCE)
            async with harness.listen() as listener:
                place, copy = listener.place, os.dup(listener.raw.fileno())
            with pytest.raises(OSError, match="in use"):
                harness.reserve(int(place))

            async def exec_at_last() -> None:
                await trio.testing.wait_all_tasks_blocked()
                os.close(copy)

            nursery.start_soon(exec_at_last)
            async with harness.listen(place) as again:
                assert again.place == place
            harness.clean()

    trio.run(run)


def test_broken_connection_of_the_suite_is_a_failure_and_no_end_of_the_run() -> None:
    one = case("refused", raising(*[ConnectionRefusedError(111, "Connection refused")] * 3))
    results, _ = conduct(RIGHT, one, BEFORE_AND_AFTER[0])
    assert results[one.id].verdict is Verdict.FAIL
    assert results[one.id].problems[0].got == "a broken connection (Connection refused)"


def test_hostile_case_fails_if_the_implementation_does_not_serve_afterwards() -> None:
    hostile = case("now", exchange("now"), is_hostile=True)
    for others, tries in (([], 1), (BEFORE_AND_AFTER, 1), (BEFORE_AND_AFTER, 3)):
        results, _ = conduct(subject("serves-no-more"), hostile, *others, tries=tries)
        wrong = results.pop(hostile.id)
        assert (wrong.verdict, wrong.tried, wrong.problems[0].rule) == (Verdict.FAIL, tries, "close.residue")
        assert wrong.problems[0].got.startswith("afterwards: ")
        assert {result.verdict for result in results.values()} <= {Verdict.PASS}


def test_case_that_fails_by_itself_is_not_charged_to_the_hostile_case_before_it() -> None:
    hostile = [case(f"hostile-{number}", exchange("fair"), is_hostile=True) for number in range(4)]
    results, _ = conduct(subject("exits"), NOW, *hostile)
    assert results.pop(NOW.id).verdict is Verdict.CRASHED
    assert {result.verdict for result in results.values()} == {Verdict.PASS}


def test_race_is_not_charged_to_the_hostile_case_before_it(tmp_path: Path) -> None:
    hostile = [case(f"hostile-{number}", exchange("fair"), is_hostile=True) for number in range(4)]
    results, _ = conduct(subject("unsteady", str(tmp_path / "log")), NOW, *hostile)
    assert results.pop(NOW.id).verdict is Verdict.FLAKY
    assert {result.verdict for result in results.values()} == {Verdict.PASS}


# ---- order and cost


def test_cases_with_the_same_lock_are_never_side_by_side() -> None:
    inside: list[str] = []
    most: list[int] = []

    async def run(harness: Harness) -> None:
        inside.append(harness.case.id)
        most.append(len(inside))
        for _ in range(20):
            await trio.lowlevel.checkpoint()
        inside.remove(harness.case.id)

    locked = [case(f"locked-{number}", run, lock="the port") for number in range(6)]
    results, _ = conduct(RIGHT, *locked, jobs=3)
    assert {result.verdict for result in results.values()} == {Verdict.PASS}
    assert max(most) == 1


def test_cases_without_a_lock_are_side_by_side() -> None:
    together = [trio.Event(), trio.Event()]

    def meets(number: int) -> Callable[[Harness], Awaitable[None]]:
        async def run(harness: Harness) -> None:
            together[number].set()
            await together[1 - number].wait()

        return run

    results, _ = conduct(RIGHT, case("one", meets(0)), case("two", meets(1)), jobs=2)
    assert {result.verdict for result in results.values()} == {Verdict.PASS}


def test_heavy_case_is_tried_after_the_others_and_once() -> None:
    seen: list[str] = []

    async def run(harness: Harness) -> None:
        seen.append(harness.case.id)
        await trio.sleep(harness.tick)
        raise mismatch()

    heavy = case("heavy", run, is_heavy=True)
    results, _ = conduct(RIGHT, heavy, case("short", run), case("long", run, takes=1), jobs=2)
    assert seen[-1] == heavy.id
    assert {one: result.tried for one, result in results.items()} == {
        f"echo.exact/heavy@{VIA}": 1,
        f"echo.exact/short@{VIA}": 3,
        f"echo.exact/long@{VIA}": 3,
    }


@pytest.mark.parametrize(
    ("manner", "free", "verdict", "reason"),
    [
        ("right", [8 << 30], Verdict.PASS, ""),
        ("right", [1 << 30], Verdict.NOT_RUN, "it needs 5 GiB of free memory, and 1.0 are free"),
        ("stuck", [8 << 30, 1 << 20], Verdict.NOT_RUN, "the adapter takes more memory than there is"),
        ("liar", [8 << 30], Verdict.UNSUPPORTED, "its adapter cannot make a message of 4 GiB"),
    ],
)
def test_message_of_four_gib_is_asked_for_where_there_is_memory(
    monkeypatch: pytest.MonkeyPatch, manner: str, free: list[int], verdict: Verdict, reason: str
) -> None:
    left = itertools.chain(free, itertools.repeat(free[-1]))
    monkeypatch.setattr(procfs, "free_memory", lambda: next(left))
    too_long = case_of("message.too-long/four-gib@tcp6")
    results, _ = conduct(subject(manner), too_long, scale=SHORT)
    assert results[too_long.id].verdict is verdict
    assert results[too_long.id].reason.startswith(reason)


@pytest.mark.parametrize(("most", "free"), [("max\n", 8 << 20), ("9437184\n", 1 << 20)], ids=["machine", "container"])
def test_free_memory_is_that_of_the_machine_or_of_a_smaller_container(
    monkeypatch: pytest.MonkeyPatch, most: str, free: int
) -> None:
    files = {
        "/proc/meminfo": "MemTotal:       16384 kB\nMemAvailable:    8192 kB\n",
        "/sys/fs/cgroup/memory.max": most,
        "/sys/fs/cgroup/memory.current": "8388608\n",
    }
    monkeypatch.setattr(Path, "read_text", lambda path: files[str(path)])
    assert procfs.free_memory() == free


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="not run: only root plays another user")
def test_folder_that_another_user_cannot_reach_is_left_as_it_is(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    monkeypatch.setattr(tempfile, "tempdir", str(private))
    owner = next(one for one in every_case() if one.rule == "unix.owner" and one.role == "server")
    results, _ = conduct(RIGHT, owner)
    assert results[owner.id].verdict is Verdict.NOT_RUN
    assert f"another user cannot reach {private}" in results[owner.id].reason
    assert stat.S_IMODE(private.stat().st_mode) == 0o700


def test_after_many_failures_of_a_rule_a_case_is_tried_once() -> None:
    failing = [case(f"failing-{number}", raising(*[mismatch() for _ in range(3)])) for number in range(6)]
    results, _ = conduct(RIGHT, *failing)
    assert sorted(result.tried for result in results.values()) == [1] * (6 - MOST_FAILURES) + [3] * MOST_FAILURES
    assert {result.verdict for result in results.values()} == {Verdict.FAIL}


def test_after_many_cases_that_waited_in_vain_patience_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kcom5_conformance.harness.run.MOST_LATE", 60.0)
    seen: list[float] = []

    async def wait_in_vain(harness: Harness) -> None:
        seen.append(harness.patience)
        await trio.sleep(harness.patience)
        raise mismatch()

    vain = [case(f"vain-{number}", wait_in_vain) for number in range(2)]
    other = replace(case("vain-3", wait_in_vain), rule="echo.segments", id="echo.segments/vain")
    results, made = conduct(RIGHT, *vain, other, scale=SHORT, tries=1, hangs=ENOUGH - 1)
    # One of each rule is enough: which one of the two comes second depends on the seed.
    assert seen == [PATIENCE * SHORT, SHORT_PATIENCE * SHORT]
    assert made.waits.count["MUST", "server"] == ENOUGH + 1
    (left_out,) = (result for result in results.values() if result.verdict is Verdict.NOT_RUN)
    assert left_out.reason.startswith("sampled: ")
    assert left_out.rule == "echo.exact"


def test_case_that_waits_in_vain_now_and_then_has_no_case_left_out() -> None:
    tries = itertools.count()

    async def wait_in_vain_first(harness: Harness) -> None:
        if next(tries) == 0:
            await trio.sleep(harness.patience)
            raise mismatch()

    flaky = case("flaky", wait_in_vain_first)
    results, made = conduct(RIGHT, flaky, scale=SHORT)
    assert results[flaky.id].verdict is Verdict.FLAKY
    assert not made.waits.count["MUST", "server"]


def test_compared_run_leaves_no_case_out() -> None:
    async def wait_in_vain(harness: Harness) -> None:
        await trio.sleep(harness.patience)
        raise mismatch()

    vain = [case(f"vain-{number}", wait_in_vain) for number in range(4)]
    results, _ = conduct(RIGHT, *vain, scale=SHORT, tries=1, hangs=ENOUGH, samples=False)
    assert {result.verdict for result in results.values()} == {Verdict.FAIL}


def test_case_alone_has_a_network_of_its_own() -> None:
    seen: list[str] = []

    async def look(harness: Harness) -> None:
        seen.append(str(Path(f"/proc/{harness.adapter.pid}/ns/net").readlink()))

    alone = case("alone", look, is_alone=True)
    results, _ = conduct(RIGHT, alone)
    if shutil.which("unshare") and not subprocess.run([*_UNSHARE, "true"], check=False).returncode:
        assert results[alone.id].verdict is Verdict.PASS
        assert seen[0] != str(Path("/proc/self/ns/net").readlink())
    else:
        assert results[alone.id].verdict is Verdict.NOT_RUN


def test_case_alone_is_not_run_where_there_is_no_network_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kcom5_conformance.harness.subject._ALONE", ["/nowhere/unshare"])
    monkeypatch.setattr("kcom5_conformance.harness.subject._UNSHARE", ["/nowhere/unshare"])
    alone = case("alone", exchange("fair"), is_alone=True)
    results, _ = conduct(RIGHT, alone)
    assert results[alone.id].verdict is Verdict.NOT_RUN
    assert results[alone.id].reason == "no network of its own is to be had here: /nowhere/unshare is not installed"


def test_seed_decides_the_order() -> None:
    def order(seed: int) -> list[str]:
        seen: list[str] = []

        async def run() -> None:
            found = Smoke({"supports": []}, 0.01, [])
            await Runner(RIGHT, found, seed, 1, 1, lambda result: seen.append(result.id)).run(
                [case(str(number), raising()) for number in range(12)]
            )

        trio.run(run)
        return seen

    assert order(1) == order(1) != order(2)


def test_bad_end_of_an_adapter_in_the_run_is_a_complaint() -> None:
    async def run() -> str:
        made = Runner(subject("ends-by-7"), Smoke({"supports": []}, 0.01, []), 1, 1, 1, lambda result: None)
        await made.run([BEFORE_AND_AFTER[0]])
        return made.complaint

    assert "the end of its input ends the adapter, expected exit code 0 (exit code 7)" in trio.run(run)


HUGE = {"size": (1 << 64) - 1, "sha256": "0" * 64, "hex": ""}
FAR = {"size": 3.0, "sha256": "f" * 64, "hex": "00" * 4096}
ODD_ANSWERS: list[dict[str, list[dict[str, Any]]]] = [
    {},
    {"send": [{"ok": True}], "receive": [{"ok": True, "message": "", "data": HUGE}]},
    {"send": [{"ok": True, "confirmed": False}], "receive": [{"ok": True, "message": "\ud800\x00", "data": FAR}]},
    {"send": [{"error": "error"}], "receive": [{"error": "error", "message": "\udfff"}], "pack": [{"error": "io"}]},
    {"send": [{"error": "truncated", "detail": "\x1b" * 100_000}], "receive": [{"error": "in-use", "detail": "\x00"}]},
    {"send": [{"listening": 65535}, {"error": "unconfirmed"}], "receive": [{"unsupported": True}]},
    {"send": [{"listening": 1.0}, {"ok": True}], "receive": [{"error": "unconfirmed", "message": ""}]},
    {"send": [{"listening": 9}, {"unsupported": True}], "pack": [{"address": "\ud800"}], "unpack": [{"error": "io"}]},
    {"unpack": [{"port": 1 << 70, "key": ""}], "pack": [{"address": ""}], "send": [{"listening": "/"}, {"ok": True}]},
    {"unpack": [{"port": -1.0, "key": "00" * 100_000}], "pack": [{"address": "\n" * 100_000}]},
]
"""The schema allows each of them, but no implementation would answer them."""
MET = """
    address.form/pack-port-1
    address.expand/key-of-2
    address.reject/empty
    frame.order/one-exchange@tcp6
    frame.order/client-reads-in-order@tcp6
    close.last/stored-before-the-close@tcp6
    result.class/refused@tcp6
    result.message/unchanged-by-a-failure-in-the-data@tcp6
    unix.mode/0600@unix
    listen.port/server-65536@tcp6
    file.once/folder-that-is-missing@unix
    result.class/in-use@tcp6
    limit.over/message-at-a-limit@tcp6
""".replace("tcp6", VIA).split()


@pytest.mark.parametrize("answers", ODD_ANSWERS, ids=range(len(ODD_ANSWERS)))
def test_no_answer_that_the_schema_allows_ends_the_run(answers: dict[str, Any], tmp_path: Path) -> None:
    met = [one for one in every_case() if one.id in MET]
    assert len(met) == len(MET)
    script = Path(__file__).parent / "constant_adapter.py"
    (tmp_path / "answers.json").write_text(json.dumps(answers))
    odd = Subject("constant", [sys.executable, str(script), str(tmp_path / "answers.json")])
    results, made = conduct(odd, *met, scale=SHORT, tries=1, jobs=2)
    assert not made.defects
    assert Verdict.FAIL in {result.verdict for result in results.values()}


def test_every_request_of_a_vector_is_one_that_the_contract_allows() -> None:
    faults = {}
    for vector in vectors.load(data.vectors_folder()):
        if vector.role not in ("server", "client"):
            continue
        play = object.__new__(replay._Play)
        play.vector = vector
        op = "send" if vector.role == "server" else "receive"
        if reason := fault({"op": op, "via": "tcp6", "port": 1, **play.keys()}, f"request-{op}"):
            faults[vector.id] = reason
    assert faults == {}
