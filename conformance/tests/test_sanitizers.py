"""Tests that a sanitizer's report is a crash, with its text, in the case that caused it."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from suite_command import inside

from kcom5_conformance.templates import TEMPLATES, create

RECEIVES = "  (void)close_after;\n  if (connection < 0"
RACE = """
#include <pthread.h>
static int shared;
static void *race(void *unused) { shared++; return unused; }
"""
FAULTS = {
    "AddressSanitizer: heap-buffer-overflow": ("address", "", "((volatile char *)malloc(8))[8] = 1; "),
    "ThreadSanitizer: data race": (
        "thread",
        RACE,
        "pthread_t other; pthread_create(&other, 0, race, 0); shared++; pthread_join(other, 0); ",
    ),
    "runtime error: signed integer overflow": ("undefined", "", "volatile int big = 2147483647; big = big + 1; "),
}


@pytest.mark.parametrize("report", FAULTS)
def test_report_of_a_sanitizer_is_a_crash_of_its_case(report: str, tmp_path: Path) -> None:
    if shutil.which("cc") is None:
        pytest.skip("NOT RUN: there is no cc")
    sanitizer, definitions, fault = FAULTS[report]
    create("c", tmp_path)
    source = tmp_path / "adapter.c"
    text = source.read_text()
    head, found, body = text.rpartition(RECEIVES)
    assert found
    source.write_text(head.replace("#include <unistd.h>", "#include <unistd.h>" + definitions) + fault + found + body)
    command = [*TEMPLATES["c"].build, "-g", f"-fsanitize={sanitizer}", "-pthread"]
    built = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    if built.returncode:
        pytest.skip(f"NOT RUN: cc cannot build with -fsanitize={sanitizer}: {built.stderr.splitlines()[-1]}")
    chosen = ["--case", "data.length/client-one@tcp4", "--jobs", "1", "--processes", "1", "--report", "."]
    run = inside("run", *chosen, "--", "./adapter", at=tmp_path)
    assert run.returncode == 1, run.stdout + run.stderr
    (result,) = json.loads((tmp_path / "report.json").read_text())["results"]
    assert result["verdict"] == "crashed"
    assert report in result["stderr"]
    assert result["cause"].startswith(f"a sanitizer's report: {report}")
    assert report in run.stdout
