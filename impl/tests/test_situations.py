"""The situations and command lines, each with all programs in parallel. `./situations` runs the same rows."""

from __future__ import annotations

import pytest

import situations_table
from conftest import selected
from situation import NotRun, Row, difference

ROWS = situations_table.ROWS


@pytest.mark.parametrize("row", ROWS, ids=[row.id for row in ROWS])
def test_the_programs_come_out_alike(row: Row, request: pytest.FixtureRequest) -> None:
    try:
        found = difference(row, selected(request.config))
    except NotRun as reason:
        pytest.skip(f"NOT RUN: {reason}")
    if found:
        pytest.fail(found, pytrace=False)


def test_the_table_has_at_least_120_rows_each_with_its_own_name() -> None:
    assert len(ROWS) >= 120
    assert len({row.id for row in ROWS}) == len(ROWS)
