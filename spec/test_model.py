"""The model bites: an edit of one cell or rule gives its counter-example. The whole list: `spec/model/run --edits`."""

from __future__ import annotations

import json
import re
from pathlib import Path

import edits
import jsonschema
import ladder
import pytest
import replay
import spin
import sweep
from configs import Config, small
from tables import NOTHING, SPEC, dash_faults, read_reasons, read_tables

TEXT = SPEC.read_text(encoding="utf-8")
TABLES = read_tables(TEXT)


@pytest.fixture(scope="session")
def verifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if reason := spin.why_not():
        pytest.skip(f"NOT RUN: {reason}")
    return spin.build(TABLES, tmp_path_factory.mktemp("model"))


def test_each_dash_has_one_reason() -> None:
    assert dash_faults(TABLES, read_reasons(TEXT)) == []


@pytest.mark.parametrize("role", TABLES)
def test_the_vectors_say_what_the_tables_say(role: str) -> None:
    assert replay.first_fault(TABLES[role], list(replay.playable())) == ""


@pytest.mark.parametrize(
    ("role", "state", "event", "text", "kind"),
    [
        ("server", "confirming", "more", "done", "reason of a dash"),
        ("server", "hello", "end", NOTHING, "reason of a dash"),
        ("server", "confirming", "end", "done", "vector"),
        ("client", "data", "end", "deliver; done", "property"),
        ("client", "message", "whole", "data", "vector"),
        ("client", "message", "wrong", "`truncated`", "property"),
    ],
)
def test_a_changed_cell_is_caught_without_the_model(role: str, state: str, event: str, text: str, kind: str) -> None:
    found = sweep.Sweep(TABLES, read_reasons(TEXT), None).catch(role, state, event, text)
    assert found.kind == kind, found.words


def test_a_counter_example_becomes_a_ladder_and_a_vector(verifier: Path) -> None:
    edit = next(edit for edit in edits.EDITS if edit.title == "a part is delivered")
    found, chosen = edits.explore(verifier, TABLES, edit, [Config("LINUX", message=1, data=1, faults=64)])
    steps = spin.tell(verifier, chosen, edit.text(TABLES), without="NAME")
    assert found.violated == "OCTETS"
    assert re.search(r"end: done +\|", ladder.ladder(steps))
    entry = ladder.vector(TABLES, edit.apply(TABLES), edit.title, steps, chosen[0])
    assert entry is not None
    assert entry["outcome"] == {"error": "truncated"}
    schema = json.loads((SPEC.parent.parent / "vectors" / "schema.json").read_text(encoding="utf-8"))
    jsonschema.validate({"about": "found", "vectors": [entry]}, schema)


@pytest.mark.parametrize("edit", edits.FAST, ids=lambda edit: edit.title)
def test_an_edit_gives_its_counter_example(verifier: Path, edit: edits.Edit) -> None:
    found, _ = edits.explore(verifier, TABLES, edit, small())
    assert found.violated in edit.shown_by
