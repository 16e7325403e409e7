"""A call of the implementation through its adapter."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import trio

from ..report.acts import Act
from ..results import Json, Saw
from .adapter import Adapter, AdapterError, Misplaced

if TYPE_CHECKING:
    from .harness import Harness

USAGE = {"invalid-port", "message-not-utf8", "message-too-long"}
"""The errors that a server returns before it opens a socket."""


@dataclass
class Call:
    """A call of the implementation that is under way, or has ended."""

    harness: Harness
    request: Json
    adapter: Adapter
    answer: Json | None = None
    place: int | str = ""
    """The port or path of a listening server; empty before it listens."""
    start: float = 0.0
    end: float = 0.0
    error: AdapterError | None = None
    _listening: trio.Event = field(default_factory=trio.Event)
    ended: trio.Event = field(default_factory=trio.Event)

    async def begin(self) -> None:
        self.start = trio.current_time()
        self.harness.log("suite", "request", text=self.request)
        await self.adapter.ask(self.request, self.harness.patience)
        self.harness.nursery.start_soon(self._read)

    async def _read(self) -> None:
        try:
            kind = f"answer-{self.request['op']}" + ("-to" if "to" in self.request else "")
            definitions = [kind, "error", "unsupported"]
            if self.request["op"] == "send":
                answer = await self.adapter.answer("answer-listening", *definitions)
                if "listening" in answer:
                    self.place = await self._place(answer["listening"])
                    self.harness.log("implementation", "answer", text=answer)
                    self._listening.set()
                    answer = await self.adapter.answer(*definitions)
            else:
                answer = await self.adapter.answer(*definitions)
            self.answer = answer
            self.harness.log("implementation", "answer", text=answer)
        except AdapterError as error:
            self.error = error
        finally:
            self.end = trio.current_time()
            self._listening.set()
            self.ended.set()

    async def _place(self, told: int | str) -> int | str:
        """Checks and returns the reported place: a port, or the requested path."""
        is_right = told == self.request.get("path") if self.harness.via == "unix" else not isinstance(told, str)
        if not is_right:
            what = f"says that it listens on {clip(str(told))}, which it was not asked"
            raise Misplaced(str(await self.adapter.broken(what)))
        return told if isinstance(told, str) else int(told)

    async def decided(self) -> bool:
        """Waits until the server listens or has ended. Returns whether it listens."""
        with trio.move_on_after(self.harness.patience) as scope:
            await self._listening.wait()
        if scope.cancelled_caught:
            raise await self.adapter.hang(self.harness.patience)
        if self.error:
            raise self.error
        return bool(self.place)

    async def listening(self) -> int | str:
        """Waits until the server listens."""
        if not await self.decided():
            self.harness.fail("delivered", f"the answer {self.told}", "that it listens", "refuses")
        return self.place

    @property
    def told(self) -> str:
        """Returns the answer in short form."""
        return shown(self.answer) if self.answer is not None else "nothing"

    async def unless_ended(self, wait: Callable[[], Awaitable[Any]]) -> Any:
        """Returns the result of `wait`, or None if the call ends first."""
        result = None
        async with trio.open_nursery() as nursery:

            async def watch() -> None:
                await self.ended.wait()
                await trio.sleep(self.harness.tick)  # a connection made just before the end still counts
                nursery.cancel_scope.cancel()

            nursery.start_soon(watch)
            result = await wait()
            nursery.cancel_scope.cancel()
        if self.error:
            raise self.error
        return result

    async def result(self, within: float | None = None) -> Json:
        """Waits for the last answer. The call hangs if it takes more than `within` seconds."""
        bound = self.harness.patience if within is None else within
        self.harness.acts.append(Act("answer"))
        with trio.move_on_after(bound) as scope:
            await self.ended.wait()
        if scope.cancelled_caught:
            if size := self.adapter.unfinished:
                got = self.harness.give_up(bound, f"{size:,} octets of an answer without a line end")
                self.harness.fail("ended", got, "a line with the answer")
            got = self.harness.give_up(bound, "the call has not ended")
            self.harness.fail("ended", got, f"an end {within_words(self.request, bound)}", "hangs")
        if self.error:
            raise self.error
        assert self.answer is not None
        return self.answer

    async def expect_ok(
        self, message: str | None = None, data: bytes | None = None, within: float | None = None
    ) -> None:
        """Checks that the call succeeds, and that a client delivers exactly this."""
        answer = await self.result(within)
        if "ok" not in answer:
            self.harness.fail("delivered", self.told, "success", "refuses")
        if message is None or data is None:
            return
        if answer["message"] != message:
            got, wanted = clip(answer["message"]), clip(message)
            self.harness.fail("delivered", f"the message {got}", f"the message {wanted}", "message")
        got = answer["data"]
        if got["size"] != len(data):
            saw: Saw = "lost" if got["size"] < len(data) else "altered"
            self.harness.fail(
                "delivered", f"{got['size']:,} of {len(data):,} octets delivered as the whole", "all of them", saw
            )
        digest = hashlib.sha256(data).hexdigest()
        if got["sha256"] != digest or ("hex" in got and got["hex"] != data.hex()):
            self.harness.fail(
                "delivered",
                f"{got['size']:,} octets with SHA-256 {got['sha256'][:16]}…",
                f"the octets sent, SHA-256 {digest[:16]}…",
                "altered",
            )

    async def expect_error(self, *names: str, within: float | None = None) -> None:
        """Checks that the call fails with one of these names, or with `error` if the implementation has no names."""
        if USAGE.intersection(names):
            with trio.move_on_after(self.harness.patience):
                await self._listening.wait()  # also set at the end
            if self.place:
                got = f"it listens on {self.place}"
                self.harness.fail("wire", got, f"{' or '.join(names)} before a socket is opened", "listens")
        answer = await self.result(within)
        if answer.get("error") not in (*names, "error"):
            self.harness.fail("delivered", self.told, " or ".join(names), "accepts" if "ok" in answer else "name")


def within_words(request: Json, seconds: float) -> str:
    """Describes a timeout: how much of it is T, and how much the suite adds."""
    close = request.get("close", 0)
    if 0 < close < seconds:
        return f"within {seconds:.1f} s: T is {close} s, and the suite allows {seconds - close:.1f} s more"
    return f"within {seconds:.1f} s, which the suite allows for what comes at once"


def clip(text: str) -> str:
    return repr(text if len(text) <= 60 else f"{text[:60]}… ({len(text):,} characters)")


def shown(line: Json) -> str:
    """Returns a line of the adapter with long values shortened."""

    def short(value: Any) -> Any:
        if isinstance(value, dict):
            return {key[:60]: short(item) for key, item in value.items()}
        if isinstance(value, str) and len(value) > 100:
            return f"{value[:60]}… ({len(value)} characters)"
        return value

    return json.dumps(short(line), ensure_ascii=False)
