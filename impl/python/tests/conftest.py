"""What all tests share: fixtures, and the count of the vectors that were replayed, by rule."""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "src"), str(HERE), str(HERE.parents[2] / "vectors")]


def pytest_configure() -> None:
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        # A shell starts background jobs so, and what the tests interrupt would inherit it.
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    passed = terminalreporter.stats.get("passed", [])
    properties = [property for report in passed for property in report.user_properties]
    count = Counter(str(rule) for name, rule in properties if name == "replayed")
    if count:
        terminalreporter.write_line(f"replayed {count.total()} vectors of {len(count)} rules")
        if path := os.environ.get("KCOM5_REPLAYED"):
            Path(path).write_text(json.dumps(dict(sorted(count.items())), indent=1) + "\n", "utf-8")


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor() as threads:
        yield threads


@pytest.fixture
def directory() -> Iterator[Path]:
    """An empty directory whose path is short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="kcom5-") as path:
        yield Path(path)
