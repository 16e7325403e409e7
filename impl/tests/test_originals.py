"""Programs written for the original modules work unchanged, except for the import (and, in Go, the returned errors).

`originals/script.py` and `originals/program.go` use the original's names only: `server`, `client`, `send`, `recieve`,
`msg`, and `Initsvr`, `Initcli`, `Send`, `Recieve`, `Msg`. They meet each other, and the adapter of the C++
implementation, which has no original.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import wire
from peers import DEADLINE, NAMES, PEERS, ROOT, Json, Pool

ORIGINALS = Path(__file__).resolve().parent / "originals"
ORIGINAL_IMPORT = '"stdlib5/kcom"'
"""The import of `originals/program.go`, which the tests replace by the package that has these names."""

MESSAGE = "done · 완료 · готово"
DATA = wire.counter(200_000)


@pytest.fixture(scope="session")
def go_program() -> Iterator[Path]:
    """Yields the Go program with its import changed, built in its own module."""
    library = ROOT / "impl/go"
    module = (library / "go.mod").read_text("utf-8").split()[1]
    [package] = {file.parent for file in library.rglob("*.go") if "\nfunc Initsvr(" in file.read_text("utf-8")}
    new_import = f'kcom "{Path(module, package.relative_to(library)).as_posix()}"'
    source = (ORIGINALS / "program.go").read_text("utf-8")
    assert source.count(ORIGINAL_IMPORT) == 1
    with tempfile.TemporaryDirectory(prefix="kcom5-") as name:
        directory = Path(name)
        (directory / "program.go").write_text(source.replace(ORIGINAL_IMPORT, new_import), "utf-8")
        (directory / "go.mod").write_text(
            f"module original\n\ngo 1.19\n\nrequire {module} v0.0.0\n\nreplace {module} => {library}\n", "utf-8"
        )
        subprocess.run(["go", "build", "-o", "program"], cwd=directory, check=True)
        yield directory / "program"


def command_of(name: str, request: pytest.FixtureRequest) -> list[str]:
    if name == "python":
        return [sys.executable, str(ORIGINALS / "script.py")]
    return [str(request.getfixturevalue("go_program"))]


def run(name: str, request: pytest.FixtureRequest, *arguments: object, data: bytes = b"") -> list[str]:
    """Runs a program to its exit. Returns the lines of its answer."""
    command = [*command_of(name, request), *map(str, arguments)]
    result = subprocess.run(
        command, input=data, env=PEERS[name].variables, capture_output=True, timeout=DEADLINE, check=False
    )
    assert result.returncode == 0, result
    return result.stdout.decode().splitlines()


def wait_until_it_listens(port: int, is_ipv6: bool) -> None:
    """Waits until a second listener is refused. The original prints nothing, and a connection would count as client."""
    end = time.monotonic() + DEADLINE
    while time.monotonic() < end:
        with socket.socket(socket.AF_INET6 if is_ipv6 else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("::1" if is_ipv6 else "127.0.0.1", port))
            except OSError:
                return
        time.sleep(0.005)
    raise AssertionError("it does not listen")


Original = pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.peer(name)) for name in NAMES[1:]])
PAIRS = [
    pytest.param(server, client, marks=[pytest.mark.peer(server), pytest.mark.peer(client)], id=f"{server}-{client}")
    for server in NAMES
    for client in NAMES
    if (server, client) != ("cpp", "cpp")
]


@pytest.mark.parametrize("is_ipv6", [True, False], ids=["ipv6", "ipv4"])
@pytest.mark.parametrize(("server", "client"), PAIRS)
def test_original_programs_meet(
    server: str, client: str, is_ipv6: bool, request: pytest.FixtureRequest, pool: Pool
) -> None:
    port = wire.free_port()
    place: Json = {"via": "tcp6" if is_ipv6 else "tcp4", "port": port, "close": 10}

    def send() -> object:
        if server == "cpp":
            return pool.get("cpp").call(
                {"op": "send", **place, "message": MESSAGE, "data": {"size": len(DATA), "fill": "counter251"}}
            )
        return run(server, request, "send", port, int(is_ipv6), MESSAGE, data=DATA)

    if "go" in (server, client):
        request.getfixturevalue("go_program")  # built before the timeouts start
    with ThreadPoolExecutor(1) as thread:
        sent = thread.submit(send)
        wait_until_it_listens(port, is_ipv6)
        if client == "cpp":
            answer = pool.get("cpp", 1).call({"op": "receive", **place})
            received = [answer["message"], answer["data"]["sha256"]]
        else:
            received = run(client, request, "receive", port, int(is_ipv6))
        assert sent.result(DEADLINE) == ({"ok": True, "confirmed": True} if server == "cpp" else [])
    assert received == [MESSAGE, wire.sha256(DATA)]


@Original
def test_the_fields_have_the_original_defaults(name: str, request: pytest.FixtureRequest) -> None:
    assert run(name, request, "defaults") == ["true 13600 150 []", "true 13600 150 []"]


@Original
def test_pack_and_unpack_are_the_original_functions(name: str, request: pytest.FixtureRequest) -> None:
    assert run(name, request, "pack", 13600, "00010aff") == ["13600.00.01.0a.ff"]
    assert run(name, request, "unpack", "13600.00.01.0A.FF") == ["13600", "00010aff" * 12]


@Original
def test_a_failure_is_an_error_of_the_language(name: str, request: pytest.FixtureRequest) -> None:
    assert run(name, request, "receive", wire.free_port(), 1) == ["failed"]
    assert run(name, request, "unpack", "13600") == ["failed"]
    assert run(name, request, "pack", 13600, "0001020304") == ["failed"]
