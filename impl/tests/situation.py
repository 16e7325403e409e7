"""Program-level situations: a row drives one program through a scene, and every program must have the same outcome.

`./situations` runs all rows; `test_situations.py` runs them as tests. The rows are in `rows_*.py`, command lines in
`commandlines.py`.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import stat
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import wire
from peers import DEADLINE, Argument, Json, Program, Result, Running
from programs import T, send, wait_until
from wire import HELLO, Via


class NotRun(Exception):
    """The row cannot run on this machine; the text says why, with the command that was refused."""


class World:
    """One program in its own directory, with the resources that are released afterwards."""

    def __init__(self, program: Program, directory: Path) -> None:
        self.program = program
        self.directory = directory
        self.undo: list[Callable[[], object]] = []

    def __truediv__(self, name: str) -> Path:
        return self.directory / name

    def file(self, name: str, content: bytes = b"abc", mode: int = 0o600) -> Path:
        path = self.directory / name
        path.write_bytes(content)
        path.chmod(mode)
        return path

    def files(self) -> dict[str, str]:
        """Returns the files of the directory without subdirectories; a long file by its length."""
        found = {}
        for path in sorted(self.directory.iterdir()):
            if path.is_symlink():
                found[path.name] = "link"
            elif path.is_file():
                octets = path.read_bytes()
                found[path.name] = octets.decode("latin-1") if len(octets) < 200 else str(len(octets))
            else:
                found[path.name] = "directory" if path.is_dir() else "special"
        return found

    def mount(self, *arguments: str | Path) -> None:
        """Mounts a file system until the row ends. The last argument is the mount point."""
        refused("mount", *arguments)
        self.undo.append(lambda: subprocess.run(["umount", "-l", arguments[-1]], check=False))

    def small_disk(self, name: str = "disk", size: str = "64k") -> Path:
        """Mounts a file system of this size and returns its path."""
        place = self.directory / name
        place.mkdir()
        self.mount("-t", "tmpfs", "-o", f"size={size}", "none", place)
        return place

    def give(
        self,
        octets: bytes,
        *arguments: Argument,
        via: Via = "tcp6",
        then: Callable[[Running], object] = lambda running: None,
        timeout: str = "15",
        cut: bool = False,
        **start: Any,
    ) -> Json:
        """Runs a receiver against a raw server, which sends these bytes after the echo and waits for its end.

        With `cut` the server closes at once. Returns the outcome of the receiver, and the end that the server saw:
        "nobody" if the receiver never connected.
        """
        path = self.directory / "raw"
        with wire.listen(via, path) as server:
            place = ["--unix", str(path)] if via == "unix" else ["--port", str(server.getsockname()[1])]
            running = self.program.start("receive", *place, "--timeout", timeout, *arguments, **start)
            server.settimeout(0.02)
            connection = None
            until = time.monotonic() + DEADLINE
            while connection is None and running.process.poll() is None and time.monotonic() < until:
                with suppress(TimeoutError):
                    connection, _ = server.accept()
            seen = "nobody"
            if connection is not None:
                with connection:
                    connection.settimeout(wire.TIMEOUT)
                    try:
                        connection.sendall(wire.read(connection, 8) + octets)
                        then(running)
                        seen = "cut" if cut else wire.read_to_end(connection)[1]
                    except ConnectionError:  # a reset before everything was sent
                        seen = "reset"
            outcome = told(running.end())
        with suppress(FileNotFoundError):
            path.unlink()
        return {**outcome, "server": seen}

    def take(self, *arguments: Argument, stdin: bytes | None = None, keep: bool = True) -> Json:
        """Runs a sender against a raw client that reads everything. `data` is the received data."""
        running, port = send(self.program, *arguments, stdin=stdin)
        with wire.connect("tcp6", port) as client:
            client.sendall(HELLO)
            octets, seen = wire.read_to_end(client)
        outcome = {**told(running.end()), "client": seen}
        return {**outcome, **taken(octets)} if keep else outcome

    def hand_over(self, sender: Sequence[Argument], receiver: Sequence[Argument], **start: Any) -> Json:
        """Runs a sender and a receiver of the same program. `sent` and `received` are their outcomes."""
        running, port = send(self.program, *sender)
        received = self.program.start("receive", "--port", port, *T, *receiver, **start).end()
        return {"sent": told(running.end()), "received": told(received)}

    def close(self) -> None:
        for undo in reversed(self.undo):
            undo()


def taken(octets: bytes) -> Json:
    """Returns the complete parts of a frame after the echo."""
    length = int.from_bytes(octets[8:12], "little")
    message, data = octets[12 : 12 + length], octets[12 + length + 8 :]
    return {"message": message.decode("latin-1"), "data": data.decode("latin-1") if len(data) < 100 else len(data)}


def refused(*command: str | Path) -> None:
    """Runs a command that this machine may refuse. Raises NotRun if it does."""
    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True)
    except OSError as error:
        raise NotRun(f"`{' '.join(map(str, command))}`: {error.strerror}") from None
    if done.returncode:
        raise NotRun(f"`{' '.join(map(str, command))}`: {done.stderr.strip()}")


def give_away(path: Path) -> None:
    """Changes the owner of a file to another user."""
    why = "not root"
    for user in (65534, 1, 2, 1000) if os.geteuid() == 0 else ():  # a user namespace may map only some of them
        try:
            return os.chown(path, user, user)
        except OSError as error:
            why = f"chown to {user}: {error.strerror}"
    raise NotRun(f"another user is needed: {why}")


def told(result: Result) -> Json:
    """Returns the outcome of a program: exit code, error name, output, without the parts that differ in each run."""
    outcome: Json = {"code": result.code}
    lines = result.err.decode(errors="backslashreplace").splitlines()
    for line in lines:
        if found := re.fullmatch(r"kcom5: error: ([-a-z0-9]+): (.*)", line):
            outcome |= {"error": found[1], "detail": found[2]}
        elif line.startswith("kcom5: hint: "):
            outcome["hint"] = line.removeprefix("kcom5: hint: ")
        elif line.startswith("{") or result.out.startswith(b"{"):
            pass
        elif not line.startswith("kcom5: listening on "):
            outcome["words"] = outcome.get("words", "") + line.removeprefix("kcom5: ")
    if result.out.startswith(b"{") or any(line.startswith("{") for line in lines):
        stream = result.out.decode("ascii").splitlines() if result.out.startswith(b"{") else lines
        objects = [json.loads(line) for line in stream if line.startswith("{")]
        outcome |= {key: value for each in objects for key, value in each.items() if key != "listening"}
    elif result.out:
        out = result.out.decode("latin-1")
        outcome["out"] = out if len(out) < 200 else len(out)
    return outcome


def normal(outcome: Any, directory: str) -> Any:
    """Returns the outcome without paths and ports, and with the system's messages in one case."""
    if isinstance(outcome, dict):
        return {key: normal(value, directory) for key, value in outcome.items()}
    if not isinstance(outcome, str):
        return outcome
    text = outcome.replace(directory, "DIR")
    text = re.sub(r"(\[::1\]|127\.0\.0\.1):\d+", "PLACE", text)
    return text


@dataclass(frozen=True)
class Row:
    """A scene and its expected outcome. Keys that are not in `expected` must only be equal among the programs."""

    id: str
    act: Callable[[World], Json]
    expected: Json = field(default_factory=dict)


def outcome(row: Row, name: str) -> Json:
    """Returns the outcome of the row with this program. A broken scene is an outcome too."""
    directory = tempfile.mkdtemp(prefix="kcom5-")
    try:
        with closing(Program(name)) as program, closing(World(program, Path(directory))) as world:
            result = normal(row.act(world), directory)
            assert isinstance(result, dict)
            return result
    except NotRun:
        raise
    except Exception as problem:  # noqa: BLE001 (any exception of a scene is its outcome)
        return {"broken": normal(f"{type(problem).__name__}: {problem}", directory)}
    finally:
        subprocess.run(["chmod", "-R", "u+rwx", directory], check=False, capture_output=True)
        shutil.rmtree(directory, ignore_errors=True)


def is_as_expected(came: Any, expected: Any) -> bool:
    """Returns whether `came` has everything in `expected`. A key with the value None must be missing."""
    if isinstance(expected, dict) and isinstance(came, dict):
        return all(is_as_expected(came.get(key), value) for key, value in expected.items())
    if isinstance(expected, re.Pattern):
        return isinstance(came, str) and expected.fullmatch(came) is not None
    return bool(came == expected)


def difference(row: Row, names: Sequence[str]) -> str | None:
    """Runs the row with these programs in parallel. Returns unexpected or different outcomes, one line each."""
    with ThreadPoolExecutor(len(names)) as threads:
        outcomes = dict(zip(names, threads.map(lambda name: outcome(row, name), names), strict=True))
    expected = row.expected
    alike = len({json.dumps(came, sort_keys=True) for came in outcomes.values()}) == 1
    if alike and all(is_as_expected(came, expected) for came in outcomes.values()):
        return None
    shown = {"expected": expected, **outcomes}
    marks = {name: "" if is_as_expected(came, expected) else "  <- not as expected" for name, came in outcomes.items()}
    return "\n".join([row.id, *(f"  {name:8} {str(came)[:1200]}{marks.get(name, '')}" for name, came in shown.items())])


# ---- raw parts of scenes


def listener(world: World, kind: int = socket.SOCK_STREAM, name: str = "socket") -> socket.socket:
    """Returns a live socket at a path."""
    server = socket.socket(socket.AF_UNIX, kind)
    server.bind(str(world.directory / name))
    if kind == socket.SOCK_STREAM:
        server.listen()
    world.undo.append(server.close)
    return server


def stored(running: Running) -> int:
    """Returns the size of the program's largest open file in the scene's directory, with or without a name."""
    sizes, scenes = [0], os.path.join(tempfile.gettempdir(), "kcom5-")
    for descriptor in Path(f"/proc/{running.process.pid}/fd").iterdir():
        with suppress(OSError):
            status = descriptor.stat()
            if stat.S_ISREG(status.st_mode) and os.readlink(descriptor).startswith(scenes):
                sizes.append(status.st_size)
    return max(sizes)


def until_stored(running: Running, least: int = 1) -> None:
    wait_until(lambda: stored(running) >= least)
