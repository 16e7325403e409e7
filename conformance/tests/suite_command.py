"""How the tests run the command: in a process, in a shell, or by a function call."""

from __future__ import annotations

import io
import os
import select
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from kcom5_conformance import cli
from kcom5_conformance.harness.case import Case
from kcom5_conformance.harness.ports import TRANSPORTS, why_not
from kcom5_conformance.selection import every_case

HERE = Path(__file__).parent
PACKAGE = HERE.parent / "src" / "kcom5_conformance"
ROOT = HERE.parents[1]
RIGHT = [sys.executable, str(HERE / "right_peer.py")]
WRONG = [sys.executable, str(HERE / "mutants")]
ODD = [sys.executable, str(HERE / "odd_adapter.py")]
VIA = "tcp4" if why_not("tcp6") else "tcp6"
"""The transport where any will do, for machines without ::1."""
HERE_VIAS = [via for via in TRANSPORTS if not why_not(via)]
"""The transports that this machine has."""
FEW = ["--case", "address.canonical/*", "--jobs", "1", "--processes", "1"]
"""Cases that take no time, on one adapter."""
PADS = [*WRONG, "pack-pads-the-port"]
"""Fails one of these cases, by a MUST rule."""
ALL_THE_TIME = 120
"""Timeout in seconds for a run of the suite."""


def environment(**more: str) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "FORCE_COLOR", "COLUMNS")}
    return {**kept, "PYTHONPATH": str(PACKAGE.parent), **more}


def suite(*arguments: str | Path, at: Path | None = None, **more: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "kcom5_conformance", *map(str, arguments)]
    done = subprocess.run(
        command, cwd=at, env=environment(), capture_output=True, text=True, check=False, timeout=ALL_THE_TIME, **more
    )
    assert "Traceback" not in done.stderr or done.returncode == 4, done.stderr
    return done


def pasted(line: str, at: Path) -> subprocess.CompletedProcess[str]:
    """Runs a printed line in a shell as a user does, with nothing installed and an empty environment."""
    kept = {key: value for key, value in environment().items() if key != "PYTHONPATH"}
    return subprocess.run(
        ["bash", "-c", line], cwd=at, env=kept, capture_output=True, text=True, check=False, timeout=ALL_THE_TIME
    )


def inside(*arguments: str | Path, at: Path) -> subprocess.CompletedProcess[str]:
    """The same in this process, for tests that run many commands."""
    output, errors, before = io.StringIO(), io.StringIO(), Path.cwd()
    os.chdir(at)
    try:
        with redirect_stdout(output), redirect_stderr(errors):
            code = cli.run_command([str(argument) for argument in arguments])
    finally:
        os.chdir(before)
    return subprocess.CompletedProcess(arguments, code, output.getvalue(), errors.getvalue())


def is_error(done: subprocess.CompletedProcess[str], code: int, detail: str) -> None:
    """Checks that there is exactly one error and one hint."""
    assert done.returncode == code, done.stderr + done.stdout
    lines = done.stderr.splitlines()
    assert lines[0].startswith("kcom5-conformance: error: ")
    assert detail in lines[0]
    assert [line for line in lines if line.startswith("kcom5-conformance: error:")] == lines[:1]
    assert lines[-1].startswith("kcom5-conformance: hint: ")


def is_alive(pid: int) -> bool:
    """Whether the process runs. A zombie does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


def wait_until_gone(pid: int) -> None:
    """Returns when the process has ended; a killed one may take a moment."""
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        assert select.select([process], [], [], 60)[0], f"{pid} is still there"
    finally:
        os.close(process)


def case_of(name: str) -> Case:
    """Returns the case of this id, over 127.0.0.1 where there is no ::1. Skips the test if only ::1 has it."""
    found = [one for one in every_case() if one.id == name.replace("tcp6", VIA)]
    if not found and VIA != "tcp6":
        pytest.skip("NOT RUN: this case needs ::1")
    return found[0]
