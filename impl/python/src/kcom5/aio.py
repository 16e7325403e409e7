"""The server and the client for asyncio: the same steps, waited for by the event loop.

Does: waits. Does not: use threads; the loop must have `add_reader` (on Windows the selector loop). Cancelling the task
ends an exchange as any failure does: by a reset, with no file left. Files on disk are read and written in the loop, a
mebibyte at a time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from typing import TypeVar

from .client import ClientSettings, as_view
from .server import Listener, Sent, ServerSettings
from .stream import READ, WRITE, Steps, Wait
from .system import Data, File

__all__ = ["Client", "Listening", "Server"]

_T = TypeVar("_T")


async def _drive(steps: Steps[_T]) -> _T:
    """Run the steps to their end."""
    try:
        while True:
            wait = next(steps)
            if wait is None:
                await asyncio.sleep(0)
            else:
                await _wait(wait)
    except StopIteration as end:
        result: _T = end.value
        return result
    finally:
        steps.close()


async def _wait(wait: Wait) -> None:
    if wait.descriptor is None:
        await asyncio.sleep(min(wait.seconds, 1e6))
        return
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    try:
        if wait.events & READ:
            loop.add_reader(wait.descriptor, ready.set)
        if wait.events & WRITE:
            loop.add_writer(wait.descriptor, ready.set)
        timer = loop.call_later(min(wait.seconds, 1e6), ready.set)
        try:
            await ready.wait()
        finally:
            timer.cancel()
    except PermissionError:
        # A device that is always ready.
        await asyncio.sleep(0)
    finally:
        loop.remove_reader(wait.descriptor)
        loop.remove_writer(wait.descriptor)


class Listening(Listener):
    """As `kcom5.Listening`, for `async with`."""

    async def send(self, data: Data) -> Sent:
        """As `kcom5.Listening.send`."""
        return await _drive(self.send_steps(data))

    async def send_file(self, file: File) -> Sent:
        """As `kcom5.Listening.send_file`."""
        return await _drive(self.send_file_steps(file))

    async def __aenter__(self) -> Listening:
        return self

    async def __aexit__(self, *error: object) -> None:
        self.close()


class Server(ServerSettings):
    """As `kcom5.Server`, with methods to be awaited."""

    async def send(self, data: Data) -> Sent:
        """As `kcom5.Server.send`."""
        return await _drive(self.send_steps(data))

    async def send_file(self, file: File) -> Sent:
        """As `kcom5.Server.send_file`."""
        return await _drive(self.send_file_steps(file))

    def open(self) -> _Opening:
        """As `kcom5.Server.open`: await it, or use it in an `async with` statement."""
        return _Opening(self.listen(Listening))


class _Opening:
    """A server that is about to listen."""

    def __init__(self, steps: Steps[Listening]) -> None:
        self._steps = steps
        self._listening: Listening | None = None

    def __await__(self) -> Generator[object, None, Listening]:
        return _drive(self._steps).__await__()

    async def __aenter__(self) -> Listening:
        self._listening = await self
        return self._listening

    async def __aexit__(self, *error: object) -> None:
        if self._listening is not None:
            self._listening.close()


class Client(ClientSettings):
    """As `kcom5.Client`, with methods to be awaited."""

    async def receive(self) -> bytes:
        """As `kcom5.Client.receive`."""
        return bytes(await _drive(self.receive_steps()))

    async def receive_view(self) -> memoryview:
        """As `kcom5.Client.receive_view`."""
        return as_view(await _drive(self.receive_steps()))

    async def receive_file(self, file: File) -> int:
        """As `kcom5.Client.receive_file`."""
        return await _drive(self.receive_file_steps(file))
