"""The command line: dispatches the commands, prints results, and returns the exit code."""

from __future__ import annotations

import argparse
import os
import shlex
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from json import dumps
from pathlib import Path

from rich.console import Console

from . import baseline, compare, files, program, streams, templates
from .errors import UsageError
from .escape import one_line, safe
from .exits import (
    AS_EXPECTED,
    BROKEN_ADAPTER,
    NOT_AS_EXPECTED,
    USAGE,
    complain,
    ended_by,
    flushed,
    output_lost,
    warn,
)
from .explain import explain
from .harness import children
from .harness.smoke import AdapterBroken
from .options import parser
from .perform import Done, perform, why
from .report import json, roots, terminal, words
from .results import Result, Run, Verdict
from .selection import Selection, every_case, subjects

MOST_WARNINGS = 3
FAILED = (Verdict.FAIL, Verdict.FLAKY, Verdict.CRASHED, Verdict.KNOWN_FAILURE)


def main(arguments: list[str] | None = None) -> None:
    """Runs the command and ends the process."""
    given = sys.argv[1:] if arguments is None else arguments
    if not streams.prepare():
        sys.exit(complain("standard output is closed", "what is found is written there", USAGE))
    children.adopt()
    # SIGTERM from CI is handled as Ctrl-C, so no adapter is left running. A shell's `&` makes a job ignore SIGINT.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda *_: os.kill(os.getpid(), signal.SIGINT))
    try:
        sys.exit(run_command(given))
    finally:
        children.end_orphans()


def run_command(given: list[str]) -> int:
    """Runs the command and returns its exit code."""
    # Everything after `--` is the adapter's command.
    at = given.index("--") if "--" in given else len(given)
    try:
        options = parser().parse_args(given[:at])
        options.command, options.given = given[at + 1 :], given
        if at < len(given) and not hasattr(options, "peers"):
            raise UsageError("this command takes no adapter", "leave out -- and what follows")
        if at < len(given) and not options.command:
            hint = f"for example: {program.command()} run -- python3 my_adapter.py"
            raise UsageError("got nothing after --, expected the adapter's command", hint)
        code = ACTIONS[options.what](options)
        return code or flushed()
    except UsageError as error:
        return complain(str(error), error.hint or f"`{program.command()} --help` tells how it is used", USAGE)
    except AdapterBroken as error:
        hint = 'try the adapter by hand with one line on its standard input: {"op":"about"}'
        if "is no JSON" in str(error):
            hint = "standard output is for answers alone: write a banner and a log to standard error"
        elif "cannot be started" in str(error):
            hint = "build it first, or give the path of the program from that folder"
        return complain(f"adapter broken: {error}", hint, BROKEN_ADAPTER)
    except BaseException as error:
        if isinstance(error, OSError) and error.errno in streams.FAULTS:
            return output_lost(error, AS_EXPECTED)
        if isinstance(error, SystemExit):
            if not error.code and (lost := flushed()):
                return lost
            raise
        return ended_by(error)


def _failed(options: argparse.Namespace, earlier: Run) -> list[Result]:
    """Returns the failures of the earlier run, or those of the group that the options name."""
    if options.group is None:
        return [result for result in earlier.results if result.verdict in FAILED]
    found, number = roots.groups(earlier), int(options.group)
    if number > len(found):
        has = f"{options.failed} has {words.count(len(found), 'group')} of failures"
        raise UsageError(f"{has}, got --group {number}", "take a number that the report shows")
    return found[number - 1].results


def _selection(options: argparse.Namespace, failed: list[Result] | None = None) -> Selection:
    only = None
    if failed is not None:
        only = frozenset({result.id for result in failed} & _every_id())
        if not only and not any(result.script for result in failed):
            raise UsageError(f"no case failed in {options.failed}", "leave --failed out to run every case")
    return Selection(options.case, options.rule, options.role, options.via, options.level, only)


def _run(options: argparse.Namespace) -> int:
    known = baseline.read(options.baseline) if options.baseline else None
    _check_report(options)
    if options.group is not None and options.failed is None:
        raise UsageError("got --group without --failed", "the groups are those of a report: --failed REPORT --group N")
    earlier = _report(options.failed) if options.failed is not None else None
    failed = _failed(options, earlier) if earlier is not None else None
    conversations = [one for one in failed or [] if one.script]
    done = perform(options, _selection(options, failed), with_matrix=options.matrix, conversations=conversations)
    if earlier is not None:
        done.run.carry_over(earlier)
    if known is not None and done.ended is None:
        baseline.apply(done.run, known, _every_peer(options), _every_id())
        warnings = baseline.warnings(known)
        if options.require_reasons:
            done.run.complaints += [f"baseline: {warning}" for warning in warnings]
            warnings = []
        for warning in warnings[:MOST_WARNINGS]:
            warn(f"{options.baseline}: {warning}")
        if more := len(warnings[MOST_WARNINGS:]):
            warn(f"{options.baseline}: {more:,} more without a reason")
    return _finish(options, done)


def _matrix(options: argparse.Namespace) -> int:
    _check_report(options)
    if options.capture is not None:
        files.check_folder(options.capture)
    return _finish(options, perform(options, None, with_matrix=True))


def _explore(options: argparse.Namespace) -> int:
    _check_report(options)
    return _finish(options, perform(options, None, with_matrix=False))


def _learn(options: argparse.Namespace) -> int:
    _check_report(options)
    return _finish(options, perform(options, None, with_matrix=False))


def _check_report(options: argparse.Namespace) -> None:
    """Checks the report's folder before a long run."""
    if options.report is not None:
        files.check_folder(options.report, *REPORTS)


def _every_peer(options: argparse.Namespace) -> set[str]:
    return {subject.name for subject in subjects([], options.command, options.peers)}


def _every_id() -> set[str]:
    return {case.id for case in every_case()}


def _baseline(options: argparse.Namespace) -> int:
    # A fault of the file is reported before the long run.
    if options.how == "repair":
        baseline.read(options.file)
    elif options.file.exists():
        raise UsageError(f"{options.file} is there already", "mend it with `baseline repair`")
    elif not options.file.parent.is_dir():
        raise UsageError(f"cannot write {options.file}: there is no folder {options.file.parent}", "make it first")
    done = perform(options, _selection(options), with_matrix=False)
    if done.ended is not None:
        raise done.ended
    run = done.run
    if options.how == "write":
        print(one_line(f"{options.file}: {words.count(len(baseline.write(run, options.file)), 'known failure')}"))
        return AS_EXPECTED
    repaired = baseline.repair(run, options.file, _every_peer(options), _every_id(), accept_new=options.accept_new)
    for word, entries in (
        ("added" if options.accept_new else "new, and not added", repaired.added),
        ("dropped", repaired.dropped),
        ("fails in another way" + ("" if options.accept_new else ", and not changed"), repaired.changed),
    ):
        for entry in entries:
            print(one_line(f"{word}: {entry.id} of {entry.peer}: {entry.observed}"))
    known = baseline.read(options.file)
    print(one_line(f"{options.file}: {words.count(len(known), 'known failure')}"))
    if not options.accept_new and (repaired.added or repaired.changed):
        print("--accept-new takes what is new and what fails in another way into the list")
        return NOT_AS_EXPECTED
    if options.require_reasons and (missing := baseline.warnings(known)):
        print("\n".join(map(one_line, missing)))
        return NOT_AS_EXPECTED
    return AS_EXPECTED


def _finish(options: argparse.Namespace, done: Done) -> int:
    """Writes the reports and returns the exit code."""
    run = done.run
    if done.ended is None and not any(map(_is_tried, run.results)):
        run.complaints.append("nothing was tried: every case is unsupported or could not be run")
    if options.report and done.ended is None:
        run.since = _since(run, options.report / "report.json")
    run.results.sort(key=lambda result: (result.peer, result.rule, result.id))
    roots.settle(run)
    run.complaints += [f"the suite itself is broken: {why(defect)}" for defect in done.defects[:1]]
    code = AS_EXPECTED if run.is_as_expected else NOT_AS_EXPECTED
    lost: OSError | None = None
    try:
        if run.results:
            terminal.print_summary(run, Console(), is_quiet=options.quiet)
        sys.stdout.flush()
    except OSError as error:
        lost = error
        streams.drop_output()
    if options.report and not _write_reports(run, options.report):
        code = code or USAGE
    if done.ended is not None:
        if isinstance(done.ended, AdapterBroken):
            raise done.ended
        return ended_by(done.ended)
    if done.defects:
        return ended_by(done.defects[0])
    if not options.quiet and (command := _next(options, run)):
        with suppress(OSError):
            print(safe(f"next: {command}"))
    return output_lost(lost, code) if lost is not None else code


def _next(options: argparse.Namespace, run: Run) -> str:
    """Returns the command to run next; empty if nothing has failed.

    It runs the first group with `--stop-first`, or, without a report, the group's shortest case.
    """
    numbered = enumerate(roots.groups(run), 1)
    failed = [(number, group) for number, group in numbered if group.counts and group.example.verdict.has_failed]
    if not failed:
        return ""
    number, first = failed[0]
    if options.report is None or not any(one.script or one.id in _every_id() for one in first.results):
        return words.again(run, first.example)
    folder = str(options.report)
    given = [
        "--failed",
        folder,
        "--group",
        str(number),
        "--stop-first",
        "--report",
        folder,
        *(["--strict"] if run.strict else []),
    ]
    if getattr(options, "baseline", None) is not None:
        given += ["--baseline", str(options.baseline)]
    return f"{run.program} run {shlex.join(given)} {words.settings(run)} {run.subjects}"


def _is_tried(result: Result) -> bool:
    return not result.is_earlier and result.verdict not in (Verdict.NOT_RUN, Verdict.UNSUPPORTED)


def _since(run: Run, path: Path) -> dict[str, list[str]] | None:
    """Returns the changes since the earlier report in the folder, if it can be read."""
    try:
        changes = compare.compare(json.read_json(path), run)
    except (UsageError, ValueError):
        return None
    # A case that did not pass before, for example one that was left out, does not count as broken.
    names = {"fixed": changes.fixes, "broken": [one for one in changes.regressions if compare.has_passed(one.old)]}
    return {
        word: [f"{one.new.id} of {one.new.peer}" for one in some if one.new is not None] for word, some in names.items()
    }


def _write_reports(run: Run, folder: Path) -> bool:
    """Returns whether all reports were written. Prints an error for each that was not."""
    from .report import html, junit  # with libraries that take long, and only reports need them

    writers: tuple[Callable[[Run, Path], None], ...] = (json.write_json, junit.write_junit, html.write_html)
    for name, write in zip(REPORTS, writers, strict=True):
        try:
            write(run, folder / name)
        except OSError as error:
            hint = "what was found is on standard output"
            complain(f"cannot write {folder / name}: {error.strerror}", hint, USAGE)
            return False
    with suppress(OSError):
        print(safe(f"reports: {folder}/index.html, report.json, junit.xml"))
    return True


REPORTS = ("report.json", "junit.xml", "index.html")


def _list(options: argparse.Namespace) -> int:
    chosen = _selection(options).choose()
    if options.json:
        keys = ("id", "rule", "level", "role", "via", "note")
        print(dumps([{key: getattr(case, key) for key in keys} for case in chosen], indent=1))
        return AS_EXPECTED
    for case in chosen:
        print(f"{case.id}\t{case.level}\t{case.role}\t{case.note}")
    return AS_EXPECTED


def _compare(options: argparse.Namespace) -> int:
    show = compare.show_markdown if options.format == "markdown" else compare.show
    return show(_report(options.old), _report(options.new), Console())


def _report(path: Path) -> Run:
    """Returns the run of a report, given its file or its folder."""
    hint = f"a report is the report.json that `{program.command()} run --report DIR` writes"
    try:
        return json.read_json(path / "report.json" if path.is_dir() else path, hint)
    except ValueError as error:
        raise UsageError(str(error), hint) from error


def _init(options: argparse.Namespace) -> int:
    for path in templates.create(options.lang, options.folder):
        print(safe(str(path)))
    print()
    print(templates.next_steps(options.lang, options.folder))
    return AS_EXPECTED


def _verify(options: argparse.Namespace) -> int:
    from . import verify  # with a library that takes long

    return verify.show(options.file, Console(), options.server, strict=options.strict)


ACTIONS: dict[str, Callable[[argparse.Namespace], int]] = {
    "run": _run,
    "explore": _explore,
    "learn": _learn,
    "matrix": _matrix,
    "list": _list,
    "explain": explain,
    "baseline": _baseline,
    "compare": _compare,
    "init": _init,
    "verify": _verify,
}
