"""The command line: what is asked, what is printed, and the exit code. What is found is made elsewhere."""

from __future__ import annotations

import argparse
import os
import platform
import secrets
import shlex
import signal
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timezone
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NoReturn

import trio
from rich.console import Console

from . import __version__, baseline, compare, files, program, spec, streams, templates, verify
from .cases import matrix
from .errors import UsageError, leaves
from .escape import one_line, safe
from .explore import settings as exploring
from .harness import children, procfs
from .harness.adapter import SuiteBroken
from .harness.attempt import PATIENCE
from .harness.run import LEAST_DESCRIPTORS, LONG_LANES, Runner, lanes_by_descriptors
from .harness.smoke import AdapterBroken, Smoke, smoke
from .harness.subject import Subject
from .report import causes, html, json, junit, terminal, words
from .results import Result, Run, Verdict
from .selection import Selection, every_case, subjects

AS_EXPECTED, NOT_AS_EXPECTED, USAGE, BROKEN_ADAPTER, BROKEN_SUITE, INTERRUPTED, NOBODY_READS = 0, 1, 2, 3, 4, 130, 141
MOST_WARNINGS = 3
EXPLORE_SECONDS = 2.0


def main(arguments: list[str] | None = None) -> None:
    """Runs the command and ends the process."""
    given = sys.argv[1:] if arguments is None else arguments
    if not streams.prepare():
        sys.exit(_complain("standard output is closed", "what is found is written there", USAGE))
    children.adopt()
    # What ends a job of CI ends as Ctrl-C does: with no adapter left behind. A shell's `&` has Ctrl-C ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda *_: os.kill(os.getpid(), signal.SIGINT))
    try:
        sys.exit(run_command(given))
    finally:
        children.end_orphans()


def run_command(given: list[str]) -> int:
    """Runs the command; its exit code."""
    # All that follows `--` is the adapter's command.
    at = given.index("--") if "--" in given else len(given)
    try:
        options = _parser().parse_args(given[:at])
        options.command, options.given = given[at + 1 :], given
        if at < len(given) and not hasattr(options, "peers"):
            raise UsageError("this command takes no adapter", "leave out -- and what follows")
        if at < len(given) and not options.command:
            raise UsageError("nothing follows --", "expected the adapter's command")
        code: int = options.act(options)
        return code or _flushed()
    except UsageError as error:
        return _complain(str(error), error.hint or "conformance/README.md tells how it is used", USAGE)
    except AdapterBroken as error:
        hint = 'conformance/ADAPTER.md says what an adapter does; try it by hand with one line: {"op":"about"}'
        return _complain(f"adapter broken: {error}", hint, BROKEN_ADAPTER)
    except BaseException as error:
        if isinstance(error, OSError) and error.errno in streams.FAULTS:
            return _output_lost(error, AS_EXPECTED)
        if isinstance(error, SystemExit):
            if not error.code and (lost := _flushed()):
                return lost
            raise
        return _ended_by(error)


def _ended_by(error: BaseException) -> int:
    """Says what ended the command; its exit code."""
    if any(isinstance(one, KeyboardInterrupt) for one in leaves(error)):
        return _complain("interrupted", "", INTERRUPTED)
    traceback.print_exception(error)
    known = [one for one in leaves(error) if isinstance(one, SuiteBroken)]
    what = known[0] if known else type(error).__name__
    return _complain(f"the suite itself is broken: {what}", "this is not your implementation's fault", BROKEN_SUITE)


def _flushed() -> int:
    """0 if all that was printed is written."""
    try:
        sys.stdout.flush()
        return AS_EXPECTED
    except OSError as error:
        return _output_lost(error, AS_EXPECTED)


def _output_lost(error: OSError, code: int) -> int:
    """Standard output cannot be written: says so, and makes of `code` one that is not 0."""
    streams.drop_output()
    if isinstance(error, BrokenPipeError):  # whoever read this has seen enough
        return code or NOBODY_READS
    words_of = f"cannot write to standard output: {error.strerror}"
    return _complain(words_of, "the exit code is that of the run, if it is 1", code or USAGE)


def _complain(detail: str, hint: str, code: int) -> int:
    print(f"kcom5-conformance: error: {safe(detail)}", file=sys.stderr)
    if hint:
        print(f"kcom5-conformance: hint: {safe(hint)}", file=sys.stderr)
    return code


# ---- the options


class _Parser(argparse.ArgumentParser):
    """Its errors are those of every other wrong use."""

    def _print_message(self, message: str, file: Any = None) -> None:
        # Without this a text that cannot be written is no error.
        (file or sys.stderr).write(message)

    def error(self, message: str) -> NoReturn:
        raise UsageError(message, f"`{self.prog} --help` tells what there is")


def _parser() -> _Parser:
    parser = _Parser(
        allow_abbrev=False,
        prog="kcom5-conformance",
        description="Tests any implementation of KCOM5 through a small adapter.",
        epilog="Exit codes: 0 as expected, 1 not as expected, 2 wrong use, 3 the adapter is broken, "
        "4 the suite itself is broken, 5 not judged (verify).",
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def command(name: str, help_text: str, act: Callable[[argparse.Namespace], int]) -> argparse.ArgumentParser:
        description = help_text[0].upper() + help_text[1:] + "."
        sub = commands.add_parser(name, help=help_text, description=description, allow_abbrev=False)
        sub.set_defaults(act=act)
        return sub

    run = command("run", "test implementations, one by one", _run)
    run.usage = "kcom5-conformance run [OPTIONS] [NAME...] | [OPTIONS] -- ADAPTER-COMMAND"
    _subject_options(run)
    _selection_options(run)
    _run_options(run)
    _report_option(run)
    run.add_argument("--baseline", type=Path, metavar="FILE", help="known failures: the run fails if it differs")
    run.add_argument("--matrix", action="store_true", help="then run every server with every client, too")

    run.add_argument("--explore", type=_seconds, default=EXPLORE_SECONDS, metavar="SECONDS",
                     help="then explore each role for so long, if every case is chosen (default: "
                     f"{EXPLORE_SECONDS:.0f}; 0: not at all)")  # fmt: skip

    conversations = command("explore", "try conversations that nobody wrote, made from the rules", _explore)
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

    machine = command("learn", "learn the state machine from the answers alone, and compare it with the tables", _learn)
    machine.usage = "kcom5-conformance learn [OPTIONS] [NAME...] | [OPTIONS] -- ADAPTER-COMMAND"
    _subject_options(machine)
    machine.add_argument("--role", choices=("server", "client"), help="of the implementation (default: both)")
    _run_options(machine)
    _report_option(machine)

    pairs = command("matrix", "run every server with every client", _matrix)
    _subject_options(pairs)
    _run_options(pairs)
    _report_option(pairs)
    pairs.add_argument("--capture", type=Path, metavar="DIR", help="write a pcap of each exchange there")
    pairs.add_argument("--case", action="append", default=[], metavar="PATTERN", help="cells by id, with * and ?")

    listing = command("list", "show cases, with the rule that each shows", _list)
    _selection_options(listing)

    explain = command("explain", "say what a case or a rule is about", _explain)
    explain.add_argument("name", metavar="CASE|RULE", help="as `list` shows it")

    known = command("baseline", "write or repair the list of known failures", _baseline)
    known.add_argument("how", choices=("write", "repair"), help="make the list, or bring it up to date")
    known.add_argument("file", type=Path, metavar="FILE", help="the list, in TOML")
    _subject_options(known)
    _selection_options(known)
    _run_options(known)

    two = command("compare", "show what changed between two JSON reports", _compare)
    two.add_argument("old", type=Path, metavar="OLD", help="report.json of the run before")
    two.add_argument("new", type=Path, metavar="NEW", help="report.json of the run after")

    start = command("init", "write an adapter to start from", _init)
    start.add_argument(
        "--lang", required=True, choices=tuple(templates.TEMPLATES), help="the language of your implementation"
    )
    start.add_argument("folder", type=Path, nargs="?", default=Path(), metavar="FOLDER", help="where (default: here)")

    record = command("verify", "judge a recorded exchange: a pcap, or octets", _verify)
    record.add_argument(
        "file", type=Path, metavar="FILE", help="a capture, or lines `> HEX` and `< HEX`; - is standard input"
    )
    record.add_argument(
        "--server", type=Path, metavar="FILE", help="all that the server sent; FILE is all of the client's"
    )
    record.add_argument("--strict", action="store_true", help="a broken SHOULD counts, too")
    return parser


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


def _run_options(parser: argparse.ArgumentParser) -> None:
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


# ---- running


def _selection(options: argparse.Namespace) -> Selection:
    return Selection(options.case, options.rule, options.role, options.via, options.level)


def _run(options: argparse.Namespace) -> int:
    known = baseline.read(options.baseline) if options.baseline else None
    _check_report(options)
    done = _perform(options, _selection(options), with_matrix=options.matrix)
    if known is not None and done.ended is None:
        baseline.apply(done.run, known, _every_peer(options), _every_id())
        warnings = baseline.warnings(known)
        for warning in warnings[:MOST_WARNINGS]:
            _warn(f"{options.baseline}: {warning}")
        if more := len(warnings[MOST_WARNINGS:]):
            _warn(f"{options.baseline}: {more:,} more without a reason")
    return _finish(options, done)


def _matrix(options: argparse.Namespace) -> int:
    _check_report(options)
    if options.capture is not None:
        files.check_folder(options.capture)
    return _finish(options, _perform(options, None, with_matrix=True))


def _explore(options: argparse.Namespace) -> int:
    _check_report(options)
    return _finish(options, _perform(options, None, with_matrix=False))


def _learn(options: argparse.Namespace) -> int:
    _check_report(options)
    return _finish(options, _perform(options, None, with_matrix=False))


def _check_report(options: argparse.Namespace) -> None:
    """Before a run that takes its time."""
    if options.report is not None:
        files.check_folder(options.report, *REPORTS)


def _warn(text: str) -> None:
    print(f"kcom5-conformance: warning: {safe(text)}", file=sys.stderr)


def _every_peer(options: argparse.Namespace) -> set[str]:
    return {subject.name for subject in subjects([], options.command, options.peers)}


def _every_id() -> set[str]:
    return {case.id for case in every_case()}


def _baseline(options: argparse.Namespace) -> int:
    # What is wrong with the file is said before a run that takes its time.
    if options.how == "repair":
        baseline.read(options.file)
    elif options.file.exists():
        raise UsageError(f"{options.file} is there already", "mend it with `baseline repair`")
    elif not options.file.parent.is_dir():
        raise UsageError(f"there is no folder {options.file.parent}", "make it first")
    done = _perform(options, _selection(options), with_matrix=False)
    if done.ended is not None:
        raise done.ended
    run = done.run
    if options.how == "write":
        print(one_line(f"{options.file}: {words.count(len(baseline.write(run, options.file)), 'known failure')}"))
        return AS_EXPECTED
    repaired = baseline.repair(run, options.file, _every_peer(options), _every_id())
    for word, entries in (
        ("added", repaired.added),
        ("dropped", repaired.dropped),
        ("fails in another way", repaired.changed),
    ):
        for entry in entries:
            print(one_line(f"{word}: {entry.id} of {entry.peer}: {entry.observed}"))
    print(one_line(f"{options.file}: {words.count(len(baseline.read(options.file)), 'known failure')}"))
    return AS_EXPECTED


@dataclass
class Done:
    """A run, and what ended it before its end."""

    run: Run
    ended: BaseException | None = None
    defects: list[BaseException] = field(default_factory=list)
    """What went wrong in the suite itself, each in a case that is not run."""


def _perform(options: argparse.Namespace, selection: Selection | None, *, with_matrix: bool) -> Done:
    """Does the run that the options ask for. What has been found is kept, whatever ends it."""
    chosen = selection.choose() if selection is not None else []
    tested = subjects(options.names, options.command, options.peers)
    seed = options.seed if options.seed is not None else secrets.randbelow(1 << 31)
    jobs, long_lanes = _lanes(options.jobs)
    console = Console(stderr=True)
    progress = terminal.Progress(console)
    started, clock = datetime.now(timezone.utc), time.monotonic()
    run = Run(
        suite=__version__,
        command=f"{program.command()} {shlex.join(options.given)}",
        program=program.command(),
        subjects=shlex.join(_subject_words(options)),
        started=started.isoformat(timespec="seconds"),
        seconds=0,
        seed=seed,
        strict=options.strict,
        machine=f"{platform.system()} {platform.release()} {platform.machine()}, {os.cpu_count()} processors",
        peers=[],
        rules=list(spec.rules()),
        results=[],
    )

    def add(result: Result) -> None:
        if result.verdict.has_failed and not result.cause:
            result.cause = causes.cause_of(result)
        run.results.append(result)

    def report(result: Result) -> None:
        add(result)
        progress.advance(result)

    done = Done(run)

    async def perform() -> None:
        smoked: dict[str, tuple[Subject, Smoke]] = {}
        for subject in tested:
            try:
                smoked[subject.name] = (subject, await smoke(subject, PATIENCE * options.timeout_scale))
            except AdapterBroken as error:
                raise AdapterBroken(f"{subject.name}: {error}") from error
            for warning in smoked[subject.name][1].warnings:
                console.print(f"{safe(subject.name)}: warning: {safe(warning)}", style="yellow", markup=False,
                              highlight=False, soft_wrap=True)  # fmt: skip
        for subject, found in smoked.values():
            runner = Runner(subject, found, seed, options.timeout_scale, jobs, report, long_lanes=long_lanes)
            runner.defects = done.defects
            run.peers.append(runner.peer)
            if chosen:
                progress.start(subject.name, len(chosen))
                await runner.run(chosen)
                progress.finish()
            if runner.complaint:
                run.complaints.append(runner.complaint)
            if options.act is _learn:
                from .explore.learned import learn

                roles = [role for role in exploring.ROLES if options.role in (None, role)]
                await learn(subject, found, roles, options.timeout_scale, options.report, add, console)
            if how := _exploring(options, selection, seed):
                roles = [role for role in exploring.ROLES if options.act is _run or options.role in (None, role)]
                from .explore.command import explore

                run.explored += await explore(subject, found, roles, how, add, console)
        if with_matrix:
            run.complaints += await _run_matrix(options, smoked, seed, progress, report)

    try:
        trio.run(perform)
    except UsageError:
        raise
    except BaseException as error:
        done.ended = error
        run.complaints.append(f"the run ended before its end: {_why(error)}")
    finally:
        progress.finish()
        run.seconds = time.monotonic() - clock
    return done


def _subject_words(options: argparse.Namespace) -> list[str]:
    """The options that choose the same implementations."""
    return ["--", *options.command] if options.command else ["--peers", str(options.peers), *options.names]


def _why(error: BaseException) -> str:
    first = leaves(error)[0]
    return "interrupted" if isinstance(first, KeyboardInterrupt) else str(first) or type(first).__name__


def _lanes(jobs: int) -> tuple[int, int]:
    """As many as asked for, or as the limit on open files leaves room for."""
    limit = procfs.most_descriptors()
    if limit < LEAST_DESCRIPTORS:
        raise UsageError(f"at most {limit} files may be open (ulimit -n)", f"at least {LEAST_DESCRIPTORS} are needed")
    short, long = lanes_by_descriptors(jobs, limit)
    if (short, long) != (jobs, LONG_LANES):
        _warn(f"at most {limit} files may be open (ulimit -n): fewer cases run side by side, which takes longer")
    return short, long


def _exploring(options: argparse.Namespace, selection: Selection | None, seed: int) -> exploring.Settings | None:
    """How to explore, if that is asked for: `run` does it with every case only."""
    scale, jobs = options.timeout_scale, options.jobs
    if options.act is _explore:
        return exploring.Settings(seed, options.seconds, scale, jobs, examples=options.examples, folder=options.save,
                                is_first_enough=options.first)  # fmt: skip
    if options.act is _run and selection == Selection() and options.explore:
        return exploring.Settings(seed, options.explore, scale, jobs)
    return None


async def _run_matrix(
    options: argparse.Namespace,
    smoked: dict[str, tuple[Subject, Smoke]],
    seed: int,
    progress: terminal.Progress,
    report: Callable[[Result], None],
) -> list[str]:
    names = list(smoked)
    chosen = list(matrix.cells(names, names))
    captures: Path | None = None
    if options.act is _matrix:
        if options.case:
            chosen = [cell for cell in chosen if any(fnmatchcase(cell.id, pattern) for pattern in options.case)]
        if not chosen:
            hint = "an id is matrix/SERVER-to-CLIENT/SIZE/MANNER@VIA, and a pattern may have * and ?"
            raise UsageError(f"no cell matches {', '.join(options.case)}", hint)
        captures = options.capture

    progress.start("matrix", len(chosen))
    patience = PATIENCE * options.timeout_scale
    # A cell has two adapters, and a relay.
    lanes = max(1, sum(_lanes(options.jobs)) // 3)
    complaints = await matrix.run(smoked, chosen, min(options.jobs, lanes), patience, seed, report, captures)
    progress.finish()
    return complaints


def _finish(options: argparse.Namespace, done: Done) -> int:
    """Reports, and the exit code."""
    run = done.run
    if done.ended is None and all(result.verdict in (Verdict.NOT_RUN, Verdict.UNSUPPORTED) for result in run.results):
        run.complaints.append("nothing was tried: every case is unsupported or could not be run")
    run.results.sort(key=lambda result: (result.peer, result.rule, result.id))
    run.complaints += [f"the suite itself is broken: {_why(defect)}" for defect in done.defects[:1]]
    code = AS_EXPECTED if run.is_as_expected else NOT_AS_EXPECTED
    lost: OSError | None = None
    try:
        if run.results:
            terminal.print_summary(run, Console())
        sys.stdout.flush()
    except OSError as error:
        lost = error
        streams.drop_output()
    if options.report and not _write_reports(run, options.report):
        code = code or USAGE
    if done.ended is not None:
        if isinstance(done.ended, AdapterBroken):
            raise done.ended
        return _ended_by(done.ended)
    if done.defects:
        return _ended_by(done.defects[0])
    return _output_lost(lost, code) if lost is not None else code


def _write_reports(run: Run, folder: Path) -> bool:
    """Whether all of them are written; says which is not."""
    for name, write in REPORTS.items():
        try:
            write(run, folder / name)
        except OSError as error:
            hint = "what was found is on standard output"
            _complain(f"cannot write {folder / name}: {error.strerror}", hint, USAGE)
            return False
    with suppress(OSError):
        print(safe(f"reports: {folder}/index.html, report.json, junit.xml"))
    return True


REPORTS: dict[str, Callable[[Run, Path], None]] = {
    "report.json": json.write_json,
    "junit.xml": junit.write_junit,
    "index.html": html.write_html,
}


# ---- looking


def _list(options: argparse.Namespace) -> int:
    for case in _selection(options).choose():
        print(f"{case.id}\t{case.level}\t{case.role}\t{case.note}")
    return AS_EXPECTED


def _explain(options: argparse.Namespace) -> int:
    name = options.name
    rules = {rule.name: rule for rule in spec.rules()}
    found = [case for case in every_case() if name in (case.id, case.id.split("@")[0])]
    if name not in rules and not found:
        raise UsageError(f"no case and no rule is called {name!r}", f"`{program.command()} list` shows all of them")
    rule = rules[found[0].rule if found else name]
    if found:
        case = found[0]
        print(f"{case.id.split('@')[0]}  ({case.level}, {case.role})")
        print(f"  tries: {case.note}")
        print(f"  over: {', '.join(one.via or 'the adapter alone' for one in found)}")
        print()
    print(f"{rule.name}  ({rule.level})")
    print(f"  {rule.sentence}")
    print(f"  where it is broken: {rule.effect}")
    print(f"  {spec.link(rule.name)}")
    if not found:
        print()
        print("shown by:")
        for slug in dict.fromkeys(case.id.split("@")[0] for case in every_case() if case.rule == rule.name):
            print(f"  {slug}")
    return AS_EXPECTED


def _compare(options: argparse.Namespace) -> int:
    return compare.show(_report(options.old), _report(options.new), Console())


def _report(path: Path) -> Run:
    hint = f"a report is the report.json that `{program.command()} run --report DIR` writes"
    try:
        return json.read_json(path)
    except ValueError as error:
        raise UsageError(str(error), hint) from error


def _init(options: argparse.Namespace) -> int:
    for path in templates.create(options.lang, options.folder):
        print(safe(str(path)))
    print()
    print(templates.next_steps(options.lang, options.folder))
    return AS_EXPECTED


def _verify(options: argparse.Namespace) -> int:
    return verify.show(options.file, Console(), options.server, strict=options.strict)
