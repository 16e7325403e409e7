"""Some rounds of each race and attack. `./races` runs all of them."""

from __future__ import annotations

import pytest

from attacks import ATTACKS, missing
from conftest import selected
from peers import NAMES
from races import RACES, two_servers_among

Each = pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.peer(name)) for name in NAMES])
SHARE = 40
"""The divisor of the number of rounds in a full run."""


def check(wrong: list[str]) -> None:
    if wrong:
        pytest.fail("\n".join(wrong[:10]), pytrace=False)


@Each
@pytest.mark.parametrize("what", RACES)
def test_a_race_has_no_false_ok_and_no_leftover(what: str, name: str) -> None:
    race, rounds = RACES[what]
    check(race(name, rounds // SHARE))


def test_servers_of_different_implementations_agree_who_listens(request: pytest.FixtureRequest) -> None:
    check(two_servers_among(selected(request.config), 25))


@Each
@pytest.mark.parametrize("what", ATTACKS)
def test_another_user_touches_nothing(what: str, name: str) -> None:
    if reason := missing():
        pytest.skip(f"NOT RUN: {reason}")
    attack, rounds = ATTACKS[what]
    check(attack(name, rounds // SHARE))
