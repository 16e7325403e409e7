"""The parts of the program that the tests of all three programs do not reach."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest
from ends import T
from reader import ROOT

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT / "impl/python/src")}


@pytest.mark.parametrize("tenths", range(12))
def test_an_interruption_while_it_starts_ends_it_without_a_traceback_of_ours(tenths: int) -> None:
    process = subprocess.Popen(
        [sys.executable, "-X", "importtime", "-m", "kcom5", "receive", "--ipv4", "--wait", "30"],
        env=ENVIRONMENT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    # From the moment on that this module is loaded, which is the first one.
    assert any("kcom5._start" in line for line in process.stderr)
    time.sleep(tenths / 100)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=T)
    assert "Traceback" not in said
    assert process.returncode in (-signal.SIGINT, 130)


def test_a_program_that_holds_a_key_cannot_be_dumped() -> None:
    if sys.platform != "linux":
        pytest.skip("NOT RUN: this is of Linux")
    code = "import ctypes; from kcom5.keys import hide; hide(); print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))"
    assert subprocess.run([sys.executable, "-c", code], env=ENVIRONMENT, capture_output=True).stdout == b"0\n"


def test_the_licence_is_an_spdx_expression_and_its_text_is_in_the_package() -> None:
    tomllib = pytest.importorskip("tomllib")
    package = ROOT / "impl/python"
    project = tomllib.loads((package / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["license"] == "MIT"
    for name in project["license-files"]:
        assert (package / name).read_bytes() == (ROOT / "LICENSE").read_bytes()
