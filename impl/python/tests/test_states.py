"""The state tables of the core are those of the spec, and every state meets every event."""

from __future__ import annotations

import mmap
from collections.abc import Callable

import pytest
from reader import NONCE, ROOT

from kcom5 import KcomError, unpack
from kcom5.errors import ERRORS
from kcom5.exchange import CLIENT_TABLE, EVENTS, SERVER_TABLE, Cell, ClientExchange, ServerExchange

SPEC = (ROOT / "spec" / "kcom5.md").read_text("utf-8")
TABLES = {"server": SERVER_TABLE, "client": CLIENT_TABLE}
OWN = {"more", "whole", "wrong", "over"}
"""The events that the machine makes by itself. `more` is none of its: it does nothing in any state."""


def exchange_in(role: str, state: str) -> ServerExchange | ClientExchange:
    exchange = ServerExchange("", 0) if role == "server" else ClientExchange(NONCE)
    exchange.state = state
    return exchange


def cell_of(text: str) -> Cell:
    action, _, target = text.rpartition("; ")
    if target in ERRORS:
        return Cell("", "failed", ERRORS[target])
    # To deliver is what the caller does; only then the exchange is done.
    return Cell(action, "data" if action == "deliver" else target)


def test_the_tables_are_those_of_the_spec() -> None:
    events = set()
    for role, table in TABLES.items():
        lines = SPEC.split(f"<!-- states: {role} -->\n")[1].split("\n\n")[0].splitlines()
        (_, *columns), _, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
        events |= set(columns)
        expected = {
            state: {event: cell_of(cell.strip("`")) for event, cell in zip(columns, cells, strict=True) if cell != "–"}
            for state, *cells in rows
        }
        assert table == expected
        assert list(table) == list(expected)
    assert events == EVENTS.keys() | OWN


@pytest.mark.parametrize(
    ("role", "state", "event"),
    [(role, state, event) for role, table in TABLES.items() for state in table for event in EVENTS],
)
def test_every_state_meets_every_event(role: str, state: str, event: str) -> None:
    exchange = exchange_in(role, state)
    cell = TABLES[role][state].get(event, Cell("", state))
    if cell.error is not None:
        with pytest.raises(cell.error, match="as it was told") as caught:
            exchange.on(event, "as it was told")
        assert exchange.error is caught.value
    else:
        assert exchange.on(event) == cell.action
        assert exchange.error is None
        if isinstance(exchange, ServerExchange):
            assert exchange.confirmed == ((state, event) == ("confirming", "end"))
    assert exchange.state == cell.next
    # Success is the state `done` and nothing else.
    if exchange.state == "done":
        exchange.check_done()
    else:
        with pytest.raises(cell.error or ERRORS["io"]):
            exchange.check_done()


def test_an_error_is_one_of_the_language_and_says_its_name() -> None:
    error = ERRORS["timeout"]("silence")
    assert (str(error), error.detail) == ("timeout: silence", "silence")
    assert isinstance(error, TimeoutError)
    assert isinstance(error, KcomError)


DETAILS: dict[str, tuple[Callable[[], object], str]] = {
    "address-group": (lambda: unpack("13600.00.0g0"), "got a text of 12 bytes that is not PORT.HH.HH…"),
    "address-surrogate": (lambda: unpack("é\ud800"), "got a text of 5 bytes that is not PORT.HH.HH…"),
    "surrogate": (lambda: ServerExchange("\ud800", 0), "the message to send is not valid UTF-8"),
    "other-client": (ServerExchange("", 0).refuse_peer, "the client runs as another user"),
    "other-server": (ClientExchange(NONCE).refuse_peer, "the server runs as another user"),
    "cancelled": (lambda: ServerExchange("", 0).on("cancel"), "cancelled by the caller"),
    "refused": (lambda: ClientExchange(NONCE).on("refused"), "nobody listens"),
    "unfinished": (ServerExchange("", 0).check_done, "the exchange ended in the state listening"),
}
"""Those that the programs do not show, or from another place."""


@pytest.mark.parametrize(("act", "detail"), DETAILS.values(), ids=DETAILS)
def test_the_detail_says_what_came_and_what_was_expected(act: Callable[[], object], detail: str) -> None:
    with pytest.raises(KcomError) as caught:
        act()
    assert caught.value.detail == detail


def test_a_message_is_judged_by_its_length_before_its_form() -> None:
    with mmap.mmap(-1, 1 << 32, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as octets, memoryview(octets) as view:
        octets[0] = 0xFF
        with pytest.raises(ERRORS["message-too-long"], match="4294967296"):
            ServerExchange(view, 0)


def data_of_3(come: int) -> ClientExchange:
    """A client that waits for 3 bytes of data, of which some have come."""
    client = ClientExchange(NONCE)
    client.on("connected")
    client.feed(client.hello + bytes(4) + (3).to_bytes(8, "little"))
    client.arrived(come)
    return client


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (lambda: ClientExchange(b"ab"), "3 bytes"),
        *(
            (lambda event=event: ServerExchange("", 0).on(event), f"no event '{event}'")
            for event in ("gone", *sorted(OWN))
        ),
        (lambda: ClientExchange(NONCE).arrived(1), "8 left"),
        (lambda: data_of_3(2).arrived(2), "1 left"),
        (lambda: data_of_3(2).delivered(), "1 bytes left"),
        (lambda: exchange_in("client", "failed").delivered(), "failed"),  # type: ignore[union-attr]
    ],
)
def test_a_fault_of_the_caller_is_a_value_error(act: Callable[[], object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        act()
