"""The situations and command lines, each with all programs in parallel."""

from __future__ import annotations

import pytest

import commandlines
import rows_attacks
import rows_hand_over
import rows_inputs
import rows_outputs
import rows_peers
import rows_signals
import rows_streams
import rows_system
import rows_words
from situation import Row, difference
from world import CODES, NotRun

ROWS = [
    *commandlines.ROWS,
    *rows_streams.ROWS,
    *rows_outputs.ROWS,
    *rows_inputs.ROWS,
    *rows_hand_over.ROWS,
    *rows_peers.ROWS,
    *rows_signals.ROWS,
    *rows_words.ROWS,
    *rows_system.ROWS,
    *rows_attacks.ROWS,
]


@pytest.mark.parametrize("row", ROWS, ids=[row.id for row in ROWS])
def test_the_programs_come_out_alike(row: Row) -> None:
    try:
        found = difference(row)
    except NotRun as reason:
        pytest.skip(f"NOT RUN: {reason}")
    if found:
        pytest.fail(found, pytrace=False)


def test_the_rows_have_every_error() -> None:
    assert {row.expected.get("error") for row in ROWS} | {"message-too-long"} >= CODES.keys()
