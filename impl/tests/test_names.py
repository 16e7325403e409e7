"""Checks that each name in the name map of impl/README.md is in the public source of its language or the contract."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

IMPL = Path(__file__).resolve().parents[1]
COLUMNS = ["spec", "C++", "Python", "Go", "adapter"]
SOURCES = {
    "C++": [*(IMPL / "cpp" / "include").rglob("*.hpp")],
    "Python": [*(IMPL / "python" / "src").rglob("*.py")],
    "Go": [path for path in (IMPL / "go").glob("**/*.go") if not path.name.endswith("_test.go")],
    "adapter": [IMPL.parent / "conformance" / "ADAPTER.md"],
}


def rows() -> list[list[str]]:
    table = (IMPL / "README.md").read_text().split("## Names")[1].split("\n## ")[0]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines() if line[:1] == "|"]
    assert cells[0] == COLUMNS
    return cells[2:]


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[0].replace(" ", "-"))
def test_each_name_is_there(row: list[str]) -> None:
    for language, cell in zip(COLUMNS[1:], row[1:], strict=True):
        text = "\n".join(path.read_text(encoding="utf-8") for path in SOURCES[language])
        names = re.findall("`([^`]+)`", cell)
        assert names or cell == "–"
        for name in names:
            assert re.search(rf"\b{name.rpartition('.')[2]}\b", text), f"{language} has no {name}"


def test_the_layers_have_the_same_files_in_every_language() -> None:
    names = {
        "cpp": {path.stem for path in (IMPL / "cpp" / "src").iterdir()},
        "python": {path.stem for path in (IMPL / "python" / "src" / "kcom5").iterdir()},
        "go": {path.stem for path in [*(IMPL / "go").iterdir(), *(IMPL / "go" / "core").iterdir()]},
    }
    for layer in ("wire", "address", "errors", "exchange", "server", "client", "stream", "deadline"):
        assert [language for language, files in names.items() if layer not in files] == [], layer
