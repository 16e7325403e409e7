"""Tests of learn: the machine of the tables, differences of machines, and learning the reference peer and a mutant."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from suite_command import RIGHT, WRONG

from kcom5_conformance.cli import run_command
from kcom5_conformance.explore.machine import ALPHABETS, differences, draw, of_tables, to_dot
from kcom5_conformance.explore.words import acts


def test_machines_of_the_tables() -> None:
    server, client = of_tables("server"), of_tables("client")
    assert server.outputs(("connect", "whole", "read", "end")) == ("–", "echo", "frame, end", "ok")
    assert server.outputs(("connect", "whole", "end", "read")) == ("–", "echo", "–", "frame, end, ok")
    assert client.outputs(("connect", *["whole"] * 5))[-1] == "ok"
    assert client.outputs(("connect", "whole", "over")) == ("hello", "–", "over-limit")
    assert client.outputs(("refused", "connect")) == ("refused", "–")
    assert len(server.states) == 6
    assert len(client.states) == 7


@pytest.mark.parametrize("role", ALPHABETS)
def test_a_changed_answer_is_found_by_a_shortest_word(role: str) -> None:
    """Each in turn."""
    right = of_tables(role)
    for place, (output, after) in right.steps.items():
        wrong = of_tables(role)
        wrong.names.clear()
        wrong.steps[place] = ("changed", after)
        found = differences(wrong, right)
        assert [(one.got, one.expected, one.word[-1]) for one in found] == [("changed", output, place[1])]
        assert right.outputs(found[0].word) != wrong.outputs(found[0].word)


def test_letters_that_cannot_be_done_do_nothing() -> None:
    assert acts("server", ("end", "connect", "connect", "read", "whole", "wrong", "read")) == (
        "connect",
        "whole",
        "read",
    )
    assert acts("client", ("whole", "connect", "over", "whole", "over", "refused")) == ("connect", "whole", "over")


def test_drawing(tmp_path: Path) -> None:
    machine = of_tables("client")
    files = draw(to_dot(machine, 'a "name"', []).replace('a "name"', "name"), tmp_path, "client")
    text = files[0].read_text("utf-8")
    assert "data-length" in text
    assert "whole / ok" in text
    assert all(file.exists() for file in files)


@pytest.mark.parametrize("role", ALPHABETS)
def test_right_peer_is_equal_to_the_tables(role: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["learn", "--role", role, "--strict", "--report", str(tmp_path), "--", *RIGHT]
    assert run_command(arguments) == 0, capsys.readouterr()
    assert "equal to the tables" in capsys.readouterr().err
    assert (tmp_path / f"right_peer-{role}.dot").exists()


def test_wrong_peer_is_told_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = [*WRONG, "over-limit-is-truncated"]
    assert run_command(["learn", "--role", "client", "--report", str(tmp_path), "--", *wrong]) == 1
    assert "connect, whole, over: got truncated, expected over-limit" in capsys.readouterr().err
    result = json.loads((tmp_path / "report.json").read_text("utf-8"))["results"][0]
    assert result["rule"] == "limit.over"
