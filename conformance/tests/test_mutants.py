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
