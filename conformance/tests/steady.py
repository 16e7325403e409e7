"""Looks for false alarms: runs the suite many times on correct implementations. Half of the runs are alone. The others
run several at a time, so that every processor is busy.

Prints a line per run and a summary. Exit code: 0 without an alarm, 1 otherwise.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Ran:
    """A run of the suite."""

    peer: str
    code: int
    seconds: float
    alarms: list[str]

    def __str__(self) -> str:
        head = f"{self.peer}: {self.seconds:.1f} s, exit code {self.code}, {len(self.alarms)} alarms"
        return "\n  ".join([head, *self.alarms])


def run_once(peer: str) -> Ran:
    """Runs everything on an implementation."""
    command = [sys.executable, "-m", "kcom5_conformance", "run", "--peers", "conformance/peers.toml", peer]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "conformance" / "src")}
    with tempfile.TemporaryDirectory(prefix="kcom5-") as folder:
        report = Path(folder) / "report.json"
        done = subprocess.run(
            [*command, "--strict", "--report", folder], cwd=ROOT, env=environment, capture_output=True
        )
        if not report.exists():
            return Ran(peer, done.returncode, 0, [done.stderr.decode(errors="replace")])
        found = json.loads(report.read_text("utf-8"))
    alarms = [
        f"{result['id']} ({result['verdict']} {result['failed']}/{result['tried']}): got {result['problems'][0]['got']}"
        for result in found["results"]
        if result["problems"]
    ]
    return Ran(peer, done.returncode, found["seconds"], alarms)


def main() -> None:
    """Runs the suite, and counts alarms."""
    parser = argparse.ArgumentParser(description="Does the suite raise a false alarm?")
    parser.add_argument("runs", type=int, nargs="?", default=100, help="of each implementation (default: 100)")
    parser.add_argument("peers", nargs="*", default=["cpp", "python", "go"], help="of conformance/peers.toml")
    parser.add_argument(
        "--busy", type=int, metavar="N", default=(os.cpu_count() or 1) + 1,
        help="runs at a time in the second half (default: one more than there are processors)",
    )  # fmt: skip
    options = parser.parse_args()
    alone = options.peers * ((options.runs + 1) // 2)
    beside = options.peers * (options.runs // 2)
    total, with_alarm = 0, 0
    for peers, at_once in ((alone, 1), (beside, options.busy)):
        with ThreadPoolExecutor(at_once) as threads:
            for ran in threads.map(run_once, peers):
                total += 1
                with_alarm += ran.code != 0 or bool(ran.alarms)
                print(f"run {total}, {'alone' if at_once == 1 else f'one of {at_once}'}, of {ran}", flush=True)
    print(f"{total} runs, {with_alarm} with an alarm")
    sys.exit(1 if with_alarm else 0)


if __name__ == "__main__":
    main()
