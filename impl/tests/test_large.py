"""Transfers over 1 GiB, every server with every client, in constant memory; and a message of 4 GiB."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from peers import NAMES, Adapter
from wire import VIAS, Via, counter
from world import MIB, World

SIZE = (1 << 30) + 1


def sha256_of(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(MIB):
            digest.update(block)
    return digest.hexdigest()


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Yields a file that is mostly zeros, with some other mebibytes."""
    path = tmp_path_factory.mktemp("kcom5") / "large"
    with path.open("wb") as file:
        for number in range(0, 1024, 64):
            file.seek(number * MIB)
            file.write(counter(MIB + number)[number:])
        file.seek(SIZE - 1)
        file.write(b"\x5a")
    yield path
    path.unlink()


def peak_memory(adapter: Adapter) -> int:
    """Returns its peak memory in bytes."""
    status = Path(f"/proc/{adapter.process.pid}/status")
    found = re.search(r"VmHWM:\s*(\d+)", status.read_text("ascii")) if status.exists() else None
    if not found:
        pytest.skip("NOT RUN: this system does not tell the peak of a process's memory")
    return int(found[1]) << 10


@pytest.mark.parametrize("via", VIAS)
@pytest.mark.parametrize("client", NAMES)
@pytest.mark.parametrize("server", NAMES)
def test_a_large_file_arrives_in_constant_memory(
    server: str, client: str, via: Via, directory: Path, source: Path
) -> None:
    target = directory / "target"
    with closing(Adapter(server)) as sender, closing(Adapter(client)) as receiver:
        idle = [peak_memory(end) for end in (sender, receiver)]
        place = {"via": via, "close": 10, **({"path": str(directory / "s")} if via == "unix" else {"port": 0})}
        sender.request(op="send", **place, data={"file": str(source)})
        if via != "unix":
            place["port"] = sender.answer()["listening"]
        else:
            sender.answer()
        answer = receiver.call(op="receive", **place, to={"file": str(target)})
        assert answer["data"] == {"size": SIZE, "sha256": sha256_of(source)}
        assert sender.answer() == {"ok": True, "confirmed": True}
        assert sha256_of(target) == sha256_of(source)
        for end, before in zip((sender, receiver), idle, strict=True):
            most = 32 * MIB + (0 if end.name == "cpp" else before)
            print(f"{end.name}: peak {peak_memory(end)}, idle {before}, allowed {most}")
            assert peak_memory(end) < most


def test_a_message_over_4_gib_is_too_long(world: World) -> None:
    world.sparse("message", 1 << 32)
    assert world.ends("send", "--message-file", "message")["error"] == "message-too-long"
