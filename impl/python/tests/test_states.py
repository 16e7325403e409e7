"""The state tables of the core are those of the spec, and every state meets every event."""

from __future__ import annotations

import mmap
import re

import pytest
from vectors import NONCE, ROOT

from kcom5 import KcomError
from kcom5.errors import ERRORS
from kcom5.exchange import CLIENT_TABLE, EVENTS, SERVER_TABLE, ClientExchange, ServerExchange, Table

SPEC = (ROOT / "spec" / "kcom5.md").read_text("utf-8")
TABLES = {"server": SERVER_TABLE, "client": CLIENT_TABLE}


def rows_after(comment: str) -> list[list[str]]:
    """The cells of the table after this comment, its head first."""
    table = SPEC.split(f"<!-- {comment} -->\n", 1)[1].split("\n\n", 1)[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines() if "---" not in line]


def spec_table(role: str) -> tuple[list[str], Table]:
    (_, *events), *rows = rows_after(f"states: {role}")
    return events, {
        state: {event: cell.strip("`") for event, cell in zip(events, cells, strict=True) if cell != "–"}
        for state, *cells in rows
    }


@pytest.mark.parametrize("role", TABLES)
def test_the_table_is_the_one_of_the_spec(role: str) -> None:
    events, table = spec_table(role)
    assert table == TABLES[role]
    assert list(table) == list(TABLES[role])
    assert set(events) <= EVENTS.keys()


def test_the_events_are_those_of_the_tables() -> None:
    assert set(spec_table("server")[0]) | set(spec_table("client")[0]) == EVENTS.keys()


def exchange_of(role: str) -> ServerExchange | ClientExchange:
    return ServerExchange("", 0) if role == "server" else ClientExchange(NONCE)


@pytest.mark.parametrize(
    ("role", "state", "event"),
    [(role, state, event) for role, table in TABLES.items() for state in table for event in EVENTS],
)
def test_every_state_meets_every_event(role: str, state: str, event: str) -> None:
    exchange = exchange_of(role)
    exchange.state = state
    cell = TABLES[role][state].get(event, "")
    if cell in ERRORS:
        with pytest.raises(ERRORS[cell], match="as it was told") as caught:
            exchange.on(event, "as it was told")
        assert exchange.state == "failed"
        assert exchange.error is caught.value
    else:
        action, _, target = cell.rpartition("; ")
        assert exchange.on(event) == action
        assert exchange.state == (target or state)
        assert exchange.error is None


@pytest.mark.parametrize("role", TABLES)
def test_an_event_that_there_is_not_is_a_fault_of_the_caller(role: str) -> None:
    with pytest.raises(ValueError, match="no event 'gone'"):
        exchange_of(role).on("gone")


def test_the_errors_are_those_of_the_spec() -> None:
    _, *rows = rows_after("errors")
    assert {name.strip("`"): family for name, family, *_ in rows} == {n: e.family for n, e in ERRORS.items()}
    assert all(issubclass(error, KcomError) and error.name == name for name, error in ERRORS.items())


def test_an_error_says_its_name_and_what_was_seen() -> None:
    error = ERRORS["timeout"]("silence")
    assert str(error) == "timeout: silence"
    assert error.detail == "silence"
    assert isinstance(error, TimeoutError)


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
    with pytest.raises(ValueError, match="3 octets"):
        ClientExchange(b"ab")


def test_data_that_is_not_awaited_is_a_fault_of_the_caller() -> None:
    client = ClientExchange(NONCE)
    with pytest.raises(ValueError, match="0 left"):
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
    assert client.state == "done"


def test_a_public_docstring_cites_rules_that_there_are() -> None:
    rules = set(re.findall(r'<a id="([a-z.0-9-]+)">', SPEC))
    for path in sorted((ROOT / "impl/python/src/kcom5").glob("*.py")):
        cited = set(re.findall(r"`([a-z]+\.[a-z][a-z0-9-]+)`", path.read_text("utf-8")))
        assert {name for name in cited if not name.startswith("kcom5.")} <= rules, path.name
