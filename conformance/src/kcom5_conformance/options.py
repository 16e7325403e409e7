"""The options of the command line."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from . import __version__, program, templates
from .errors import UsageError

EXPLORE_SECONDS = 2.0


class _Parser(argparse.ArgumentParser):
    """An argument parser that reports wrong use as the other commands do."""

    def _print_message(self, message: str, file: Any = None) -> None:
        # argparse ignores a failed write; here it is reported.
        (file or sys.stderr).write(message)

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            names = ", ".join(map(str, action.choices))
            raise argparse.ArgumentError(action, f"got {value!r}, expected one of {names}")

    def error(self, message: str) -> NoReturn:
        words = re.sub(r"^the following arguments are required: (.*)", r"\1 is missing", message)
        asked = self.prog.replace(program.SCRIPT, program.command(), 1)
        raise UsageError(words.removeprefix("argument "), f"`{asked} --help` lists the commands and options")


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
    for add in (_add_run, _add_explore, _add_learn, _add_matrix, _add_list, _add_explain, _add_baseline, _add_compare,
                _add_init, _add_verify):  # fmt: skip
        add(partial(_command, commands))
    return made


_Command = Callable[[str, str], argparse.ArgumentParser]
"""Adds a command, given its name and its help."""


def _command(commands: Any, name: str, help_text: str) -> argparse.ArgumentParser:
    description = help_text[0].upper() + help_text[1:] + "."
    sub: argparse.ArgumentParser = commands.add_parser(
        name, help=help_text, description=description, allow_abbrev=False
    )
    sub.set_defaults(what=name)
    return sub


def _add_run(command: _Command) -> None:
    run = command("run", "test each implementation by itself")
    run.usage = "kcom5-conformance run [OPTIONS] [NAME...] | [OPTIONS] -- ADAPTER-COMMAND"
    _subject_options(run)
    _selection_options(run)
    _run_options(run)
    _processes_option(run)
    _report_option(run)
    run.add_argument(
        "--failed",
        type=Path,
        metavar="REPORT",
        help="run only the cases that failed in this report; the results of the others are carried over",
    )
    run.add_argument("--group", type=_positive, metavar="N", help="with --failed: run only this group of its failures")
    run.add_argument("--stop-first", action="store_true", help="stop after the first failure that fails the run")
    run.add_argument("--repeat", type=_positive, default=1, metavar="N",
                     help="run each case N times; a case that fails in some of them is flaky")  # fmt: skip
    run.add_argument(
        "--baseline", type=Path, metavar="FILE", help="known failures; the run fails if the results differ from them"
    )
    _reasons_option(run)
    run.add_argument("--matrix", action="store_true", help="afterwards, run every server with every client")
    run.add_argument("--explore", type=_seconds, default=EXPLORE_SECONDS, metavar="SECONDS",
                     help="afterwards, if all cases were selected, explore each role for this long (default: "
                     f"{EXPLORE_SECONDS:.0f}; 0 turns it off)")  # fmt: skip


def _add_explore(command: _Command) -> None:
    conversations = command("explore", "generate conversations from the rules and try them")
    conversations.usage = "kcom5-conformance explore [OPTIONS] [NAME...] | [OPTIONS] -- ADAPTER-COMMAND"
    _subject_options(conversations)
    conversations.add_argument("--role", choices=("server", "client"), help="test only this role (default: both)")
    conversations.add_argument(
        "--seconds", type=_seconds, default=60.0, metavar="SECONDS", help="time for each role (default: 60)"
    )
    conversations.add_argument(
        "--examples", type=_positive, default=0, metavar="N", help="at most N conversations for each role"
    )
    conversations.add_argument(
        "--save", type=Path, metavar="DIR", help="save failures in DIR; failures saved before are replayed first"
    )
    conversations.add_argument(
        "--replay", metavar="SCRIPT", help="only this conversation: a word of a report, or a file that --save wrote"
    )
    conversations.add_argument("--first", action="store_true", help="stop each role at its first failure")
    _run_options(conversations)
    _report_option(conversations)


def _add_learn(command: _Command) -> None:
    machine = command("learn", "learn the state machine from its answers and compare it with the tables of the spec")
    machine.usage = "kcom5-conformance learn [OPTIONS] [NAME...] | [OPTIONS] -- ADAPTER-COMMAND"
    _subject_options(machine)
    machine.add_argument("--role", choices=("server", "client"), help="test only this role (default: both)")
    _run_options(machine)
    _report_option(machine)


def _add_matrix(command: _Command) -> None:
    pairs = command("matrix", "run every server with every client")
    _subject_options(pairs)
    _run_options(pairs)
    _report_option(pairs)
    pairs.add_argument("--capture", type=Path, metavar="DIR", help="write a capture (pcap) of each exchange to DIR")
    pairs.add_argument(
        "--case",
        action="append",
        default=[],
        metavar="PATTERN",
        help="only the cells whose id matches; * and ? are wildcards",
    )


def _add_list(command: _Command) -> None:
    listing = command("list", "list the cases and the rule that each tests")
    _selection_options(listing)
    listing.add_argument("--json", action="store_true", help="print a JSON array of objects")


def _add_explain(command: _Command) -> None:
    explain = command("explain", "describe cases (steps, expectation, likely causes of a failure) or rules")
    explain.add_argument("name", metavar="CASE|RULE", help="an id from `list`; * and ? are wildcards")


def _add_baseline(command: _Command) -> None:
    known = command("baseline", "write or update the list of known failures")
    known.add_argument("how", choices=("write", "repair"), help="write: make the list; repair: update it")
    known.add_argument("file", type=Path, metavar="FILE", help="the list, in TOML")
    known.add_argument("--accept-new", action="store_true",
                       help="repair: also record new failures, and cases that now fail differently")  # fmt: skip
    _reasons_option(known)
    _subject_options(known)
    _selection_options(known)
    _run_options(known)
    _processes_option(known)


def _add_compare(command: _Command) -> None:
    two = command("compare", "show the differences between two JSON reports")
    two.add_argument("old", type=Path, metavar="OLD", help="report.json of the earlier run")
    two.add_argument("new", type=Path, metavar="NEW", help="report.json of the later run")
    two.add_argument("--format", choices=("text", "markdown"), default="text", help="output format (default: text)")


def _add_init(command: _Command) -> None:
    start = command("init", "create an adapter from a template")
    start.add_argument(
        "--lang", required=True, choices=tuple(templates.TEMPLATES), help="the language of your implementation"
    )
    start.add_argument(
        "folder",
        type=Path,
        nargs="?",
        default=Path(),
        metavar="FOLDER",
        help="where to write it (default: the current folder)",
    )


def _add_verify(command: _Command) -> None:
    record = command("verify", "judge a recorded exchange: a capture (pcap) or bytes")
    record.add_argument(
        "file", type=Path, metavar="FILE", help="a capture, or lines `> HEX` and `< HEX`; - reads standard input"
    )
    record.add_argument(
        "--server",
        type=Path,
        metavar="FILE",
        help="the bytes that the server sent; then the first FILE holds those of the client",
    )
    record.add_argument("--strict", action="store_true", help="a broken SHOULD rule counts as a failure")


def _subject_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help="implementations to test, by their names in the peers file (default: all)",
    )
    parser.add_argument(
        "--peers", type=Path, default=Path("peers.toml"), metavar="FILE", help="the peers file (default: peers.toml)"
    )


def _selection_options(parser: argparse.ArgumentParser) -> None:
    several: dict[str, Any] = {"action": "append", "default": []}
    parser.add_argument(
        "--case", **several, metavar="PATTERN", help="only cases whose id matches; * and ? are wildcards"
    )
    parser.add_argument(
        "--rule", **several, metavar="PATTERN", help="only cases of matching rules; * and ? are wildcards"
    )
    parser.add_argument("--role", **several, choices=("server", "client", "address"), help="only cases of this role")
    parser.add_argument("--via", **several, choices=("tcp6", "tcp4", "unix"), help="only cases over this transport")
    parser.add_argument(
        "--level", **several, choices=("MUST", "SHOULD", "MAY"), help="only cases of rules of this level"
    )


def _reasons_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--require-reasons", action="store_true", help="fail the run if an entry of the list has no reason"
    )


def _processes_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--processes",
        type=_positive,
        default=None,
        metavar="N",
        help="processes of the suite; fewer disturb timed cases less (default: one more than there are idle "
        "processors, or one if a single processor is idle)",
    )


def _run_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--quiet", action="store_true", help="print only the summary, without progress")
    parser.add_argument("--strict", action="store_true", help="a broken SHOULD rule fails the run")
    jobs = 2 * (os.cpu_count() or 1)
    parser.add_argument(
        "--jobs",
        type=_positive,
        default=jobs,
        metavar="N",
        help="cases that a process of the suite runs at once, beside those that wait (default: two for each processor)",
    )
    parser.add_argument(
        "--seed", type=int, default=None, metavar="N", help="seed of the order of cases and of random cuts"
    )
    parser.add_argument(
        "--timeout-scale",
        type=_positive_float,
        default=1.0,
        metavar="X",
        help="multiply every timeout of the suite by X",
    )


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1
    if not 0 <= value <= 86400:
        raise argparse.ArgumentTypeError(f"got {text!r}, expected seconds, 0 to 86400")
    return value


def _report_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--report", type=Path, metavar="DIR", help="write report.json, junit.xml and index.html to DIR")


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
