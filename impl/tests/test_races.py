"""Races and attacks of another user: many rounds. Running adapters avoid a process start per round.

The adapters run as the current user. The other one is a child process, which plants files, and swaps them between a
check and its use.
"""

from __future__ import annotations

import ctypes
import os
import select
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import pytest

import wire
from other_user import as_other_user, attacked, other_user
from peers import NAMES, Adapter
from wire import HELLO, counter, dead_socket, frame, sha256
from world import NotRun

CLOSE = 15
"""T, which must not expire, even on a busy machine."""
DATA = {"size": 3000, "fill": "counter251"}
PRECIOUS = b"precious"

pytestmark = pytest.mark.usefixtures("own_network")
Start = Callable[[str], Adapter]
Each = pytest.mark.parametrize("name", NAMES)


@pytest.fixture
def rounds(request: pytest.FixtureRequest) -> Iterator[int]:
    return iter(range(1000 if request.config.getoption("--whole") else 25))


@pytest.fixture
def start() -> Iterator[Start]:
    """Yields a function that starts an adapter, which ends with the test."""
    with ExitStack() as stack:
        yield lambda name: stack.enter_context(closing(Adapter(name)))


@Each
def test_one_of_six_receivers_gets_the_data(name: str, start: Start, rounds: Iterator[int], directory: Path) -> None:
    receivers = [start(name) for _ in range(6)]
    sender = start(name)
    for number in rounds:
        place = {"via": "unix", "path": str(directory / "s")} if number % 2 else {"via": "tcp6", "port": 0}
        sender.request(op="send", **place, close=CLOSE, data=DATA)
        listening = sender.answer()["listening"]
        place = {**place, "port": listening} if "port" in place else place
        for receiver in receivers:
            receiver.request(op="receive", **place, close=CLOSE)
        sent = sender.answer()
        answers = [receiver.answer() for receiver in receivers]
        hashes = [answer["data"]["sha256"] for answer in answers if answer.get("ok")]
        assert hashes in ([], [sha256(counter(3000))]), answers
        assert hashes or not sent.get("ok"), "the sender says ok, and no receiver"
        assert {answer.get("error") for answer in answers} <= {None, "refused", "invalid-connection"}
        assert list(directory.iterdir()) == []


@pytest.mark.parametrize("names", [NAMES, *([name, name] for name in NAMES)], ids="-".join)
def test_one_of_several_servers_listens(names: list[str], start: Start, rounds: Iterator[int], directory: Path) -> None:
    """They open one path with a stale socket. Different implementations must use the same lock."""
    path = directory / "s"
    servers = [start(name) for name in names]
    for _ in rounds:
        dead_socket(path)
        for server in servers:
            server.request(op="send", via="unix", path=str(path), close=CLOSE, data=DATA)
        answers = [server.answer() for server in servers]
        [winner] = [server for server, answer in zip(servers, answers, strict=True) if "listening" in answer]
        assert {answer.get("error") for answer in answers} == {None, "in-use"}
        assert wire.take(str(path)) == (HELLO + frame(b"", counter(3000)), "end")
        assert winner.answer()["ok"]
        assert not path.exists()


# ---- attacks of another user


@pytest.fixture
def shared(directory: Path) -> Path:
    """A folder that both users can write to, next to a precious file of the current user."""
    try:
        other_user()
    except NotRun as reason:
        pytest.skip(f"NOT RUN: {reason}")
    directory.chmod(0o755)
    (directory / "precious").write_bytes(PRECIOUS)
    (directory / "precious").chmod(0o640)
    (directory / "shared").mkdir()
    (directory / "shared").chmod(0o777)
    return directory / "shared"


def check_precious(shared: Path) -> None:
    precious = shared.parent / "precious"
    assert (precious.read_bytes(), stat.S_IMODE(precious.stat().st_mode)) == (PRECIOUS, 0o640)


def exchange(one: Path, two: Path) -> None:
    """Swaps two names atomically."""
    if ctypes.CDLL(None).renameat2(-100, os.fsencode(one), -100, os.fsencode(two), 2):
        raise OSError("renameat2")


def end_it(path: Path) -> None:
    """Ends a server with a wrong hello."""
    with wire.connect(str(path)) as client:
        client.sendall(b"no hello")
        wire.read_to_end(client)


@Each
def test_a_parent_that_is_swapped(name: str, start: Start, rounds: Iterator[int], shared: Path) -> None:
    """The parent of the path is a link that alternates between a folder with a stale socket and one with our file."""
    stale, ours, links = (shared.parent / part for part in ("stale", "ours", "links"))
    for folder in (stale, ours, links):
        folder.mkdir()
    os.chown(links, other_user(), other_user())
    as_other_user(lambda: (links / "p").symlink_to(stale))
    as_other_user(lambda: (links / "q").symlink_to(ours))
    (ours / "s").write_bytes(PRECIOUS)
    adapter = start(name)
    with attacked(lambda: exchange(links / "p", links / "q")):
        for _ in rounds:
            (stale / "s").unlink(missing_ok=True)
            dead_socket(stale / "s")
            adapter.request(op="send", via="unix", path=str(links / "p/s"), close=CLOSE)
            if "listening" in adapter.answer():
                end_it(stale / "s")  # or else it listens elsewhere
                adapter.answer()
            assert (ours / "s").read_bytes() == PRECIOUS


@Each
def test_a_socket_that_is_swapped(name: str, start: Start, rounds: Iterator[int], shared: Path) -> None:
    """A new socket is swapped for a link to our file: neither its mode nor its content changes, and it stays."""
    path, plant, kept = shared / "s", shared / "plant", shared / "kept"

    def swap() -> None:
        if not plant.is_symlink():
            plant.symlink_to(shared.parent / "precious")
        if stat.S_ISSOCK(os.lstat(path).st_mode):
            exchange(plant, path)
            os.rename(plant, kept)

    adapter = start(name)
    with attacked(swap):
        for _ in rounds:
            adapter.request(op="send", via="unix", path=str(path), close=CLOSE)
            if "listening" in adapter.answer():
                until = time.monotonic() + wire.TIMEOUT
                while time.monotonic() < until:
                    with suppress(OSError):  # the attacker may be swapping it
                        end_it(kept if kept.exists() else path)
                        break
                adapter.answer()
            check_precious(shared)
            for left in (path, kept):
                left.unlink(missing_ok=True)


@Each
def test_an_output_that_is_planted(name: str, start: Start, rounds: Iterator[int], shared: Path) -> None:
    """Another user plants a link, a FIFO or a file at the output's name in a sticky folder during the transfer."""
    shared.chmod(0o1777)
    out = shared / "out"

    def link() -> None:
        out.symlink_to(shared.parent / "precious")

    def fifo() -> None:
        os.mkfifo(out)

    def plant() -> None:
        for make in (link, fifo, out.touch):
            with suppress(FileExistsError):
                make()
            with suppress(OSError):
                if out.is_fifo():
                    with open(os.open(out, os.O_RDONLY | os.O_NONBLOCK), "rb", 0) as reader:
                        select.select([reader], [], [], 0.001)
                        if octets := reader.read(100):
                            (shared / "stolen").write_bytes(octets)
            with suppress(OSError):
                out.unlink()

    adapter = start(name)
    with attacked(plant), wire.listen("unix", shared.parent / "raw") as server:
        for _ in rounds:
            adapter.request(op="receive", via="unix", path=wire.place_of(server), close=CLOSE, to={"file": str(out)})
            ready, _, _ = select.select([server.fileno(), adapter.fileno()], [], [], wire.TIMEOUT)
            if server.fileno() in ready:
                with wire.accept(server) as connection, suppress(OSError, EOFError):
                    connection.sendall(wire.read(connection, 8) + frame(b"", b"secret data"))
                    wire.read_to_end(connection)
            answer = adapter.answer()
            assert answer.get("ok") or answer.get("error") == "io", answer
            check_precious(shared)
            assert {path.name for path in shared.iterdir()} <= {"out"}, "left behind, or stolen by a FIFO"
            out.unlink(missing_ok=True)
