"""The programs and adapters under test, where the step `peers` of `./check` builds them."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).resolve().parents[2]

Json = dict[str, Any]

PROGRAMS = {
    "cpp": [str(ROOT / "build/release/impl/cpp/kcom5")],
    "python": [sys.executable, "-m", "kcom5"],
    "go": [str(ROOT / "build/go/kcom5")],
}
ADAPTERS = {
    "cpp": [str(ROOT / "build/release/impl/cpp/kcom5-adapter")],
    "python": [sys.executable, str(ROOT / "impl/python/adapter.py")],
    "go": [str(ROOT / "build/go/adapter")],
}
NAMES = list(PROGRAMS)
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT / "impl/python/src")}
ENVIRONMENT.pop("NO_COLOR", None)

DEADLINE = 120.0
"""Timeout in seconds for expected output of a process, after which it is considered hung."""


def next_line(stream: IO[bytes] | None, timeout: float = DEADLINE) -> bytes:
    """Returns the next line of an unbuffered stream, without its end. Raises TimeoutError."""
    assert stream is not None
    if not select.select([stream], [], [], timeout)[0]:
        raise TimeoutError(f"said nothing for {timeout:.0f} s")
    return stream.readline().rstrip(b"\n")


class Adapter:
    """A running adapter (`conformance/ADAPTER.md`), which handles one request at a time."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.process = subprocess.Popen(
            ADAPTERS[name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=ENVIRONMENT, bufsize=0
        )
        self.call(op="about")  # a start may take longer than T

    def fileno(self) -> int:
        """For select(): readable when it has answered."""
        assert self.process.stdout is not None
        return self.process.stdout.fileno()

    def request(self, **request: Any) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(request).encode() + b"\n")

    def answer(self, timeout: float = DEADLINE) -> Json:
        """Returns the next answer. Raises ValueError if the adapter has ended."""
        answer: Json = json.loads(next_line(self.process.stdout, timeout))
        return answer

    def call(self, **request: Any) -> Json:
        """Sends a request and returns its last answer."""
        self.request(**request)
        answer = self.answer()
        return self.answer() if "listening" in answer else answer

    def close(self) -> None:
        with self.process:
            self.process.kill()
