"""The programs and adapters under test, and the communication with them.

It starts processes, reads their lines within a deadline and checks every line of an adapter by
`conformance/adapter.schema.json`. `wire.py` has the protocol on the wire.
"""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO, Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[2]

Json = dict[str, Any]
Argument = str | bytes | Path
File = int | IO[bytes]


@dataclass(frozen=True)
class Peer:
    """One implementation: its command-line program and its adapter, as commands that run in the root."""

    program: list[str]
    adapter: list[str]
    environment: Mapping[str, str]

    @property
    def variables(self) -> dict[str, str]:
        return {**os.environ, **self.environment}


_adapters = tomllib.loads((ROOT / "conformance" / "peers.toml").read_text("utf-8"))

PEERS = {
    name: Peer(program, _adapters[name]["command"], environment)
    for name, program, environment in [
        ("cpp", [str(ROOT / "build/release/impl/cpp/kcom5")], {}),
        ("python", [sys.executable, "-m", "kcom5"], {"PYTHONPATH": str(ROOT / "impl/python/src")}),
        ("go", [str(ROOT / "build/go/kcom5")], {}),
    ]
}
NAMES = list(PEERS)

DEADLINE = 120.0
"""Timeout in seconds for expected output of a process, after which it is considered hung."""


class Lines:
    """Reads the lines of a pipe or terminal within a deadline. Not thread-safe."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.buffer = b""
        """Bytes that were read and not yet returned."""
        self.ended = False

    def fill(self, until: float) -> bool:
        """Reads once. Returns False at the end of the stream. Raises TimeoutError at the time `until`."""
        if self.ended:
            return False
        with selectors.DefaultSelector() as selector:
            selector.register(self.descriptor, selectors.EVENT_READ)
            if not selector.select(max(0.0, until - time.monotonic())):
                raise TimeoutError
        octets = b""
        with suppress(OSError):  # a terminal whose other side is closed; this is its end
            octets = os.read(self.descriptor, 1 << 16)
        self.buffer += octets
        self.ended = not octets
        return not self.ended

    def next(self, timeout: float = DEADLINE) -> bytes:
        """Returns the next line without its line end, or the rest of the stream; empty at the end of the stream."""
        until = time.monotonic() + timeout
        while b"\n" not in self.buffer and self.fill(until):
            pass
        line, _, self.buffer = self.buffer.partition(b"\n")
        return line

    def until(self, part: bytes, timeout: float = DEADLINE) -> bytes:
        """Returns the bytes up to and including `part`, or the rest of the stream."""
        end = time.monotonic() + timeout
        while part not in self.buffer and self.fill(end):
            pass
        head, found, self.buffer = self.buffer.partition(part)
        return head + found

    def rest(self, timeout: float = DEADLINE) -> bytes:
        """Returns the bytes up to the end of the stream."""
        until = time.monotonic() + timeout
        while self.fill(until):
            pass
        octets, self.buffer = self.buffer, b""
        return octets


# ---- command-line programs


@dataclass(frozen=True)
class Result:
    """The exit of a program. A negative `code` is the signal that killed it."""

    code: int
    out: bytes
    err: bytes

    @property
    def words(self) -> list[str]:
        """Returns the lines of its standard error."""
        return self.err.decode().splitlines()


class Running:
    """A started program. Its standard output and error are pipes by default."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self.out = Lines(process.stdout.fileno()) if process.stdout else None
        self.err = Lines(process.stderr.fileno()) if process.stderr else None

    def listening(self) -> str:
        """Waits until it reports its listening place, and returns the place."""
        assert self.err is not None
        line = self.err.next().decode()
        assert line.startswith("kcom5: listening on "), f"{line}\n{self.err.rest().decode()}"
        return line.removeprefix("kcom5: listening on ")

    def port(self) -> int:
        """Waits until it listens on a port, and returns it."""
        return int(self.listening().rpartition(":")[2])

    def end(self, timeout: float = DEADLINE) -> Result:
        """Waits for its exit. The result contains the output that was not read yet."""
        until = time.monotonic() + timeout
        try:
            out = self.out.rest(timeout) if self.out else b""
            err = self.err.rest(max(0.1, until - time.monotonic())) if self.err else b""
            return Result(self.process.wait(max(0.1, until - time.monotonic())), out, err)
        except (TimeoutError, subprocess.TimeoutExpired):
            said = [lines.buffer for lines in (self.out, self.err) if lines]
            raise AssertionError(f"it does not end within {timeout:.0f} s; it said {said}") from None

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream:
                with suppress(OSError):
                    stream.close()


class Program:
    """The command-line program of one implementation."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.peer = PEERS[name]
        self.started: list[Running] = []

    def close(self) -> None:
        """Kills the processes that are still running."""
        for running in self.started:
            running.kill()

    def start(
        self,
        *arguments: Argument,
        stdin: File = subprocess.DEVNULL,
        stdout: File = subprocess.PIPE,
        stderr: File = subprocess.PIPE,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        launcher: Iterable[Argument] = (),
    ) -> Running:
        """Starts it, with the prefix `launcher`. `env` is added to the environment."""
        command = [os.fsencode(part) for part in (*launcher, *self.peer.program, *arguments)]
        variables = {**self.peer.variables, **(env or {})}
        process = subprocess.Popen(command, stdin=stdin, stdout=stdout, stderr=stderr, env=variables, cwd=cwd)
        running = Running(process)
        self.started.append(running)
        return running

    def run(
        self,
        *arguments: Argument,
        stdin: bytes = b"",
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        launcher: Iterable[Argument] = (),
    ) -> Result:
        """Runs it to its exit. `stdin` must fit into a pipe's buffer."""
        read, write = os.pipe()
        with open(read, "rb", 0) as source:
            with open(write, "wb", 0) as sink:
                sink.write(stdin)
            return self.start(*arguments, stdin=source, env=env, cwd=cwd, launcher=launcher).end()


# ---- adapters


class AdapterError(AssertionError):
    """The adapter ended, hung or broke the contract."""


@cache
def _validator(definition: str) -> Draft202012Validator:
    schema = json.loads((ROOT / "conformance" / "adapter.schema.json").read_text("utf-8"))
    return Draft202012Validator({**schema, "oneOf": [{"$ref": f"#/$defs/{definition}"}]})


def check_line(line: object, *definitions: str) -> None:
    """Raises AdapterError unless the line matches one of these definitions of the schema."""
    validators = [_validator(definition) for definition in definitions]
    if not any(validator.is_valid(line) for validator in validators):
        reason = best_match(validators[0].iter_errors(line))
        raise AdapterError(f"{json.dumps(line)} is not a line of {' or '.join(definitions)}: {reason.message}")


class Adapter:
    """A running adapter (`conformance/ADAPTER.md`), which handles one request at a time."""

    def __init__(self, name: str) -> None:
        self.name = name
        peer = PEERS[name]
        self.stderr = tempfile.TemporaryFile()  # noqa: SIM115 (closed with the adapter)
        self.request_line = "none"
        try:
            self.process = subprocess.Popen(
                peer.adapter,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self.stderr,
                env=peer.variables,
                cwd=ROOT,
            )
        except OSError as error:
            self.stderr.close()
            raise AdapterError(f"{name}: {' '.join(peer.adapter)} cannot be started (is it built?): {error}") from error
        assert self.process.stdin and self.process.stdout
        self.stdin, self.stdout = self.process.stdin, self.process.stdout
        self.lines = Lines(self.stdout.fileno())

    def crash_report(self, what: str) -> AdapterError:
        """Ends the adapter and returns an error with its last request and output."""
        code = self.process.poll()
        self.process.kill()
        self.process.wait()
        self.stderr.seek(0, os.SEEK_END)
        self.stderr.seek(max(0, self.stderr.tell() - 4000))
        words = self.stderr.read().decode(errors="replace")
        end = "still running" if code is None else f"exit code {code}"
        return AdapterError(f"{self.name} {what} ({end}); request: {self.request_line}; standard error:\n{words}")

    def request(self, request: Json, *, is_valid: bool = True) -> None:
        """Sends a request. `is_valid` is False for one that breaks the contract on purpose."""
        if is_valid:
            check_line(request, "request")
        self.request_line = json.dumps(request)
        try:
            self.stdin.write(self.request_line.encode() + b"\n")
            self.stdin.flush()
        except OSError as error:
            raise self.crash_report("takes no request") from error

    def answer(self, timeout: float = DEADLINE) -> Json:
        """Returns the next answer."""
        try:
            line = self.lines.next(timeout)
        except TimeoutError as error:
            raise self.crash_report(f"said nothing for {timeout:.0f} s") from error
        if not line:
            self.process.wait(timeout)
            raise self.crash_report("ended")
        try:
            answer = json.loads(line)
            check_line(answer, "answer")
        except (ValueError, AdapterError) as error:
            raise self.crash_report(f"answered {line!r}: {error}") from error
        assert isinstance(answer, dict)
        return answer

    def call(self, request: Json, *, is_valid: bool = True, timeout: float = DEADLINE) -> Json:
        """Sends a request and returns its last answer."""
        self.request(request, is_valid=is_valid)
        answer = self.answer(timeout)
        return self.answer(timeout) if "listening" in answer else answer

    def peak_memory(self) -> int | None:
        """Returns its peak memory in bytes, or None if the kernel does not tell."""
        with suppress(OSError):
            for line in Path(f"/proc/{self.process.pid}/status").read_text("ascii").splitlines():
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) << 10
        return None

    def close(self) -> int:
        """Closes its input and returns its exit code."""
        with suppress(OSError):
            self.stdin.close()
        try:
            code = self.process.wait(DEADLINE)
        except subprocess.TimeoutExpired as error:
            raise self.crash_report("does not end with its input") from error
        finally:
            self.stdout.close()
            self.stderr.close()
        return code


class Pool:
    """Adapters that are started on first use, and started again after a crash."""

    def __init__(self) -> None:
        self.adapters: dict[tuple[str, int], Adapter] = {}

    def close(self) -> None:
        for adapter in self.adapters.values():
            if adapter.process.poll() is None:
                assert adapter.close() == 0, f"{adapter.name}: the end of its input is no exit code 0"

    def get(self, name: str, number: int = 0) -> Adapter:
        """Returns the adapter `number` of this implementation."""
        adapter = self.adapters.get((name, number))
        if adapter is None or adapter.process.poll() is not None:
            adapter = self.adapters[name, number] = Adapter(name)
        return adapter
