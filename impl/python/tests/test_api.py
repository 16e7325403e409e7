"""What no program or adapter passes on: fields, callbacks, buffers, interruptions, the original's names."""

from __future__ import annotations

import array
import io
import mmap
import os
import signal
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from ends import DATA, MIB, T, exchange, files_in, frame, raw_server
from reader import ROOT

import kcom5
from kcom5 import Client, Server
from kcom5.sink import MemorySink


def test_all_names_that_are_exported_are_there_and_show_no_secret() -> None:
    assert all(hasattr(kcom5, name) for name in kcom5.__all__)
    assert "secret" not in repr(Server(message="secret"))


def test_the_package_does_not_load_what_only_some_need() -> None:
    some = {"asyncio", "argparse", "inspect", "json", "tempfile", "kcom5.cli", "kcom5.aio"}
    command = [sys.executable, "-c", f"import sys, kcom5; print({some} & sys.modules.keys())"]
    result = subprocess.run(command, env={"PYTHONPATH": str(ROOT / "impl/python/src")}, capture_output=True)
    assert result.stdout == b"set()\n"


@pytest.mark.parametrize(("name", "method"), [("server", "send"), ("client", "recieve")])
def test_the_original_names_warn_and_take_any_t(name: str, method: str) -> None:
    with pytest.warns(DeprecationWarning, match=f"kcom5.{name} is deprecated") as warned:
        end = getattr(kcom5, name)()
    assert warned[0].filename == __file__
    end.port = 65536
    for t in (2**31 - 1, 0, -1, -(2**31)):
        end.close = t
        # A timeout that is 0 or less would be a mere ValueError.
        with pytest.raises(kcom5.InvalidPort):
            end.send(b"") if method == "send" else end.recieve()


def test_settings_are_checked_before_anything_is_opened(directory: Path) -> None:
    for timeout in (0, -1, 0.0, float("nan")):
        for act in (Server(timeout=timeout).open, Client(timeout=timeout).receive):
            with pytest.raises(ValueError, match="more than 0 seconds"):
                act()
    missing = directory / "missing" / "file"
    with pytest.raises(kcom5.InvalidPort):
        Server(port=-1).send_file(missing)
    with pytest.raises(kcom5.InvalidPort):
        Client(port=0).receive_file(missing)
    for path, detail in (("", "the path is empty"), (f"{directory}/a\0b", "the path has a NUL byte")):
        for act in (Server(path=path).open, Client(path=path).receive):
            with pytest.raises(kcom5.Io, match=detail):
                act()
    with pytest.raises(kcom5.Io):
        Server(port=0).send_file(io.BytesIO(b"this has no descriptor"))


@pytest.mark.parametrize(
    "data",
    [bytearray(b"abc"), memoryview(b"abcdef")[::2], array.array("I", [1, 2]), array.array("I"), mmap.mmap(-1, 5)],
    ids=["bytearray", "strided-view", "array", "empty-array", "mmap"],
)
def test_any_buffer_can_be_sent(pool: ThreadPoolExecutor, data: Any) -> None:
    assert exchange(pool, lambda listening: listening.send(data)) == memoryview(data).tobytes()


def test_both_ends_can_be_used_again_but_what_listens_serves_one_client(pool: ThreadPoolExecutor) -> None:
    server, client = Server(port=0, timeout=T), Client(timeout=T)

    def send(listening: kcom5.Listening) -> None:
        listening.send(b"abc")
        with pytest.raises(ValueError, match="one client"):
            listening.send(b"abc")

    for message in ("one", "two"):
        server.message = message
        view = exchange(pool, send, Client.receive_view, server, client)
        assert (client.message, view, view.readonly) == (message, b"abc", True)


def test_a_socket_file_is_private_from_the_first_moment_and_has_no_port(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "chmod", None)
    path = directory / "socket"
    with Server(path=path).open() as listening:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert (listening.place, listening.port) == (str(path), 0)


def test_progress_grows_to_the_whole_on_both_ends(pool: ThreadPoolExecutor) -> None:
    sent: list[tuple[int, int]] = []
    received: list[tuple[int, int]] = []
    server = Server(port=0, timeout=T, progress=lambda done, total: sent.append((done, total)))
    client = Client(timeout=T, progress=lambda done, total: received.append((done, total)))
    exchange(pool, lambda listening: listening.send(DATA), Client.receive, server, client)
    for calls in (sent, received):
        assert calls == sorted(calls)
        assert {total for _, total in calls} == {len(DATA)}
        assert calls[-1][0] == len(DATA)


class Stop(Exception):
    pass


def stop(*_: object) -> None:
    raise Stop


def test_a_callback_that_raises_ends_the_exchange_and_leaves_nothing(pool: ThreadPoolExecutor, directory: Path) -> None:
    with pytest.raises(Stop):
        Server(path=directory / "socket", listening=stop).send(b"")
    port, end = raw_server(pool, frame(b"", DATA)[:MIB])
    with pytest.raises(Stop):
        Client(port=port, timeout=T, progress=stop).receive_file(directory / "target")
    assert end.result(T) == "reset"
    assert files_in(directory) == []


def test_an_interrupted_wait_resets_and_leaves_no_file(pool: ThreadPoolExecutor, directory: Path) -> None:
    port, end = raw_server(pool, frame(b"", DATA)[:MIB], lambda: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        Client(port=port, timeout=T).receive_file(directory / "target")
    assert end.result(T) == "reset"
    assert files_in(directory) == []


def test_memory_is_at_most_twice_what_has_arrived() -> None:
    for size, most in ((1024, MIB), (5 * MIB, 10 * MIB)):
        with MemorySink() as sink:
            sink.begin((1 << 64) - 1)
            sink.put(bytes(size))
            assert size <= len(sink.result()) <= most
