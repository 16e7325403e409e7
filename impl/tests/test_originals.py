"""Programs written for the original modules work unchanged, except for the import (and, in Go, the returned errors).

`originals/script.py` and `originals/program.go` use the original's names only: `server`, `client`, `send`, `recieve`,
`msg`, and `Initsvr`, `Initcli`, `Send`, `Recieve`, `Msg`. They meet each other, and the adapter of the C++
implementation, which has no original.
"""

from __future__ import annotations

import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

import wire
from peers import DEADLINE, ENVIRONMENT, NAMES, ROOT, Adapter
from world import wait_until

ORIGINALS = Path(__file__).resolve().parent / "originals"
ORIGINAL_IMPORT = '"stdlib5/kcom"'
"""The import of `originals/program.go`, which the tests replace by the package that has these names."""

MESSAGE = "done · 완료 · готово"
DATA = wire.counter(200_000)

Commands = dict[str, list[str]]


@pytest.fixture(scope="session")
def commands(tmp_path_factory: pytest.TempPathFactory) -> Commands:
    """Builds the Go program with its import changed, in its own module. Returns the command of each program."""
    library = ROOT / "impl/go"
    module = (library / "go.mod").read_text("utf-8").split()[1]
    [package] = {file.parent for file in library.rglob("*.go") if "\nfunc Initsvr(" in file.read_text("utf-8")}
    new_import = f'kcom "{Path(module, package.relative_to(library)).as_posix()}"'
    source = (ORIGINALS / "program.go").read_text("utf-8")
    assert source.count(ORIGINAL_IMPORT) == 1
    directory = tmp_path_factory.mktemp("original")
    (directory / "program.go").write_text(source.replace(ORIGINAL_IMPORT, new_import), "utf-8")
    (directory / "go.mod").write_text(
        f"module original\n\ngo 1.19\n\nrequire {module} v0.0.0\n\nreplace {module} => {library}\n", "utf-8"
    )
    subprocess.run(["go", "build", "-o", "program"], cwd=directory, check=True)
    return {"python": [sys.executable, str(ORIGINALS / "script.py")], "go": [str(directory / "program")]}


def run(command: list[str], *arguments: object, data: bytes = b"") -> list[str]:
    """Runs a program to its exit. Returns the lines of its answer."""
    words = [*command, *map(str, arguments)]
    result = subprocess.run(words, input=data, env=ENVIRONMENT, capture_output=True, timeout=DEADLINE, check=True)
    return result.stdout.decode().splitlines()


def listens(host: str, port: int) -> bool:
    """Returns whether a second listener is refused. The original prints nothing, and a connection would be a client."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return True
    return False


@pytest.mark.parametrize("is_ipv6", [1, 0], ids=["ipv6", "ipv4"])
@pytest.mark.parametrize(
    ("server", "client"), [(server, client) for server in NAMES for client in NAMES if {server, client} != {"cpp"}]
)
def test_original_programs_meet(server: str, client: str, is_ipv6: int, commands: Commands) -> None:
    port = wire.free_port()
    place = {"via": "tcp6" if is_ipv6 else "tcp4", "port": port, "close": 10}

    def send(adapter: Adapter) -> object:
        if server != "cpp":
            return run(commands[server], "send", port, is_ipv6, MESSAGE, data=DATA)
        return adapter.call(op="send", **place, message=MESSAGE, data={"size": len(DATA), "fill": "counter251"})

    with ThreadPoolExecutor(1) as thread, closing(Adapter("cpp")) as sender, closing(Adapter("cpp")) as receiver:
        sent = thread.submit(send, sender)
        wait_until(lambda: listens("::1" if is_ipv6 else "127.0.0.1", port))
        if client == "cpp":
            answer = receiver.call(op="receive", **place)
            received = [answer["message"], answer["data"]["sha256"]]
        else:
            received = run(commands[client], "receive", port, is_ipv6)
        assert sent.result(DEADLINE) == ({"ok": True, "confirmed": True} if server == "cpp" else [])
    assert received == [MESSAGE, wire.sha256(DATA)]


@pytest.mark.parametrize("name", ["python", "go"])
def test_the_names_are_those_of_the_original(name: str, commands: Commands) -> None:
    """The defaults of the fields, the functions, and failures, which are errors of the language."""
    for arguments, answer in (
        (["defaults"], ["true 13600 150 []", "true 13600 150 []"]),
        (["pack", 13600, "00010aff"], ["13600.00.01.0a.ff"]),
        (["unpack", "13600.00.01.0A.FF"], ["13600", "00010aff" * 12]),
        (["receive", wire.free_port(), 1], ["failed"]),
        (["unpack", "13600"], ["failed"]),
        (["pack", 13600, "0001020304"], ["failed"]),
    ):
        assert run(commands[name], *arguments) == answer
