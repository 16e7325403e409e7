"""The state tables of the core are those of the spec, and every state meets every event."""

from __future__ import annotations

import mmap
import re
from collections.abc import Callable

import pytest
from vectors import NONCE, ROOT

from kcom5 import KcomError, Limits, pack, unpack
from kcom5.errors import ERRORS
from kcom5.exchange import CLIENT_TABLE, EVENTS, SERVER_TABLE, Cell, ClientExchange, Row, ServerExchange

SPEC = (ROOT / "spec" / "kcom5.md").read_text("utf-8")
TABLES = {"server": SERVER_TABLE, "client": CLIENT_TABLE}
OWN = {"more", "whole", "wrong", "over"}
"""The events that the machine makes by itself. `more` is none of its: it does nothing in any state."""


def rows_after(comment: str) -> list[list[str]]:
    """The cells of the table after this comment, its head first."""
    table = SPEC.split(f"<!-- {comment} -->\n", 1)[1].split("\n\n", 1)[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines() if "---" not in line]


def spec_table(role: str) -> tuple[list[str], dict[str, Row]]:
    """The events of the spec's table, and its cells. A dash is none."""
    (_, *events), *rows = rows_after(f"states: {role}")
    return events, {
        state: {event: cell_of(cell.strip("`")) for event, cell in zip(events, cells, strict=True) if cell != "–"}
        for state, *cells in rows
    }


def cell_of(text: str) -> Cell:
    action, _, target = text.rpartition("; ")
    if target in ERRORS:
        return Cell("", "failed", ERRORS[target])
    # To deliver is what the caller does; only then the exchange is done.
    return Cell(action, "data" if action == "deliver" else target)


@pytest.mark.parametrize("role", TABLES)
def test_the_table_is_the_one_of_the_spec(role: str) -> None:
    _, table = spec_table(role)
    assert table == TABLES[role]
    assert list(table) == list(TABLES[role])


def test_the_events_are_those_of_the_tables() -> None:
    assert set(spec_table("server")[0]) | set(spec_table("client")[0]) == EVENTS.keys() | OWN


def exchange_of(role: str) -> ServerExchange | ClientExchange:
    return ServerExchange("", 0) if role == "server" else ClientExchange(NONCE)


@pytest.mark.parametrize(
    ("role", "state", "event"),
    [(role, state, event) for role, table in TABLES.items() for state in table for event in EVENTS],
)
def test_every_state_meets_every_event(role: str, state: str, event: str) -> None:
    exchange = exchange_of(role)
    exchange.state = state
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


@pytest.mark.parametrize("role", TABLES)
@pytest.mark.parametrize("event", ["gone", *sorted(OWN)])
def test_an_event_that_is_not_the_callers_is_a_fault_of_the_caller(role: str, event: str) -> None:
    with pytest.raises(ValueError, match=f"no event '{event}'"):
        exchange_of(role).on(event)


def test_the_errors_are_those_of_the_spec() -> None:
    _, *rows = rows_after("errors")
    assert {name.strip("`"): family for name, family, *_ in rows} == {n: e.family for n, e in ERRORS.items()}
    assert all(issubclass(error, KcomError) and error.name == name for name, error in ERRORS.items())


def test_an_error_says_its_name_and_what_was_seen() -> None:
    error = ERRORS["timeout"]("silence")
    assert str(error) == "timeout: silence"
    assert error.detail == "silence"
    assert isinstance(error, TimeoutError)


def server_in(state: str) -> ServerExchange:
    server = ServerExchange("", 0)
    server.state = state
    return server


def server_after(octets: bytes) -> ServerExchange:
    server = server_in("hello")
    server.feed(octets)
    return server


def client_after(octets: bytes, limits: Limits | None = None, *, echo: bytes = b"KCOM5abc") -> ClientExchange:
    """A client that has taken an echo and these octets."""
    client = ClientExchange(b"abc", limits)
    client.on("connected")
    client.feed(echo + octets)
    return client


def client_in_data(length: int, come: int) -> ClientExchange:
    client = client_after(bytes(4) + length.to_bytes(8, "little"))
    client.arrived(come)
    return client


DETAILS: dict[str, tuple[Callable[[], object], str]] = {
    "port": (lambda: pack(65536, b"\0"), "got port 65536, expected 1 to 65535"),
    "key": (lambda: pack(1, bytes(5)), "got a key of 5 bytes, expected 1, 2, 3, 4, 6, 8, 12, 16, 24 or 48"),
    "address-port": (lambda: unpack("65536.00"), "got a text of 8 bytes that is not PORT.HH.HH…"),
    "address-group": (lambda: unpack("13600.00.0g0"), "got a text of 12 bytes that is not PORT.HH.HH…"),
    "address-groups": (lambda: unpack("13600" + 5 * ".00"), "got a text of 20 bytes that is not PORT.HH.HH…"),
    "address-bytes": (lambda: unpack("é\ud800"), "got a text of 5 bytes that is not PORT.HH.HH…"),
    "message-not-utf8": (lambda: ServerExchange(b"ab\xff", 0), "the message to send is not valid UTF-8"),
    "hello": (
        lambda: server_in("hello").feed(b"KC\x1bmore"),
        "byte 3 of the hello is wrong, expected KCOM5 and three bytes",
    ),
    "hello-and-more": (lambda: server_in("hello").feed(b"KCOM5abcd"), "got more than the 8 bytes of a hello"),
    "hello-none": (
        lambda: server_in("hello").on("end"),
        "a client connected and left without sending anything; was it a port check?",
    ),
    "hello-cut": (lambda: server_after(b"KCO").on("reset"), "the client left after 3 of 8 bytes of the hello"),
    "other-client": (lambda: server_in("listening").refuse_peer(), "the client runs as another user"),
    "nobody": (lambda: server_in("listening").on("timeout", "silence"), "silence"),
    "gone": (lambda: server_in("sending").on("reset"), "the client left before it had taken everything"),
    "cancelled": (lambda: server_in("confirming").on("cancel"), "cancelled by the caller"),
    "refused": (lambda: ClientExchange(NONCE).on("refused"), "nobody listens"),
    "other-server": (lambda: ClientExchange(NONCE).refuse_peer(), "the server runs as another user"),
    "reset-at-once": (lambda: ClientExchange(NONCE).on("reset"), "the server left after 0 of 8 bytes of the echo"),
    "echo": (lambda: client_after(b"", echo=b"KCOM5ax"), "byte 7 of the echo differs from the hello"),
    "echo-cut": (
        lambda: client_after(b"", echo=b"KCO").on("reset"),
        "the server left after 3 of 8 bytes of the echo",
    ),
    "message-length-cut": (
        lambda: client_after(b"\3").on("end"),
        "the server left after 1 of 4 bytes of the message length",
    ),
    "message-cut": (
        lambda: client_after(b"\3\0\0\0ab").on("end"),
        "the server left after 2 of 3 bytes of the message",
    ),
    "data-length-cut": (
        lambda: client_after(bytes(9)).on("end"),
        "the server left after 5 of 8 bytes of the data length",
    ),
    "data-cut": (lambda: client_in_data(7, 3).on("end"), "the server left after 3 of 7 bytes of the data"),
    "malformed-message": (lambda: client_after(b"\4\0\0\0ab\xe2\x28"), "the message received is not valid UTF-8"),
    "message-over": (
        lambda: client_after(b"\6\0\0\0", Limits(message=5)),
        "got a message length of 6, expected at most 5",
    ),
    "data-over": (
        lambda: client_after(bytes(4) + b"\6" + bytes(7), Limits(data=5)),
        "got a data length of 6, expected at most 5",
    ),
}


@pytest.mark.parametrize(("act", "detail"), DETAILS.values(), ids=DETAILS)
def test_the_detail_says_what_came_and_what_was_expected(act: Callable[[], object], detail: str) -> None:
    with pytest.raises(KcomError) as caught:
        act()
    assert caught.value.detail == detail


def test_no_detail_repeats_what_may_be_secret() -> None:
    secret = "deadbeef"
    for text in (secret, f"{secret}.00", f"1.{secret}", f"1.{secret}.00", f"65536.{secret}", "1" + ".de.ad.be.ef" * 13):
        with pytest.raises(ERRORS["invalid-address"]) as caught:
            unpack(text)
        assert not re.search("de.?ad", caught.value.detail), text
    with pytest.raises(ERRORS["message-not-utf8"]) as caught:
        ServerExchange(b"secret\xff", 0)
    assert "secret" not in caught.value.detail
    with pytest.raises(ERRORS["malformed-message"]) as caught:
        client_after(b"\7\0\0\0secret\xff")
    assert "secret" not in caught.value.detail


def test_a_message_is_judged_by_its_length_before_its_form() -> None:
    with mmap.mmap(-1, 1 << 32, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as octets:
        octets[0] = 0xFF
        view = memoryview(octets)
        with pytest.raises(ERRORS["message-too-long"], match="4294967296"):
            ServerExchange(view, 0)
        view.release()
    with pytest.raises(ERRORS["message-not-utf8"]):
        ServerExchange("\ud800", 0)


def test_a_nonce_of_another_size_is_a_fault_of_the_caller() -> None:
    with pytest.raises(ValueError, match="3 bytes"):
        ClientExchange(b"ab")


def test_data_that_is_not_awaited_is_a_fault_of_the_caller() -> None:
    client = ClientExchange(NONCE)
    with pytest.raises(ValueError, match="8 left"):
        client.arrived(1)


def test_a_client_says_how_much_of_a_field_it_wants() -> None:
    client = ClientExchange(NONCE)
    client.on("connected")
    wanted = []
    octets = client.hello + b"\2\0\0\0hi" + bytes(8)
    while octets:
        wanted.append(client.needed)
        octets = octets[client.feed(octets[: min(3, client.needed)]) :]
    assert wanted == [8, 5, 2, 4, 1, 2, 8, 5, 2]
    assert client.needed == 0
    client.delivered()
    assert client.state == "done"


def test_success_is_the_state_done_and_nothing_else() -> None:
    for role, table in TABLES.items():
        for state in table:
            exchange = exchange_of(role)
            exchange.state = state
            if state == "done":
                exchange.check_done()
            else:
                with pytest.raises(ERRORS["io"], match=f"ended in the state {state}"):
                    exchange.check_done()
    failed = server_in("listening")
    with pytest.raises(ERRORS["timeout"]):
        failed.on("timeout")
    with pytest.raises(ERRORS["timeout"]):
        failed.check_done()


def test_what_cannot_be_stored_is_a_failure_of_the_state_data() -> None:
    client = client_in_data(3, 3)
    assert client.state == "data"
    with pytest.raises(ERRORS["io"], match="the disk is full"):
        client.on("failure", "the disk is full")
    with pytest.raises(ValueError, match="failed"):
        client.delivered()


def test_nothing_is_delivered_before_it_has_arrived() -> None:
    with pytest.raises(ValueError, match="1 bytes left"):
        client_in_data(3, 2).delivered()
    assert client_in_data(3, 2).arrived(1) == "deliver"


def test_a_public_docstring_cites_rules_that_there_are() -> None:
    rules = set(re.findall(r'<a id="([a-z.0-9-]+)">', SPEC))
    for path in sorted((ROOT / "impl/python/src/kcom5").glob("*.py")):
        cited = set(re.findall(r"`([a-z]+\.[a-z][a-z0-9-]+)`", path.read_text("utf-8")))
        assert {name for name in cited if not name.startswith("kcom5.")} <= rules, path.name
