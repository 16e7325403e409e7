"""What all tests share: the count of the vectors that were replayed, by rule.

The last line of a run says it, and the file that KCOM5_REPLAYED names holds it as a JSON object.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections import Counter
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "src"), str(Path(__file__).resolve().parent)]


def pytest_configure() -> None:
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        # A shell starts background jobs so, and what the tests interrupt would inherit it.
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    count = Counter(
        str(value)
        for report in terminalreporter.stats.get("passed", [])
        for name, value in report.user_properties
        if name == "replayed"
    )
    if not count:
        return
    terminalreporter.write_line(f"replayed {count.total()} vectors of {len(count)} rules")
    if os.environ.get("KCOM5_REPLAYED"):
        Path(os.environ["KCOM5_REPLAYED"]).write_text(json.dumps(dict(sorted(count.items())), indent=1) + "\n", "utf-8")
