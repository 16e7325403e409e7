"""The exit codes, and the messages on standard error before a code other than 0."""

from __future__ import annotations

import sys
import traceback

from . import streams
from .errors import leaves
from .escape import safe
from .harness.adapter import SuiteBroken

AS_EXPECTED, NOT_AS_EXPECTED, USAGE, BROKEN_ADAPTER, BROKEN_SUITE, INTERRUPTED, NOBODY_READS = 0, 1, 2, 3, 4, 130, 141


def ended_by(error: BaseException) -> int:
    """Prints the error that ended the command and returns the exit code."""
    if any(isinstance(one, KeyboardInterrupt) for one in leaves(error)):
        return complain("interrupted", "", INTERRUPTED)
    traceback.print_exception(error)
    known = [one for one in leaves(error) if isinstance(one, SuiteBroken)]
    what = known[0] if known else type(error).__name__
    return complain(f"the suite itself is broken: {what}", "this is not your implementation's fault", BROKEN_SUITE)


def flushed() -> int:
    """Flushes standard output and returns the exit code: 0 if everything was written."""
    try:
        sys.stdout.flush()
        return AS_EXPECTED
    except OSError as error:
        return output_lost(error, AS_EXPECTED)


def output_lost(error: OSError, code: int) -> int:
    """Prints that standard output cannot be written. Returns an exit code other than 0."""
    streams.drop_output()
    if isinstance(error, BrokenPipeError):  # the reader, such as `head`, has closed the pipe
        return code or NOBODY_READS
    words_of = f"cannot write to standard output: {error.strerror}"
    return complain(words_of, "the exit code is that of the run, if it is 1", code or USAGE)


def complain(detail: str, hint: str, code: int) -> int:
    print(f"kcom5-conformance: error: {safe(detail)}", file=sys.stderr)
    if hint:
        print(f"kcom5-conformance: hint: {safe(hint)}", file=sys.stderr)
    return code


def warn(text: str) -> None:
    print(f"kcom5-conformance: warning: {safe(text)}", file=sys.stderr)
