"""The package: its examples run, and its metadata is of the form that builds accept."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from vectors import ROOT

PACKAGE = ROOT / "impl/python"


def test_the_example_for_asyncio_runs() -> None:
    readme = (PACKAGE / "README.md").read_text("utf-8")
    found = re.search(r"<!-- example: asyncio -->\n```python\n(.*?)```", readme, re.DOTALL)
    assert found is not None
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", found[1]],
        env={"PYTHONPATH": str(PACKAGE / "src")},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (result.stdout, result.stderr) == ("report b'any bytes' True\n", ""), result.stderr


def test_the_licence_is_an_spdx_expression_and_its_text_is_in_the_package() -> None:
    tomllib = pytest.importorskip("tomllib")
    project = tomllib.loads((PACKAGE / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["license"] == "MIT"
    for name in project["license-files"]:
        assert (PACKAGE / name).read_bytes() == (ROOT / "LICENSE").read_bytes()
