"""What the suite does not ask of the adapters: bounds of more than 32 bits, and an unknown transport."""

from __future__ import annotations

import select
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

import wire
from peers import NAMES, Adapter
from wire import frame

BOUNDS = {
    "past-i32": 1 << 31,
    "least-i32": -(1 << 31),
    "past-i64-of-ns": 9_223_372_037,
    "u64-of-ns-to-0.3": 18_446_744_074,
    "u32-to-1": (1 << 32) + 1,
    "i64": (1 << 63) - 1,
}


@pytest.fixture(scope="module", params=NAMES)
def adapter(request: pytest.FixtureRequest) -> Iterator[Adapter]:
    with closing(Adapter(request.param)) as adapter:
        yield adapter


@pytest.mark.parametrize("op", ["send", "receive"])
def test_a_transport_that_does_not_exist_is_not_supported(adapter: Adapter, op: str) -> None:
    assert adapter.call(op=op, via="udp6", port=13600, close=1) == {"unsupported": True}


@pytest.mark.parametrize("bound", BOUNDS.values(), ids=BOUNDS)
def test_a_long_bound_does_not_expire_at_once(adapter: Adapter, directory: Path, bound: int) -> None:
    """It passes 1.2 s in the handshake of each end."""
    path = str(directory / "s")
    place = {"via": "unix", "path": path, "close": bound}

    def is_silent() -> bool:
        return not select.select([adapter], [], [], 1.2)[0]

    with wire.listen("unix", directory / "s") as server:
        adapter.request(op="receive", **place)
        with wire.accept(server) as connection:
            hello = wire.read(connection, 8)
            assert is_silent()
            connection.sendall(hello + frame(b"hi"))
            assert adapter.answer()["message"] == "hi"
    Path(path).unlink()
    adapter.request(op="send", **place)
    assert adapter.answer() == {"listening": path}
    with wire.connect(path) as client:
        assert is_silent()
        client.sendall(wire.HELLO)
        assert wire.read_to_end(client) == (wire.HELLO + frame(), "end")
    assert adapter.answer()["ok"]
