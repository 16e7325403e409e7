"""Break a copy of the spec and the vectors in every way that check.py knows, and see it name the fault.

Each break is one edit; a text to replace that is not there exactly once fails the test, so no break can go stale.
"""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import pytest
from check import main

HERE = Path(__file__).resolve().parent
SPEC = "spec/kcom5.md"
TICK = "`"  # a citation of no rule is written ~so~ here: this file is checked too


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project of spec/, vectors/ and the cases of the suite alone."""
    cases = tmp_path / "conformance" / "src"
    cases.mkdir(parents=True)
    for path in (HERE.parent / "conformance" / "src" / "kcom5_conformance" / "cases").glob("*.py"):
        shutil.copy(path, cases / path.name)
    for name in ("spec", "vectors"):
        shutil.copytree(HERE.parent / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    return tmp_path


@dataclass
class Done:
    """The exit code and the output of a check."""

    returncode: int
    stdout: str
    stderr: str


def check(*arguments: str | Path) -> Done:
    """Run the check in this process, because starting Python takes longer."""
    with redirect_stdout(io.StringIO()) as printed, redirect_stderr(io.StringIO()) as said:
        result = main([str(argument) for argument in arguments])
    return Done(result, printed.getvalue(), said.getvalue())


def faults(root: Path) -> list[str]:
    """The lines of a check that found faults."""
    result = check(root)
    assert result.returncode == 1, result.stdout + result.stderr
    assert result.stderr == ""
    return result.stdout.splitlines()


def edit(root: Path, name: str, old: str, new: str) -> int:
    """Replace the one place where `old` stands, ~ in `new` being a backtick; return its line."""
    path = root / name
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1, f"{name} has {text.count(old)} of {old!r}"
    path.write_text(text.replace(old, new.replace("~", TICK)), encoding="utf-8")
    return text[: text.index(old)].count("\n") + 1


def edit_vectors(root: Path, name: str, keep: str) -> None:
    """Leave out the vectors whose id does not match `keep`."""
    path = root / "vectors" / name
    document = json.loads(path.read_text(encoding="utf-8"))
    kept = [vector for vector in document["vectors"] if re.search(keep, vector["id"])]
    assert 0 < len(kept) < len(document["vectors"])
    path.write_text(json.dumps({**document, "vectors": kept}), encoding="utf-8")


def test_an_unbroken_copy_passes_with_a_summary(root: Path) -> None:
    result = check(root)
    assert result.returncode == 0, result.stdout + result.stderr
    rules = (root / SPEC).read_text(encoding="utf-8").count('- <a id="')
    words = len(re.findall(r"\S*\w\S*", (root / SPEC).read_text(encoding="utf-8")))
    pattern = rf"spec: {rules} rules \(\d+ MUST, \d+ SHOULD, \d+ MAY\), \d+ citations, \d+ links, {words} words\n"
    assert re.fullmatch(pattern, result.stdout), result.stdout


NONCE = '- <a id="hello.any-nonce"></a>**hello.any-nonce** — The server MUST accept every value of the three octets.\n'
EOF = "**hello.eof** — If the client closes or resets before eight octets, the server MUST end with"
ONE_OF = "expected exactly one of MUST, MUST NOT, SHOULD, SHOULD NOT, MAY"

# What is broken: file, old text, new text, and the fault; {line} is the line of the edit.
BREAKS = {
    # rules and keywords
    "a stray keyword": (
        SPEC, "Every state meets every event.", "Every state MUST meet every event.",
        "spec/kcom5.md:{line}: got MUST outside a rule, expected it in a named rule",
    ),
    "a stray keyword in the rationale": (
        "spec/rationale.md", "# Why KCOM5 is as it is", "# Why KCOM5 SHOULD NOT change",
        "spec/rationale.md:{line}: got SHOULD NOT outside a rule, expected it in a named rule",
    ),
    "a second paragraph of a rule with a keyword": (
        SPEC, NONCE, NONCE + "\n  It MAY be zero.\n",
        "spec/kcom5.md:{line+2}: got MAY outside a rule, expected it in a named rule",
    ),
    "a rule without a keyword": (
        SPEC, NONCE, NONCE.replace("MUST accept", "accepts"),
        f"spec/kcom5.md:{{line}}: got no keyword in hello.any-nonce, {ONE_OF}",
    ),
    "a rule with a keyword in code": (
        SPEC, NONCE, NONCE.replace("MUST", "`MUST`"),
        f"spec/kcom5.md:{{line}}: got no keyword in hello.any-nonce, {ONE_OF}",
    ),
    "a rule with two keywords": (
        SPEC, EOF, EOF.replace("closes", "MAY close"),
        f"spec/kcom5.md:{{line}}: got MAY, MUST in hello.eof, {ONE_OF}",
    ),
    "a rule with a keyword of another text": (
        SPEC, NONCE, NONCE.replace("MUST", "SHALL"),
        f"spec/kcom5.md:{{line}}: got SHALL in hello.any-nonce, {ONE_OF}",
    ),
    "a rule twice": (
        SPEC, NONCE, NONCE + NONCE,
        "spec/kcom5.md:{line+1}: got the rule hello.any-nonce again, expected it once (line {line})",
    ),
    "a rule without its anchor": (
        SPEC, NONCE, NONCE.replace('<a id="hello.any-nonce"></a>', ""),
        "spec/kcom5.md:{line}: got the anchor (none), expected hello.any-nonce",
    ),
    "an anchor of another name": (
        SPEC, NONCE, NONCE.replace('"hello.any-nonce"', '"hello.any"'),
        "spec/kcom5.md:{line}: got the anchor hello.any, expected hello.any-nonce",
    ),
    "an anchor without a rule": (
        SPEC, NONCE, NONCE.replace(" — ", " "),
        "spec/kcom5.md:{line}: got the anchor hello.any-nonce without a rule, expected - …**hello.any-nonce** — …",
    ),
    "a rule of no area": (
        SPEC, NONCE, NONCE + '- <a id="bye.form"></a>**bye.form** — An end MUST say nothing.\n',
        "spec/kcom5.md:{line+1}: got the rule bye.form, expected an area of address|",
    ),
    "a rule without a reason": (
        "spec/rationale.md", "(kcom5.md#data.opaque)", "(kcom5.md#frame)",
        "got no reason for data.opaque, expected a link to kcom5.md#data.opaque in spec/rationale.md",
    ),
    # citations
    "a rule that is gone": (
        SPEC, NONCE, "",
        "vectors/hello.json:{any}: got a citation of hello.any-nonce, expected a rule of spec/kcom5.md",
    ),
    "a rule that nobody cites": (
        SPEC, NONCE, NONCE + NONCE.replace("any-nonce", "new"),
        "spec/kcom5.md:{line+1}: got no citation of hello.new, expected a vector, case or test that shows it",
    ),
    "a citation of no rule in a document": (
        "vectors/README.md", "# Vectors\n", "# Vectors\n\nSee ~frame.nothing~.\n",
        "vectors/README.md:{line+2}: got a citation of frame.nothing, expected a rule of spec/kcom5.md",
    ),
    "a citation of no rule in a source": (
        "vectors/check.py", '"""Check the vectors', '"""Check ~time.nothing~ and the vectors',
        "vectors/check.py:{line}: got a citation of time.nothing, expected a rule of spec/kcom5.md",
    ),
    "a citation of no rule in the spec": (
        SPEC, "nothing (`hello.reject`, `hello.alone`)", "nothing (`hello.reject`, ~hello.lonely~)",
        "spec/kcom5.md:{line}: got a citation of hello.lonely, expected a rule of spec/kcom5.md",
    ),
    # links
    "a dead link": (
        SPEC, "(rationale.md)", "(reasons.md)",
        "spec/kcom5.md:{line}: got a dead link, reasons.md, expected a file of the project",
    ),
    "a link out of the project": (
        SPEC, "(rationale.md)", "(../../rationale.md)",
        "spec/kcom5.md:{line}: got a dead link, ../../rationale.md, expected a file of the project",
    ),
    "a dead fragment": (
        SPEC, "see [Time](#time)", "see [Time](#times)",
        "spec/kcom5.md:{line}: got a dead link, #times, expected an anchor or heading of spec/kcom5.md",
    ),
    "a dead fragment of another file": (
        "vectors/README.md", "[rule](../spec/kcom5.md)", "[rule](../spec/kcom5.md#hello.nothing)",
        "vectors/README.md:{line}: got a dead link, ../spec/kcom5.md#hello.nothing, "
        "expected an anchor or heading of spec/kcom5.md",
    ),
    "a dead link by reference": (
        "vectors/README.md", "# Vectors\n", "# Vectors\n\n[1]: nowhere.md\n",
        "vectors/README.md:{line+2}: got a dead link, nowhere.md, expected a file of the project",
    ),
    # tables
    "a missing cell": (
        SPEC, "| listening | hello | – |", "| listening | hello |",
        "spec/kcom5.md:{line}: got 12 cells in the row listening, expected 13",
    ),
    "an empty cell": (
        SPEC, "| listening | hello | – |", "| listening | hello |  |",
        "spec/kcom5.md:{line}: got an empty cell in the row listening, expected every cell filled, or –",
    ),
    "an unknown next state": (
        SPEC, "| send hello; echo |", "| send hello; echoes |",
        "spec/kcom5.md:{line}: got the next state echoes, expected a state of the client",
    ),
    "a state twice": (
        SPEC, "| half-closed | – |", "| sending | – |",
        "spec/kcom5.md:{line}: got the state sending in more than one row, expected one row",
    ),
    "a final state that is gone": (
        SPEC, "| failed |" + " – |" * 12 + "\n\nIn", "\nIn",
        "got no state failed, expected the final states of both tables",
    ),
    "an unknown event": (
        SPEC, "| server | connected |", "| server | dialled |",
        "spec/kcom5.md:{line}: got the event dialled, expected an event of the paragraph Events",
    ),
    "an event of no table": (
        SPEC, "Events: `connected` a connection exists", "Events: `paused` waits · `connected` a connection exists",
        "spec/kcom5.md:{line}: got the event paused, expected a column of a state table",
    ),
    "a dash without a reason": (
        SPEC, "| sending, confirming | more |", "| confirming | more |",
        "got 0 reasons for the dash sending × more of the server, expected one row under <!-- dashes -->",
    ),
    "a dash with two reasons": (
        SPEC, "| confirming, draining | sent |", "| confirming, draining | sent, more |",
        "got 2 reasons for the dash confirming × more of the server, expected one row under <!-- dashes -->",
    ),
    "a reason for what is not a dash": (
        SPEC, "| hello | sent, acknowledged, early-end |", "| hello | sent, acknowledged, early-end, end |",
        "got a reason for a dash at hello × end of the server, expected `invalid-connection`",
    ),
    "a reason that does not say whether it happens": (
        SPEC, "cannot happen: the call has returned", "the call has returned",
        "got tables that cannot be read: a reason begins with `right:` or `cannot happen:`, got the call has returned",
    ),
    "a table without its mark": (
        SPEC, "<!-- states: client -->\n", "",
        "spec/kcom5.md:1: got no <!-- states: client -->, expected this mark and its table",
    ),
    "a mark without its table": (
        SPEC, "<!-- errors -->\n", "<!-- errors -->\n\n",
        "got no table after <!-- errors -->, expected a header and rows",
    ),
    "an unknown error in a state table": (
        SPEC, "| connecting | send hello; echo | `refused` |", "| connecting | send hello; echo | `refusal` |",
        "spec/kcom5.md:{line}: got the error refusal, expected an error of the error table",
    ),
    "an error of the other end in a state table": (
        SPEC, "| connecting | send hello; echo | `refused` |", "| connecting | send hello; echo | `in-use` |",
        "spec/kcom5.md:{line}: got the error in-use raised by client, expected server",
    ),
    "an error of no table": (
        SPEC, "| `over-limit` | protocol | client | a declared length is over a limit |\n", "",
        "vectors/limits.json:{any}: got the error over-limit, expected an error of the error table",
    ),
    "an error of no vector": (
        SPEC, "| `refused` | transport |", "| `lost` | transport | client | – |\n| `refused` | transport |",
        "spec/kcom5.md:{line}: got no vector with the error lost, expected one, or a reason in spec/check.py",
    ),
    "an error twice": (
        SPEC, "| `refused` | transport |", "| `in-use` | transport | server | – |\n| `refused` | transport |",
        "spec/kcom5.md:{line}: got the error in-use again, expected it once (line {line-1})",
    ),
    "an error that only the schema has": (
        "vectors/schema.json", '"enum": ["invalid-address", "invalid-key", "invalid-port", "message-not-utf8"',
        '"enum": ["lost", "invalid-address", "invalid-key", "invalid-port", "message-not-utf8"',
        "vectors/schema.json:1: got the error lost in one place, expected it in the table",
    ),
    "an error that the schema has not": (
        "vectors/schema.json", '"refused", "timeout", "io"', '"refused", "timeout"',
        "spec/kcom5.md:1: got the error io in one place, expected it in the table",
    ),
    "a wait with no rule": (
        SPEC, "| for a client | `time.wait` |", "| for a client | – |",
        "spec/kcom5.md:{line}: got – in the table of waits, expected a rule of time, and an error",
    ),
    "a wait with a rule that is none": (
        SPEC, "| for a client | `time.wait` |", "| for a client | ~time.patience~ |",
        "spec/kcom5.md:{line}: got a citation of time.patience, expected a rule of spec/kcom5.md",
    ),
    "a wait that ends in no error": (
        SPEC, "| a connection is accepted | `timeout` |", "| a connection is accepted | `late` |",
        "spec/kcom5.md:{line}: got `late` in the table of waits, expected a rule of time, and an error",
    ),
    # examples
    "a wrong octet in the hex dump": (
        SPEC, "4b 43 4f 4d 35 aa bb cc  02", "4b 43 4f 4d 35 aa bb cd  02",
        "spec/kcom5.md:{line}: got 00000000  4b 43 4f 4d 35 aa bb cd  02 00",
    ),
    "a wrong letter beside the hex dump": (
        SPEC, "|KCOM5.......hi..|", "|KCOM5.......ho..|",
        "|KCOM5.......ho..|, expected 00000000  4b 43 4f 4d 35 aa bb cc  02 00 00 00 68 69 03 00  |KCOM5.......hi..|",
    ),
    "a line too few in the hex dump": (
        SPEC, "00000010  00 00 00 00 00 00 00 01  02                       |.........|\n", "",
        "spec/kcom5.md:{line}: got (no line), expected 00000010  00 00 00 00 00 00 00 01  02",
    ),
    "a hex dump of no vector": (
        SPEC, "<!-- vector: frame.order/one-exchange -->", "<!-- vector: frame.order/two-exchanges -->",
        "spec/kcom5.md:{line}: got a hex dump of frame.order/two-exchanges, expected a vector with the role server",
    ),
    "a hex dump without its mark": (
        SPEC, "<!-- vector: frame.order/one-exchange -->\n", "",
        "spec/kcom5.md:1: got 0 hex dumps under a vector: mark, expected 1",
    ),
    "an address example with a wrong result": (
        SPEC, "13600, `ab cd ef` 16 times", "13600, `ab cd ef` 15 times",
        "spec/kcom5.md:{line}: got unpack → `13600.aB.Cd.eF` → 13600, `ab cd ef` 15 times, expected {{'port': 13600",
    ),
    "an address example of no vector": (
        SPEC, "| pack | 65536, `2a` |", "| pack | 65536, `2b` |",
        "spec/kcom5.md:{line}: got pack → 65536, `2b` → `invalid-port`, expected a row of vectors/address.json",
    ),
    "another default limit": (
        SPEC, "| message, received | 16,777,216 octets |", "| message, received | 16,777,217 octets |",
        "vectors/limits.json:{any}: got over-limit at 16777217, expected the limit of spec/kcom5.md, 16777217",
    ),
    "a limit that the vectors do not touch": (
        SPEC, "| message, received | 16,777,216 octets |", "| message, received | 16,777,215 octets |",
        "vectors/limits.json:1: got no vector over the limit by one, expected 16777216",
    ),
    "no default limit": (
        SPEC, "| message, received |", "| message, accepted |",
        "spec/kcom5.md:1: got no limit of a message received, expected its row in the table of limits",
    ),
    "too many words": (
        SPEC, "# KCOM5\n", "# KCOM5\n" + "word " * 1000 + "\n",
        "words, expected at most 4300",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BREAKS)
def test_names_the_fault(root: Path, name: str) -> None:
    path, old, new, fault = BREAKS[name]
    line = edit(root, path, old, new)
    for shift in (-1, 0, 1, 2):
        fault = fault.replace(f"{{line{shift:+}}}" if shift else "{line}", str(line + shift))
    pattern = re.escape(fault.replace("{{", "{")).replace(re.escape("{any}"), r"\d+")
    found = faults(root)
    assert any(re.search(pattern, line) for line in found), "\n".join(found)


def test_names_a_rule_whose_vectors_are_gone(root: Path) -> None:
    edit_vectors(root, "hello.json", r"^(?!hello\.eof/)")
    assert [line for line in faults(root) if "got no citation of hello.eof, expected a vector" in line]


def test_names_a_rule_whose_cases_are_gone(root: Path) -> None:
    edit(root, "conformance/src/outcomes.py", '"result.class/{name}"', '"hello.eof/{name}"')
    assert [line for line in faults(root) if "got no citation of result.class, expected a vector, case" in line]


def test_names_an_error_whose_vectors_are_gone(root: Path) -> None:
    edit_vectors(root, "listen.json", r"^(?!listen\.exclusive/)")
    edit_vectors(root, "unix.json", r"^(?!unix\.stale/)")
    assert [line for line in faults(root) if "got no vector with the error in-use, expected one, or a reason" in line]


def test_names_an_error_that_has_a_vector_and_a_reason_against_one(root: Path) -> None:
    edit(root, "vectors/listen.json", '"outcome": {"error": "in-use"}', '"outcome": {"error": "io"}')
    assert [line for line in faults(root) if "got a vector with the error io, expected no reason against one" in line]


def test_names_a_link_to_a_file_that_git_ignores(root: Path) -> None:
    (root / "built.md").touch()
    (root / ".gitignore").write_text("built.md\n")
    line = edit(root, "vectors/README.md", "# Vectors\n", "# Vectors\n[built](../built.md)\n") + 1
    fault = f"vectors/README.md:{line}: got a dead link, ../built.md, expected a file of the project"
    assert fault in faults(root)


def test_a_call_a_file_and_a_name_inside_code_are_no_citations(root: Path) -> None:
    words = ("data.size()", "message.length() - 1", "x = time.sleep", "address.json")
    edit(root, "vectors/README.md", "# Vectors\n", "# Vectors\n\n" + " ".join(f"~{word}~" for word in words))
    assert check(root).returncode == 0


def test_a_link_in_code_is_no_link_and_a_web_address_is_not_followed(root: Path) -> None:
    text = "# Vectors\n\n`[x](dead.md)` [y](https://example.invalid/)\n\n```\n[z](dead.md)\n```\n"
    edit(root, "vectors/README.md", "# Vectors\n", text)
    assert check(root).returncode == 0


def test_a_file_that_is_no_text_is_passed_over(root: Path) -> None:
    citation = f"{TICK}time.nothing{TICK}".encode()
    (root / "corpus").write_bytes(citation + b"\x00")
    (root / "other").write_bytes(citation + b"\xff")
    assert check(root).returncode == 0


def test_lists_the_citations_of_each_rule_by_kind(root: Path) -> None:
    for name in ("core.py", "test_core.py", "core_test.go", "tests/core.cpp", "notes.md"):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text("# `hello.eof`\n")
    result = check("--citations", root)
    assert result.returncode == 0, result.stdout
    row = next(line for line in result.stdout.splitlines() if line.startswith("hello.eof "))
    assert re.fullmatch(r"hello\.eof +vector [1-9]\d* +case 0 +test 3 +source 1 +document 1", row), row


@pytest.mark.parametrize(
    "spoil",
    [
        lambda root: (root / SPEC).unlink(),
        lambda root: shutil.rmtree(root / ".git"),
        lambda root: (root / "vectors" / "echo.json").write_text("{"),
        lambda root: (root / "vectors" / "echo.json").write_text("{}"),
    ],
    ids=["no spec", "no git", "vectors that are no JSON", "vectors without vectors"],
)
def test_exits_2_when_it_cannot_check(root: Path, spoil: object) -> None:
    assert callable(spoil)
    spoil(root)
    result = check(root)
    assert result.returncode == 2
    assert re.fullmatch(r"spec: cannot check: .+\n", result.stderr), result.stderr
    assert result.stdout == ""


def test_exits_2_at_a_wrong_option_and_0_at_help() -> None:
    program = [sys.executable, str(HERE / "check.py")]
    assert subprocess.run([*program, "--nonsense"], capture_output=True, check=False).returncode == 2
    assert "--citations" in subprocess.run([*program, "--help"], capture_output=True, text=True, check=True).stdout
