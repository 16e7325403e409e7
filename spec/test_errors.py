"""Everything made of the tables of errors and advice is up to date, and a new error reaches every place."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import errors
import pytest

ROOT = errors.ROOT
SOURCES = ("spec/kcom5.md", "impl/README.md")
REFUSED = "| `refused` | transport | client | nobody listens |\n"
ADVICE = "| `exists` |"


def run(*words: str | Path) -> tuple[int, str]:
    command = [sys.executable, ROOT / "spec/errors.py", *words]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False)
    return done.returncode, done.stdout


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project of the sources and of what is made of them alone."""
    for name in (*SOURCES, *errors.MADE):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_every_file_is_what_the_tables_make() -> None:
    assert run("--check") == (0, "")


def test_a_new_error_reaches_every_file_from_two_rows(root: Path) -> None:
    edit(root / SOURCES[0], REFUSED, REFUSED + "| `got-lost` | transport | client | nobody knows; at all |\n")
    edit(root / SOURCES[1], ADVICE, f"| `got-lost` | ask |\n{ADVICE}")
    code, text = run("--check", root)
    assert code == 1
    assert [line.split(":")[0] for line in text.splitlines()] == list(errors.MADE)
    assert run(root) == (0, "")
    assert run("--check", root) == (0, "")
    for name in errors.MADE:
        text = (root / name).read_text(encoding="utf-8")
        assert "got-lost" in text or "got_lost" in text, name
    spec = importlib.util.spec_from_file_location("made_errors", root / "impl/python/src/kcom5/errors.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.GotLost.family == "transport"
    assert module.GotLost.__doc__ == "Nobody knows."


def test_an_error_without_advice_is_named(root: Path) -> None:
    edit(root / SOURCES[0], REFUSED, REFUSED + "| `got-lost` | transport | client | nobody knows |\n")
    assert run("--check", root) == (1, "impl/README.md: no advice for got-lost\n")


def test_what_is_made_is_not_edited_by_hand(root: Path) -> None:
    edit(root / "impl/go/core/errors.go", '"in-use" ', '"in-used" ')
    assert run("--check", root) == (
        1,
        "impl/go/core/errors.go: not what the tables of errors and advice make: run spec/errors.py\n",
    )
