#!/usr/bin/env python3
"""The peer of the Python core: reads blocks of inputs and writes the core's answers.

Format: README.md. KCOM5_PYTHON is the folder of another package `kcom5`.
"""

from __future__ import annotations

import mmap
import os
import struct
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "spec"))
sys.path.insert(0, os.environ.get("KCOM5_PYTHON", str(ROOT / "impl/python/src")))

from errors import read  # noqa: E402
from inputs import ACTS, BYTES, OWN, inputs_of  # noqa: E402
from kcom5 import address  # noqa: E402
from kcom5.errors import KcomError  # noqa: E402
from kcom5.exchange import ClientExchange, Limits, ServerExchange  # noqa: E402
from kcom5.wire import MAGIC, encode_message  # noqa: E402

Answer = tuple[int, bytes]
"""The outcome, and the details."""

ERRORS = read().errors
"""The spec's table of errors. The place of an error in it is its outcome; 0 is success."""
PLACE = {(error.name, error.family): place for place, error in enumerate(ERRORS, 1)}
NOT_ENDED = len(ERRORS) + 1
NONCE = b"\xaa\xbb\xcc"
HELLO_SENT = 1
HALF_CLOSED = 2
CONFIRMED = 4
SIZE = struct.Struct("<I").unpack_from
TWO = struct.Struct("<QQ").unpack_from
FLAGS_AND_OFFSET = struct.Struct("<BI").pack


def place_of(error: KcomError) -> int:
    return PLACE[error.name, error.family]


def unpack(data: bytes) -> Answer:
    text = data[1:].decode("utf-8", "surrogateescape")
    port, key = address.unpack(text)
    return 0, port.to_bytes(2, "little") + key + address.pack(port, key[: text.count(".")]).encode()


def pack(data: bytes) -> Answer:
    return 0, address.pack(int.from_bytes(data[1:9], "little", signed=True), data[9:]).encode()


def check_message(data: bytes) -> Answer:
    encode_message(data[1:])
    return 0, b""


def check_length(data: bytes) -> Answer:
    """Checks a length. The core must not read the message's memory."""
    encode_message(memoryview(mmap.mmap(-1, int.from_bytes(data[1:], "little"))))
    return 0, b""


def feed(exchange: ClientExchange, chunk: bytes) -> bytes:
    """Feeds bytes. Returns those that are data."""
    taken = exchange.feed(chunk)
    if exchange.state != "data":
        return b""
    data = chunk[taken : taken + exchange.needed]
    if exchange.arrived(len(data)) == "deliver":
        exchange.delivered()
    return data


def tell(exchange: ClientExchange | ServerExchange, act: int) -> str:
    """Reports an event. Returns the action."""
    if ACTS[act] == "wrong":
        exchange.refuse_peer()
        return ""
    return exchange.on(ACTS[act])


def ended(exchange: ClientExchange | ServerExchange) -> int:
    return 0 if exchange.state == "done" else place_of(exchange.error) if exchange.error else NOT_ENDED


@cache
def limits_of(message: int, data: int) -> Limits:
    given = {"message": message, "data": data}
    return Limits(**{name: limit for name, limit in given.items() if limit != OWN})


def receive(given: bytes) -> Answer:
    exchange = ClientExchange(NONCE, limits_of(*TWO(given, 1)))
    flags = 0
    data = b""
    at, end = 17, len(given)
    while at < end:
        act = given[at]
        at += 1
        try:
            if act != BYTES:
                if tell(exchange, act) == "send hello" and exchange.hello == MAGIC + NONCE:
                    flags = HELLO_SENT
                continue
            start = at + 4
            at = start + SIZE(given, at)[0]
            data += feed(exchange, given[start:at])
        except KcomError as error:
            # exchange.error refers to it; its frames would keep the exchange alive until garbage collection.
            error.__traceback__ = None
    outcome = ended(exchange)
    details = FLAGS_AND_OFFSET(flags, exchange.consumed)
    if outcome == 0:
        message = exchange.message.encode()
        lengths = len(message).to_bytes(4, "little"), exchange.data_length.to_bytes(8, "little")
        details += lengths[0] + message + lengths[1] + data
    elif outcome == NOT_ENDED:
        details += exchange.needed.to_bytes(8, "little")
    return outcome, details


def serve(given: bytes) -> Answer:
    at = 13 + SIZE(given, 9)[0]
    exchange = ServerExchange(given[13:at], int.from_bytes(given[1:9], "little"))
    flags = 0
    sent = b""
    end = len(given)
    while at < end:
        act = given[at]
        at += 1
        try:
            if act != BYTES:
                if tell(exchange, act) == "half-close":
                    flags = HALF_CLOSED
                continue
            start = at + 4
            at = start + SIZE(given, at)[0]
            exchange.feed(given[start:at])
            if not sent and exchange.state == "sending":
                sent = exchange.head
        except KcomError as error:
            error.__traceback__ = None
    outcome = ended(exchange)
    if outcome == 0 and exchange.confirmed:
        flags |= CONFIRMED
    return outcome, FLAGS_AND_OFFSET(flags, exchange.consumed) + sent


RUN: dict[int, Callable[[bytes], Answer]] = dict(
    zip(b"upmlcs", (unpack, pack, check_message, check_length, receive, serve), strict=True)
)


def answer_to(given: bytes) -> Answer:
    try:
        return RUN[given[0]](given)
    except KcomError as error:
        return place_of(error), b""


def main() -> None:
    while size := sys.stdin.buffer.read(4):
        inputs = inputs_of(sys.stdin.buffer.read(int.from_bytes(size, "little")))
        outcomes, details = zip(*map(answer_to, inputs), strict=True)
        count = len(inputs)
        sizes = struct.pack(f"<{count}I", *map(len, details))
        answer = b"".join((count.to_bytes(4, "little"), bytes(outcomes), sizes, *details))
        sys.stdout.buffer.write(len(answer).to_bytes(4, "little") + answer)
        sys.stdout.flush()


if __name__ == "__main__":
    main()
