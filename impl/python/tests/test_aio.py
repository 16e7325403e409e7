"""The asyncio API. What is on the wire is the suite's: it runs against `adapter.py --asyncio` too."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from ends import DATA, MIB, T, files_in, frame, raw_server
from reader import ROOT

from kcom5 import Sent, aio


def test_both_ends_share_a_loop_and_other_tasks_have_their_turn(directory: Path) -> None:
    async def main() -> None:
        turns = 0

        async def stranger() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        other = asyncio.create_task(stranger())
        source = directory / "source"
        source.write_bytes(DATA)
        async with aio.Server(port=0, timeout=T).open() as listening:
            client = aio.Client(port=listening.port, timeout=T)
            sent, data = await asyncio.gather(listening.send_file(source), client.receive())
        assert (sent, data) == (Sent(len(DATA), confirmed=True), DATA)
        assert turns > 5
        other.cancel()

    asyncio.run(main())


def test_a_cancelled_task_resets_and_leaves_no_file(pool: ThreadPoolExecutor, directory: Path) -> None:
    async def main() -> None:
        begun = asyncio.Event()
        server = aio.Server(path=directory / "socket", timeout=T, listening=lambda _: begun.set())
        port, end = raw_server(pool, frame(b"", DATA)[:MIB])
        client = aio.Client(port=port, timeout=T, progress=lambda *_: begun.set())
        for call in (server.send(b""), client.receive_file(directory / "target")):
            begun.clear()
            task: asyncio.Task[object] = asyncio.create_task(call)
            await begun.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert files_in(directory) == []
        assert await asyncio.wrap_future(end) == "reset"

    asyncio.run(main())


def test_the_example_of_the_readme_runs() -> None:
    readme = (ROOT / "impl/python/README.md").read_text("utf-8")
    found = re.search(r"<!-- example: asyncio -->\n```python\n(.*?)```", readme, re.DOTALL)
    assert found is not None
    command = [sys.executable, "-W", "error", "-c", found[1]]
    environment = {"PYTHONPATH": str(ROOT / "impl/python/src")}
    result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert (result.stdout, result.stderr) == ("report b'any bytes' True\n", ""), result.stderr
