"""Break a copy of the vectors and the spec in every way that check.py knows, and see it name the fault.

Each break is one edit of one entry; needs jsonschema, as check.py does.
"""

from __future__ import annotations

import contextlib
import io
import json
import re
import runpy
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
# In this process: starting Python takes longer than a check. By path: spec/ has a check.py, too.
CHECK, EXPAND = (runpy.run_path(str(HERE / name))["main"] for name in ("check.py", "expand.py"))
Entry = dict[str, Any]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project of spec/ and vectors/ alone."""
    for name in ("spec", "vectors"):
        shutil.copytree(HERE.parent / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    return tmp_path


def faults(root: Path) -> list[str]:
    """The lines of a check that found faults."""
    result, lines = run(CHECK, root)
    assert result == 1, lines
    return lines


def run(main: Callable[[list[str]], int], folder: Path) -> tuple[int, list[str]]:
    """Run a program on a folder: its exit code, and the lines that it prints."""
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        result = main([str(folder)])
    return result, printed.getvalue().splitlines()


def change(root: Path, name: str, vid: str, act: Callable[[list[Entry], Entry], object]) -> None:
    """Do something to the list of entries of a source, and to the one with this id; expand what can be expanded."""
    path = root / "vectors" / "source" / name
    document = json.loads(path.read_text(encoding="utf-8"))
    (entry,) = (vector for vector in document["vectors"] if vector["id"] == vid)
    act(document["vectors"], entry)
    path.write_text(json.dumps(document), encoding="utf-8")
    run(EXPAND, root / "vectors")


def edit(root: Path, name: str, old: str, new: str) -> None:
    """Replace the one place where `old` stands."""
    text = (root / name).read_text(encoding="utf-8")
    assert text.count(old) == 1, f"{name} has {text.count(old)} of {old!r}"
    (root / name).write_text(text.replace(old, new), encoding="utf-8")


def counts(root: Path) -> tuple[int, int]:
    """The two counts of the summary: vectors, rules."""
    result, lines = run(CHECK, root)
    assert result == 0, lines
    found = re.fullmatch(r"vectors: (\d+) vectors of (\d+) rules", "".join(lines))
    assert found, lines
    return int(found[1]), int(found[2])


def test_an_unbroken_copy_passes_with_a_summary(root: Path) -> None:
    assert counts(root)[0] == sum(
        len(json.loads(path.read_text(encoding="utf-8"))["vectors"])
        for path in (root / "vectors").glob("*.json")
        if path.name != "schema.json"
    )


ONE = "frame.order/one-exchange"

# What is broken: the file, the entry, what is done to it, and the fault.
BREAKS: dict[str, tuple[str, str, Callable[[list[Entry], Entry], object], str]] = {
    "an unknown key": (
        "frame.json", ONE, lambda _, v: v.update(color="red"),
        r"frame\.json: frame\.order/one-exchange: Additional properties are not allowed \('color' was unexpected\)",
    ),
    "a key too few": (
        "frame.json", ONE, lambda _, v: v.pop("note"),
        r"frame\.json: frame\.order/one-exchange: 'note' is a required property",
    ),
    "an octet that is none": (
        "frame.json", ONE, lambda _, v: v["steps"].append(["send", "4"]),
        r"frame\.json: frame\.order/one-exchange: steps/5: \['send', '4'\] is not valid .*",
    ),
    "a step that is none": (
        "frame.json", ONE, lambda _, v: v["steps"].append(["sleep"]),
        r"frame\.json: frame\.order/one-exchange: steps/5: \['sleep'\] is not valid .*",
    ),
    "an outcome of no known error": (
        "frame.json", ONE, lambda _, v: v.update(outcome={"error": "lost"}),
        r"frame\.json: frame\.order/one-exchange: outcome/error: 'lost' is not one of .*",
    ),
    "an id twice": (
        "frame.json", ONE, lambda vs, v: vs.append(v),
        r"frame\.json: frame\.order/one-exchange: this id stands twice",
    ),
    "an id of another rule": (
        "frame.json", ONE, lambda _, v: v.update(rule="frame.segments"),
        r"frame\.json: frame\.order/one-exchange: an id begins with its rule, frame\.segments/",
    ),
    "a rule that is none": (
        "frame.json", ONE, lambda _, v: v.update(rule="frame.nothing", id="frame.nothing/one"),
        r"frame\.json: frame\.nothing/one: no rule frame\.nothing in spec/kcom5\.md",
    ),
    "another level than the spec's": (
        "frame.json", ONE, lambda _, v: v.update(level="MAY"),
        r"frame\.json: frame\.order/one-exchange: level MAY, but the spec says MUST",
    ),
    "a family of no vector": (
        "frame.json", "frame.segments/cut-at-{k}", lambda _, v: v.update(of="frame.order/none"),
        r"source/frame\.json: frame\.segments/cut-at-\{k\}: cannot be expanded: KeyError\('frame\.order/none'\)",
    ),
    "a family whose id has no braces": (
        "frame.json", "frame.segments/cut-at-{k}", lambda _, v: v.update(id="frame.segments/cut-at-k"),
        r"source/frame\.json: frame\.segments/cut-at-k: id: 'frame\.segments/cut-at-k' does not match .*",
    ),
    "braces in the id of one vector": (
        "frame.json", ONE, lambda _, v: v.update(id="frame.order/one-{k}"),
        r"frame\.json: frame\.order/one-\{k\}: id: 'frame\.order/one-\{k\}' does not match .*",
    ),
    "a row with another error than its operation has": (
        "address.json", "address.pack-reject/port-0", lambda _, v: v.update(error="timeout"),
        r"address\.json: address\.pack-reject/port-0: error: 'timeout' is not one of .*",
    ),
    "an operation that is none": (
        "address.json", "address.pack-reject/port-0", lambda _, v: v.update(op="repack"),
        r"address\.json: address\.pack-reject/port-0: .*",
    ),
    "a rule whose failing side is gone": (
        "listen.json", "listen.exclusive/port-taken", lambda vs, v: vs.remove(v),
        r"listen\.exclusive: its vectors are positive, the table .* says both: .*",
    ),
    "a rule whose succeeding side is gone": (
        "listen.json", "listen.exclusive/port-free", lambda vs, v: vs.remove(v),
        r"listen\.exclusive: its vectors are negative, the table .* says both: .*",
    ),
    "a rule whose vectors are gone": (
        "close.json", "close.half/after-the-hello",
        lambda vs, _: vs.__setitem__(slice(None), [v for v in vs if v["rule"] != "close.half"]),
        r"close\.half: its vectors are none, the table .* says positive: .*",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BREAKS)
def test_names_the_fault(root: Path, name: str) -> None:
    path, vid, act, fault = BREAKS[name]
    change(root, path, vid, act)
    found = faults(root)
    assert any(re.fullmatch(fault, line) for line in found), "\n".join(found)


def test_names_a_file_without_entries(root: Path) -> None:
    (root / "vectors" / "source" / "echo.json").write_text("{}", encoding="utf-8")
    assert faults(root) == [f"source/echo.json: '{key}' is a required property" for key in ("about", "vectors")]


def test_names_a_file_that_is_not_what_its_source_makes(root: Path) -> None:
    edit(root, "vectors/source/result.json", "success is a state", "success is a state of an end")
    (root / "vectors" / "other.json").write_text("{}", encoding="utf-8")
    said = "not what the sources make: run vectors/expand.py"
    assert faults(root) == [f"other.json: {said}", f"result.json: {said}"]
    assert run(EXPAND, root / "vectors") == (0, [])
    assert run(CHECK, root)[0] == 0


def test_names_a_rule_of_the_readme_that_the_spec_has_not(root: Path) -> None:
    row = "| `close.half` | positive |"
    edit(root, "vectors/README.md", row, row.replace("half", "nothing") + " |\n" + row)
    assert faults(root) == ["close.nothing: in the table of README.md, not in the spec"]


def test_names_a_side_that_the_readme_excuses_without_need(root: Path) -> None:
    edit(root, "vectors/README.md", "| `close.half` | positive |", "| `close.half` | negative |")
    assert [fault.split(": correct")[0] for fault in faults(root)] == [
        "close.half: its vectors are positive, the table of vectors/README.md says negative"
    ]


def test_names_a_rule_that_the_spec_adds_and_no_vector_shows(root: Path) -> None:
    rule = "- <a id="
    text = (root / "spec" / "kcom5.md").read_text(encoding="utf-8")
    added = f"{rule}'hello.new'></a>**hello.new** — A hello MUST be new.\n{rule}"
    (root / "spec" / "kcom5.md").write_text(text.replace(rule, added, 1), encoding="utf-8")
    assert [fault.split(": correct")[0] for fault in faults(root)] == [
        "hello.new: its vectors are none, the table of vectors/README.md says both"
    ]


def test_counts_the_members_of_a_family(root: Path) -> None:
    vectors, rules = counts(root)
    change(root, "frame.json", "frame.segments/cut-at-{k}", lambda vs, v: vs.remove(v))
    fewer = counts(root)
    # The family cuts echo (8), message length (4), "hi" (2), data length (8) and data (3) at each inner octet.
    assert (vectors - fewer[0], rules - fewer[1]) == (8 + 4 + 2 + 8 + 3 - 1, 0)


def test_exits_2_at_a_wrong_option_and_0_at_help() -> None:
    program = [sys.executable, str(HERE / "check.py")]
    assert subprocess.run([*program, "--nonsense"], capture_output=True, check=False).returncode == 2
    assert "root" in subprocess.run([*program, "--help"], capture_output=True, text=True, check=True).stdout
