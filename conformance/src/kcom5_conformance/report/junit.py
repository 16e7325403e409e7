"""JUnit XML: a suite for each implementation, a case for each result; report/junit.xsd describes it.

The times are shares of the run's time: cases run in parallel, so their own durations would add up to more than that.
`fail`, `flaky` and `unexpected-pass` are failures if they fail the run, and `crashed` is an error. All others that do
not fail the run are skipped, with the reason.
"""

from __future__ import annotations

import io
import re
from pathlib import Path

from junitparser import Error, Failure, JUnitXml, Properties, Property, Skipped, TestCase, TestSuite

from .. import files
from ..escape import escaped, safe
from ..results import Result, Run, Verdict
from . import roots, words

_CONTROL = re.compile("[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write_junit(run: Run, path: Path) -> None:
    """Writes the report completely or not at all. Raises OSError."""
    report = JUnitXml("kcom5-conformance")
    share = run.seconds / (sum(result.seconds for result in run.results) or 1)
    titles = {id(result): group.title for group in roots.groups(run) for result in group.results}
    for peer in dict.fromkeys(result.peer for result in run.results):
        suite = TestSuite(_clean(peer))
        suite.timestamp = run.started[:19]
        # One call, because add_testcase() recounts the whole suite each time.
        suite.add_testcases([_case(run, result, titles, share) for result in run.results if result.peer == peer])
        report.add_testsuite(suite)
    if run.complaints:
        suite = TestSuite("the run")
        for complaint in run.complaints:
            case = TestCase(_clean(complaint), "complaint", 0.0)
            case.result = [Failure(_clean(complaint), "complaint")]
            suite.add_testcase(case)
        report.add_testsuite(suite)
    report.update_statistics()  # type: ignore[no-untyped-call]
    octets = io.BytesIO()
    report.write(octets, pretty=False)
    files.write(path, octets.getvalue().decode())


def _case(run: Run, result: Result, titles: dict[int, str], share: float) -> TestCase:
    case = TestCase(
        _clean(result.id), _clean(f"{result.peer}.{result.rule}"), round(result.seconds * share, 3)
    )  # never 1e-06, because the schema requires a decimal
    if title := titles.get(id(result)):
        properties = Properties()  # type: ignore[no-untyped-call]
        for name, value in {"group": title, "cause": result.cause, "level": result.level}.items():
            properties.add_property(Property(name, _clean(value)))
        case.append(properties)  # type: ignore[no-untyped-call]
    words_of = _clean(words.explain(run, result))
    if run.counts_as_failure(result):
        kind = Error if result.verdict is Verdict.CRASHED else Failure
        found = kind(_clean(words.headline(result)), result.verdict.value)
        found.text = words_of
        case.result = [found]
    elif result.verdict is not Verdict.PASS:
        case.result = [Skipped(_clean(f"{result.verdict.value}: {result.reason or words.headline(result)}"))]
    if result.verdict is not Verdict.PASS and result.events:
        case.system_out = _clean(words.ladder(result))
    if result.stderr:
        case.system_err = _clean(result.stderr)
    return case


def _clean(text: str) -> str:
    """Escapes control characters as \\x1b, because XML does not allow most of them."""
    return safe(_CONTROL.sub(lambda match: escaped(match[0]), text))
