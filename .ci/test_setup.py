"""Tests of setup.sh: a step requires only its own needs, and reports missing and outdated programs."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TOOLS = ("bash", "cat", "cp", "find", "grep", "head", "mkdir", "rm", "sed", "sort", "tail")
"""Programs that every system has."""


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


class Machine:
    """A system with only a few programs, and a checkout with installed Python packages."""

    def __init__(self, folder: Path) -> None:
        self.bin, self.checkout = folder / "bin", folder / "checkout"
        (self.checkout / "build" / "venv").mkdir(parents=True)
        self.bin.mkdir()
        shutil.copytree(ROOT / ".ci", self.checkout / ".ci")
        (self.checkout / "impl" / "go").mkdir(parents=True)
        shutil.copy(ROOT / "impl" / "go" / "go.mod", self.checkout / "impl" / "go")
        for lock in ("check", "suite"):
            shutil.copy(ROOT / ".ci" / f"{lock}.lock", self.checkout / "build" / "venv")
        for tool in TOOLS:
            found = shutil.which(tool)
            assert found is not None
            (self.bin / tool).symlink_to(found)
        self.has("python3", f'exec {sys.executable} "$@"')
        self.has("id", "echo 1000")

    def has(self, name: str, script: str) -> None:
        program = self.bin / name
        program.write_text(f"#!/bin/bash\n{script}\n", encoding="utf-8")
        program.chmod(0o755)

    def set_up(self, needs: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "-c", ". .ci/setup.sh"],
            cwd=self.checkout,
            env={"PATH": str(self.bin), "NEEDS": needs, "CXX": "no-compiler"},
            capture_output=True,
            text=True,
            check=False,
        )


def needs_of(step: str) -> str:
    """Returns the needs of a step in `check`."""
    text = (ROOT / "check").read_text(encoding="utf-8")
    body = text[text.index("needs_of() {") : text.index("BOUND=")]
    done = subprocess.run(["bash", "-c", f"{body}\nneeds_of {step}"], capture_output=True, text=True, check=True)
    return f"tools {done.stdout.strip()}"


@pytest.mark.parametrize("step", ["vectors", "python", "proof", "suite"])
def test_step_of_python_needs_nothing_else(machine: Machine, step: str) -> None:
    done = machine.set_up(needs_of(step))
    assert (done.returncode, done.stderr) == (0, "")


def test_spec_needs_git_and_does_without_the_model_checker(machine: Machine) -> None:
    assert machine.set_up(needs_of("spec")).stderr.startswith("error: missing: git \n")
    machine.has("git", "exit 0")
    done = machine.set_up(needs_of("spec"))
    assert (done.returncode, done.stderr) == (0, "")


def test_missing_programs_are_told_with_the_line_that_installs_them(machine: Machine) -> None:
    machine.has("apt-get", "exit 1")
    done = machine.set_up("git")
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "error: missing: git ",
        "hint: install it and run this again; as root:",
        "  apt-get update && apt-get install -y --no-install-recommends git ",
    ]


def test_step_of_go_does_not_ask_for_clang(machine: Machine) -> None:
    words = machine.set_up(needs_of("go")).stderr.splitlines()[0]
    assert "golang-go" in words
    assert "clang" not in words
    assert "chromium" not in words


def test_go_that_is_too_old_is_told(machine: Machine) -> None:
    machine.has("no-compiler", "exit 0")
    machine.has("go", "echo go1.18")
    done = machine.set_up("go")
    assert done.returncode == 1
    assert "error: go is too old: got version 1.18, expected 1.19 or newer" in done.stderr
