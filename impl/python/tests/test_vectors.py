"""Every vector through the core, without sockets, in all the ways of `vectors/README.md`."""

from __future__ import annotations

import mmap
from collections.abc import Callable, Iterator

import pytest
import vectors
from vectors import Vector

from kcom5 import KcomError, Limits, pack, unpack
from kcom5.exchange import ClientExchange, ServerExchange
from kcom5.wire import encode_message

EVENTS = {"half-close": "end", "close": "end", "reset": "reset", "stall": "timeout"}
"""The events of steps. Here everything is acknowledged at once, so that no end is early."""
BIG = 1 << 20

Cut = Callable[[list[bytes]], list[bytes]]
"""Makes the pieces of a run out of what its sends are."""


def whole(sends: list[bytes]) -> list[bytes]:
    return [b"".join(sends)]


def octet_by_octet(sends: list[bytes]) -> list[bytes]:
    octets = b"".join(sends)
    return [*(octets[i : i + 1] for i in range(min(len(octets), 4096))), *filter(None, [octets[4096:]])]


def cut_at(offset: int) -> Cut:
    def cut(sends: list[bytes]) -> list[bytes]:
        octets = b"".join(sends)
        return [*filter(None, (octets[:offset], octets[offset:]))]

    return cut


def ways(vector: Vector) -> Iterator[tuple[Vector, Cut]]:
    yield vector, list
    if vector.is_fixed:
        return
    yield vector, whole
    longest = vectors.longest_run(vector)
    if longest <= BIG:
        yield vector, octet_by_octet
        for offset in range(1, min(longest, 65)):
            yield vector, cut_at(offset)
    trailing = vectors.with_trailing(vector)
    if trailing is not None:
        yield trailing, whole


class Peer:
    """The transport of a core: it takes the pieces, and keeps what comes out."""

    def __init__(self, vector: Vector) -> None:
        self.output = b""
        self.data = bytearray()
        self.to_send = vector.data
        self.exchange: ClientExchange | ServerExchange
        if vector.role == "client":
            self.exchange = ClientExchange(vectors.NONCE, Limits(**vector.give.get("limits", {})))
        else:
            self.exchange = ServerExchange(vector.message, len(vector.data))

    def tell(self, event: str) -> None:
        if self.exchange.on(event) == "send hello":
            assert isinstance(self.exchange, ClientExchange)
            self.output += self.exchange.hello
        if self.exchange.state == "draining":
            self.exchange.on("acknowledged")

    def feed(self, octets: bytes) -> None:
        exchange, before = self.exchange, self.exchange.state
        if isinstance(exchange, ServerExchange):
            exchange.feed(octets)
            if before == "hello" and exchange.state == "sending":
                self.output += exchange.head + self.to_send
            return
        rest = octets[exchange.feed(octets) :]
        if exchange.state == "data":
            taken = rest[: exchange.needed]
            self.data += taken
            if exchange.arrived(len(taken)) == "deliver":
                exchange.delivered()

    def play(self, vector: Vector, cut: Cut) -> None:
        """Play a vector to its end. Raises the error of the core."""
        if vector.setup != "nobody":
            self.tell("connected")
        elif vector.role == "client":
            self.tell("refused")
        run: list[bytes] = []
        for kind, *octets in (*vector.steps, ("expect",)):
            if kind == "send":
                run.append(vectors.joined(octets))
            if kind in ("send", "pause", "connect"):
                continue
            if run:
                for piece in cut(run):
                    self.feed(piece)
                run = []
            if kind.startswith("expect") and self.exchange.state in ("sending", "half-closed"):
                self.tell("sent")
            if kind == "expect":
                expected = vectors.joined(octets)
                assert self.output.startswith(expected)
                self.output = self.output[len(expected) :]
            elif kind == "expect-end":
                assert self.exchange.state in ("confirming", "done")
            elif kind in EVENTS:
                self.tell(EVENTS[kind])
            if kind in ("expect-nothing", "expect-end"):
                assert not self.output


def play(vector: Vector, cut: Cut) -> tuple[Peer | None, str]:
    """Play a vector; its peer, unless the message is refused, and the name of the error."""
    peer = None
    try:
        peer = Peer(vector)
        peer.play(vector, cut)
    except KcomError as error:
        return peer, error.name
    return peer, ""


def check(vector: Vector, cut: Cut) -> None:
    outcome = vector.outcome
    peer, error = play(vector, cut)
    assert error == outcome.get("error", "")
    if peer is None:
        return
    exchange = peer.exchange
    assert exchange.consumed == outcome.get("at", exchange.consumed)
    if error:
        assert exchange.state == "failed"
        return
    assert exchange.state == "done"
    assert not peer.output
    if isinstance(exchange, ServerExchange):
        assert exchange.confirmed == outcome.get("confirmed", exchange.confirmed)
    else:
        assert exchange.message.encode() == vectors.text_octets(outcome.get("message", ""))
        assert peer.data == vectors.octets(outcome.get("data", ""))


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
        assert act() == (out if isinstance(out, str) else {**out, "key": bytes.fromhex(out["key"]).hex(" ")})


@pytest.mark.parametrize("vector", [vector for vector in vectors.load() if not vector.is_live], ids=lambda v: v.id)
def test_the_core_does_what_the_vector_says(vector: Vector, record_property: Callable[[str, object], None]) -> None:
    if vector.role in ("pack", "unpack", "message"):
        check_row(vector)
    else:
        for variant, cut in ways(vector):
            check(variant, cut)
    record_property("replayed", vector.rule)
