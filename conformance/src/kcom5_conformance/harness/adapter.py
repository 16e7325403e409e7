"""An adapter's process. Requests and answers are one line each, checked by the schema.

The contract is `conformance/ADAPTER.md`. This module does not depend on the protocol under test.
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

from .. import data
from ..results import Json
from . import children

LONGEST_LINE = 1 << 20
"""Bytes of a line. An answer is far shorter; the limit stops an adapter that writes forever."""
WORDS = 4000
"""Bytes at the end of standard error that a report shows. Earlier ones are discarded."""
MOST_SAID = 300
"""Characters of the description of a wrong line."""


class AdapterError(Exception):
    """The adapter broke the contract. Its process has ended."""

    def __init__(self, what: str, stderr: str = "") -> None:
        super().__init__(f"{what}\nits standard error:\n{stderr}" if stderr else what)
        self.what = what
        self.stderr = stderr


class SuiteBroken(Exception):
    """A defect of the suite. It proves nothing about the implementation."""


class Misplaced(AdapterError):
    """The adapter reports another listening place than the requested one. The case fails."""


class Crashed(AdapterError):
    """The adapter's process ended."""


class Hung(AdapterError):
    """The adapter did not answer in time."""


_SANITIZERS = {
    "GORACE": "halt_on_error=1",
    "TSAN_OPTIONS": "halt_on_error=1",
    "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
}
"""Settings that make a sanitizer end the process after its report, so that the case that caused it crashes. The user's
settings take precedence."""

_MARKS = {"answer-listening": "listening", "error": "error", "unsupported": "unsupported"}


@cache
def _schema(definition: str) -> Json:
    schema = json.loads(data.adapter_schema_file().read_text("utf-8"))
    return {"$ref": f"#/$defs/{definition}", "$defs": schema["$defs"]}


@cache
def _quick_check(definition: str) -> Callable[[object], object]:
    """Compiles the definition to Python, because each line is checked. Its error messages are less detailed."""
    draft = {"$schema": "http://json-schema.org/draft-07/schema#"}
    check: Callable[[object], object] = fastjsonschema.compile({**draft, **_schema(definition)}, use_default=False)
    return check


def fault(line: object, definition: str) -> str:
    """Returns why a line does not match the schema's definition; empty if it matches."""
    try:
        with suppress(fastjsonschema.JsonSchemaValueException):
            _quick_check(definition)(line)
            return ""
        from jsonschema import Draft202012Validator  # takes long, and only faults need it
        from jsonschema.exceptions import best_match

        error = best_match(Draft202012Validator(_schema(definition)).iter_errors(line))
        if error and error.validator == "anyOf":
            return f"got {error.instance}, expected {error.schema['description']}"[:MOST_SAID]
        return str(error.message)[:MOST_SAID] if error else "not as the schema says"
    except RecursionError:
        return "nested too deeply"


def understood(line: bytes, *definitions: str) -> tuple[Json | None, str]:
    """Returns the answer in a line if it matches one of these definitions, or None and the fault."""
    try:
        answer = json.loads(line, parse_constant=_no_number)
    except RecursionError:
        return None, f"wrote a line that is nested too deeply: {line[:200]!r}"
    except ValueError:
        return None, f"wrote a line that is no JSON: {line[:200]!r}"
    # One key identifies the intended kind of line.
    marked = [name for name in definitions if _MARKS.get(name) in answer] if isinstance(answer, dict) else []
    kinds = marked or [name for name in definitions if name not in _MARKS] or definitions
    reason = fault(answer, kinds[0])
    if reason or not isinstance(answer, dict):
        return None, f"answered {line[:200].decode(errors='replace')}: {reason}"
    return answer, ""


class Adapter:
    """One process, which handles one request at a time."""

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
        """Environment variables added to those of the suite."""
        self.supports = supports
        """The features that the adapter claims; empty before it has answered `about`."""
        self._process: trio.Process | None = None
        self._buffer, self._words = bytearray(), bytearray()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def unfinished(self) -> int:
        """Returns the number of bytes of a line that has no end yet."""
        return len(self._buffer)

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def is_in_use(self) -> bool:
        """Returns whether it was started and not ended by the suite. The process may still have ended by itself."""
        return self._process is not None

    async def start(self) -> None:
        """Starts the process, or starts it again after it ended. Raises AdapterError if it cannot be started."""
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
        """Reads standard error and keeps only its last bytes."""
        with suppress(AttributeError, OSError):  # a larger pipe, only on Linux
            fcntl.fcntl(stderr.fileno(), fcntl.F_SETPIPE_SZ, 1 << 20)
        with suppress(trio.ClosedResourceError, trio.BrokenResourceError):
            while piece := await stderr.receive_some(1 << 20):
                self._hear(piece)

    def _hear(self, piece: bytes) -> None:
        self._words += piece
        del self._words[:-WORDS]

    async def ask(self, request: Json, within: float, *, is_in_contract: bool = True) -> None:
        """Sends a request. `within` is the timeout in seconds for a request that is larger than the pipe."""
        assert self._process is not None
        assert self._process.stdin is not None
        assert isinstance(self._process.stdout, trio.lowlevel.FdStream)
        with suppress(BlockingIOError):
            # Detects output after the last answer without waiting.
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
        """Returns the next answer, which must match one of these definitions. The caller sets the timeout."""
        answer, what = understood(await self._line(), *definitions)
        if answer is None:
            raise await self._broken(what)
        if "supports" in answer:
            self.supports = frozenset(answer["supports"])
        return answer

    async def broken(self, what: str) -> AdapterError:
        """Ends an adapter that broke the contract. Returns the error to raise."""
        return await self._broken(what)

    async def hang(self, seconds: float) -> AdapterError:
        """Ends an adapter that did not answer. Returns the error to raise."""
        return await self._broken(f"did not answer within {seconds:.1f} s", Hung)

    async def check(self) -> None:
        """Raises Crashed if its process has ended and the suite did not end it."""
        if self._process is not None and self._process.poll() is not None:
            raise await self._crashed("ended after its answer")

    async def close(self, within: float = 2) -> str:
        """Closes its standard input and waits for its exit. Returns the fault of its exit, else empty."""
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
        """Kills the process and all its children."""
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
        """Returns its process id and those of its children (only Linux knows the children)."""
        return children.of(self.pid)

    async def _line(self) -> bytes:
        # Another task may end the process while this waits, and between two lines.
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
        """Ends the adapter. Returns the error to raise, with all known details."""
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
        """Discards its standard error so far, so that later cases do not show it."""
        self._last_words()
        self._words.clear()

    @property
    def words(self) -> str:
        """Returns its standard error since `forget_words` or its start, also after it has ended."""
        return self._last_words()

    def _last_words(self) -> str:
        stderr = self._process.stderr if self._process is not None else None
        if isinstance(stderr, trio.lowlevel.FdStream):
            with suppress(OSError, trio.ClosedResourceError):
                # Only the content of the pipe, because the adapter may write forever.
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
