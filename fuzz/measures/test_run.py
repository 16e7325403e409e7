"""Tests that a missing tool is reported with its package before anything is built."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

RUN = Path(__file__).resolve().parent / "run"


def test_a_missing_tool_of_the_compiler_is_said_with_its_package(tmp_path: Path) -> None:
    compiler = tmp_path / "clang++-99"
    used = tmp_path / "used"
    compiler.write_text(f"#!/bin/sh\ntouch '{used}'\n")
    compiler.chmod(0o755)
    environment = os.environ | {"CXX": str(compiler)}
    command = [sys.executable, str(RUN), "--part", "coverage"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 4
    assert "llvm-profdata-99 is not installed" in done.stderr
    assert done.stderr.endswith("apt-get install llvm-99\n")
    assert not used.exists()
