"""Damages captures, reports, TOML files and adapter lines. None may crash the suite or take more than a second.

    python conformance/tests/damage.py              100,000 files, a quarter of each kind; takes minutes
    python conformance/tests/damage.py --count 400  fewer files; --seed N makes others

The code that reads them must give a verdict or an error. Exit code: 0 all passed, 1 one failed.
"""

from __future__ import annotations

import argparse
import io
import json
import random
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import trio
from report_sample import sample
from rich.console import Console
from suite_command import VIA

from kcom5_conformance import baseline, compare, selection, verify
from kcom5_conformance.errors import UsageError
from kcom5_conformance.harness import adapter
from kcom5_conformance.harness.call import Call
from kcom5_conformance.harness.case import Case, Mismatch
from kcom5_conformance.harness.frame import HELLO, frame
from kcom5_conformance.harness.harness import Harness
from kcom5_conformance.harness.relay import Passed, write_pcap
from kcom5_conformance.report import causes, words
from kcom5_conformance.report import json as json_report
from kcom5_conformance.results import Json, Problem, Result, Verdict

MOST_SECONDS = 1.0
DEEP = 100_000
NESTED: list[Any] = []
for _ in range(800):
    NESTED = [NESTED]
ODD: tuple[Any, ...] = (
    None, True, -1, 0, 1.5, 3.0, 1e300, 1 << 64, 10**400, "",
    "\ud800", "a\0b", "\x1b[31m\u202e", "x" * 900_000, "…", "zz",
    [], {}, NESTED, {"hex": "0"}, "0" * 8192, "é" * 5000,
)  # fmt: skip
SOME = (b"[" * DEEP, b'{"a":' * DEEP, b"\xef\xbb\xbf", b"9" * 5000, b"\\ud800")


def odd(octets: bytes, chooser: random.Random) -> bytes:
    """Returns the JSON with one value replaced."""
    document = json.loads(octets)
    place: Any = {"": document}
    while True:
        key = chooser.choice(list(place) if isinstance(place, dict) else range(len(place)))
        inside = place[key]
        if not isinstance(inside, (dict, list)) or not inside or chooser.random() < 0.1:
            place[key] = chooser.choice(ODD)
            return json.dumps(document if key != "" else place[key]).encode()
        place = inside


def mutated(octets: bytes, chooser: random.Random) -> bytes:
    """Returns the bytes with one to four changes."""
    changed = bytearray(octets)
    for _ in range(chooser.randint(1, 4)):
        at = chooser.randrange(len(changed) + 1)
        size = chooser.choice((1, 1, 2, 4, 16, 300))
        match chooser.randrange(8):
            case 0:
                changed[at : at + 1] = bytes([chooser.randrange(256)])
            case 1:
                del changed[at : at + size]
            case 2:
                changed[at:at] = chooser.randbytes(size)
            case 3:
                changed[at:at] = changed[at : at + size] * chooser.choice((1, 2, 50))
            case 4:
                del changed[at:]
            case 5:
                changed[at : at + 4] = chooser.choice((b"\xff\xff\xff\xff", bytes(4), b"\x7f\xff\xff\xff"))
            case 6:
                changed[at:at] = chooser.choice(SOME)
            case _:
                other = chooser.randrange(len(changed) + 1)
                changed[at : at + size], changed[other : other + size] = (
                    changed[other : other + size],
                    changed[at : at + size],
                )
    return bytes(changed)


# ---- what is damaged, and the code that reads it


def captures(folder: Path) -> list[bytes]:
    """Returns a capture of an exchange in small pieces, and the same as text."""
    stream = HELLO + frame("héllo".encode(), bytes(range(200)))
    passed = [Passed(0.0, True, "octets", HELLO)]
    passed += [Passed(0.1, False, "octets", stream[at : at + 9]) for at in range(0, len(stream), 9)]
    passed += [Passed(0.2, False, "end"), Passed(0.3, True, "end")]
    write_pcap(passed, folder / "right.pcap")
    return [(folder / "right.pcap").read_bytes(), f"> {HELLO.hex()}\n< {stream.hex()}\n".encode()]


def read_capture(path: Path) -> None:
    verdicts = verify.verify(path)
    for strict in (False, True):
        assert verdicts.word(strict=strict) in verify.CODES
        assert verify.to_text(verdicts, strict=strict)


def reports(_folder: Path) -> list[bytes]:
    run = sample()
    run.results, run.rules = run.results[:10], run.rules[:3]
    return [json.dumps(run.to_json()).encode()]


def read_report(path: Path) -> None:
    try:
        run = json_report.read_json(path)
    except ValueError:
        return
    compare.show(sample(), run, Console(file=io.StringIO()))


def tables(_folder: Path) -> list[bytes]:
    entry = baseline.Entry("mine", "echo.exact/cut-3@tcp6", "see\nissue 1", "echo.exact: got \x1b, expected 'é'")
    return [baseline._text([entry]).encode(), b'[mine]\ncommand = ["python3", "adapter.py"]\n']


def read_table(path: Path) -> None:
    for read in (lambda: baseline.read(path), lambda: selection.subjects([], [], path)):
        try:
            read()
        except UsageError:
            continue


def lines(_folder: Path) -> list[bytes]:
    data = {"size": 3, "sha256": "00" * 32, "hex": "000102"}
    answers: list[Json] = [
        {"ok": True, "message": "hé", "data": data},
        {"ok": True, "confirmed": True},
        {"error": "timeout", "detail": "no \u001b[31m luck", "message": "before"},
        {"listening": 23456},
        {"name": "x", "version": "1", "language": "c", "supports": ["send", "tcp6"]},
        {"port": 13600, "key": "00" * 48},
    ]
    return [json.dumps(answer).encode() for answer in answers]


def read_line(path: Path) -> None:
    """Refuses a line, or judges its answer and writes the report."""
    line = path.read_bytes().split(b"\n")[0]
    adapter.understood(line, "answer-about")
    adapter.understood(line, "answer-unpack", "error")
    for op in ("send", "receive"):
        answer, what = adapter.understood(line, f"answer-{op}", "error", "unsupported")
        assert (answer is None) == bool(what)
        if answer is not None:
            trio.run(_judge, op, answer)


async def _judge(op: str, answer: Json) -> None:
    async def nothing(_: Any) -> None:
        """Does nothing; a case needs a function."""

    case = Case("mutated", "echo.exact", "MUST", "client", VIA, "", nothing)
    async with trio.open_nursery() as nursery:
        harness = Harness(case, adapter.Adapter([]), nursery, 0.001, 0.001)
        call = Call(harness, {"op": op, "via": VIA}, harness.adapter, answer)
        harness.calls.append(call)
        harness.log("suite", "octets", HELLO + frame(b"hi", b"\0\1\2"))
        harness.log("implementation", "answer", text=answer)
        call.ended.set()
        message, data = ("hi", b"\0\1\2") if op == "receive" else (None, None)
        try:
            await call.expect_ok(message, data)
            await call.expect_error("io")
        except Mismatch as mismatch:
            _tell(case, harness, mismatch.problem)


def _tell(case: Case, harness: Harness, problem: Problem) -> None:
    result = Result(case.id, "x", case.rule, case.level, case.role, VIA, "", Verdict.FAIL)
    result.problems, result.events = [problem], harness.events
    result.cause = causes.cause_of(result, harness.answer)
    run = sample()
    told = words.explain(run, result) + words.ladder(result) + words.headline(result)
    assert "\x1b" not in told
    assert len(told) < 20_000


KINDS: dict[str, tuple[Callable[[Path], list[bytes]], Callable[[Path], None]]] = {
    "capture": (captures, read_capture),
    "report": (reports, read_report),
    "toml": (tables, read_table),
    "line": (lines, read_line),
}


@cache
def _right(kind: str, folder: Path) -> list[bytes]:
    return KINDS[kind][0](folder)


def try_one(kind: str, number: int, seed: int, folder: Path) -> str:
    """Reads one damaged file. Returns the fault, or "". The file stays as `KIND` until the next one."""
    read = KINDS[kind][1]
    chooser = random.Random(f"{seed} {kind} {number}")
    path = folder / kind
    octets = chooser.choice(_right(kind, folder))
    is_odd = kind in ("report", "line") and chooser.random() < 0.5
    path.write_bytes(odd(octets, chooser) if is_odd else mutated(octets, chooser))
    start = time.process_time()
    try:
        read(path)
    except UsageError:
        pass
    except BaseException:
        return traceback.format_exc(limit=-4)
    took = time.process_time() - start
    return f"took {took:.1f} s" if took > MOST_SECONDS else ""


def main() -> None:
    """Tries `--count` files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--count", type=int, default=100_000, help="how many in all (default: 100,000)")
    parser.add_argument("--seed", type=int, default=1, help="of what is done to them (default: 1)")
    options = parser.parse_args()
    failed = 0
    with tempfile.TemporaryDirectory(prefix="kcom5-") as name:
        for number in range(options.count // len(KINDS)):
            for kind in KINDS:
                if what := try_one(kind, number, options.seed, Path(name)):
                    failed += 1
                    print(f"{kind} {number} of seed {options.seed}: {what}", file=sys.stderr)
    print(f"{options.count // len(KINDS) * len(KINDS)} tried, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
