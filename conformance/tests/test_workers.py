"""Tests of the processes that play the parts of a run."""

from __future__ import annotations

import os
import signal
import time
from contextlib import closing
from typing import Any

import pytest

from kcom5_conformance.harness.adapter import SuiteBroken
from kcom5_conformance.workers import Tell, spread


def play(part: int, tell: Tell) -> None:
    tell("process", os.getpid())
    tell("part", part)


def test_each_part_is_played_once_in_another_process() -> None:
    told: dict[str, list[Any]] = {"process": [], "part": []}
    for kind, value in spread(7, 2, play):
        told[kind].append(value)
    assert sorted(told["part"]) == list(range(7))
    assert os.getpid() not in told["process"]


def forever(part: int, tell: Tell) -> None:
    tell("process", os.getpid())
    while True:
        time.sleep(60)


def fail(part: int, tell: Tell) -> None:
    if part == 1:
        raise ZeroDivisionError("in a part")
    forever(part, tell)


def die(part: int, tell: Tell) -> None:
    if part == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    forever(part, tell)


@pytest.mark.parametrize(
    ("wrong", "reason"), [(fail, "ZeroDivisionError: in a part"), (die, "one of its processes ended with -9")]
)
def test_a_part_that_fails_ends_the_others(wrong: Any, reason: str) -> None:
    processes: list[int] = []
    with pytest.raises(SuiteBroken, match=reason):
        processes.extend(value for _, value in spread(2, 2, wrong))
    for process in processes:
        with pytest.raises(ProcessLookupError):
            os.kill(process, 0)


def test_the_processes_end_with_the_iterator() -> None:
    with closing(spread(2, 2, forever)) as told:
        processes = [next(told)[1], next(told)[1]]
    for process in processes:
        with pytest.raises(ProcessLookupError):
            os.kill(process, 0)
