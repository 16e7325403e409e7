"""The command line: what is asked, and the exit code. What is found is made elsewhere."""

from __future__ import annotations

import sys


def main() -> None:
    """To be replaced: runs a command line's adapter and prints what fails."""
    import collections
    import json
    from fnmatch import fnmatch

    import trio

    from . import conversation, data, hazards, runner, vectors

    arguments = sys.argv[2:]
    command = arguments[arguments.index("--") + 1 :]
    patterns = arguments[: arguments.index("--")] or ["*"]
    cases = [*conversation.cases(vectors.load(data.vectors_folder())), *hazards.cases()]
    cases = [case for case in cases if any(fnmatch(case.id, pattern) for pattern in patterns)]

    async def go() -> runner.Runner:
        subject = runner.Subject("it", command)
        run = runner.Runner(subject, await runner.smoke(subject, 5), 1, 1.0, 4, lambda result: None)
        await run.run(cases)
        return run

    try:
        run = trio.run(go)
    except runner.AdapterBroken as error:
        print("adapter broken:", error)
        sys.exit(3)
    print(collections.Counter(result.verdict.value for result in run.results))
    rules = collections.Counter()
    for result in run.results:
        if result.verdict.has_failed:
            problem = result.problems[0]
            rules[problem.rule] += 1
            print(
                result.id,
                result.verdict.value,
                f"{result.failed}/{result.tried}",
                problem.rule,
                problem.got,
                "|",
                problem.expected,
            )
    print("caught by", json.dumps(rules))
    sys.exit(1 if rules else 0)
