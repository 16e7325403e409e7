"""Follows CONTRIBUTING.md: a rule that is added by its list passes the checks, and without any one file of it fails."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
RULE = "hello.example"
SUITE = """
import sys
sys.path[:0] = ["conformance/src", "conformance/tests"]
import test_mutants, test_report_spec
test_report_spec.test_every_rule_has_an_effect_and_no_other_has()
test_mutants.test_every_rule_has_a_mutant_that_breaks_it()
"""
CHECKS = (["spec/check.py"], ["vectors/check.py"], ["-c", SUITE])


def section(heading: str) -> str:
    return TEXT.split(f"\n## {heading}\n")[1].split("\n## ")[0]


LISTED = re.findall(r"^\d+\. `([^`]+)`", section("Add a rule"), re.M)


def tracked() -> list[str]:
    command = ["git", "-c", f"safe.directory={ROOT}", "-C", str(ROOT), "ls-files", "-z", "-co", "--exclude-standard"]
    names = subprocess.run(command, check=True, capture_output=True).stdout.decode().split("\0")
    return [name for name in names if name and (ROOT / name).is_file()]


def insert(path: Path, before: str, text: str) -> None:
    found = path.read_text(encoding="utf-8")
    assert found.count(before) == 1, f"{path}: {before!r} is there {found.count(before)} times"
    path.write_text(found.replace(before, text + before), encoding="utf-8")


def vectors() -> str:
    """A vector that succeeds and one that fails: those of another rule with this one's name."""
    entries = json.loads((ROOT / "vectors/source/hello.json").read_text(encoding="utf-8"))["vectors"]
    chosen = [entry for entry in entries if entry["id"] in ("hello.alone/exactly-eight", "hello.alone/nine-octets")]
    renamed = [
        {**entry, "id": entry["id"].replace("hello.alone", RULE), "rule": RULE, "level": "MUST"} for entry in chosen
    ]
    return "".join(f"{json.dumps(entry)},\n" for entry in renamed)


def edit(root: Path, name: str) -> None:
    """What the list says to do in this file."""
    path = root / name
    if name == "spec/kcom5.md":
        insert(path, '- <a id="echo.exact">', f'- <a id="{RULE}"></a>**{RULE}** — The server MUST keep this rule.\n')
    elif name == "spec/rationale.md":
        insert(path, "- [hello.alone](", f"- [{RULE}](kcom5.md#{RULE}): it is an example.\n")
    elif name.endswith("/effects.json"):
        insert(path, '  "echo.exact":', f'  "{RULE}": "The example does not work.",\n')
    elif name == "vectors/source/hello.json":
        insert(path, '{ "id": "hello.alone/exactly-eight"', vectors())
        subprocess.run([sys.executable, "vectors/expand.py"], cwd=root, check=True)
    elif name.endswith("/mutants/hello.py"):
        mutant = (
            f'class BreaksTheExample(Mutant):\n    """Breaks the example."""\n\n    rule, role = "{RULE}", "server"\n'
        )
        path.write_text(f"{path.read_text(encoding='utf-8')}\n\n{mutant}", encoding="utf-8")
    else:
        pytest.fail(f"CONTRIBUTING.md names {name}, and this test does not know what to do there")


def passes(root: Path, check: list[str]) -> bool:
    done = subprocess.run([sys.executable, *check], cwd=root, capture_output=True, text=True, timeout=250, check=False)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return done.returncode == 0


@pytest.fixture(params=["", *LISTED], ids=["every-file", *LISTED])
def project(tmp_path: Path, request: pytest.FixtureRequest) -> tuple[Path, str]:
    """The project with the rule added by the list, and the file that was left out."""
    for name in tracked():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    for name in LISTED:
        if name != request.param:
            edit(tmp_path, name)
    return tmp_path, request.param


def test_a_rule_added_by_the_list_passes_and_needs_each_file(project: tuple[Path, str]) -> None:
    root, left_out = project
    assert all(passes(root, check) for check in CHECKS) == (not left_out)


def test_the_list_for_a_rule_has_at_most_six_files() -> None:
    assert 4 <= len(LISTED) <= 6


def test_each_test_that_is_named_exists() -> None:
    tests = "\n".join(
        f"{name}\n{(ROOT / name).read_text(encoding='utf-8')}"
        for name in tracked()
        if re.search(r"test.*(\.(cpp|go|py)|/CMakeLists\.txt)$", name)
    )
    named = re.findall(r"`\./check (?!proof)\w+ -k (\w+)`", TEXT)
    assert len(named) >= 5
    assert [name for name in named if name not in tests] == []


def test_the_version_is_the_same_everywhere() -> None:
    def found(pattern: str, path: str) -> str:
        match = re.search(pattern, (ROOT / path).read_text(encoding="utf-8"), re.M)
        assert match, f"{path} has no version"
        return match[1]

    newest = found(r"^## (\d+\.\d+\.\d+)", "CHANGELOG.md")
    others = {
        path: found(pattern, path)
        for path, pattern in (
            ("CMakeLists.txt", r"project\(kcom5 VERSION (\S+)"),
            ("impl/python/pyproject.toml", r'^version = "(.*)"'),
            ("impl/python/src/kcom5/__init__.py", r'^__version__ = "(.*)"'),
            ("impl/go/doc.go", r'Version = "(.*)"'),
            ("conformance/pyproject.toml", r'^version = "(.*)"'),
            ("conformance/src/kcom5_conformance/__init__.py", r'^__version__ = "(.*)"'),
        )
    }
    assert others == dict.fromkeys(others, newest)
