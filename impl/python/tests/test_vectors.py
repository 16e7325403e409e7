"""Every vector through the core, without sockets, in all the ways of `vectors/README.md`."""

from __future__ import annotations

import mmap
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest
import vectors
from vectors import Vector

from kcom5 import KcomError, Limits, pack, unpack
from kcom5.exchange import ClientExchange, ServerExchange
from kcom5.wire import encode_message

EVENTS = {"half-close": "end", "close": "end", "reset": "reset", "stall": "timeout"}
"""The events of steps. Here everything is acknowledged at once, so that no end is early."""
BIG = 1 << 20

Cut = Callable[[int, list[bytes]], list[bytes]]
"""Makes the pieces of run number i out of what its sends are."""


def as_given(run: int, sends: list[bytes]) -> list[bytes]:
    return sends


def whole(run: int, sends: list[bytes]) -> list[bytes]:
    return [b"".join(sends)]


def octet_by_octet(run: int, sends: list[bytes]) -> list[bytes]:
    octets = b"".join(sends)
    return [*(octets[i : i + 1] for i in range(min(len(octets), 4096))), *([octets[4096:]] if octets[4096:] else [])]


def cut_at(number: int, offset: int) -> Cut:
    def cut(run: int, sends: list[bytes]) -> list[bytes]:
        octets = b"".join(sends)
        return [octets[:offset], octets[offset:]] if run == number else [octets]

    return cut


def ways(vector: Vector) -> Iterator[tuple[Vector, Cut]]:
    yield vector, as_given
    if vector.is_fixed:
        return
    yield vector, whole
    runs = vectors.cut_runs(vector)
    if max(runs, default=0) <= BIG:
        yield vector, octet_by_octet
        for number, size in enumerate(runs):
            for offset in range(1, min(size, 65)):
                yield vector, cut_at(number, offset)
    trailing = vectors.with_trailing(vector)
    if trailing is not None:
        yield trailing, whole


class Peer:
    """The transport of the core: it takes the pieces, and keeps what comes out."""

    def __init__(self, vector: Vector) -> None:
        self.output = b""
        self.is_sending = self.is_half_closed = False
        self.data = bytearray()
        self.client: ClientExchange | None = None
        self.server: ServerExchange | None = None
        if vector.role == "client":
            self.client = ClientExchange(vectors.NONCE, Limits(**vector.give.get("limits", {})))
        else:
            self.server = ServerExchange(vector.message, len(vector.data))
            self.frame_data = vector.data

    @property
    def exchange(self) -> ClientExchange | ServerExchange:
        exchange = self.client or self.server
        assert exchange is not None
        return exchange

    def event(self, name: str) -> None:
        action = self.exchange.on(name)
        if action == "send hello":
            assert self.client is not None
            self.output += self.client.hello
        elif action == "half-close":
            self.is_half_closed = True
        if self.exchange.state == "draining":
            self.event("acknowledged")

    def piece(self, octets: bytes) -> None:
        if self.server is not None:
            self.server.feed(octets)
            if self.server.state == "sending" and not self.is_sending:
                self.output += self.server.head + self.frame_data
                self.is_sending = True
            return
        assert self.client is not None
        rest = octets[self.client.feed(octets) :]
        if self.client.state == "data":
            taken = rest[: self.client.needed]
            self.data += taken
            if self.client.arrived(len(taken)) == "deliver":
                self.client.delivered()


def play(vector: Vector, cut: Cut) -> Peer:
    """Play a vector to its end, or to an error."""
    peer = Peer(vector)
    with suppress(KcomError):
        run_steps(peer, vector, cut)
    return peer


def run_steps(peer: Peer, vector: Vector, cut: Cut) -> None:
    if vector.setup != "nobody":
        peer.event("connected")
    elif vector.role == "client":
        peer.event("refused")
    sends: list[bytes] = []
    run = 0
    for step in (*vector.steps, ("expect-the-last",)):
        kind = step[0]
        if kind == "send":
            sends.append(vectors.joined(step[1:]))
            continue
        if kind in ("pause", "connect"):
            continue
        if sends:
            for piece in cut(run, sends):
                peer.piece(piece)
            sends = []
            run += 1
        if kind.startswith("expect") and peer.is_sending and not peer.is_half_closed:
            peer.event("sent")
        if kind == "expect":
            expected = vectors.joined(step[1:])
            assert peer.output.startswith(expected)
            peer.output = peer.output[len(expected) :]
        elif kind == "expect-nothing":
            assert not peer.output
        elif kind == "expect-end":
            assert not peer.output
            assert peer.is_half_closed or peer.exchange.state == "done"
        elif kind in EVENTS:
            peer.event(EVENTS[kind])


def check(vector: Vector, cut: Cut) -> None:
    outcome = vector.outcome
    if "error" in outcome and not vector.steps and vector.message:
        with pytest.raises(KcomError) as caught:
            Peer(vector)
        assert caught.value.name == outcome["error"]
        return
    if "error" in outcome:
        peer = play(vector, cut)
        error = peer.exchange.error
        assert error is not None
        assert error.name == outcome["error"]
        if "at" in outcome:
            assert peer.exchange.consumed == outcome["at"]
        return
    peer = play(vector, cut)
    assert peer.exchange.state == "done"
    if "confirmed" in outcome:
        assert peer.server is not None
        assert peer.server.confirmed == outcome["confirmed"]
    assert not peer.output
    if peer.client is not None:
        assert peer.client.message.encode() == vectors.text_octets(outcome.get("message", ""))
        assert bytes(peer.data) == vectors.octets(outcome.get("data", ""))


def check_row(vector: Vector) -> None:
    given = vector.give["in"]

    def act() -> object:
        if vector.role == "message":
            return encode_message(memoryview(mmap.mmap(-1, given["size"])))  # memory that nobody touches
        if vector.role == "pack":
            return pack(given["port"], bytes.fromhex(given["key"]))
        port, key = unpack(given)
        return {"port": port, "key": key.hex(" ")}

    if "error" in vector.outcome:
        with pytest.raises(KcomError) as caught:
            act()
        assert caught.value.name == vector.outcome["error"]
    else:
        out = vector.outcome["out"]
        expected = out if isinstance(out, str) else {**out, "key": bytes.fromhex(out["key"]).hex(" ")}
        assert act() == expected


@pytest.mark.parametrize("vector", [vector for vector in vectors.load() if not vector.is_live], ids=lambda v: v.id)
def test_the_core_does_what_the_vector_says(vector: Vector, record_property: Callable[[str, object], None]) -> None:
    if vector.role in ("pack", "unpack", "message"):
        check_row(vector)
    else:
        for variant, cut in ways(vector):
            check(variant, cut)
    record_property("replayed", vector.rule)
