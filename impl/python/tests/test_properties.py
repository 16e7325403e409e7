"""What holds for any octets and any order of events at both ends of the core."""

from __future__ import annotations

import contextlib

from ends import frame
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from kcom5 import KcomError, Limits
from kcom5.errors import ERRORS
from kcom5.exchange import CLIENT_TABLE, EVENTS, SERVER_TABLE, ClientExchange, ServerExchange


class Exchange(RuleBasedStateMachine):
    """Both ends, joined by two streams that deliver when and in what pieces they like, with faults in between."""

    @initialize(
        message=st.text(max_size=40),
        data=st.binary(max_size=30),
        limit=st.none() | st.integers(0, 30),
        nonce=st.binary(min_size=3, max_size=3),
    )
    def begin(self, message: str, data: bytes, limit: int | None, nonce: bytes) -> None:
        self.message, self.data = message, data
        self.server = ServerExchange(message, len(data))
        self.client = ClientExchange(nonce, Limits(data=limit))
        self.to_server = self.to_client = self.got = b""
        self.is_honest = True
        self.ended: dict[str, str] = {}

    def tell(self, exchange: ServerExchange | ClientExchange, event: str) -> None:
        with contextlib.suppress(KcomError):
            if exchange.on(event) == "send hello":
                self.to_server += self.client.hello

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
            assert self.server.head[8:] + self.data == frame(self.message.encode(), self.data)
            self.to_client += self.server.head + self.data

    @rule(size=st.integers(1, 20))
    def client_reads(self, size: int) -> None:
        piece, self.to_client = self.to_client[:size], self.to_client[size:]
        with contextlib.suppress(KcomError):
            piece = piece[self.client.feed(piece) :]
            if self.client.state == "data":
                taken = piece[: self.client.needed]
                self.got += taken
                if self.client.arrived(len(taken)) == "deliver":
                    self.client.delivered()

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
        assert (self.server.state, self.server.confirmed) == ("done", False)

    @rule(event=st.sampled_from(sorted(EVENTS.keys() - {"connected", "sent", "acknowledged"})), at_server=st.booleans())
    def something_happens(self, event: str, at_server: bool) -> None:
        self.tell(self.server if at_server else self.client, event)
        self.is_honest = False

    @rule(at=st.integers(0, 60), octets=st.binary(max_size=12), cut=st.integers(0, 3))
    def the_streams_are_spoilt(self, at: int, octets: bytes, cut: int) -> None:
        self.to_server = self.to_server[:at] + octets + self.to_server[at + cut :]
        self.to_client = self.to_client[:at] + octets + self.to_client[at + cut :]
        self.is_honest = False

    @invariant()
    def what_has_ended_has_one_name_and_stays_so(self) -> None:
        for exchange, table in ((self.server, SERVER_TABLE), (self.client, CLIENT_TABLE)):
            assert exchange.state in table
            assert (exchange.state == "failed") == (exchange.error is not None)
            if exchange.error is not None:
                assert exchange.error.name in ERRORS
            if exchange.state in ("done", "failed"):
                assert self.ended.setdefault(type(exchange).__name__, exchange.state) == exchange.state

    @invariant()
    def what_a_client_delivers_is_what_was_sent(self) -> None:
        if self.is_honest:
            assert self.data.startswith(self.got)
            if self.client.state == "done":
                assert (self.client.message, self.got) == (self.message, self.data)


TestExchange = Exchange.TestCase
TestExchange.settings = settings(
    max_examples=120,
    stateful_step_count=30,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
