"""A sample of `./faults`: system calls of a hand-over that fail once. The script runs all of them."""

from __future__ import annotations

import pytest

import fault
import fault_judge
from fault import Scene
from peers import NAMES

SAMPLE = 8
"""Faults of each scene: 24 scenes with the counting take less than two minutes on two processors."""

SCENES = list(fault.scenes(NAMES))


@pytest.mark.parametrize("scene", [pytest.param(s, marks=pytest.mark.peer(s.name), id=s.id) for s in SCENES])
def test_a_system_call_that_fails_loses_nothing_and_leaves_nothing(scene: Scene) -> None:
    if reason := fault.missing():
        pytest.skip(f"NOT RUN: {reason}")
    wrong = []
    for each in fault.sample(scene, SAMPLE, seed=1):
        wrong += [
            f'./faults --one "{scene.id}" {each.call} {each.error} {each.when}: {words}'
            for words in fault_judge.examine(scene, each)[1]
        ]
    if wrong:
        pytest.fail("\n".join(wrong), pytrace=False)
