"""Tests of the set of mutants."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from kcom5_conformance import spec


def listed() -> list[dict[str, Any]]:
    command = [sys.executable, str(Path(__file__).parent / "mutants"), "--list"]
    found: list[dict[str, Any]] = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return found


def test_every_rule_has_a_mutant_that_breaks_it() -> None:
    assert {mutant["rule"] for mutant in listed()} == {rule.name for rule in spec.rules()}


def test_every_mutant_says_what_it_does() -> None:
    assert not [mutant["name"] for mutant in listed() if not mutant["what"].endswith(".")]


ALONE = """
import importlib, runpy, sys
folder, room = sys.argv[1:]
main = runpy.run_path(f"{folder}/__main__.py")
importlib.import_module(f"mutants.{room}")
from mutants.registry import Mutant
for name, mutant in Mutant.registry.items():
    if mutant.rule and mutant.__module__ == f"mutants.{room}":
        assert main["rooms_of"](name) == [room], name
        print(name)
"""


def test_every_mutant_starts_with_its_own_module_alone() -> None:
    """Otherwise the proof takes a process that does not start for a crash that a case has found."""
    folder = Path(__file__).parent / "mutants"
    started: list[str] = []
    for path in folder.glob("[a-z]*.py"):
        command = [sys.executable, "-c", ALONE, str(folder), path.stem]
        started += subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    assert sorted(started) == sorted(mutant["name"] for mutant in listed())
