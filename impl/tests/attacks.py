"""Attacks of another user on the same machine: planted files, and swaps between a check and its use.

The programs and adapters run as the current user. The attacker is a child process with another user id, which needs
root. Each function runs rounds against one implementation and returns the problems, one line each.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import socket
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import wire
from peers import Pool
from races import CLOSE, Race
from wire import frame

PRECIOUS = b"precious"
SECRET = b"secret data"


def attacker_id() -> int:
    """Returns the id of a user that is neither the current one nor the owner of the test's folders."""
    return 65534 if os.geteuid() != 65534 else 65533


def missing() -> str:
    """Returns why there is no second user; empty if there is one."""
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(attacker_id())
            os.setuid(attacker_id())
        except OSError as error:
            os._exit(error.errno or 1)
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return f"another user is needed: `setuid({attacker_id()})`: {os.strerror(code)}" if code else ""


def become() -> None:
    os.setgroups([])
    os.setgid(attacker_id())
    os.setuid(attacker_id())


def as_attacker(act: Callable[[], object]) -> None:
    """Runs `act` once as the other user."""
    child = os.fork()
    if child == 0:
        code = 1
        with suppress(BaseException):
            become()
            act()
            code = 0
        os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0, "the attacker has failed"


@contextmanager
def attacker(act: Callable[[], object]) -> Iterator[None]:
    """Runs `act` repeatedly as the other user, until the block ends."""
    child = os.fork()
    if child == 0:
        with suppress(BaseException):
            become()
            os.nice(1)
            while True:
                with suppress(OSError):
                    act()
        os._exit(0)
    try:
        yield
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


@contextmanager
def shared(mode: int = 0o1777) -> Iterator[Path]:
    """Yields a folder that both users can write to, next to a precious file of the current user."""
    with tempfile.TemporaryDirectory(prefix="kcom5-attack-") as directory:
        Path(directory).chmod(0o755)
        folder = Path(directory) / "shared"
        folder.mkdir()
        folder.chmod(mode)
        precious = Path(directory) / "precious"
        precious.write_bytes(PRECIOUS)
        precious.chmod(0o640)
        yield folder


def is_touched(folder: Path) -> str:
    """Returns how the precious file was changed; empty if it was not."""
    precious = folder.parent / "precious"
    if not precious.is_file():
        return "the precious file is gone"
    if precious.read_bytes() != PRECIOUS:
        return f"the precious file holds {precious.read_bytes()[:40]!r}"
    mode = stat.S_IMODE(precious.stat().st_mode)
    return f"the precious file has mode {mode:o}" if mode != 0o640 else ""


_libc = ctypes.CDLL(None, use_errno=True)


def exchange(one: Path, two: Path) -> None:
    """Swaps two names atomically."""
    if _libc.renameat2(-100, os.fsencode(one), -100, os.fsencode(two), 2):
        raise OSError(ctypes.get_errno(), "renameat2")


def parent_swapped(name: str, rounds: int) -> list[str]:
    """The parent of the path is a link that alternates between a folder with a stale socket and one with our file."""
    wrong: list[str] = []
    with shared(0o755) as folder, closing(Pool()) as pool:
        for which in ("stale", "ours"):
            (folder / which).mkdir()
        links = folder / "links"
        links.mkdir()
        os.chown(links, attacker_id(), attacker_id())
        one, two = links / "p", links / "q"
        as_attacker(lambda: one.symlink_to(folder / "stale"))
        as_attacker(lambda: two.symlink_to(folder / "ours"))
        ours = folder / "ours/s"
        ours.write_bytes(PRECIOUS)
        adapter = pool.get(name)
        with attacker(lambda: exchange(one, two)):
            for number in range(rounds):
                with socket.socket(socket.AF_UNIX) as stale:
                    (folder / "stale/s").unlink(missing_ok=True)
                    stale.bind(str(folder / "stale/s"))
                adapter.request({"op": "send", "via": "unix", "path": str(one / "s"), "close": CLOSE})
                if "listening" in adapter.answer():
                    try:
                        end_it(folder / "stale/s")
                        adapter.answer()
                    except OSError:
                        wrong.append(f"round {number}: it listens elsewhere")
                        adapter.process.kill()
                        adapter.process.wait()
                        adapter = pool.get(name)
                if not ours.is_file() or ours.read_bytes() != PRECIOUS:
                    wrong.append(f"round {number}: our file is gone")
                    ours.unlink(missing_ok=True)
                    ours.write_bytes(PRECIOUS)
    return wrong


def end_it(path: Path) -> None:
    """Ends a server with a wrong hello."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(wire.TIMEOUT)
        client.connect(str(path))
        client.sendall(b"no hello")
        wire.read_to_end(client)


def socket_swapped(name: str, rounds: int) -> list[str]:
    """A new socket is swapped for a link to our file: neither its mode nor its content changes, and it stays."""
    wrong: list[str] = []
    with shared(0o777) as folder, closing(Pool()) as pool:
        path, plant, kept = folder / "s", folder / "plant", folder / "kept"
        precious = folder.parent / "precious"

        def swap() -> None:
            if not plant.is_symlink():
                plant.symlink_to(precious)
            if stat.S_ISSOCK(os.lstat(path).st_mode):
                exchange(plant, path)
                os.rename(plant, kept)

        adapter = pool.get(name)
        with attacker(swap):
            for number in range(rounds):
                adapter.request({"op": "send", "via": "unix", "path": str(path), "close": CLOSE})
                if "listening" in adapter.answer():
                    until = time.monotonic() + wire.TIMEOUT
                    while time.monotonic() < until:
                        with suppress(OSError):  # the attacker may be swapping it
                            end_it(kept if kept.exists() else path)
                            break
                    adapter.answer()
                if words := is_touched(folder):
                    return [*wrong, f"round {number}: {words}"]
                for left in (path, kept):
                    left.unlink(missing_ok=True)
    return wrong


def output_planted(name: str, rounds: int) -> list[str]:
    """Another user plants a link, a FIFO or a file at the output's name in a sticky folder during the transfer."""
    wrong: list[str] = []
    with shared() as folder, closing(Pool()) as pool, wire.listen("unix", folder.parent / "raw") as server:
        out, precious = folder / "out", folder.parent / "precious"
        received: list[int] = []

        def plant() -> None:
            for make in (lambda: out.symlink_to(precious), lambda: os.mkfifo(out), lambda: out.write_bytes(b"")):
                with suppress(FileExistsError):
                    make()
                with suppress(OSError):
                    if out.is_fifo():
                        received.append(os.open(out, os.O_RDONLY | os.O_NONBLOCK))
                        if octets := os.read(received[-1], 100):
                            (folder / "stolen").write_bytes(octets)
                        os.close(received.pop())
                with suppress(OSError):
                    out.unlink()

        adapter = pool.get(name)
        with attacker(plant):
            for number in range(rounds):
                path = str(folder.parent / "raw")
                adapter.request(
                    {"op": "receive", "via": "unix", "path": path, "close": CLOSE, "to": {"file": str(out)}}
                )
                serve_or_not(server, adapter.lines.descriptor)
                answer = adapter.answer()
                if not answer.get("ok") and answer.get("error") != "io":
                    wrong.append(f"round {number}: {answer}")
                if (folder / "stolen").exists():
                    return [*wrong, f"round {number}: the data went into another user's FIFO"]
                if words := is_touched(folder):
                    return [*wrong, f"round {number}: {words}"]
                left = [path.name for path in folder.iterdir() if path.name not in ("out", "stolen")]
                if left:
                    return [*wrong, f"round {number}: left behind: {left}"]
                with suppress(FileNotFoundError):
                    out.unlink()
    return wrong


def serve_or_not(server: socket.socket, answers: int) -> None:
    """Serves a client if it connects. Returns if it answers without connecting."""
    ready, _, _ = select.select([server.fileno(), answers], [], [], wire.TIMEOUT)
    if server.fileno() in ready:
        with wire.accept(server) as connection, suppress(OSError, EOFError):
            connection.sendall(wire.read(connection, 8) + frame(b"", SECRET))
            wire.read_to_end(connection)


ATTACKS: dict[str, tuple[Race, int]] = {
    "parent-swapped": (parent_swapped, 1000),
    "socket-swapped": (socket_swapped, 1000),
    "output-planted": (output_planted, 1000),
}
