"""An adapter's process: requests and answers, a line each, checked by the schema; and what it did if it broke.

The contract is `conformance/ADAPTER.md`. Nothing here knows the protocol under test.
"""

from __future__ import annotations

import fcntl
import json
import os
import shlex
import signal
import subprocess
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path

import fastjsonschema
import trio
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from .. import data
from ..results import Json
from . import children

LONGEST_LINE = 1 << 20
"""Octets. An answer is far shorter; this is for an adapter that writes without end."""
WORDS = 4000
"""Octets of standard error that a report shows; what came before them is not kept."""
MOST_SAID = 300
"""Characters that are said of what is wrong with a line."""


class AdapterError(Exception):
    """The adapter broke the contract. It is not running any more."""

    def __init__(self, what: str, stderr: str = "") -> None:
        super().__init__(f"{what}\nits standard error:\n{stderr}" if stderr else what)
        self.what = what
        self.stderr = stderr


class SuiteBroken(Exception):
    """The suite did what it must not: a defect of the suite, and nothing about the implementation."""


class Misplaced(AdapterError):
    """It says that it listens where it was not asked to: that is the case's failure."""


class Crashed(AdapterError):
    """Its process ended."""


class Hung(AdapterError):
    """It did not answer."""


_SANITIZERS = {
    "GORACE": "halt_on_error=1",
    "TSAN_OPTIONS": "halt_on_error=1",
    "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
}
"""What makes a sanitizer's report the end of the process, and so a crash in the case that caused it; the user's own
settings win."""

_MARKS = {"answer-listening": "listening", "error": "error", "unsupported": "unsupported"}


@cache
def _schema(definition: str) -> Json:
    schema = json.loads(data.adapter_schema_file().read_text("utf-8"))
    return {"$ref": f"#/$defs/{definition}", "$defs": schema["$defs"]}


@cache
def _quick_check(definition: str) -> Callable[[object], object]:
    """The definition compiled to Python, since each line is checked; it says less about what is wrong."""
    draft = {"$schema": "http://json-schema.org/draft-07/schema#"}
    check: Callable[[object], object] = fastjsonschema.compile({**draft, **_schema(definition)}, use_default=False)
    return check


def fault(line: object, definition: str) -> str:
    """Why a line is not what the schema's definition says; empty if it is."""
    try:
        with suppress(fastjsonschema.JsonSchemaValueException):
            _quick_check(definition)(line)
            return ""
        error = best_match(Draft202012Validator(_schema(definition)).iter_errors(line))
        if error and error.validator == "anyOf":
            return f"got {error.instance}, expected {error.schema['description']}"[:MOST_SAID]
        return str(error.message)[:MOST_SAID] if error else "not as the schema says"
    except RecursionError:
        return "nested too deeply"


def understood(line: bytes, *definitions: str) -> tuple[Json | None, str]:
    """The answer in a line, as one of these definitions of the schema says; or None, and what is wrong."""
    try:
        answer = json.loads(line, parse_constant=_no_number)
    except RecursionError:
        return None, f"wrote a line that is nested too deeply: {line[:200]!r}"
    except ValueError:
        return None, f"wrote a line that is no JSON: {line[:200]!r}"
    # One key tells which kind of line it means to be.
    marked = [name for name in definitions if _MARKS.get(name) in answer] if isinstance(answer, dict) else []
    kinds = marked or [name for name in definitions if name not in _MARKS] or definitions
    reason = fault(answer, kinds[0])
    if reason or not isinstance(answer, dict):
        return None, f"answered {line[:200].decode(errors='replace')}: {reason}"
    return answer, ""


class Adapter:
    """One process. One request at a time."""

    def __init__(
        self,
        command: list[str],
        supports: frozenset[str] = frozenset(),
        environment: dict[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        self.command = command
        self.cwd = cwd
        self.environment = environment or {}
        """Added to the suite's own."""
        self.supports = supports
        """What it says that it can do; nothing before it has answered `about`."""
        self._process: trio.Process | None = None
        self._words = bytearray()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def is_in_use(self) -> bool:
        """It was started, and the suite has not ended it: it may have ended itself."""
        return self._process is not None

    async def start(self) -> None:
        """Starts the process, the first or one instead of that which ended. Raises AdapterError if that cannot be."""
        self._buffer, self._words = bytearray(), bytearray()
        self.last_request = ""
        self._mark = children.new_mark()
        try:
            self._process = await trio.lowlevel.open_process(
                self.command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
                cwd=self.cwd,
                env={**_SANITIZERS, **os.environ, **self.environment, children.MARK: self._mark},
            )
        except (OSError, ValueError) as error:
            words = f"{shlex.join(self.command)} cannot be started from {self.cwd or Path.cwd()}"
            raise AdapterError(f"{words}: {getattr(error, 'strerror', None) or error}") from error
        assert isinstance(self._process.stderr, trio.lowlevel.FdStream)
        trio.lowlevel.spawn_system_task(self._listen, self._process.stderr)

    async def _listen(self, stderr: trio.lowlevel.FdStream) -> None:
        """Keeps the last words of standard error, however many there are."""
        with suppress(AttributeError, OSError):  # a larger pipe, where Linux gives one
            fcntl.fcntl(stderr.fileno(), fcntl.F_SETPIPE_SZ, 1 << 20)
        with suppress(trio.ClosedResourceError, trio.BrokenResourceError):
            while piece := await stderr.receive_some(1 << 20):
                self._hear(piece)

    def _hear(self, piece: bytes) -> None:
        self._words += piece
        del self._words[:-WORDS]

    async def ask(self, request: Json, within: float, *, is_in_contract: bool = True) -> None:
        """Sends a request. `within`: seconds for the adapter to read it, if it is longer than a pipe."""
        assert self._process is not None
        assert self._process.stdin is not None
        assert isinstance(self._process.stdout, trio.lowlevel.FdStream)
        with suppress(BlockingIOError):
            # What it wrote since its answer is there to be read, without a wait.
            self._buffer += os.read(self._process.stdout.fileno(), 1 << 16)
        if self._buffer:
            raise await self._broken(f"wrote a line that nobody asked for: {bytes(self._buffer[:200])!r}")
        if is_in_contract and (reason := fault(request, f"request-{request['op']}")):
            raise SuiteBroken(f"a request that the contract does not allow: {request}: {reason}")
        line = json.dumps(request, ensure_ascii=False).encode() + b"\n"
        try:
            with trio.move_on_after(within) as scope:
                await self._process.stdin.send_all(line)
        except trio.BrokenResourceError:
            when = "after its answer" if self.last_request else "before the first request"
            raise await self._crashed(f"ended {when}") from None
        self.last_request = line[:500].decode(errors="replace").rstrip("\n")
        if scope.cancelled_caught:
            raise await self._broken(f"did not read its request within {within:.1f} s")

    async def answer(self, *definitions: str) -> Json:
        """The next answer, as one of these definitions of the schema says. The caller bounds the wait."""
        answer, what = understood(await self._line(), *definitions)
        if answer is None:
            raise await self._broken(what)
        if "supports" in answer:
            self.supports = frozenset(answer["supports"])
        return answer

    async def broken(self, what: str) -> AdapterError:
        """Ends an adapter that broke the contract; gives the error to raise."""
        return await self._broken(what)

    async def hang(self, seconds: float) -> AdapterError:
        """Ends an adapter that did not answer; gives the error to raise."""
        return await self._broken(f"did not answer within {seconds:.1f} s", Hung)

    async def check(self) -> None:
        """Raises Crashed if its process has ended, and nobody ended it."""
        if self._process is not None and self._process.poll() is not None:
            raise await self._crashed("ended after its answer")

    async def close(self, within: float = 2) -> str:
        """Ends it by the end of its input; what was wrong about its end, else empty."""
        if self._process is None:
            return ""
        if self._process.stdin is not None:
            await self._process.stdin.aclose()
        with trio.move_on_after(within):
            await self._process.wait()
        code = self._process.poll()
        if code is None:
            fault = f"the end of its input does not end the adapter within {within:.1f} s"
        else:
            fault = f"the end of its input ends the adapter, expected exit code 0{_end_of(code)}" if code else ""
        if fault and (words := self._last_words()):
            fault += f"\nits standard error:\n{words}"
        await self.kill()
        return fault

    async def kill(self) -> None:
        """Leaves nothing of it, nor of what it started."""
        process, self._process = self._process, None
        if process is None:
            return
        with trio.CancelScope(shield=True):
            family = children.of(process.pid)[1:]
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            children.end(family)
            await process.wait()
            children.end_orphans(self._mark)
            for stream in (process.stdin, process.stdout, process.stderr):
                if stream is not None:
                    await stream.aclose()

    def processes(self) -> list[int]:
        """It and what it started, where the system tells (Linux)."""
        return children.of(self.pid)

    async def _line(self) -> bytes:
        # It may be ended while this waits, and between two lines.
        stdout = self._process.stdout if self._process is not None else None
        while b"\n" not in self._buffer:
            try:
                piece = await stdout.receive_some(1 << 16) if stdout is not None else b""
            except trio.ClosedResourceError:
                raise await self._crashed("was ended by the suite") from None
            if not piece:
                raise await self._crashed("ended")
            self._buffer += piece
            if len(self._buffer) > LONGEST_LINE:
                raise await self._broken(f"wrote a line of more than {LONGEST_LINE} octets")
        end = self._buffer.index(b"\n")
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        return line

    async def _crashed(self, what: str) -> AdapterError:
        return await self._broken(what, Crashed)

    async def _broken(self, what: str, kind: type[AdapterError] = AdapterError) -> AdapterError:
        """Ends the adapter; gives the error to raise, with all that is known."""
        process, words = self._process, ""
        if process is not None:
            with trio.CancelScope(shield=True):
                with trio.move_on_after(0.5 if kind is Crashed else 0):
                    await process.wait()
                what += _end_of(process.poll())
                words = self._last_words()
                await self.kill()
        asked = f"\nit was asked: {self.last_request}" if self.last_request else ""
        return kind(f"the adapter {what}{asked}", words)

    def forget_words(self) -> None:
        """What it said on standard error until now is of no case to come."""
        self._last_words()
        self._words.clear()

    @property
    def words(self) -> str:
        """What it said on standard error since `forget_words`, or since its start; also if it has ended."""
        return self._last_words()

    def _last_words(self) -> str:
        stderr = self._process.stderr if self._process is not None else None
        if isinstance(stderr, trio.lowlevel.FdStream):
            with suppress(OSError, trio.ClosedResourceError):
                # What is in the pipe, and no more: it may write without end.
                for _ in range(32):
                    if not (piece := os.read(stderr.fileno(), 1 << 16)):
                        break
                    self._hear(piece)
        return self._words.decode(errors="replace").strip()


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is not a number of JSON")


def _end_of(code: int | None) -> str:
    if code is None:
        return ""
    if code < 0:
        with suppress(ValueError):
            return f" (killed by {signal.Signals(-code).name})"
    return f" (exit code {code})"
