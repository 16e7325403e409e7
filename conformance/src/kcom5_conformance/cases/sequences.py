"""Cases of what one exchange of a process leaves for the next: a port, a bound."""

from __future__ import annotations

from ..harness.frame import HELLO, frame
from ..harness.harness import Harness
from .registry import TCP, case
from .replay import DEFAULT_PORT, wait_for_port
from .steps import receiving, served


@case("listen.default/after-another-port-server", "server", "the port of the exchange before is the default", TCP,
      lock="default port")  # fmt: skip
async def after_another_port_server(harness: Harness) -> None:
    await wait_for_port(harness, DEFAULT_PORT)
    await served(harness, await harness.send())
    call = await harness.call("send", None, port=None, message="hi", data={"hex": "000102"})
    if await call.listening() != DEFAULT_PORT:
        harness.fail("delivered", f"it listens on port {call.place}", f"on port {DEFAULT_PORT}")
    await served(harness, call)


@case("listen.default/after-another-port-client", "client", "the port of the exchange before is the default", TCP,
      lock="default port")  # fmt: skip
async def after_another_port_client(harness: Harness) -> None:
    await wait_for_port(harness, DEFAULT_PORT)
    await harness.exchange_with_client()
    async with harness.listen(DEFAULT_PORT) as listener:
        call = await harness.call("receive")
        connection = await listener.accept()
        await connection.send(await connection.hello() + frame(b"hi", b"1"))
        await connection.expect_end()
        connection.close()
        await call.expect_ok("hi", b"1")


@case("time.bounds/default-after-a-short-one-server", "server", "T of the exchange before is the default", takes=1.6)
async def default_after_a_short_one_server(harness: Harness) -> None:
    await served(harness, await harness.send(close=1))
    call = await harness.send(close=None)
    await harness.pause(1.6)
    await served(harness, call)


@case("time.bounds/default-after-a-short-one-client", "client", "T of the exchange before is the default", takes=1.6)
async def default_after_a_short_one_client(harness: Harness) -> None:
    for close, silence in ((1, 0), (None, 1.6)):
        async with receiving(harness, close=close) as (call, connection, hello):
            await harness.pause(silence)
            await connection.send(hello + frame(b"hi", b"1"))
            await connection.expect_end()
            connection.close()
            await call.expect_ok("hi", b"1")


@case("limit.over/default-after-a-small-one", "client", "the limits of the exchange before are the default",
      needs=("limits",))  # fmt: skip
async def default_after_a_small_one(harness: Harness) -> None:
    for limits in ({"message": 2, "data": 1}, None):
        async with receiving(harness, limits=limits) as (call, connection, hello):
            message, octets = (b"hi", b"1") if limits else (b"hello", b"12345")
            await connection.send(hello + frame(message, octets), may_break=True)
            await connection.expect_end(or_reset=True)
            connection.close()
            await call.expect_ok(message.decode(), octets)


@case("hello.reject/then-a-right-one", "server", "octets of the exchange before are kept")
async def then_a_right_one(harness: Harness) -> None:
    for octets in (b"KCOM", HELLO[:7], b"KCOX"):
        call = await harness.send()
        connection = await harness.connect(call.place)
        await connection.send(octets, may_break=True)
        connection.close()
        await call.expect_error("invalid-connection")
        await served(harness, await harness.send())
