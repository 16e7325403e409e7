"""Tests of the matrix and its relay: the relay passes all bytes and ends on unchanged, and a mutant fails in its
rows."""

from __future__ import annotations

import socket
import struct
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import pytest
import suite_command
import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from suite_command import HERE_VIAS, ODD, VIA, WRONG

from kcom5_conformance import verify
from kcom5_conformance.cases import matrix
from kcom5_conformance.cases.matrix import Cell
from kcom5_conformance.harness.adapter import Adapter
from kcom5_conformance.harness.attempt import PATIENCE
from kcom5_conformance.harness.case import Case
from kcom5_conformance.harness.frame import frame
from kcom5_conformance.harness.harness import Harness
from kcom5_conformance.harness.ports import HOSTS, TRANSPORTS
from kcom5_conformance.harness.relay import Manner, Passed, Relay, write_pcap
from kcom5_conformance.harness.smoke import Smoke, smoke
from kcom5_conformance.harness.subject import Subject
from kcom5_conformance.results import Result, Verdict

RIGHT = Subject("right", suite_command.RIGHT)
Ends = Callable[[trio.SocketStream, trio.SocketStream], Awaitable[None]]


def stream(via: str) -> trio.socket.SocketType:
    return trio.socket.socket(socket.AF_UNIX if via == "unix" else HOSTS[via][0])


def through_a_wire(via: str, manner: Manner, folder: Path, ends: Ends, seed: int = 1) -> list[Passed]:
    """Returns what passed while `ends` had a client's and a server's stream with a relay between them."""

    async def run() -> list[Passed]:
        case = Case("relay", "data.opaque", "MUST", "both", via, "", _unused)
        async with trio.open_nursery() as nursery:
            harness = Harness(case, Adapter([]), nursery, 0.001, PATIENCE)
            harness.files.folder = folder
            relay = Relay(harness, manner, seed)
            with stream(via) as listener, stream(via) as client:
                await listener.bind(str(folder / "server") if via == "unix" else (HOSTS[via][1], 0))
                listener.listen(1)
                place = str(folder / "server") if via == "unix" else listener.getsockname()[1]
                here = await nursery.start(relay.run, place)
                await client.connect(here if via == "unix" else (HOSTS[via][1], here))
                server, _ = await listener.accept()
                with server:
                    await ends(trio.SocketStream(client), trio.SocketStream(server))
            await relay.ended.wait()
        for name in ("server", "relay"):
            (folder / name).unlink(missing_ok=True)
        return relay.passed

    async def bounded() -> list[Passed]:
        with trio.fail_after(60):
            return await run()

    return trio.run(bounded)


async def _unused(_bench: Harness) -> None:
    raise NotImplementedError


async def everything(end: trio.SocketStream) -> bytes:
    octets = bytearray()
    async for piece in end:
        octets += piece
    return bytes(octets)


def passed_by(passed: list[Passed], is_from_client: bool) -> bytes:
    return b"".join(event.octets for event in passed if event.is_from_client is is_from_client)


def ends_of(passed: list[Passed]) -> list[tuple[bool, str]]:
    return sorted((event.is_from_client, event.what) for event in passed if event.what != "octets")


# ---- the relay

MANNERS: list[Manner] = list(matrix.SIZES)
payloads = st.lists(st.binary(min_size=1, max_size=3000) | st.just(b"\x00" * 20000), max_size=4)


@pytest.mark.parametrize(
    ("via", "manner"), [*((via, "plain") for via in TRANSPORTS), *((VIA, manner) for manner in MANNERS[1:])]
)
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(there=payloads, back=payloads, seed=st.integers(0, 9))
def test_wire_changes_no_octet(
    tmp_path: Path, via: str, manner: Manner, there: list[bytes], back: list[bytes], seed: int
) -> None:
    got: dict[str, bytes] = {}

    async def ends(client: trio.SocketStream, server: trio.SocketStream) -> None:
        async def speak(end: trio.SocketStream, pieces: list[bytes]) -> None:
            for piece in pieces:
                await end.send_all(piece)
            await end.send_eof()

        async def listen(end: trio.SocketStream, name: str) -> None:
            got[name] = await everything(end)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(speak, client, there)
            nursery.start_soon(speak, server, back)
            nursery.start_soon(listen, client, "client")
            nursery.start_soon(listen, server, "server")

    passed = through_a_wire(via, manner, tmp_path, ends, seed)
    assert got == {"server": b"".join(there), "client": b"".join(back)}
    assert (passed_by(passed, True), passed_by(passed, False)) == (got["server"], got["client"])
    assert ends_of(passed) == [(False, "end"), (True, "end")]


@pytest.mark.parametrize("via", TRANSPORTS)
@pytest.mark.parametrize("is_client_first", [False, True])
def test_wire_keeps_a_half_close_and_the_other_direction_goes_on(
    tmp_path: Path, via: str, is_client_first: bool
) -> None:
    async def ends(client: trio.SocketStream, server: trio.SocketStream) -> None:
        first, second = (client, server) if is_client_first else (server, client)
        await first.send_eof()
        assert await everything(second) == b""
        await second.send_all(b"still here")
        await second.send_eof()
        assert await everything(first) == b"still here"

    passed = through_a_wire(via, "plain", tmp_path, ends)
    assert [event.is_from_client for event in passed if event.what == "end"] == [is_client_first, not is_client_first]


@pytest.mark.parametrize("via", ["tcp6", "tcp4"])
@pytest.mark.parametrize("is_client", [False, True])
def test_wire_keeps_a_reset(tmp_path: Path, via: str, is_client: bool) -> None:
    async def ends(client: trio.SocketStream, server: trio.SocketStream) -> None:
        one, other = (client, server) if is_client else (server, client)
        await one.send_all(b"x")
        assert await other.receive_some(1) == b"x"
        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        one.socket.close()
        with pytest.raises(trio.BrokenResourceError) as error:
            await other.receive_some(1)
        assert isinstance(error.value.__cause__, ConnectionResetError)

    assert ends_of(through_a_wire(via, "plain", tmp_path, ends)) == [(is_client, "reset")]


@pytest.mark.parametrize("is_client", [False, True])
def test_wire_keeps_a_reset_while_much_is_under_way(tmp_path: Path, is_client: bool) -> None:
    async def ends(client: trio.SocketStream, server: trio.SocketStream) -> None:
        one, other = (client, server) if is_client else (server, client)

        async def speak() -> None:
            with pytest.raises(trio.BrokenResourceError):
                await other.send_all(bytes(1 << 26))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(speak)
            await one.receive_some(1 << 16)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            one.socket.close()

    assert ends_of(through_a_wire(VIA, "plain", tmp_path, ends)) == [(is_client, "reset")]


def test_client_of_a_server_that_is_gone_is_reset(tmp_path: Path) -> None:
    async def run() -> list[Passed]:
        case = Case("relay", "data.opaque", "MUST", "both", VIA, "", _unused)
        async with trio.open_nursery() as nursery:
            relay = Relay(Harness(case, Adapter([]), nursery, 0.001, PATIENCE), "plain", 1)
            with stream(VIA) as gone:
                await gone.bind((HOSTS[VIA][1], 0))
                here = await nursery.start(relay.run, gone.getsockname()[1])
                with stream(VIA) as client:
                    await client.connect((HOSTS[VIA][1], here))
                    with suppress(OSError):
                        assert await client.recv(1) == b""
        return relay.passed

    assert ends_of(trio.run(run)) == [(False, "reset")]


@pytest.mark.parametrize("manner", matrix.SIZES)
@pytest.mark.parametrize("via", TRANSPORTS)
def test_capture_of_a_right_exchange_conforms(tmp_path: Path, via: str, manner: Manner) -> None:
    data = bytes(range(251)) * 300

    async def ends(client: trio.SocketStream, server: trio.SocketStream) -> None:
        await client.send_all(b"KCOM5\x01\x02\x03")
        hello = b""
        while len(hello) < 8:
            hello += await server.receive_some(8)
        await server.send_all(hello + frame(b"hi", data))
        await server.send_eof()
        assert await everything(client) == hello + frame(b"hi", data)
        await client.aclose()
        assert await everything(server) == b""

    capture = tmp_path / "one.pcap"
    write_pcap(through_a_wire(via, manner, tmp_path, ends), capture)
    verdicts = verify.verify(capture)
    assert verdicts.is_ok(strict=True), verify.to_text(verdicts, strict=True)
    assert len(verdicts.connections) == 1
    assert "note" not in verify.to_text(verdicts, strict=True)


def test_capture_of_a_wrong_exchange_does_not_conform(tmp_path: Path) -> None:
    async def ends(client: trio.SocketStream, server: trio.SocketStream) -> None:
        await client.send_all(b"KCOM5\x01\x02\x03")
        assert await server.receive_some(8)
        await server.send_all(b"KCOM5\x01\x02\x04" + frame(b"", b""))
        await server.send_eof()
        await everything(client)
        await client.aclose()

    capture = tmp_path / "one.pcap"
    write_pcap(through_a_wire(VIA, "plain", tmp_path, ends), capture)
    assert not verify.verify(capture).is_ok(strict=False)


# ---- the matrix


def conduct(subjects: list[Subject], chosen: list[Cell], complaint: str = "") -> list[Result]:
    """The results, after a run with at most this complaint."""
    results: list[Result] = []

    async def run() -> list[str]:
        smoked: dict[str, tuple[Subject, Smoke]] = {}
        for subject in subjects:
            smoked[subject.name] = (subject, await smoke(subject, PATIENCE))
        return await matrix.run(smoked, chosen, 2, PATIENCE, 1, results.append)

    assert trio.run(run) == ([complaint] if complaint else [])
    assert len(results) == len(chosen)
    return results


def wrong(name: str) -> Subject:
    return Subject("wrong", [*WRONG, name])


def odd(manner: str) -> Subject:
    return Subject("odd", [*ODD, manner])


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("big-endian-message-length-sent", {"wrong>right", "wrong>wrong"}),
        ("big-endian-message-length-read", {"right>wrong", "wrong>wrong"}),
    ],
)
def test_peer_that_disagrees_fails_exactly_in_its_rows(name: str, rows: set[str]) -> None:
    names = ["right", "wrong"]
    cells = [Cell(server, client, VIA, 1, "plain", "hi") for server in names for client in names]
    results = conduct([RIGHT, wrong(name)], cells)
    assert {result.peer for result in results if result.verdict is Verdict.FAIL} == rows
    assert {result.peer for result in results if result.verdict is Verdict.PASS} == {
        f"{server}>{client}" for server in names for client in names
    } - rows
    assert all(result.events for result in results if result.verdict is Verdict.FAIL)


def test_right_peer_passes_over_each_transport_in_each_manner() -> None:
    results = conduct(
        [RIGHT], [Cell("right", "right", via, 1, manner, "hi") for via in HERE_VIAS for manner in MANNERS]
    )
    assert {result.verdict for result in results} == {Verdict.PASS}


@pytest.mark.parametrize("manner", ["segv", "exits", "garbles", "twice", "leaves"])
def test_adapter_that_breaks_costs_its_cells_and_no_others(manner: str) -> None:
    names = ["right", "odd"]
    broken = [Cell(server, "right", VIA, 1, "plain", "now") for server in names]
    fair = [Cell(server, "right", VIA, size, "plain", "fair") for server in names for size in (0, 2)]
    results = conduct([RIGHT, odd(manner)], [*fair[:2], *broken, *fair[2:]])
    failed = {(result.peer, result.id) for result in results if result.verdict is Verdict.FAIL}
    expected = {("odd>right", broken[1].id)}
    if manner in ("twice", "leaves"):
        # It broke after its answer; the next request shows it at the latest.
        expected |= {("odd>right", fair[2].id)}
        assert len(failed) == 1
        assert failed <= expected
    else:
        assert failed == expected


def test_bad_end_of_an_adapter_is_a_complaint() -> None:
    said = "odd: the end of its input ends the adapter, expected exit code 0 (exit code 7)"
    cell = Cell("odd", "right", VIA, 1, "plain", "now")
    (result,) = conduct([RIGHT, odd("ends-by-7-after-its-turn")], [cell], said)
    assert result.verdict is Verdict.PASS


def test_cell_that_one_side_does_not_support_says_which() -> None:
    (result,) = conduct([RIGHT, odd("only-packs")], [Cell("right", "odd", VIA, 1, "plain", "")])
    assert (result.verdict, result.reason) == (Verdict.UNSUPPORTED, f"not supported by odd: receive, {VIA}")


def test_cells_have_one_id_each() -> None:
    ids = [cell.id for cell in matrix.cells(["a", "b", "c"], ["a", "b", "c"])]
    assert len(ids) == len(set(ids)) == 9 * 3 * sum(map(len, matrix.SIZES.values()))
