"""A program of one implementation in a directory of its own, the raw peers that it meets, and what it says."""

from __future__ import annotations

import fcntl
import json
import os
import re
import select
import socket
import stat
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import IO, Any, NamedTuple

from errors import read  # spec/errors.py

import wire
from peers import DEADLINE, ENVIRONMENT, PROGRAMS, Json, next_line

MIB = 1 << 20
BOUND = 15
"""T of the programs in seconds, which must not expire, even on a busy machine."""
FAMILIES = {"usage": 2, "transport": 3, "protocol": 4}
CODES = {"usage": 2, **{error.name: FAMILIES[error.family] for error in read().errors}}
HINTS = read().advice

Argument = str | bytes | Path
File = int | IO[bytes] | None


class NotRun(Exception):
    """The row cannot run on this machine; the text says why, with the command that was refused."""


class Result(NamedTuple):
    """The exit of a program. A negative `code` is the signal that killed it."""

    code: int
    out: bytes
    err: bytes


class NotListening(AssertionError):
    """A sender did not tell where it listens. The first argument is its result."""


class Running:
    """A started program."""

    def __init__(self, process: subprocess.Popen[bytes], is_json: bool) -> None:
        self.process = process
        self.is_json = is_json
        self.said = b""
        """What was read from its standard error."""

    def place(self) -> str:
        """Waits until it tells where it listens. Raises NotListening."""
        if self.is_json:
            place = json.loads(next_line(self.process.stdout))["listening"]
            return f"[::1]:{place}" if type(place) is int else str(place)
        line = next_line(self.process.stderr)
        self.said += line + b"\n"
        if not line.startswith(b"kcom5: listening on "):
            raise NotListening(self.end())
        return line.decode().removeprefix("kcom5: listening on ")

    def end(self, stdin: bytes | None = None, timeout: float = DEADLINE) -> Result:
        """Waits for its exit. The result has the output that was not read yet, and all of standard error."""
        out, err = self.process.communicate(stdin, timeout)
        return Result(self.process.returncode, out or b"", self.said + (err or b""))

    def interrupted(self, number: int) -> Json:
        """Sends it a signal, and returns its outcome."""
        self.process.send_signal(number)
        return told(self.end())


class World:
    """One program in its own directory, where it runs, with the resources that are released afterwards."""

    def __init__(self, name: str, directory: Path) -> None:
        self.name = name
        self.directory = directory
        self.undo = ExitStack()

    def close(self) -> None:
        """Kills the processes that are still running."""
        self.undo.close()

    # ---- files

    def __truediv__(self, name: str) -> Path:
        return self.directory / name

    def file(self, name: str, content: bytes = b"abc", mode: int = 0o600) -> Path:
        path = self / name
        path.write_bytes(content)
        path.chmod(mode)
        return path

    def sparse(self, name: str, size: int) -> None:
        os.truncate(self.file(name, b""), size)

    def mode(self, name: str) -> int:
        return stat.S_IMODE((self / name).stat().st_mode)

    def files(self) -> Json:
        """Returns what is in the directory, without subdirectories."""
        found = {}
        for path in sorted(self.directory.iterdir()):
            if path.is_symlink():
                found[path.name] = "link"
            elif path.is_file():
                found[path.name] = brief(path.read_bytes())
            else:
                found[path.name] = "directory" if path.is_dir() else "special"
        return found

    def mount(self, *arguments: str) -> None:
        """Mounts a file system until the row ends. The last argument is the mount point."""
        place = str(self / arguments[-1])
        refused("mount", *arguments[:-1], place)
        self.undo.callback(subprocess.run, ["umount", "-l", place])

    def small_disk(self) -> None:
        """Mounts a file system of 64 KiB at `disk`."""
        (self / "disk").mkdir()
        self.mount("-t", "tmpfs", "-o", "size=64k", "none", "disk")

    def fifo(self, name: str = "fifo") -> int:
        """Makes a FIFO, and returns a descriptor that reads it."""
        os.mkfifo(self / name, 0o600)
        reader = os.open(self / name, os.O_RDONLY | os.O_NONBLOCK)
        self.undo.callback(os.close, reader)
        return reader

    def pipe(self) -> tuple[int, int]:
        """Returns the descriptors of a pipe, for reading and for writing."""
        ends = os.pipe()
        for end in ends:
            self.undo.callback(os.close, end)
        return ends

    # ---- the program

    def start(
        self,
        *arguments: Argument,
        bound: int | None = BOUND,
        launcher: Sequence[Argument] = (),
        env: Mapping[str, str] | None = None,
        stdin: File = subprocess.DEVNULL,
        stdout: File = subprocess.PIPE,
        stderr: File = subprocess.PIPE,
        cwd: Path | None = None,
    ) -> Running:
        """Starts it, with the prefix `launcher`. `env` is added to the environment. `bound` is T of a transfer, or None
        if the option is left out or among the arguments."""
        words = [*launcher, *PROGRAMS[self.name], *arguments]
        if bound is not None and arguments[:1] in (("send",), ("receive",)):
            words.insert(len(words) - len(arguments) + 1, f"--timeout={bound}")
        process = subprocess.Popen(
            [os.fsencode(word) for word in words],
            bufsize=0,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            cwd=cwd or self.directory,
            env={**ENVIRONMENT, **(env or {})},
        )
        self.undo.enter_context(process)
        self.undo.callback(process.kill)
        return Running(process, "--json" in arguments)

    def run(self, *arguments: Argument, stdin: bytes = b"", **more: Any) -> Result:
        """Runs it to its exit."""
        return self.start(*arguments, stdin=subprocess.PIPE, **more).end(stdin)

    def send(self, *arguments: Argument, **more: Any) -> Running:
        """Starts a sender on a port that the kernel chooses."""
        return self.start("send", "--port", "0", *arguments, **more)

    # ---- scenes; each returns the outcome

    def ends(self, *arguments: Argument, **more: Any) -> Json:
        """Runs it alone."""
        return told(self.run(*arguments, **more))

    def give(
        self,
        octets: bytes | Callable[[bytes], bytes],
        *arguments: Argument,
        via: wire.Via = "tcp6",
        then: Callable[[Running, socket.socket], object] = lambda receiver, connection: None,
        end: str = "wait",
        **more: Any,
    ) -> Json:
        """Runs a receiver against a raw server, which sends these bytes after the echo, or what is made of the hello.

        Then it waits for the receiver's end, or has the `end` "close" or "reset". `server` is the end that it saw:
        "nobody" if the receiver never connected.
        """
        with wire.listen(via, self / "raw") as server:
            receiver = self.start("receive", *at(wire.place_of(server)), *arguments, **more)

            def has_come(seconds: float = 0) -> bool:
                return bool(select.select([server], [], [], seconds)[0])

            wait_until(lambda: has_come(0.02) or receiver.process.poll() is not None)
            seen = "nobody"
            if has_come():
                with wire.accept(server) as connection, suppress(ConnectionError):
                    seen = "reset"  # unless everything can be sent
                    hello = wire.read(connection, 8)
                    connection.sendall(octets(hello) if callable(octets) else hello + octets)
                    then(receiver, connection)
                    if end == "reset":
                        wait_until(lambda: is_taken(connection))
                        wire.reset(connection)
                    seen = wire.read_to_end(connection)[1] if end == "wait" else end
            outcome = told(receiver.end())
        (self / "raw").unlink(missing_ok=True)
        return {**outcome, "server": seen}

    def take(self, *arguments: Argument, then: Callable[[], object] = lambda: None, **more: Any) -> Json:
        """Runs a sender against a raw client that takes everything. `data` is the received data."""
        sender = self.send(*arguments, **more)
        try:
            place = sender.place()
        except NotListening as failure:
            return told(failure.args[0])
        then()
        octets, seen = wire.take(place)
        length = int.from_bytes(octets[8:12], "little")
        message, data = octets[12 : 12 + length], octets[12 + length + 8 :]
        return {**told(sender.end()), "client": seen, "message": message.decode("latin-1"), "data": brief(data)}

    def hand_over(self, sender: Sequence[Argument], receiver: Sequence[Argument], **more: Any) -> Json:
        """Runs a sender and a receiver of the same program. `sent` and `received` are their outcomes."""
        running = self.start("send", *sender, **more)
        place = running.place()
        received = told(self.run("receive", *at(place), *receiver, **more))
        return {"sent": told(running.end()), "received": received, "place": place}


def at(place: str) -> list[str]:
    """Returns the arguments of a receiver for this place."""
    host, _, port = place.rpartition(":")
    if not host:
        return ["--unix", place]
    return ["--port", port, *(["--ipv4"] if host == "127.0.0.1" else [])]


def shell(redirections: str = "", before: str = "") -> list[str]:
    """Returns a launcher that runs the program with these redirections, after this command."""
    return ["bash", "-c", f'{before} exec "$@" {redirections}', "bash"]


def refused(*command: str) -> None:
    """Runs a command that this machine may refuse. Raises NotRun if it does."""
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
    except OSError as error:
        raise NotRun(f"`{' '.join(command)}`: {error.strerror}") from None
    except subprocess.CalledProcessError as error:
        raise NotRun(f"`{' '.join(command)}`: {error.stderr.strip()}") from None


# ---- what it says


def brief(octets: bytes) -> str:
    """Returns the bytes as text, or the length and the start of a hash of many."""
    return octets.decode("latin-1") if len(octets) < 200 else f"{len(octets)} bytes, {wire.sha256(octets)[:8]}"


def told(result: Result) -> Json:
    """Returns the outcome of a program: exit code, error name, output, without the parts that differ in each run.

    It checks that an error has its exit code, and exactly the two lines of the contract. `hint` is only in the outcome
    if it is another one than the error's own.
    """
    outcome: Json = {"code": result.code}
    lines = result.err.decode(errors="backslashreplace").splitlines()
    if result.out.startswith(b"{"):
        lines += result.out.decode("ascii").splitlines()
    elif result.out:
        outcome["out"] = brief(result.out)
    for line in lines:
        if line.startswith("{"):
            outcome |= {key: value for key, value in json.loads(line).items() if key != "listening"}
        elif found := re.fullmatch(r"kcom5: error: ([-a-z0-9]+): (.+)", line):
            outcome |= {"error": found[1], "detail": found[2], "hint": lines[-1].removeprefix("kcom5: hint: ")}
            assert line == lines[-2 if found[1] in CODES else -1], lines
        elif not line.startswith(("kcom5: listening on ", "kcom5: hint: ")):
            assert line.startswith("kcom5: "), lines
            outcome["words"] = outcome.get("words", "") + line.removeprefix("kcom5: ")
    error = outcome.get("error")
    assert error is None or result.code == CODES.get(error, result.code), result
    if error == "interrupted" or outcome.get("hint") == HINTS.get(error or ""):
        outcome.pop("hint", None)
    return outcome


# ---- what goes on


def wait_until(condition: Callable[[], object], seconds: float = DEADLINE) -> None:
    """Polls until the condition is true."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.005)


def open_files(running: Running) -> Iterator[tuple[str, os.stat_result]]:
    """Yields the paths and states of what a program has open."""
    for descriptor in Path(f"/proc/{running.process.pid}/fd").iterdir():
        with suppress(OSError):
            yield os.readlink(descriptor), descriptor.stat()


def until_opened(running: Running, name: str) -> None:
    wait_until(lambda: any(path.endswith(f"/{name}") for path, _ in open_files(running)))


def until_stored(world: World, running: Running, least: int = 1) -> None:
    """Waits until it has a file of this size open in its directory, with or without a name."""
    folder = f"/{world.directory.name}/"
    wait_until(
        lambda: any(
            stat.S_ISREG(state.st_mode) and folder in path and state.st_size >= least
            for path, state in open_files(running)
        )
    )


def filled(descriptor: int) -> int:
    """Returns the number of bytes in a pipe."""
    return int(struct.unpack("i", fcntl.ioctl(descriptor, termios.FIONREAD, bytes(4)))[0])


def is_taken(connection: socket.socket) -> bool:
    """Returns whether the other side's kernel acknowledged everything, so that a reset destroys no data in flight."""
    with suppress(OSError):
        return fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, bytes(4)) == bytes(4)
    return True


def write_to_fifo(fifo: Path, octets: bytes) -> None:
    """Writes as soon as the FIFO has a reader."""

    def is_written() -> bool:
        try:
            writer = os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:
            return False
        os.write(writer, octets)
        os.close(writer)
        return True

    wait_until(is_written)
