"""Cases of the listening socket: its port, its address, and further clients."""

from __future__ import annotations

import errno
import select
import socket
from contextlib import AsyncExitStack, suppress
from functools import partial

from ..harness import procfs
from ..harness.case import NotRun, TooBusy
from ..harness.connection import Connection
from ..harness.frame import HELLO, frame
from ..harness.harness import Harness
from ..harness.ports import HOSTS
from ..report.acts import Act
from .registry import TCP, case
from .steps import BIG, COUNTER, counter, frozen, refused, served


@case("listen.exclusive/no-option-shares-the-port", "server", "a second listener takes the clients away", TCP)
async def no_option_shares_the_port(harness: Harness) -> None:
    call = await harness.send()
    family, host = HOSTS[harness.via]
    options = {"no option": [], "SO_REUSEADDR": [socket.SO_REUSEADDR]}
    if hasattr(socket, "SO_REUSEPORT"):
        options["SO_REUSEPORT"] = [socket.SO_REUSEPORT]
        options["SO_REUSEADDR and SO_REUSEPORT"] = [socket.SO_REUSEADDR, socket.SO_REUSEPORT]
    for name, chosen in options.items():
        harness.acts.append(Act("thief", chosen))
        with socket.socket(family) as thief:
            for option in chosen:
                thief.setsockopt(socket.SOL_SOCKET, option, 1)
            try:
                thief.bind((host, int(call.place)))
                thief.listen()
            except OSError as error:
                if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                    raise
            else:
                harness.fail("wire", f"with {name} another socket listens on its port", "that this fails")
    await served(harness, call)


@case("listen.loopback/bound-to-loopback-alone", "server", "a wildcard lets other hosts in, or other families", TCP)
async def bound_to_loopback_alone(harness: Harness) -> None:
    call = await harness.send(place=await harness.own_place())
    own = HOSTS[harness.via][1]
    harness.acts.append(Act("addresses"))
    if found := procfs.listening_addresses(int(call.place), harness.adapter.processes()) - {own}:
        harness.fail("wire", f"it listens on {', '.join(sorted(found))}", f"on {own} and nothing else", "connects")
    for host in ("127.0.0.2", "127.255.255.254", "127.0.0.1", "::1"):
        if host != own and not (host == "127.0.0.1" and harness.via == "tcp4"):
            await refused(harness, call.place, host)
    await served(harness, call)


@case("listen.rebind/after-a-failed-exchange", "server", "a port in TIME_WAIT is lost for a minute", TCP)
async def after_a_failed_exchange(harness: Harness) -> None:
    call = await harness.send(place=await harness.own_place())
    for _ in range(2):
        connection = await harness.connect(call.place)
        await connection.send(b"GET / HT", may_fail=True)
        await connection.expect_end(or_reset=True)
        connection.close()
        await call.expect_error("invalid-connection")
        call = await harness.send(place=call.place)
    await served(harness, call)


@case("connect.refused/at-once", "client", "it dials again for a while before it tells", ("tcp6", "unix"))
async def refused_at_once(harness: Harness) -> None:
    call = await harness.call("receive", await harness.nowhere())
    await call.expect_error("refused")
    if call.end - call.start > 1:
        harness.fail("time", f"refused after {call.end - call.start:.1f} s", "at once", "late")


async def _queued(harness: Harness, place: int | str, first: bytes, second: bytes) -> None:
    """Two clients connect and send. The second may be refused, because a server's queue may hold only one."""
    connection = await harness.connect(place)
    await connection.send(first)
    with suppress(OSError):
        connection = await harness.connect(place)
        connection.is_second = True
        await connection.send(second, may_break=True)


@case("listen.one-client/two-in-the-queue", "server", "the second in the queue is served, or gets an octet")
async def two_in_the_queue(harness: Harness) -> None:
    call = await harness.send()

    await frozen(harness, partial(_queued, harness, call.place, HELLO, HELLO))
    first, *others = harness.connections
    await first.expect(HELLO + frame(b"hi", b"\x00\x01\x02"))
    await first.expect_end()
    first.close()
    for second in others:
        await second.expect_end(or_reset=True)
    await call.expect_ok()


@case("listen.one-client/the-first-is-wrong", "server", "the second in the queue is served in place of a wrong first")
async def the_first_is_wrong(harness: Harness) -> None:
    call = await harness.send()

    await frozen(harness, partial(_queued, harness, call.place, b"GET / HT", HELLO))
    for connection in harness.connections:
        await connection.expect_end(or_reset=True)
    await call.expect_error("invalid-connection")


@case("listen.one-client/second-gets-nothing", "server", "a stranger who comes second gets the data, too")
async def second_gets_nothing(harness: Harness) -> None:
    call = await harness.send("", COUNTER)
    first = await harness.connect(call.place)
    await first.send(HELLO)
    await first.expect(HELLO)
    second: Connection | None = None
    with suppress(OSError):  # refused at once
        second = await harness.connect(call.place)
        second.is_second = True
    if second is not None:
        await second.send(HELLO, may_fail=True)
        await second.expect_nothing()
    await first.expect(frame(b"", counter(BIG)))
    await first.expect_end()
    first.close()
    if second is not None:
        await second.expect_end(or_reset=True)
    await call.expect_ok()


@case("listen.rebind/the-server-gave-up-first", "server", "a port in TIME_WAIT is lost for a minute", TCP, takes=2)
async def the_server_gave_up_first(harness: Harness) -> None:
    place = await harness.own_place()
    for _ in range(2):
        call = await harness.send(place=place, close=1)
        connection = await harness.connect(place)
        await connection.send(HELLO)
        await connection.expect(HELLO + frame(b"hi", b"\x00\x01\x02"))
        await connection.expect_end()
        await call.result(1 + harness.patience)  # it is the first to close
        connection.close()


@case("listen.port/then-the-message", "server", "the message is looked at first, and a wrong port is not named", TCP)
async def then_the_message(harness: Harness) -> None:
    call = await harness.call("send", 65536, message={"hex": "ff"}, data={"hex": ""})
    await call.expect_error("invalid-port")


@case("listen.port/the-message-before-a-socket", "server", "it listens, and a client comes that gets nothing")
async def the_message_before_a_socket(harness: Harness) -> None:
    call = await harness.call("send", message={"hex": "ff"}, data={"hex": ""})
    await call.expect_error("message-not-utf8")


@case("listen.port-zero/another-port-each-time", "server", "0 stands for the default port", TCP, level="MAY",
      needs=("port-zero",))  # fmt: skip
async def another_port_each_time(harness: Harness) -> None:
    call = await harness.send()
    await served(harness, call)
    async with AsyncExitStack() as stack:
        try:
            await stack.enter_async_context(harness.listen(call.place))
        except OSError:
            raise TooBusy(f"port {call.place} has another owner already") from None
        await served(harness, await harness.send())


@case("listen.refuse-others/a-silent-stranger-first", "server", "who comes later learns it at once", level="SHOULD",
        takes=1)  # fmt: skip
async def a_silent_stranger_first(harness: Harness) -> None:
    call = await harness.send(close=1)
    await harness.connect(call.place)
    await harness.pause(4 * harness.tick)
    await refused(harness, call.place)
    await call.expect_error("timeout", within=1 + harness.patience)


@case("listen.port/the-message-before-a-taken-port", "server", "the port is opened before the message is looked at")
async def the_message_before_a_taken_port(harness: Harness) -> None:
    async with harness.listen() as listener:
        call = await harness.call("send", listener.place, message={"hex": "ff"}, data={"hex": ""})
        await call.expect_error("message-not-utf8")


@case("connect.refused/by-one-family", "client", "a client that is refused tries the other family's address", TCP)
async def refused_by_one_family(harness: Harness) -> None:
    place = int(await harness.own_place())
    family, host = HOSTS["tcp4" if harness.via == "tcp6" else "tcp6"]
    harness.acts.append(Act("elsewhere", (host, place)))
    with socket.socket(family) as other:
        try:
            other.bind((host, place))
        except OSError as error:
            raise NotRun(f"port {place} of {host} is not free ({error.strerror})") from None
        other.listen()
        call = await harness.call("receive", place)
        await call.expect_error("refused")
        harness.acts.append(Act("queue"))
        if select.select([other], [], [], 0)[0]:
            harness.fail("wire", f"a connection to {host}", "none")
