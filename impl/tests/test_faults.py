"""A sample of `./faults`: system calls of a transfer that fail once. The script runs all of them."""

from __future__ import annotations

import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

import fault
import fault_judge
from fault import Fault, Scene
from isolation import isolated_threads, own_network
from peers import NAMES

SAMPLE = 8
"""Faults of each scene. 24 scenes with the counting take less than two minutes on two processors."""

SCENES = list(fault.scenes(NAMES))


@pytest.mark.parametrize("scene", [pytest.param(s, marks=pytest.mark.peer(s.name), id=s.id) for s in SCENES])
def test_a_system_call_that_fails_loses_nothing_and_leaves_nothing(scene: Scene) -> None:
    if reason := fault.missing():
        pytest.skip(f"NOT RUN: {reason}")
    with isolated_threads(1) as thread:
        wrong = thread.submit(problems, scene).result()
    if wrong:
        pytest.fail("\n".join(wrong), pytrace=False)


def test_a_program_is_killed_at_a_call() -> None:
    if reason := fault.missing():
        pytest.skip(f"NOT RUN: {reason}")
    killed = fault.play(Scene("python", "send", "unix", "file"), Fault("bind", fault.KILL, 1).arguments).sent
    assert killed.code == -signal.SIGKILL


def problems(scene: Scene) -> list[str]:
    return [
        f'./faults --one "{scene.id}" {each.call} {each.error} {each.when}: {words}'
        for each in fault.sample(scene, SAMPLE, seed=1)
        for words in fault_judge.examine(scene, each)[1]
    ]


def test_each_thread_has_a_network_of_its_own() -> None:
    """A late receiver is not the first client of a sender that another thread started."""

    def network() -> str:
        reason = own_network()
        both.wait()
        return reason or os.readlink("/proc/thread-self/ns/net")

    both = threading.Barrier(2)
    with ThreadPoolExecutor(2) as threads:
        found = [each.result() for each in [threads.submit(network) for _ in range(2)]]
    if not found[0].startswith("net:"):
        pytest.skip(f"NOT RUN: {found[0]}")
    assert len({*found, os.readlink("/proc/thread-self/ns/net")}) == 3
