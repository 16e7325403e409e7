"""The model bites: an edit of one cell or rule gives its counter-example. The whole list: `spec/model/run --edits`."""

from __future__ import annotations

from pathlib import Path

import edits
import pytest
import spin
from configs import small
from tables import SPEC, dash_faults, read_reasons, read_tables

TEXT = SPEC.read_text(encoding="utf-8")
TABLES = read_tables(TEXT)


@pytest.fixture(scope="session")
def verifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if reason := spin.why_not():
        pytest.skip(f"NOT RUN: {reason}")
    return spin.build(TABLES, tmp_path_factory.mktemp("model"))


def test_each_dash_has_one_reason() -> None:
    assert dash_faults(TABLES, read_reasons(TEXT)) == []


@pytest.mark.parametrize("edit", edits.FAST, ids=lambda edit: edit.title)
def test_an_edit_gives_its_counter_example(verifier: Path, edit: edits.Edit) -> None:
    found = edits.explore(verifier, TABLES, edit, small())
    assert found.violated in edit.shown_by
