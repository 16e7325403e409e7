"""Cases of the result that a caller gets: names of failures, and the message field after a failure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..harness.call import Call, clip
from ..harness.case import Unsupported
from ..harness.frame import HELLO, frame
from ..harness.harness import Harness
from ..harness.ports import TRANSPORTS
from ..results import Role
from .registry import TCP, Run, add, case
from .steps import COUNTER, receiving


def _keeps_message(octets: bytes, error: str) -> Run:
    async def run(harness: Harness) -> None:
        async with receiving(harness, message="before") as (call, connection, hello):
            await connection.send(hello + octets, may_fail=True)
            connection.close()
            await call.expect_error(error)
        assert call.answer is not None
        if "message" not in call.answer:
            raise Unsupported("it does not tell the field after a failure")
        if call.answer["message"] != "before":
            harness.fail("delivered", f"the message field {clip(call.answer['message'])}", "'before'")

    return run


for _name, _octets, _error in (
    ("in-the-data", frame(b"after", b"123")[:-1], "truncated"),
    ("in-the-data-length", frame(b"after", b"")[:-1], "truncated"),
    ("an-ill-formed-message", frame(b"after\xff", b""), "malformed-message"),
):
    add(
        f"result.message/unchanged-by-a-failure-{_name}",
        "client",
        "the program acts on a message whose data never came",
        _keeps_message(_octets, _error),
        needs=("message",),
    )


async def _name_of(harness: Harness, call: Call, name: str) -> None:
    """Checks the name of a failure. An implementation without names must not have names for other failures either."""
    answer = await call.result(1 + harness.patience)
    if answer.get("error") != "error":
        await call.expect_error(name)
    elif known := await _names(harness):
        harness.fail("delivered", f"no name, and for other failures {', '.join(sorted(known))}", name)
    else:
        raise Unsupported("it has no names of failures")


async def _names(harness: Harness) -> set[str]:
    """Returns the names of some common failures of the role."""
    found = set()
    if harness.case.role == "client":
        nobody = await harness.call("receive", str(harness.folder / "nobody") if harness.via == "unix" else
                                    await harness.nowhere())  # fmt: skip
        found.add((await nobody.result()).get("error"))
        for octets in (b"GET / HT", b""):
            async with harness.listen(str(harness.folder / "other") if harness.via == "unix" else 0) as listener:
                call = await harness.call("receive", listener.place)
                connection = await listener.accept()
                hello = await connection.hello()
                await connection.send(octets or hello, may_fail=True)
                connection.close()
                found.add((await call.result()).get("error"))
    else:
        for octets in (b"GET / HT", b"KCOM"):
            call = await harness.send(place=str(harness.folder / "other") if harness.via == "unix" else None)
            connection = await harness.connect(call.place)
            await connection.send(octets, may_fail=True)
            connection.close()
            found.add((await call.result()).get("error"))
    return {str(name) for name in found - {"error", None}}


def _named(name: str, role: Role, via: tuple[str, ...] = TRANSPORTS, **more: Any) -> Callable[[Run], Run]:
    return case(f"result.class/{name}", role, "a caller tells failures apart by their names", via, **more)


@_named("in-use", "server")
async def in_use_has_its_name(harness: Harness) -> None:
    async with harness.listen() as listener:
        await _name_of(harness, await harness.call("send", listener.place, message="", data={"hex": ""}), "in-use")


@_named("message-not-utf8", "server")
async def message_not_utf8_has_its_name(harness: Harness) -> None:
    call = await harness.call("send", message={"hex": "ff"}, data={"hex": ""})
    await _name_of(harness, call, "message-not-utf8")


@_named("invalid-port", "server", TCP)
async def invalid_port_has_its_name(harness: Harness) -> None:
    await _name_of(harness, await harness.call("send", 65536, message="", data={"hex": ""}), "invalid-port")


@_named("refused", "client")
async def refused_has_its_name(harness: Harness) -> None:
    await _name_of(harness, await harness.call("receive", await harness.nowhere()), "refused")


@_named("timeout", "client", takes=1)
async def timeout_has_its_name(harness: Harness) -> None:
    async with receiving(harness, close=1) as (call, _connection, _hello):
        await _name_of(harness, call, "timeout")


@_named("io", "client", needs=("file",))
async def io_has_its_name(harness: Harness) -> None:
    target = harness.folder / "missing" / "file"
    async with harness.listen() as listener:
        call = await harness.call("receive", listener.place, to={"file": str(target)})

        async def serve() -> None:
            # The spec does not say whether the file is checked before or after the connect.
            connection = await listener.accept()
            await connection.send(await connection.hello() + frame(b"", b"1"), may_fail=True)

        await call.unless_ended(serve)
        await _name_of(harness, call, "io")


@_named("invalid-connection", "client")
async def invalid_connection_has_its_name(harness: Harness) -> None:
    async with receiving(harness) as (call, connection, _hello):
        await connection.send(b"HTTP/1.1", may_fail=True)
        await _name_of(harness, call, "invalid-connection")


@_named("truncated", "client")
async def truncated_has_its_name(harness: Harness) -> None:
    async with receiving(harness) as (call, connection, hello):
        await connection.send(hello + b"\x05\x00")
        connection.close()
        await _name_of(harness, call, "truncated")


@_named("malformed-message", "client")
async def malformed_message_has_its_name(harness: Harness) -> None:
    async with receiving(harness) as (call, connection, hello):
        await connection.send(hello + frame(b"\xc0\xaf", b""), may_fail=True)
        await _name_of(harness, call, "malformed-message")


@_named("over-limit", "client", needs=("limits",))
async def over_limit_has_its_name(harness: Harness) -> None:
    async with receiving(harness) as (call, connection, hello):
        await connection.send(hello + b"\xff\xff\xff\xff", may_fail=True)
        await _name_of(harness, call, "over-limit")


@_named("unconfirmed", "server")
async def unconfirmed_has_its_name(harness: Harness) -> None:
    call = await harness.send("", COUNTER)
    connection = await harness.connect(call.place)
    await connection.send(HELLO)
    await connection.expect(HELLO)
    await connection.reset()
    await _name_of(harness, call, "unconfirmed")
