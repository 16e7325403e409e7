"""Measures how many mutants `explore` finds without the cases of the suite, and how fast.

Prints a line for each mutant whose rule a conversation can show, and the share that was found.
Exit code: 0 if the share is at least that of `--share`, 1 if it is less.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import track

ROOT = Path(__file__).resolve().parents[2]
MUTANTS = ROOT / "conformance" / "tests" / "mutants"
APART = ("address.", "connect.self", "file.", "limit.memory", "listen.", "message.too-long", "unix.")
"""Rules about addresses, files, memory, messages of 4 GiB, ports and socket files. A conversation cannot show them."""

BEYOND = {
    "full-disk-is-an-orderly-end": "a full disk",
    "full-disk-is-success": "a full disk",
    "renames-in-vain": "a rename that fails",
    "stores-after-the-close": "the file at the instant of the close",
    "stores-the-message-after-the-close": "the file at the instant of the close",
    "killed-is-an-orderly-end": "a signal",
    "inherits-sockets": "a child process",
    "server-looks-at-its-clock": "a process that is stopped",
    "client-looks-at-its-clock": "a process that is stopped",
    "remembers-the-bound": "an exchange without T",
    "remembers-the-clients-bound": "an exchange without T",
    "remembers-the-limits": "an exchange without limits",
    "keeps-the-message-of-what-it-cannot-store": "a full disk",
    "dies-of-its-pipe": "the reader of a pipe",
    "renames-after-the-close": "a rename that fails",
    "keeps-thirty-two-bits-of-a-file": "a file of more than 2 GiB",
    "signs-a-files-size": "a file of more than 2 GiB",
    "falls-back-to-ipv4": "a listener on another address",
    "interrupted-is-io": "a signal",
    "leaks-the-source-in-use": "a place that is in use",
    "leaves-a-spool-on-a-full-disk": "a full disk",
}
"""Mutants of other rules that a conversation cannot show either, and what shows them."""


@dataclass
class Found:
    """The result of `explore` for a mutant."""

    name: str
    rule: str
    seconds: float
    broken: list[str]
    """The rules of the first failed conversation."""
    why: str = ""
    """Why there is no report."""

    def __str__(self) -> str:
        what = f"{self.seconds:5.1f} s  {' '.join(self.broken)}" if self.broken else f"not found {self.why}".rstrip()
        return f"{self.name:40} {self.rule:22} {what}"


def explore(mutant: dict[str, str], seconds: int) -> Found:
    """Explores the role in which a mutant is wrong until the first failure."""
    command = [sys.executable, "-m", "kcom5_conformance", "explore", "--quiet", "--first", "--strict"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "conformance" / "src")}
    with tempfile.TemporaryDirectory(prefix="kcom5-") as report:
        options = ["--role", mutant["role"], "--seconds", str(seconds), "--report", report]
        begin = time.monotonic()
        done = subprocess.run(
            [*command, *options, "--", sys.executable, str(MUTANTS), mutant["name"]],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if not (Path(report) / "report.json").exists():
            return Found(mutant["name"], mutant["rule"], 0, [], done.stderr.partition("\n")[0])
        results = json.loads((Path(report) / "report.json").read_text("utf-8"))["results"]
    broken = {problem["rule"] for result in results for problem in result["problems"]}
    return Found(mutant["name"], mutant["rule"], time.monotonic() - begin, sorted(broken))


def main() -> None:
    """Explores all mutants, or those named."""
    parser = argparse.ArgumentParser(description="How many mutants does explore find alone, and after how long?")
    parser.add_argument("names", nargs="*", metavar="NAME", help="mutants (default: all that a conversation can show)")
    parser.add_argument("--seconds", type=int, default=60, help="for each mutant (default: 60)")
    parser.add_argument(
        "--jobs", type=int, default=max(1, (os.cpu_count() or 1) // 2),
        help="mutants at a time (default: one for each two processors, so that the pauses of a conversation are kept)",
    )  # fmt: skip
    parser.add_argument("--share", type=float, default=0.95, help="that has to be found (default: 0.95)")
    options = parser.parse_args()
    listing = subprocess.run([sys.executable, MUTANTS, "--list"], check=True, capture_output=True)
    mutants = [
        mutant
        for mutant in json.loads(listing.stdout)
        if (
            mutant["name"] in options.names
            if options.names
            else mutant["name"] not in BEYOND and not mutant["rule"].startswith(APART)
        )
    ]
    console = Console(highlight=False, width=120)
    with ThreadPoolExecutor(options.jobs) as threads:
        found = threads.map(lambda mutant: explore(mutant, options.seconds), mutants)
        shown = []
        for one in track(found, "mutants", len(mutants), console=console, disable=not console.is_terminal):
            shown.append(one)
            console.print(f"{one}", markup=False)
    count, own = sum(bool(one.broken) for one in shown), sum(one.rule in one.broken for one in shown)
    times = sorted(one.seconds for one in shown if one.broken) or [0.0]
    half, most = (times[len(times) * percent // 100] for percent in (50, 90))
    print(f"{count} of {len(shown)} found ({count / len(shown):.1%}), {own} by the rule that they break;", end=" ")
    print(f"half of them within {half:.1f} s, nine tenths within {most:.1f} s")
    sys.exit(count / len(shown) < options.share)


if __name__ == "__main__":
    main()
