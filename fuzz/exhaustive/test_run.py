"""Tests that the sets find faults, and print the input."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent

WRONGS = {
    "cuts": (
        "exchange.py",
        "self.consumed += len(piece)\n",
        "self.consumed += len(piece) + (len(piece) == 3 == len(self._field))\n",
    ),
    "utf8": ("wire.py", "whole.decode()", 'whole.replace(b"\\xed\\xa0\\x80", b"").decode()'),
    "ports": ("address.py", "int(port) > MAX_PORT or", "int(port) > MAX_PORT + 1 or"),
    "changes": (
        "exchange.py",
        "first_difference(self._field, self.hello)",
        "first_difference(self._field[:7], self.hello)",
    ),
}


@pytest.mark.parametrize("name", WRONGS)
def test_a_core_that_is_wrong_in_one_place_is_found(name: str, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "impl/python/src/kcom5", tmp_path / "kcom5")
    file, right, wrong = WRONGS[name]
    text = (tmp_path / "kcom5" / file).read_text()
    assert text.count(right) == 1
    (tmp_path / "kcom5" / file).write_text(text.replace(right, wrong))
    command: list[str | Path] = [ROOT / "fuzz/exhaustive/run", "--set", name]
    environment = os.environ | {"KCOM5_PYTHON": str(tmp_path)}
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)
    assert done.returncode == 1, done.stdout
    assert "does not come out the same" in done.stdout
    assert "  python   " in done.stdout


def test_wrong_use_is_2() -> None:
    assert subprocess.run([ROOT / "fuzz/exhaustive/run", "--set", "none"], stderr=subprocess.DEVNULL).returncode == 2
