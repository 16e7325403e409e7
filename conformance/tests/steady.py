"""Looks for false alarms: runs the suite many times on correct implementations. During half of the runs, other
processes keep every processor busy.

Prints a line per run and a summary. Exit code: 0 without an alarm, 1 otherwise.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUSY = "import os\nparent = os.getppid()\nwhile os.getppid() == parent: pass"


@contextmanager
def busy(processes: int) -> Iterator[None]:
    """Starts so many processes that only compute."""
    hogs = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(processes)]
    try:
        yield
    finally:
        for hog in hogs:
            hog.kill()
            hog.wait()


def run_once(peer: str, report: Path) -> tuple[int, float, list[str]]:
    """The exit code, the seconds, and the cases that failed."""
    command = [sys.executable, "-m", "kcom5_conformance", "run", "--peers", "conformance/peers.toml", peer]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "conformance" / "src")}
    done = subprocess.run([*command, "--strict", "--report", report], cwd=ROOT, env=environment, capture_output=True)
    if not (report / "report.json").exists():
        return done.returncode, 0, [done.stderr.decode(errors="replace")]
    found = json.loads((report / "report.json").read_text("utf-8"))
    alarms = [
        f"{result['id']} ({result['verdict']} {result['failed']}/{result['tried']}): got {result['problems'][0]['got']}"
        for result in found["results"]
        if result["problems"]
    ]
    return done.returncode, found["seconds"], alarms


def main() -> None:
    """Runs the suite, and counts alarms."""
    parser = argparse.ArgumentParser(description="Does the suite raise a false alarm?")
    parser.add_argument("runs", type=int, nargs="?", default=100, help="of each implementation (default: 100)")
    parser.add_argument("peers", nargs="*", default=["cpp", "python", "go"], help="of conformance/peers.toml")
    parser.add_argument(
        "--busy", type=int, metavar="N", default=os.cpu_count() or 1,
        help="processes that compute beside every other run (default: one for each processor)",
    )  # fmt: skip
    options = parser.parse_args()
    total, with_alarm = 0, 0
    for number in range(options.runs):
        for peer in options.peers:
            hogs = options.busy * (number % 2)
            with tempfile.TemporaryDirectory() as folder, busy(hogs):
                code, seconds, alarms = run_once(peer, Path(folder))
            total += 1
            with_alarm += code != 0 or bool(alarms)
            beside = f"beside {hogs} busy processes" if hogs else "alone"
            print(
                f"run {number + 1} of {peer}, {beside}: {seconds:.1f} s, exit code {code}, {len(alarms)} alarms",
                flush=True,
            )
            for alarm in alarms:
                print(f"  {alarm}", flush=True)
    print(f"{total} runs, {with_alarm} with an alarm")
    sys.exit(1 if with_alarm else 0)


if __name__ == "__main__":
    main()
