"""What all tests share: the count of the vectors that were replayed, by rule.

The last line of a run says it, and the file that KCOM5_REPLAYED names holds it as a JSON object.
"""

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

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "src"), str(Path(__file__).resolve().parent)]


from ends import OTHER, UNWRITABLE  # noqa: E402


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


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor() as threads:
        yield threads


@pytest.fixture
def directory() -> Iterator[Path]:
    """An empty directory whose path is short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="kcom5-") as path:
        yield Path(path)


@pytest.fixture(params=list(UNWRITABLE))
def unwritable(request: pytest.FixtureRequest, directory: Path) -> Iterator[Path]:
    """What cannot be opened for writing."""
    (directory / "file").touch()
    (directory / "directory").mkdir()
    (directory / "read-only").mkdir(0o555)
    directory.chmod(0o755)
    user = os.geteuid()
    if user == 0 and request.param == "not-permitted":
        # Root may write everywhere.
        if OTHER < 0:
            pytest.skip("NOT RUN: only root can play another user")
        os.seteuid(OTHER)
    yield directory / UNWRITABLE[request.param]
    os.seteuid(user)
