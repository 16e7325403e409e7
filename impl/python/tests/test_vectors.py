"""Every vector through the core, without sockets, in all the ways of `vectors/README.md`."""

from __future__ import annotations

from collections.abc import Callable

import bases
import pytest
import reader
from engine import OUTCOMES
from peer import answer_to  # of fuzz/differential


@pytest.mark.parametrize("vector", reader.load(), ids=lambda vector: vector.id)
def test_the_core_does_what_the_vector_says(
    vector: reader.Vector, record_property: Callable[[str, object], None]
) -> None:
    for replay in bases.replays_of(vector):
        outcome, details = answer_to(replay.given)
        assert replay.is_right(outcome, details), (
            f"got {OUTCOMES[outcome]} {details.hex()}, expected {OUTCOMES[replay.outcome]} {replay.details.hex()}; "
            "if every language says this, correct the vector in vectors/source, and run vectors/expand.py"
        )
    if not vector.is_live:
        record_property("replayed", vector.rule)
