"""The layers of the three libraries: what each file may use. An arrow never points up. See impl/README.md."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from peers import ROOT

MAY_USE: dict[str, dict[str, str]] = {
    # C++ and Python by file, without extension; Go by package
    "cpp": {
        # layers 1 and 2, the core
        "errors": "",
        "wire": "",
        "address": "errors wire",
        "exchange": "errors wire",
        # layer 3
        "failure": "errors",
        "buffer": "wire system",
        "options": "",
        "system": "wire",
        "system_posix": "system",
        "system_socket_posix": "system_posix",
        "system_file_posix": "system_posix",
        "system_memory_posix": "system_posix",
        "deadline": "",
        "words": "failure options",
        "waits": "deadline system words",
        "block": "wire",
        "passing_name": "system",
        "source": "block failure output system waits wire",
        "output": "block failure passing_name system waits wire",
        "sink": "block buffer failure output system",
        "stream": "deadline exchange failure options system",
        "unix_path": "deadline failure passing_name system words",
        "listener": "deadline failure options stream system unix_path words",
        "server": "address exchange failure listener options source stream system waits wire words",
        "client": "address buffer exchange failure options output sink stream system unix_path waits words",
        "kcom5": "address client server",
    },
    "python": {
        # layers 1 and 2, the core
        "errors": "",
        "address": "errors",
        "wire": "errors",
        "exchange": "errors wire",
        # layer 3
        "deadline": "time",
        "system": "errors socket",
        "stream": "errors exchange system socket time",
        "source": "deadline errors stream system socket",
        "output": "deadline errors stream system",
        "sink": "deadline errors output stream system socket",
        "socket_file": "deadline errors stream system socket",
        "sending": "deadline exchange source stream wire",
        "server": "address deadline errors exchange sending socket_file source stream system wire socket",
        "receiving": "deadline exchange sink stream socket",
        "client": "address deadline errors exchange receiving sink stream system wire socket",
        "aio": "client server stream system",
        "compat": "client server system",
        "_start": "",
        "__init__": "address client compat errors exchange server",
        # layer 4
        "options": "",
        "signals": "stream",
        "words": "errors system time",
        "keys": "address errors stream system words",
        "cli": "__init__ address compat keys options signals sink source system wire words",
        "__main__": "cli",
    },
    "go": {
        "kcom5/core": "",
        "kcom5/internal/leftover": "",
        "kcom5/internal/wholefile": "kcom5/internal/leftover",
        "kcom5": "kcom5/core kcom5/internal/leftover kcom5/internal/wholefile",
        "kcom5/compat": "kcom5",
        "kcom5/adapter": "kcom5 kcom5/compat",
        "kcom5/cmd/kcom5": "kcom5 kcom5/compat kcom5/internal/leftover kcom5/internal/wholefile",
    },
}
CORE = ("errors", "wire", "address", "exchange", "kcom5/core")
LANGUAGE = {
    "cpp": "algorithm array cstddef cstdint limits optional span string_view string system_error",
    "python": "__future__ collections dataclasses re typing",
    "go": "encoding/binary strconv unicode/utf8",
}
"""What the core may use of its language: none does I/O, tells the time, or throws by design."""
CLOCKS = {"time", "socket"}
"""What only some Python modules may use; `MAY_USE` tells which."""

IMPORT = {
    "cpp": r'#include ["<](?:kcom5/)?([^">]+?)(?:\.hpp)?[">]',
    "python": r"^ *(?:from|import) \.?(\w*)",
    "go": r'^(?:import|\t)(?: _)? ?"([\w./]+)"$',
}
FOLDERS = {"cpp": ["cpp/src", "cpp/include/kcom5"], "python": ["python/src/kcom5"], "go": ["go"]}


def files(language: str) -> list[tuple[str, Path]]:
    """Returns the files of a library, each with its name in `MAY_USE`."""
    top = ROOT / "impl/go"
    paths = [path for folder in FOLDERS[language] for path in sorted((ROOT / "impl" / folder).rglob("*.*"))]
    if language == "go":
        paths = [path for path in paths if path.suffix == ".go" and not path.stem.endswith("_test")]
        return [("/".join(("kcom5", *path.parent.relative_to(top).parts)), path) for path in paths]
    return [(path.stem, path) for path in paths if path.suffix in (".cpp", ".hpp", ".py")]


FILES = [(language, part, path) for language in MAY_USE for part, path in files(language)]


@pytest.mark.parametrize("language", MAY_USE)
def test_every_part_has_its_place(language: str) -> None:
    assert {part for part, _ in files(language)} == MAY_USE[language].keys()


@pytest.mark.parametrize(("language", "part", "path"), FILES, ids=[str(path.relative_to(ROOT)) for _, _, path in FILES])
def test_a_file_uses_only_what_is_below_it(language: str, part: str, path: Path) -> None:
    found = re.findall(IMPORT[language], path.read_text("utf-8"), re.MULTILINE)
    used = {name or "__init__" for name in found} - {part}
    own = used & (MAY_USE[language].keys() | (CLOCKS if language == "python" else set()))
    others = used - own
    assert own <= set(MAY_USE[language][part].split())
    assert part not in CORE or others <= set(LANGUAGE[language].split())
    assert language != "python" or others <= sys.stdlib_module_names
    assert language != "go" or not any("." in name.partition("/")[0] for name in others), "a module of others"
