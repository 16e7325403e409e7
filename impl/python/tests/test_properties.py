"""What holds for every input of the core: addresses, any cut of the stream, any octets, any order of events."""

from __future__ import annotations

import contextlib
import re

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from kcom5 import InvalidAddress, KcomError, Limits, pack, unpack
from kcom5.errors import ERRORS
from kcom5.exchange import CLIENT_TABLE, EVENTS, SERVER_TABLE, ClientExchange, ServerExchange

settings.register_profile("kcom5", deadline=None, max_examples=150, derandomize=True, database=None)
settings.load_profile("kcom5")

SIZES = [1, 2, 3, 4, 6, 8, 12, 16, 24, 48]
keys = st.sampled_from(SIZES).flatmap(lambda size: st.binary(min_size=size, max_size=size))
ports = st.integers(1, 65535)
nonces = st.binary(min_size=3, max_size=3)
messages = st.text(max_size=40)
ADDRESS = re.compile(r"[1-9][0-9]{0,4}(\.[0-9A-Fa-f]{2})+", re.ASCII)


def frame(message: bytes, data: bytes) -> bytes:
    return len(message).to_bytes(4, "little") + message + len(data).to_bytes(8, "little") + data


@st.composite
def cuts(draw: st.DrawFn, size: int) -> list[int]:
    """Where a stream of this size is cut."""
    return sorted(draw(st.sets(st.integers(1, max(1, size - 1)), max_size=8)))


def pieces(octets: bytes, at: list[int]) -> list[bytes]:
    return [octets[a:b] for a, b in zip([0, *at], [*at, len(octets)], strict=True)]


@given(ports, keys)
def test_unpack_undoes_pack(port: int, key: bytes) -> None:
    address = pack(port, key)
    assert unpack(address) == unpack(address.upper()) == (port, key * (48 // len(key)))


@given(st.text() | st.from_regex(ADDRESS, fullmatch=True) | st.text("0123456789abcdefABCDEF. \n"))
def test_a_text_is_an_address_or_refused(text: str) -> None:
    try:
        port, key = unpack(text)
    except InvalidAddress:
        return
    assert ADDRESS.fullmatch(text)
    short = text.count(".")
    assert short in SIZES
    assert pack(port, key[:short]) == text.lower()


def receive(client: ClientExchange, octets: bytes) -> bytes:
    """What the client takes of the octets as data."""
    rest = octets[client.feed(octets) :]
    if client.state != "data":
        return b""
    taken = rest[: client.needed]
    action = client.arrived(len(taken))
    assert (action == "deliver") == (client.needed == 0)
    if action:
        client.delivered()
    return taken


@given(nonces, messages, st.binary(max_size=40), st.binary(max_size=5), st.data())
def test_a_client_takes_the_same_however_the_stream_is_cut(
    nonce: bytes, message: str, data: bytes, trailing: bytes, cut: st.DataObject
) -> None:
    client = ClientExchange(nonce)
    client.on("connected")
    octets = client.hello + frame(message.encode(), data)
    stream = octets + trailing
    got = b"".join(receive(client, piece) for piece in pieces(stream, cut.draw(cuts(len(stream)))))
    assert (client.state, client.message, got, client.consumed) == ("done", message, data, len(octets))


@given(nonces, messages, st.binary(max_size=40), st.data())
def test_a_server_sends_the_same_however_the_hello_is_cut(
    nonce: bytes, message: str, data: bytes, cut: st.DataObject
) -> None:
    server = ServerExchange(message, len(data))
    server.on("connected")
    for piece in pieces(b"KCOM5" + nonce, cut.draw(cuts(8))):
        server.feed(piece)
    assert server.state == "sending"
    assert server.head + data == b"KCOM5" + nonce + frame(message.encode(), data)


@given(nonces, st.lists(st.binary(max_size=12)), st.integers(0, 30), st.integers(0, 30))
def test_any_octets_end_in_data_or_a_named_error(
    nonce: bytes, stream: list[bytes], most_message: int, most_data: int
) -> None:
    client = ClientExchange(nonce, Limits(most_message, most_data))
    client.on("connected")
    for piece in [client.hello, *stream]:
        with contextlib.suppress(KcomError):
            receive(client, piece)
    if client.error is not None:
        assert client.state == "failed"
        assert client.error.name in ("over-limit", "malformed-message")
        return
    assert len(client.message.encode()) <= most_message
    assert client.data_length <= most_data


@given(st.lists(st.binary(max_size=12)))
def test_any_octets_make_a_server_send_or_fail(stream: list[bytes]) -> None:
    server = ServerExchange("", 0)
    server.on("connected")
    before = b""
    for piece in stream:
        is_hello = re.fullmatch(rb"KCOM5...", before + piece, re.DOTALL)
        with contextlib.suppress(KcomError):
            server.feed(piece)
        before += piece
        if server.error is not None:
            assert server.error.name == "invalid-connection"
            assert not b"KCOM5".startswith(before[:5]) or len(before) > 8
            return
        if server.state == "sending":
            assert is_hello
            return
        assert len(before) < 8


class Exchange(RuleBasedStateMachine):
    """Both cores, joined by two streams that deliver when and in what pieces they like, with faults in between."""

    @initialize(message=messages, data=st.binary(max_size=30), limit=st.none() | st.integers(0, 30), nonce=nonces)
    def begin(self, message: str, data: bytes, limit: int | None, nonce: bytes) -> None:
        self.message, self.data = message, data
        self.server = ServerExchange(message, len(data))
        self.client = ClientExchange(nonce, Limits(data=limit))
        self.to_server = self.to_client = b""
        self.got = b""
        self.is_honest = True
        self.ended: dict[str, str] = {}

    def tell(self, exchange: ServerExchange | ClientExchange, event: str) -> None:
        action = ""
        with contextlib.suppress(KcomError):
            action = exchange.on(event)
        if action == "send hello":
            self.to_server += self.client.hello
        elif action == "send echo and frame":
            raise AssertionError("the server's feed does that")

    @rule()
    def connect(self) -> None:
        self.tell(self.server, "connected")
        self.tell(self.client, "connected")

    @rule(size=st.integers(1, 12))
    def server_reads(self, size: int) -> None:
        piece, self.to_server = self.to_server[:size], self.to_server[size:]
        was = self.server.state
        with contextlib.suppress(KcomError):
            self.server.feed(piece)
        if was == "hello" and self.server.state == "sending":
            self.to_client += self.server.head + self.data

    @rule(size=st.integers(1, 20))
    def client_reads(self, size: int) -> None:
        piece, self.to_client = self.to_client[:size], self.to_client[size:]
        with contextlib.suppress(KcomError):
            self.got += receive(self.client, piece)

    @precondition(lambda self: self.server.state in ("sending", "half-closed"))
    @rule()
    def server_has_sent(self) -> None:
        self.tell(self.server, "sent")

    @precondition(lambda self: self.client.state == "done")
    @rule()
    def client_closes(self) -> None:
        was = self.server.state
        self.tell(self.server, "end")
        assert not self.server.confirmed or was in ("confirming", "done")

    @precondition(lambda self: self.server.state == "draining")
    @rule()
    def everything_is_acknowledged(self) -> None:
        self.tell(self.server, "acknowledged")
        assert self.server.state == "done"
        assert not self.server.confirmed

    @rule(
        event=st.sampled_from(sorted(EVENTS.keys() - {"connected", "sent", "acknowledged"})),
        at_server=st.booleans(),
    )
    def something_happens(self, event: str, at_server: bool) -> None:
        self.tell(self.server if at_server else self.client, event)
        self.is_honest = False

    @precondition(lambda self: self.to_client)
    @rule(at=st.integers(0, 60), mask=st.integers(1, 255))
    def the_stream_is_spoilt(self, at: int, mask: int) -> None:
        at %= len(self.to_client)
        self.to_client = self.to_client[:at] + bytes([self.to_client[at] ^ mask]) + self.to_client[at + 1 :]
        self.is_honest = False

    @invariant()
    def the_state_is_one_of_the_table(self) -> None:
        if not hasattr(self, "server"):
            return
        assert self.server.state in SERVER_TABLE
        assert self.client.state in CLIENT_TABLE

    @invariant()
    def what_failed_has_one_name_and_stays_so(self) -> None:
        if not hasattr(self, "server"):
            return
        for role, exchange in (("server", self.server), ("client", self.client)):
            assert (exchange.state == "failed") == (exchange.error is not None)
            if exchange.error is not None:
                assert exchange.error.name in ERRORS
            if exchange.state in ("done", "failed"):
                assert self.ended.setdefault(role, exchange.state) == exchange.state

    @invariant()
    def what_a_client_delivers_is_what_was_sent(self) -> None:
        if hasattr(self, "server") and self.is_honest:
            assert self.data.startswith(self.got)
            if self.client.state == "done":
                assert (self.client.message, self.got) == (self.message, self.data)


TestExchange = Exchange.TestCase
TestExchange.settings = settings(max_examples=120, stateful_step_count=30, suppress_health_check=list(HealthCheck))
