"""The layers of the C++ library: what each file may include, and what the core must not use. See impl/README.md."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from peers import ROOT

MAY_INCLUDE: dict[str, str] = {
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
}
"""The files that each file may include, by name without extension."""
CORE = ("errors", "wire", "address", "exchange")
LANGUAGE = set("algorithm array cstddef cstdint limits optional span string_view string system_error".split())  # noqa: SIM905
"""Headers that the core may include: none does I/O, tells the time, or throws by design."""

FILES = sorted(path for folder in ("src", "include/kcom5") for path in (ROOT / "impl/cpp" / folder).iterdir())


def test_every_file_has_its_place() -> None:
    assert {path.stem for path in FILES} == MAY_INCLUDE.keys()


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_a_file_includes_only_what_is_below_it(file: Path) -> None:
    included = set(re.findall(r'#include ["<](?:kcom5/)?([^">]+?)(?:\.hpp)?[">]', file.read_text("utf-8"))) - {
        file.stem
    }
    own = included & MAY_INCLUDE.keys()
    assert own <= set(MAY_INCLUDE[file.stem].split())
    assert file.stem not in CORE or included - own <= LANGUAGE
