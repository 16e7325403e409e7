"""A small run of `damage.py`."""

from __future__ import annotations

from pathlib import Path

import pytest
from damage import KINDS, try_one


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_input_is_judged_or_refused_within_a_second(kind: str, tmp_path: Path) -> None:
    for number in range(200):
        assert not try_one(kind, number, 1, tmp_path), f"{kind} {number}"
