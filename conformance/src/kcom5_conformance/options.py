"""The options of the command line."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any, NoReturn

from . import __version__, templates
from .errors import UsageError

EXPLORE_SECONDS = 2.0


class _Parser(argparse.ArgumentParser):
    """Its errors are those of every other wrong use."""

    def _print_message(self, message: str, file: Any = None) -> None:
        # Without this a text that cannot be written is no error.
        (file or sys.stderr).write(message)

    def error(self, message: str) -> NoReturn:
        raise UsageError(message, f"`{self.prog} --help` tells what there is")


def parser() -> _Parser:
    made = _Parser(
        allow_abbrev=False,
        prog="kcom5-conformance",
        description="Tests any implementation of KCOM5 through a small adapter.",
        epilog="Exit codes: 0 as expected, 1 not as expected, 2 wrong use, 3 the adapter is broken, "
        "4 the suite itself is broken, 5 not judged (verify).",
    )
    made.add_argument("--version", action="version", version=__version__)
    commands = made.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def command(name: str, help_text: str) -> argparse.ArgumentParser:
        description = help_text[0].upper() + help_text[1:] + "."
        sub = commands.add_parser(name, help=help_text, description=description, allow_abbrev=False)
        sub.set_defaults(what=name)
        return sub

    run = command("run", "test implementations, one by one")
    run.usage = "kcom5-conformance run [OPTIONS] [NAME...] | [OPTIONS] -- ADAPTER-COMMAND"
    _subject_options(run)
    _selection_options(run)
    _run_options(run)
    _report_option(run)
    run.add_argument("--failed", type=Path, metavar="REPORT", help="the cases that failed in this report.json")
    run.add_argument("--stop-first", action="store_true", help="end at the first failure that counts")
    run.add_argument("--repeat", type=_positive, default=1, metavar="N",
                     help="run each case N times: one that fails in some of them is flaky")  # fmt: skip
    run.add_argument("--baseline", type=Path, metavar="FILE", help="known failures: the run fails if it differs")
    _reasons_option(run)
    run.add_argument("--matrix", action="store_true", help="then run every server with every client, too")

    run.add_argument("--explore", type=_seconds, default=EXPLORE_SECONDS, metavar="SECONDS",
                     help="then explore each role for so long, if every case is chosen (default: "
                     f"{EXPLORE_SECONDS:.0f}; 0: not at all)")  # fmt: skip

    conversations = command("explore", "try conversations that nobody wrote, made from the rules")
    conversations.usage = "kcom5-conformance explore [OPTIONS] [NAME...] | [OPTIONS] -- ADAPTER-COMMAND"
    _subject_options(conversations)
    conversations.add_argument("--role", choices=("server", "client"), help="of the implementation (default: both)")
    conversations.add_argument("--seconds", type=_seconds, default=60.0, metavar="S", help="of each role (default: 60)")
    conversations.add_argument(
        "--examples", type=_positive, default=0, metavar="N", help="at most so many of each role"
    )
    conversations.add_argument(
        "--save", type=Path, metavar="DIR", help="keep failures there; what is there comes first"
    )
    conversations.add_argument("--first", action="store_true", help="stop at the first failure of a role")
    _run_options(conversations)
    _report_option(conversations)

    machine = command("learn", "learn the state machine from the answers alone, and compare it with the tables")
    machine.usage = "kcom5-conformance learn [OPTIONS] [NAME...] | [OPTIONS] -- ADAPTER-COMMAND"
    _subject_options(machine)
    machine.add_argument("--role", choices=("server", "client"), help="of the implementation (default: both)")
    _run_options(machine)
    _report_option(machine)

    pairs = command("matrix", "run every server with every client")
    _subject_options(pairs)
    _run_options(pairs)
    _report_option(pairs)
    pairs.add_argument("--capture", type=Path, metavar="DIR", help="write a pcap of each exchange there")
    pairs.add_argument("--case", action="append", default=[], metavar="PATTERN", help="cells by id, with * and ?")

    listing = command("list", "show cases, with the rule that each shows")
    _selection_options(listing)
    listing.add_argument("--json", action="store_true", help="as a JSON array of objects")

    explain = command("explain", "say what a case or a rule is about")
    explain.add_argument("name", metavar="CASE|RULE", help="as `list` shows it; a pattern may have * and ?")

    known = command("baseline", "write or repair the list of known failures")
    known.add_argument("how", choices=("write", "repair"), help="make the list, or bring it up to date")
    known.add_argument("file", type=Path, metavar="FILE", help="the list, in TOML")
    known.add_argument("--accept-new", action="store_true",
                       help="repair: take new failures, and those that fail in another way")  # fmt: skip
    _reasons_option(known)
    _subject_options(known)
    _selection_options(known)
    _run_options(known)

    two = command("compare", "show what changed between two JSON reports")
    two.add_argument("old", type=Path, metavar="OLD", help="report.json of the run before")
    two.add_argument("new", type=Path, metavar="NEW", help="report.json of the run after")
    two.add_argument(
        "--format", choices=("text", "markdown"), default="text", help="of what is printed (default: text)"
    )

    start = command("init", "write an adapter to start from")
    start.add_argument(
        "--lang", required=True, choices=tuple(templates.TEMPLATES), help="the language of your implementation"
    )
    start.add_argument("folder", type=Path, nargs="?", default=Path(), metavar="FOLDER", help="where (default: here)")

    record = command("verify", "judge a recorded exchange: a pcap, or octets")
    record.add_argument(
        "file", type=Path, metavar="FILE", help="a capture, or lines `> HEX` and `< HEX`; - is standard input"
    )
    record.add_argument(
        "--server", type=Path, metavar="FILE", help="all that the server sent; FILE is all of the client's"
    )
    record.add_argument("--strict", action="store_true", help="a broken SHOULD counts, too")
    return made


def _subject_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("names", nargs="*", metavar="NAME", help="implementations of the peers file (default: all)")
    parser.add_argument(
        "--peers", type=Path, default=Path("peers.toml"), metavar="FILE", help="the peers file (default: peers.toml)"
    )


def _selection_options(parser: argparse.ArgumentParser) -> None:
    several = {"action": "append", "default": []}
    parser.add_argument("--case", **several, metavar="PATTERN", help="cases by id, with * and ?")  # type: ignore[arg-type]
    parser.add_argument("--rule", **several, metavar="PATTERN", help="cases of a rule, with * and ?")  # type: ignore[arg-type]
    parser.add_argument("--role", **several, choices=("server", "client", "address"), help="of the implementation")  # type: ignore[arg-type]
    parser.add_argument("--via", **several, choices=("tcp6", "tcp4", "unix"), help="over this transport")  # type: ignore[arg-type]
    parser.add_argument("--level", **several, choices=("MUST", "SHOULD", "MAY"), help="of the rule")  # type: ignore[arg-type]


def _reasons_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--require-reasons", action="store_true", help="an entry of the list without a reason is not as expected"
    )


def _run_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--quiet", action="store_true", help="print the overview only, and no progress")
    parser.add_argument("--strict", action="store_true", help="a broken SHOULD fails the run, too")
    jobs = 2 * (os.cpu_count() or 1)
    parser.add_argument("--jobs", type=_positive, default=jobs, metavar="N",
                        help="cases side by side, beside those that wait (default: twice the processors)")  # fmt: skip
    parser.add_argument("--seed", type=int, default=None, metavar="N", help="of the order and of random cuts")
    parser.add_argument("--timeout-scale", type=_positive_float, default=1.0, metavar="X", help="be X times as patient")


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1
    if not 0 <= value <= 86400:
        raise argparse.ArgumentTypeError(f"got {text!r}, expected seconds, 0 to 86400")
    return value


def _report_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--report", type=Path, metavar="DIR", help="write report.json, junit.xml and index.html there")


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"got {text!r}, expected a whole number above 0")
    return int(text)


def _positive_float(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0
    if not 0 < value < 1000:
        raise argparse.ArgumentTypeError(f"got {text!r}, expected a number above 0 and below 1000")
    return value
