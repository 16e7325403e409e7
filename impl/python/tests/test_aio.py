"""The asyncio API."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import raw
from ends import DATA, HELLO, MIB, T, end_of, files_in, frame, raw_server

from kcom5 import Sent, aio


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0)


def test_both_ends_may_share_one_loop_and_a_stranger_has_his_turn(directory: Path) -> None:
    async def main() -> None:
        turns = 0

        async def stranger() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        other = asyncio.create_task(stranger())
        source, target = directory / "source", directory / "target"
        source.write_bytes(DATA)
        async with aio.Server(port=0, timeout=T, message="hi").open() as listening:
            client = aio.Client(port=listening.port, timeout=T)
            _, data = await asyncio.gather(listening.send(DATA), client.receive())
            assert (data, client.message) == (DATA, "hi")
            assert turns > 5
        async with aio.Server(path=directory / "socket", timeout=T).open() as listening:
            client = aio.Client(path=directory / "socket", timeout=T)
            sent, received = await asyncio.gather(listening.send_file(source), client.receive_file(target))
            assert (sent, received) == (Sent(len(DATA), confirmed=True), len(DATA))
            assert target.read_bytes() == DATA
        async with aio.Server(port=0, timeout=T).open() as listening:
            _, view = await asyncio.gather(
                listening.send(b"abc"), aio.Client(port=listening.port, timeout=T).receive_view()
            )
            assert bytes(view) == b"abc"
        other.cancel()

    asyncio.run(main())


def test_asyncio_sends_a_pipe_or_a_device(directory: Path) -> None:
    async def main() -> None:
        for source in (os.devnull, "pipe"):
            read, write = os.pipe()
            os.write(write, b"abc")
            os.close(write)
            path = directory / "socket"
            started = asyncio.Event()
            server = aio.Server(path=path, timeout=T, listening=lambda _: started.set())  # noqa: B023
            sent = asyncio.create_task(server.send_file(read if source == "pipe" else source))
            await started.wait()
            assert await aio.Client(path=path, timeout=T).receive() == (b"abc" if source == "pipe" else b"")
            await sent
            os.close(read)

    asyncio.run(main())


def test_a_cancelled_server_stops_to_listen_and_removes_its_file(directory: Path) -> None:
    async def main() -> None:
        started = asyncio.Event()
        server = aio.Server(path=directory / "socket", timeout=T, listening=lambda _: started.set())
        task = asyncio.create_task(server.send(b""))
        await started.wait()
        assert files_in(directory) == ["socket"]
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert files_in(directory) == []

    asyncio.run(main())


def test_a_cancelled_sender_resets() -> None:
    async def main() -> None:
        async with aio.Server(port=0, timeout=T).open() as listening:
            task = asyncio.create_task(listening.send(bytes(64 * MIB)))
            with raw.connect("tcp6", listening.port) as client:
                client.sendall(HELLO)
                await until(lambda: _has_come(client))
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
                assert end_of(client) == "reset"

    asyncio.run(main())


def _has_come(connection: socket.socket) -> bool:
    connection.setblocking(False)
    try:
        connection.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return False
    finally:
        connection.settimeout(T)
    return True


def test_a_cancelled_receiver_resets_and_leaves_no_file(pool: ThreadPoolExecutor, directory: Path) -> None:
    async def main() -> None:
        port, end = raw_server(pool, frame(b"", DATA)[:MIB], then=end_of)
        come: list[int] = []
        client = aio.Client(port=port, timeout=T, progress=lambda done, _: come.append(done))
        task = asyncio.create_task(client.receive_file(directory / "target"))
        await until(lambda: bool(come))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert files_in(directory) == []
        assert await asyncio.wrap_future(end) == "reset"

    asyncio.run(main())
